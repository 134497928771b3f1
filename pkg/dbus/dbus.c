/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/dbus.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/trace.h"
#include "dbus/message.h"

#define SOCKET	   "/run/dbus/system_bus_socket"
#define LOGIN_LINE 256 /* of the conversation before messages */

/* ---- where the bus is */

/* The first address of the list, if it is one of a socket in the file system or an abstract one. */
static bool parse_address(const char *s, struct sockaddr_un *ret, socklen_t *ret_len)
{
	static const char path[] = "unix:path=", abstract[] = "unix:abstract=";
	const bool is_path = strncmp(s, path, strlen(path)) == 0;
	const char *from = s + (is_path ? strlen(path) : strlen(abstract));
	size_t len, skip = is_path ? 0 : 1;

	if (!is_path && strncmp(s, abstract, strlen(abstract)) != 0)
		return false;
	len = strcspn(from, ",;");
	/* An escaped byte in a socket's name is not worth its code. */
	if (len == 0 || len + skip >= sizeof(ret->sun_path) || memchr(from, '%', len) != NULL)
		return false;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path + skip, from, len);
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + skip + len + is_path);
	return true;
}

/* -1: there is none that listens. A full queue lets us wait as long as anything else. */
static int connect_bus(void)
{
	const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
	const struct timeval limit = { .tv_sec = DBUS_SECONDS };
	scoped_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un un;
	socklen_t len;

	if (address == NULL || address[0] == '\0')
		address = "unix:path=" SOCKET;
	if (fd < 0 || !parse_address(address, &un, &len))
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&un, len) < 0)
		return -1;
	return take_fd(&fd);
}

/* ---- bytes */

static int fail_silent(struct dbus *bus, const char *what, struct cni_error *err)
{
	bus->silent = true;
	return cni_fail(err, CNI_TRY_AGAIN, "%s: no answer on the system bus in %d s", what,
			DBUS_SECONDS);
}

static int fail_lost(const char *what, struct cni_error *err)
{
	return cni_fail_sys_code(err, CNI_TRY_AGAIN, ECONNRESET,
				 "%s: the system bus closed the connection", what);
}

static int send_all(struct dbus *bus, const void *bytes, size_t len, const char *what,
		    struct cni_error *err)
{
	const char *from = bytes;

	while (len > 0) {
		ssize_t n = send(bus->fd, from, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return fail_silent(bus, what, err);
		if (n <= 0)
			return fail_lost(what, err);
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

static int receive_all(struct dbus *bus, void *buf, size_t len, int64_t deadline, const char *what,
		       struct cni_error *err)
{
	uint8_t *to = buf;

	while (len > 0) {
		struct pollfd input = { .fd = bus->fd, .events = POLLIN };
		int64_t left = deadline - clock_ms();
		ssize_t n;

		if (left <= 0)
			return fail_silent(bus, what, err);
		if (poll(&input, 1, (int)left) <= 0)
			continue;
		n = recv(bus->fd, to, len, MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return fail_lost(what, err);
		to += n;
		len -= (size_t)n;
	}
	return 0;
}

static int64_t limit(void)
{
	return clock_ms() + DBUS_SECONDS * INT64_C(1000);
}

/* ---- the conversation before the first message */

static int receive_line(struct dbus *bus, char line[LOGIN_LINE], const char *what,
			struct cni_error *err)
{
	const int64_t deadline = limit();

	for (size_t n = 0; n + 1 < LOGIN_LINE; n++) {
		if (receive_all(bus, &line[n], 1, deadline, what, err) < 0)
			return -1;
		if (line[n] == '\n') {
			line[n] = '\0';
			return 0;
		}
	}
	return fail_lost(what, err);
}

/* EXTERNAL: who we are is told by the socket; the text must agree. 1: not let in. */
static int log_in(struct dbus *bus, const char *what, struct cni_error *err)
{
	char uid[16], line[LOGIN_LINE], hex[2 * sizeof(uid) + 1] = "";

	(void)text_format(uid, sizeof(uid), "%u", (unsigned)getuid());
	for (size_t i = 0; uid[i] != '\0'; i++)
		(void)text_format(hex + 2 * i, 3, "%02x", (unsigned)uid[i]);
	line[0] = '\0'; /* a byte of zero comes first */
	(void)text_format(line + 1, sizeof(line) - 1, "AUTH EXTERNAL %s\r\n", hex);
	if (send_all(bus, line, 1 + strlen(line + 1), what, err) < 0 ||
	    receive_line(bus, line, what, err) < 0)
		return err->sys == ECONNRESET ? 1 : -1;
	if (strncmp(line, "OK ", 3) != 0)
		return 1;
	return send_all(bus, "BEGIN\r\n", strlen("BEGIN\r\n"), what, err);
}

int dbus_open(struct dbus *ret, struct cni_error *err)
{
	static const struct dbus_method hello = { "org.freedesktop.DBus", "/org/freedesktop/DBus",
						  "org.freedesktop.DBus", "Hello" };
	static const char what[] = "connect to the system bus";
	scoped_dbus struct dbus bus = { .fd = connect_bus() };
	scoped_dbus_reply struct dbus_reply reply = { .len = 0 };
	int r;

	*ret = (struct dbus){ .fd = -1 };
	if (bus.fd < 0)
		return 0;
	r = log_in(&bus, what, err);
	if (r < 0)
		return -1;
	if (r == 0 && dbus_call(&bus, &hello, (const char *const[]){ NULL }, &reply, what, err) < 0)
		return -1;
	if (r != 0 || reply.refused) {
		trace("the system bus does not let us in");
		return 0;
	}
	*ret = bus;
	bus.fd = -1;
	return 0;
}

void dbus_close(struct dbus *bus)
{
	close_fdp(&bus->fd);
}

/* ---- calls */

static int receive_message(struct dbus *bus, struct dbus_reply *ret, int64_t deadline,
			   const char *what, struct cni_error *err)
{
	scoped_dbus_reply struct dbus_reply reply = { .len = 0 };
	uint8_t fixed[DBUS_FIXED];
	size_t size;

	if (receive_all(bus, fixed, sizeof(fixed), deadline, what, err) < 0)
		return -1;
	size = dbus_message_size(fixed);
	if (size < DBUS_FIXED)
		return fail_lost(what, err);
	reply.bytes = malloc(size);
	if (reply.bytes == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	memcpy(reply.bytes, fixed, sizeof(fixed));
	if (receive_all(bus, reply.bytes + sizeof(fixed), size - sizeof(fixed), deadline, what,
			err) < 0)
		return -1;
	if (!dbus_reply_parse(&reply, size))
		return fail_lost(what, err);
	*ret = reply;
	reply.bytes = NULL;
	return 0;
}

int dbus_call(struct dbus *bus, const struct dbus_method *m, const char *const *args,
	      struct dbus_reply *ret, const char *what, struct cni_error *err)
{
	const int64_t deadline = limit();
	struct dbus_writer w;

	if (bus->silent)
		return fail_silent(bus, what, err);
	dbus_write_call(&w, ++bus->serial, m, args);
	if (w.broken)
		return cni_fail(err, CNI_INTERNAL, "%s: too long for a message", what);
	if (send_all(bus, w.buf, w.len, what, err) < 0)
		return -1;
	for (;;) {
		scoped_dbus_reply struct dbus_reply reply = { .len = 0 };

		if (receive_message(bus, &reply, deadline, what, err) < 0)
			return -1;
		if (reply.serial != bus->serial)
			continue; /* a signal, or late */
		*ret = reply;
		reply.bytes = NULL;
		return 0;
	}
}
