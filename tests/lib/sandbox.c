/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND_SECONDS 30

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_CREAT, 0644);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_return_code(close(fd), errno);
}

static void become_root_of_a_user_namespace(void)
{
	unsigned int uid = geteuid();
	unsigned int gid = getegid();
	char map[64];

	assert_return_code(unshare(CLONE_NEWUSER), errno);
	write_text("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	write_text("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	write_text("/proc/self/gid_map", map);
}

int sandbox_group_setup(void **state)
{
	(void)state;
	if (geteuid() != 0)
		become_root_of_a_user_namespace();
	assert_return_code(unshare(CLONE_NEWNS | CLONE_NEWNET), errno);
	assert_return_code(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
	return 0;
}

static int own_netns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	return fd;
}

int sandbox_netns(const char *path)
{
	int home = own_netns();
	int fd;

	write_text(path, "");
	assert_return_code(unshare(CLONE_NEWNET), errno);
	fd = own_netns();
	assert_return_code(mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL), errno);
	assert_return_code(setns(home, CLONE_NEWNET), errno);
	assert_return_code(close(home), errno);
	return fd;
}

int sandbox_setup(void **state)
{
	struct sandbox *s = test_calloc(1, sizeof(*s));

	assert_return_code(mount("tmpfs", "/run", "tmpfs", 0, "mode=755"), errno);
	assert_return_code(mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=755"), errno);
	assert_return_code(mkdir("/run/netns", 0755), errno);
	assert_return_code(mkdir("/run/lock", 0755), errno);
	assert_return_code(mkdir("/var/lib/cni", 0755), errno);
	(void)snprintf(s->pod_path, sizeof(s->pod_path), "/run/netns/pod");
	assert_return_code(unshare(CLONE_NEWNET), errno);
	s->host_ns = own_netns();
	s->pod_ns = sandbox_netns(s->pod_path);
	*state = s;
	(void)sandbox_host_ok(s, "ip link set lo up");
	return 0;
}

int sandbox_teardown(void **state)
{
	struct sandbox *s = *state;

	assert_return_code(close(s->host_ns), errno);
	assert_return_code(close(s->pod_ns), errno);
	test_free(s);
	assert_return_code(umount2("/run", MNT_DETACH), errno);
	assert_return_code(umount2("/var/lib", MNT_DETACH), errno);
	return 0;
}

static void exec_shell(int netns, int out, const char *command)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null >= 0 && setns(netns, CLONE_NEWNET) == 0 && dup2(null, 0) == 0 &&
	    dup2(out, 1) == 1 && dup2(out, 2) == 2)
		(void)execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
}

/* Everything the command prints, or a failure when it does not end in time. */
static void collect(struct sandbox *s, int fd, const char *command)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t used = 0;
	ssize_t n;

	for (;;) {
		if (poll(&p, 1, COMMAND_SECONDS * 1000) <= 0)
			fail_msg("no end within %d s: %s", COMMAND_SECONDS, command);
		n = read(fd, s->out + used, sizeof(s->out) - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	s->out[used] = '\0';
}

static int run(struct sandbox *s, int netns, const char *command)
{
	int ends[2];
	int status;
	pid_t pid;

	assert_return_code(pipe2(ends, O_CLOEXEC), errno);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		exec_shell(netns, ends[1], command);
	assert_return_code(close(ends[1]), errno);
	collect(s, ends[0], command);
	assert_return_code(close(ends[0]), errno);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

__attribute__((__format__(__printf__, 4, 0))) static int
run_format(struct sandbox *s, int netns, bool must, const char *format, va_list ap)
{
	char command[8192];
	int code;

	assert_in_range(vsnprintf(command, sizeof(command), format, ap), 0, sizeof(command) - 1);
	code = run(s, netns, command);
	if (must && code != 0)
		fail_msg("%s: exit %d: %s", command, code, s->out);
	return code;
}

int sandbox_host(struct sandbox *s, const char *command, ...)
{
	va_list ap;
	int code;

	va_start(ap, command);
	code = run_format(s, s->host_ns, false, command, ap);
	va_end(ap);
	return code;
}

int sandbox_pod(struct sandbox *s, const char *command, ...)
{
	va_list ap;
	int code;

	va_start(ap, command);
	code = run_format(s, s->pod_ns, false, command, ap);
	va_end(ap);
	return code;
}

const char *sandbox_host_ok(struct sandbox *s, const char *command, ...)
{
	va_list ap;

	va_start(ap, command);
	(void)run_format(s, s->host_ns, true, command, ap);
	va_end(ap);
	return s->out;
}

const char *sandbox_pod_ok(struct sandbox *s, const char *command, ...)
{
	va_list ap;

	va_start(ap, command);
	(void)run_format(s, s->pod_ns, true, command, ap);
	va_end(ap);
	return s->out;
}

char *sandbox_snapshot(struct sandbox *s)
{
	static const char show[] =
	    "(ip -d link; ip addr; ip -4 route show table all; ip -6 route show table all; ip rule;"
	    " bridge fdb; cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding)"
	    " 2>/dev/null | sed -E 's/ expires [0-9]+sec| tentative| [a-z_]+_timer +[0-9.]+//g'";
	char *text = NULL;
	size_t size = 0;
	FILE *all = open_memstream(&text, &size);

	assert_non_null(all);
	(void)fprintf(all, "%s", sandbox_host_ok(s, "%s", show));
	(void)fprintf(all, "pod:\n%s", sandbox_pod_ok(s, "%s", show));
	(void)fprintf(all, "nft:\n%s", sandbox_host_ok(s, "nft -s list ruleset"));
	(void)fprintf(all, "files:\n%s",
		      sandbox_host_ok(s,
				      "cd / && find var/lib/cni run/podwire run/test -type f"
				      " 2>/dev/null | LC_ALL=C sort | xargs -r head -c 4096 --"));
	assert_int_equal(fclose(all), 0);
	return text;
}

static const struct {
	const char *name;
	const char *command;
} probes[] = {
	{ "bridge", "ip link add probe0 type bridge && ip link del probe0" },
	{ "veth", "ip link add probe0 type veth peer name probe1 && ip link del probe0" },
	{ "vlan_filtering",
	  "ip link add probe0 type bridge vlan_filtering 1 && ip link del probe0" },
	{ "dummy", "ip link add probe0 type dummy && ip link del probe0" },
	{ "vlan", "ip link add probe0 link lo type vlan id 7 && ip link del probe0" },
	{ "ipip", "ip link add probe0 type ipip local 192.0.2.1 && ip link del probe0" },
	{ "nft_nat",
	  "nft 'add table inet probe; add chain inet probe c { type nat hook postrouting "
	  "priority 0; }; add rule inet probe c masquerade; delete table inet probe'" },
	{ "br_netfilter", "test -e /proc/sys/net/bridge/bridge-nf-call-iptables" },
};

void sandbox_need(struct sandbox *s, const char *feature)
{
	const char *all = getenv("CNI_TEST_REQUIRE_ALL");

	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		if (strcmp(probes[i].name, feature) != 0)
			continue;
		if (sandbox_host(s, "%s", probes[i].command) == 0)
			return;
		if (all && strcmp(all, "1") == 0)
			fail_msg("this kernel lacks %s: %s", feature, s->out);
		print_message("skipped: this kernel lacks %s\n", feature);
		skip();
	}
	fail_msg("no probe of the name %s", feature);
}
