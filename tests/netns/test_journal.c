/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/journal.h"
#include "base/scoped.h"
#include "base/trace.h"

/* The journal's end, where the sandbox's empty /run has none. */
static int listen_there(void)
{
	static const struct sockaddr_un at = { .sun_family = AF_UNIX,
					       .sun_path = "/run/systemd/journal/socket" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct cni_error err;

	assert_int_equal(fs_mkdirs("/run/systemd/journal", 0755, &err), 0);
	assert_return_code(bind(fd, (const struct sockaddr *)&at, sizeof(at)), errno);
	return fd;
}

static const char *next_message(int fd, char *buf, size_t cap)
{
	ssize_t n = recv(fd, buf, cap - 1, 0);

	assert_return_code(n, errno);
	buf[n] = '\0';
	return buf;
}

static const struct journal_field fields[] = {
	{ "MESSAGE", "bridge: two\nlines" },
	{ "CNI_COMMAND", "ADD" },
	{ "CNI_NETWORK", "" },
};

static void one_datagram(void **state)
{
	scoped_fd int fd = listen_there();
	char buf[8192];

	(void)state;
	journal_send(fields, ARRAY_SIZE(fields), 3);
	assert_string_equal(next_message(fd, buf, sizeof(buf)),
			    "SYSLOG_IDENTIFIER=podwire\nPRIORITY=3\nMESSAGE=bridge: two lines\n"
			    "CNI_COMMAND=ADD\nCNI_NETWORK=\n");
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), -1);
}

static void nobody_listens(void **state)
{
	(void)state;
	journal_send(fields, ARRAY_SIZE(fields), 3);
	assert_return_code(mkdir("/run/systemd", 0755), errno);
	assert_return_code(mkdir("/run/systemd/journal", 0755), errno);
	journal_send(fields, ARRAY_SIZE(fields), 3);
	close(open("/run/systemd/journal/socket", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	journal_send(fields, ARRAY_SIZE(fields), 3);
}

/* A queue that nobody reads fills up; that neither blocks nor fails anything. */
static void nobody_reads(void **state)
{
	scoped_fd int fd = listen_there();
	char buf[8192];
	int got = 0;

	(void)state;
	for (int i = 0; i < 2000; i++)
		journal_send(fields, ARRAY_SIZE(fields), 3);
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		got++;
	assert_in_range(got, 1, 1999);
}

/* What too long a value leaves out is the rest of the message, never a line half of which would
 * be read as a field. */
static void too_long(void **state)
{
	scoped_fd int fd = listen_there();
	char big[8000], buf[8192];
	const struct journal_field long_one[] = { { "MESSAGE", big }, { "CNI_IFNAME", "eth0" } };

	(void)state;
	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	journal_send(long_one, ARRAY_SIZE(long_one), 3);
	next_message(fd, buf, sizeof(buf));
	assert_true(strlen(buf) < 6144);
	assert_null(strstr(buf, "\n\n"));
}

/* What f() writes to stderr. */
static void of_stderr(void (*f)(void), char *buf, size_t cap)
{
	int saved = dup(STDERR_FILENO), ends[2];
	ssize_t n;

	assert_return_code(pipe2(ends, O_CLOEXEC | O_NONBLOCK), errno);
	assert_return_code(dup2(ends[1], STDERR_FILENO), errno);
	f();
	assert_return_code(dup2(saved, STDERR_FILENO), errno);
	n = read(ends[0], buf, cap - 1);
	buf[n > 0 ? n : 0] = '\0';
	(void)close(saved);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void one_step(void)
{
	trace("create veth %s", "veth0");
}

static void trace_off(void **state)
{
	scoped_fd int fd = listen_there();
	char buf[256];

	(void)state;
	trace_setup("bridge");
	assert_false(trace_on());
	of_stderr(one_step, buf, sizeof(buf));
	assert_string_equal(buf, "");
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), -1);
}

static void trace_switched_on(void **state)
{
	scoped_fd int fd = listen_there();
	char buf[256], line[128], message[256];
	struct cni_error err;

	(void)state;
	assert_int_equal(fs_mkdirs("/run/podwire", 0700, &err), 0);
	close(open("/run/podwire/debug", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	trace_setup("bridge");
	assert_true(trace_on());
	of_stderr(one_step, buf, sizeof(buf));
	(void)snprintf(line, sizeof(line), "podwire bridge[%d]: create veth veth0\n",
		       (int)getpid());
	assert_string_equal(buf, line);
	(void)snprintf(message, sizeof(message),
		       "SYSLOG_IDENTIFIER=podwire\nPRIORITY=7\nMESSAGE=%s", line);
	assert_string_equal(next_message(fd, buf, sizeof(buf)), message);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		sandbox_test(one_datagram), sandbox_test(nobody_listens),
		sandbox_test(nobody_reads), sandbox_test(too_long),
		sandbox_test(trace_off),    sandbox_test(trace_switched_on),
	};

	return sandbox_run_group(tests);
}
