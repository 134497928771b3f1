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
 * The worker does not close what it frees but puts it on a list that is worked off a tick later
 * (fs/file_table.c, delayed_fput). So `fd` is packed into sockets within sockets, each of which is
 * freed one tick after the one around it: what the close would wait for is over by then, and so is
 * the rest of the chain of programs, which would wait for the close.
 *
 * A crash before the message is sent leaves plain descriptors, which end with the process; after it
 * the message is as unreachable as in the end.
 */
#include "base/collect.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/scoped.h"

#define LAYERS 6 /* with the one around them seven ticks: 28 ms at 250 Hz */

static int send_away(int through, const int *fds, size_t n)
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
				    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(&control.head), fds, n * sizeof(int));
	return sendmsg(through, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* A socket in which a message with `fd` waits; with `cycle` in that same message the socket itself,
 * of which the other end is returned then. */
static int pack(int fd, bool cycle)
{
	scoped_fd int here = -1, there = -1;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	here = pair[0];
	there = pair[1];
	if (send_away(here, (const int[2]){ fd, there }, cycle ? 2 : 1) < 0)
		return -1;
	return take_fd(cycle ? &here : &there);
}

int collector_hold(int fd)
{
	scoped_fd int packed = -1;

	for (int i = 0; i < LAYERS; i++) {
		int outer = pack(i == 0 ? fd : packed, false);

		if (outer < 0)
			return -1;
		close_fdp(&packed);
		packed = outer;
	}
	return pack(packed, true);
}
