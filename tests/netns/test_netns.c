/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "netns/netns.h"

static void expect(const char *path, bool allow_own, enum netns_state want, bool want_fd)
{
	enum netns_state state = NETNS_GONE;
	struct cni_error err;
	int fd = -2;

	if (netns_open(path, allow_own, &state, &fd, &err) < 0)
		fail_msg("%s: %s", path, err.msg);
	assert_int_equal(state, want);
	assert_int_equal(fd >= 0, want_fd);
	if (fd >= 0) {
		assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		assert_return_code(close(fd), errno);
	}
}

static void every_kind_of_path(void **state)
{
	struct sandbox *s = *state;
	char path[64];

	expect(s->pod_path, false, NETNS_OK, true);
	assert_return_code(chdir("/run/netns"), errno);
	expect("pod", false, NETNS_OK, true);
	assert_return_code(chdir("/"), errno);
	expect(NULL, false, NETNS_GONE, false);
	expect("", false, NETNS_GONE, false);
	expect("/run/netns/none", false, NETNS_GONE, false);
	expect("/run/netns/pod/below-a-file", false, NETNS_GONE, false);
	expect("/proc/self/ns/net", false, NETNS_OWN, false);
	expect("/proc/self/ns/net", true, NETNS_OWN, true);
	expect("/proc/self/ns/mnt", false, NETNS_NOT_ONE, false);
	expect("/proc/self/status", false, NETNS_NOT_ONE, false);
	expect("/run", false, NETNS_NOT_ONE, false);
	expect("/dev/null", false, NETNS_NOT_ONE, false);
	sandbox_host_ok(s, "echo x > /run/plain; mkfifo /run/fifo; ln -s loop /run/loop; "
			   "ln -s /run/netns/pod /run/link");
	expect("/run/plain", false, NETNS_NOT_ONE, false);
	expect("/run/fifo", false, NETNS_NOT_ONE, false);
	expect("/run/loop", false, NETNS_NOT_ONE, false);
	expect("/run/link", false, NETNS_OK, true);
	sandbox_host_ok(s, "umount /run/netns/pod"); /* the mount is gone, its file stays */
	assert_true(text_format(path, sizeof(path), "%s", s->pod_path));
	expect(path, false, NETNS_NOT_ONE, false);
}

static void a_dead_process_is_gone(void **state)
{
	char path[64];
	pid_t pid = fork();

	(void)state;
	assert_return_code(pid, errno);
	if (pid == 0)
		_exit(0);
	assert_true(text_format(path, sizeof(path), "/proc/%d/ns/net", (int)pid));
	{
		siginfo_t info;

		assert_return_code(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), errno);
	}
	expect(path, false, NETNS_GONE, false); /* a zombie */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	expect(path, false, NETNS_GONE, false);
}

static void our_own_trouble_is_an_error(void **state)
{
	struct sandbox *s = *state;
	struct rlimit old, none;
	enum netns_state found = NETNS_OK;
	struct cni_error err;
	int fd = -2, r;

	assert_return_code(getrlimit(RLIMIT_NOFILE, &old), errno);
	none = old;
	none.rlim_cur = 0;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
	r = netns_open(s->pod_path, false, &found, &fd, &err);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &old), errno);
	assert_int_equal(r, -1);
	assert_int_equal(err.sys, EMFILE);
	assert_non_null(strstr(err.msg, "open network namespace /run/netns/pod"));
	assert_int_equal(found, NETNS_OK);
	assert_int_equal(fd, -2);
}

static int look(void *arg, struct cni_error *err)
{
	(void)err;
	*(bool *)arg = if_nametoindex("only-in-pod") != 0;
	return 0;
}

static int refuse(void *arg, struct cni_error *err)
{
	(void)arg;
	return cni_fail(err, CNI_CONFLICT, "no");
}

static void there_and_back(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;
	bool seen = false;

	sandbox_pod_ok(s, "ip link add only-in-pod type veth peer name other");
	assert_int_equal(netns_call(s->pod_ns, look, &seen, &err), 0);
	assert_true(seen);
	assert_int_equal(if_nametoindex("only-in-pod"), 0);
	assert_int_equal(netns_call(s->pod_ns, refuse, NULL, &err), -1);
	assert_int_equal(err.code, CNI_CONFLICT);
	assert_int_equal(if_nametoindex("only-in-pod"), 0);
}

static void not_a_namespace_is_an_error(void **state)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	struct cni_error err;
	bool seen = false;

	(void)state;
	assert_return_code(fd, errno);
	assert_int_equal(netns_call(fd, look, &seen, &err), -1);
	assert_int_equal(err.sys, EINVAL);
	assert_return_code(close(fd), errno);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(every_kind_of_path),	   sandbox_test(a_dead_process_is_gone),
		sandbox_test(our_own_trouble_is_an_error), sandbox_test(there_and_back),
		sandbox_test(not_a_namespace_is_an_error),
	};

	return sandbox_run_group(tests);
}
