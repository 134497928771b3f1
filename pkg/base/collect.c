/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * A descriptor may travel in a message of a Unix socket (unix(7), SCM_RIGHTS) and is open as long
 * as the message waits. Here the message that carries `fd` also carries the socket that it waits
 * in. That end is closed at once; when the other is closed too, nobody can ever read the message: a
 * cycle, which the kernel finds and frees in a worker of its own (net/unix/garbage.c). That last
 * close starts the worker, so it has to come behind the close of `fd`.
 *
 * A crash before the message is sent leaves plain descriptors, which end with the process; after it
 * the message is as unreachable as in the end.
 */
#include "base/collect.h"

#include <string.h>
#include <sys/socket.h>

#include "base/scoped.h"

static int send_away(int through, const int fds[2])
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = { .room = { 0 } };
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	const struct msghdr msg = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control.room,
				    .msg_controllen = sizeof(control.room) };

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(&control.head), fds, 2 * sizeof(int));
	return sendmsg(through, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int collector_hold(int fd)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	if (send_away(pair[0], (const int[2]){ fd, pair[1] }) < 0)
		close_fdp(&pair[0]);
	(void)close(pair[1]);
	return pair[0];
}
