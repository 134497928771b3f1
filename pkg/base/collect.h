/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * For a socket whose last close waits (a netfilter socket: for RCU): give the kernel's collector of
 * unreachable sockets a share in `fd`. Close `fd` as usual, which then is not its last close and
 * waits for nothing, and after it the descriptor that is returned here: from then on, be this
 * process alive or not, a worker of the kernel closes the rest within some milliseconds. -1, and
 * nothing done, where that cannot be (no descriptors left): the close of `fd` waits. So it does
 * before Linux 6.9, where the collector runs within our second close.
 */
int collector_hold(int fd);
