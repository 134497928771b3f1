/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the other end of a bus may do: nothing, or hang up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dbus/dbus.h"

static const struct dbus_method method = { "a.b", "/p", "i.f", "M" };
static const char *const no_args[] = { NULL };

static void assert_silent(struct dbus *bus)
{
	struct dbus_reply reply;
	struct cni_error err;

	assert_int_equal(dbus_call(bus, &method, no_args, &reply, "ask", &err), -1);
	assert_int_equal(err.code, CNI_TRY_AGAIN);
	assert_string_equal(err.msg, "ask: no answer on the system bus in 10 s");
}

/* A peer that does not read is waited for once: what undoes the call must not wait again. */
static void after_one_wait_nothing_is_sent(void **state)
{
	struct dbus bus = { .serial = 1 };
	char buf[4096] = "";
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	bus.fd = ends[0];
	while (send(bus.fd, buf, sizeof(buf), 0) > 0)
		;
	assert_silent(&bus);
	while (recv(ends[1], buf, sizeof(buf), 0) > 0)
		;
	assert_silent(&bus);
	assert_int_equal(recv(ends[1], buf, sizeof(buf), 0), -1);
	assert_int_equal(errno, EAGAIN);
	dbus_close(&bus);
	close(ends[1]);
}

static void *accept_and_hang_up(void *listener)
{
	int fd = accept(*(int *)listener, NULL, NULL);
	char byte;

	if (fd >= 0) {
		(void)recv(fd, &byte, 1, 0);
		close(fd);
	}
	return NULL;
}

/* A bus of another user namespace may do that: for us there is none. */
static void hanging_up_at_login_is_no_bus(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(un);
	char address[128] = "unix:abstract=";
	struct cni_error err;
	pthread_t thread;
	struct dbus bus;
	int listener;

	(void)state;
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&un, sizeof(un.sun_family)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&un, &len), 0);
	strncat(address, un.sun_path + 1, len - offsetof(struct sockaddr_un, sun_path) - 1);
	assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, accept_and_hang_up, &listener), 0);
	assert_int_equal(dbus_open(&bus, &err), 0);
	assert_int_equal(bus.fd, -1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_one_wait_nothing_is_sent),
		cmocka_unit_test(hanging_up_at_login_is_no_bus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
