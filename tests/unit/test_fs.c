/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scoped.h"

#define TEMPLATE "/tmp/podwire-XXXXXX"

/* Every test gets a folder of its own, opened as *state. */
struct folder {
	char path[32];
	int fd;
};

static int setup(void **state)
{
	struct folder *f = test_calloc(1, sizeof(*f));

	memcpy(f->path, TEMPLATE, sizeof(TEMPLATE));
	assert_non_null(mkdtemp(f->path));
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->fd >= 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct folder *f = *state;
	static const char *const made[] = { "file", "other", "a/b/c", "a/b", "a" };

	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		if (unlinkat(f->fd, made[i], 0) < 0)
			(void)unlinkat(f->fd, made[i], AT_REMOVEDIR);
	}
	(void)close(f->fd);
	assert_return_code(rmdir(f->path), errno); /* nothing stray is left */
	test_free(f);
	return 0;
}

static void put(const struct folder *f, const char *name, const char *text, mode_t mode)
{
	struct cni_error err;

	assert_int_equal(fs_write_at(f->fd, name, text, strlen(text), mode, &err), 0);
}

static void write_then_read(void **state)
{
	const struct folder *f = *state;
	struct cni_error err;
	struct stat st;
	char buf[16];
	size_t len;
	mode_t old = umask(0177);

	put(f, "file", "first", 0600);
	put(f, "file", "second one", 0644);
	(void)umask(old);
	assert_int_equal(fs_read_at(f->fd, "file", buf, sizeof(buf), &len, &err), 0);
	assert_string_equal(buf, "second one");
	assert_int_equal(len, 10);
	assert_int_equal(fstatat(f->fd, "file", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
}

static void write_fails_whole(void **state)
{
	const struct folder *f = *state;
	struct cni_error err;

	/* A folder in the way: rename fails, and the temporary file goes. */
	assert_int_equal(mkdirat(f->fd, "other", 0700), 0);
	assert_int_equal(fs_write_at(f->fd, "other", "x", 1, 0600, &err), -1);
	assert_int_equal(err.code, CNI_IO);
	assert_int_equal(err.sys, EISDIR);
	assert_int_equal(fs_write_at(-1, "file", "x", 1, 0600, &err), -1);
	assert_int_equal(err.sys, EBADF);
}

/* What a kill between two calls leaves of a file that was to be replaced; the longest name, too. */
static void forget_half_a_file(void **state)
{
	const struct folder *f = *state;
	char name[NAME_MAX + 1], half[NAME_MAX + 1] = ".tmp-";
	struct cni_error err;

	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = '\0';
	memcpy(half + 5, name, NAME_MAX - 5);
	half[NAME_MAX] = '\0';
	for (int i = 0; i < 2; i++) {
		put(f, name, "whole", 0600);
		put(f, half, "ha", 0600);
		assert_int_equal(fs_forget_at(f->fd, name, &err), 0);
	}
	put(f, half, "ha", 0600);
	put(f, name, "new", 0600);
	put(f, name, "newer", 0600);
	assert_int_equal(faccessat(f->fd, half, F_OK, 0), -1);
	assert_int_equal(fs_forget_at(f->fd, name, &err), 0);
	assert_int_equal(fs_forget_at(f->fd, name, &err), 0);
	assert_int_equal(fs_forget_at(-1, name, &err), -1);
}

#define WRITERS 4
#define ROUNDS	300
#define LONG	3000

/* Writes its letter LONG times over `shared`, and reads: always LONG times one and the same letter.
 */
static int write_and_read(const struct folder *f, char letter)
{
	char text[LONG], seen[LONG + 2];
	struct cni_error err;
	size_t len;

	memset(text, letter, sizeof(text));
	for (int i = 0; i < ROUNDS; i++) {
		if (fs_write_at(f->fd, "shared", text, sizeof(text), 0600, &err) < 0)
			return 2;
		if (fs_read_at(f->fd, "shared", seen, sizeof(seen), &len, &err) < 0)
			return 3;
		if (len != LONG || memcmp(seen, seen + 1, LONG - 1) != 0)
			return 4;
	}
	return 0;
}

static void many_replace_one_file(void **state)
{
	const struct folder *f = *state;
	pid_t pids[WRITERS];
	int status;

	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(write_and_read(f, (char)('a' + i)));
		assert_true(pids[i] > 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	assert_int_equal(faccessat(f->fd, ".tmp-shared", F_OK, 0), -1);
	assert_int_equal(unlinkat(f->fd, "shared", 0), 0);
}

static void read_limits(void **state)
{
	const struct folder *f = *state;
	struct cni_error err;
	char buf[5] = "old";

	put(f, "file", "four", 0600);
	assert_int_equal(fs_read_at(f->fd, "file", buf, 5, NULL, &err), 0);
	assert_string_equal(buf, "four");
	assert_int_equal(fs_read_at(f->fd, "file", buf, 4, NULL, &err), -1);
	assert_int_equal(err.sys, EFBIG);
	assert_int_equal(err.code, CNI_IO);
	assert_int_equal(fs_read_at(f->fd, "none", buf, 5, NULL, &err), -1);
	assert_int_equal(err.sys, ENOENT);
	assert_int_equal(fs_read_at(f->fd, ".", buf, 5, NULL, &err), -1);
	assert_int_equal(err.sys, EISDIR);
}

static void open_file_takes_regular_files_alone(void **state)
{
	const struct folder *f = *state;
	struct cni_error err;
	scoped_fd int file = -1, link = -1;

	put(f, "other", "text", 0600);
	assert_int_equal(fs_open_file(f->fd, "other", O_NOFOLLOW, &file, &err), 0);
	assert_int_equal(fcntl(file, F_GETFD), FD_CLOEXEC);
	assert_int_equal(symlinkat("other", f->fd, "file"), 0);
	assert_int_equal(fs_open_file(f->fd, "file", 0, &link, &err), 0);
	assert_int_equal(fs_open_file(f->fd, "file", O_NOFOLLOW, &link, &err), -1);
	assert_int_equal(err.code, CNI_DECODE);
	assert_int_equal(fs_remove_at(f->fd, "file", &err), 0);
	assert_int_equal(fs_open_file(f->fd, "file", 0, &link, &err), -1);
	assert_int_equal(err.code, CNI_IO);
	assert_int_equal(err.sys, ENOENT);
	assert_int_equal(fs_open_file(f->fd, ".", 0, &link, &err), -1);
	assert_int_equal(err.code, CNI_DECODE);
	assert_int_equal(mkfifoat(f->fd, "file", 0600), 0);
	assert_int_equal(fs_open_file(f->fd, "file", 0, &link, &err), -1); /* and does not wait */
	assert_int_equal(err.code, CNI_DECODE);
}

static void fill_pipe(int pipe_fd[2], size_t len)
{
	char chunk[1000];

	memset(chunk, 'x', sizeof(chunk));
	assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
	while (len > 0) {
		size_t part = len < sizeof(chunk) ? len : sizeof(chunk);

		assert_int_equal(write(pipe_fd[1], chunk, part), part);
		len -= part;
	}
	(void)close(pipe_fd[1]);
}

static void read_all(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 8192, 20000, 20001 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		scoped_free char *text = NULL;
		struct cni_error err;
		size_t len = 99;
		int fds[2], r;

		fill_pipe(fds, sizes[i]);
		r = fs_read_all(fds[0], 20000, "stdin", &text, &len, &err);
		(void)close(fds[0]);
		if (sizes[i] > 20000) {
			assert_int_equal(r, -1);
			assert_int_equal(err.sys, EFBIG);
			assert_null(text);
			assert_non_null(strstr(err.msg, "20000 bytes"));
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(len, sizes[i]);
		assert_int_equal(strlen(text), len);
	}
}

/* Each byte comes well in time, but there is no end of them. */
static void read_all_has_one_deadline(void **state)
{
	const struct fs_limit limit = { .max = 1000, .seconds = 1 };
	struct cni_error err;
	char *text = NULL;
	int fds[2];
	size_t len;
	pid_t drip;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	drip = fork();
	assert_true(drip >= 0);
	if (drip == 0) {
		for (int i = 0; i < 50 && write(fds[1], " ", 1) == 1; i++)
			(void)poll(NULL, 0, 100);
		_exit(0);
	}
	(void)close(fds[1]);
	assert_int_equal(fs_read_within(fds[0], &limit, "stdin", &text, &len, &err), -1);
	assert_int_equal(err.code, CNI_IO);
	assert_int_equal(err.sys, ETIMEDOUT);
	assert_null(text);
	(void)close(fds[0]);
	(void)kill(drip, SIGKILL);
	assert_int_equal(waitpid(drip, NULL, 0), drip);
}

static void remove_file(void **state)
{
	const struct folder *f = *state;
	struct cni_error err;

	put(f, "file", "", 0600);
	assert_int_equal(fs_remove_at(f->fd, "file", &err), 0);
	assert_int_equal(faccessat(f->fd, "file", F_OK, 0), -1);
	assert_int_equal(fs_remove_at(f->fd, "file", &err), 0);
	assert_int_equal(fs_remove_at(-1, "file", &err), -1);
	assert_int_equal(err.sys, EBADF);
}

static void mkdirs(void **state)
{
	const struct folder *f = *state;
	struct cni_error err;
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/a/b/c", f->path);
	assert_int_equal(fs_mkdirs(path, 0755, &err), 0);
	assert_int_equal(fs_mkdirs(path, 0755, &err), 0);
	assert_int_equal(fs_mkdirs("/", 0755, &err), 0);
	assert_int_equal(faccessat(f->fd, "a/b/c", F_OK, 0), 0);
	put(f, "file", "", 0600);
	(void)snprintf(path, sizeof(path), "%s/file/x", f->path);
	assert_int_equal(fs_mkdirs(path, 0755, &err), -1);
	assert_int_equal(err.sys, ENOTDIR);
	assert_int_equal(err.code, CNI_IO);
	assert_int_equal(fs_mkdirs("relative", 0755, &err), -1);
	assert_int_equal(err.code, CNI_INVALID_CONFIG);
}

static void sysctl(void **state)
{
	const struct folder *f = *state;
	struct cni_error err;
	struct stat st;
	char buf[8];

	put(f, "file", "0\n", 0600);
	assert_int_equal(fs_sysctl(f->fd, "file", "1", &err), 0);
	assert_int_equal(fs_read_at(f->fd, "file", buf, sizeof(buf), NULL, &err), 0);
	assert_int_equal(buf[0], '1');
	assert_int_equal(fs_sysctl(f->fd, "none", "1", &err), -1);
	assert_int_equal(err.code, CNI_KERNEL);
	assert_int_equal(err.sys, ENOENT);
	assert_non_null(strstr(err.msg, "none"));
	/* Right already: not written, so its time of change stays. */
	put(f, "file", "1\n", 0600);
	assert_int_equal(utimensat(f->fd, "file", (struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0),
			 0);
	assert_int_equal(fs_sysctl(f->fd, "file", "1", &err), 0);
	assert_int_equal(fstatat(f->fd, "file", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1);
}

/* In a mount namespace with an empty /run. Exit status of the child: 0 fine, 77 not allowed here.
 */
static int run_dir_child(void)
{
	struct cni_error err;
	struct stat st;
	int fd;

	if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return 77;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/run", "tmpfs", 0, NULL) < 0)
		return 77;
	(void)unsetenv("XDG_RUNTIME_DIR");
	if (fs_run_dir(false, &fd, &err) == 0 || err.sys != ENOENT)
		return 1;
	if (fs_run_dir(true, &fd, &err) < 0 || stat("/run/podwire", &st) < 0)
		return 2;
	if ((st.st_mode & 07777) != 0700 || close(fd) < 0)
		return 3;
	if (fs_run_dir(false, &fd, &err) < 0)
		return 4;
	/* Where /run is not ours: the caller's own runtime folder. */
	if (rmdir("/run/podwire") < 0 || mkdir("/run/mine", 0700) < 0 ||
	    symlink("/none", "/run/podwire") < 0 || setenv("XDG_RUNTIME_DIR", "/run/mine", 1) < 0)
		return 5;
	if (fs_run_dir(true, &fd, &err) < 0 || stat("/run/mine/podwire", &st) < 0)
		return 6;
	return 0;
}

static void run_dir(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run_dir_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(write_then_read, setup, teardown),
		cmocka_unit_test_setup_teardown(write_fails_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(forget_half_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(many_replace_one_file, setup, teardown),
		cmocka_unit_test_setup_teardown(read_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(open_file_takes_regular_files_alone, setup,
						teardown),
		cmocka_unit_test(read_all),
		cmocka_unit_test(read_all_has_one_deadline),
		cmocka_unit_test_setup_teardown(remove_file, setup, teardown),
		cmocka_unit_test_setup_teardown(mkdirs, setup, teardown),
		cmocka_unit_test_setup_teardown(sysctl, setup, teardown),
		cmocka_unit_test(run_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
