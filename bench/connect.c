/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * New TCP connections, as many as there can be: `connect serve PORT` takes each one and closes it;
 * `connect ADDRESS PORT SECONDS` opens one after the other, waits until the server has closed it,
 * resets it so that no port is used up by waiting, and prints how many there were and the time in
 * nanoseconds.
 */
static uint64_t now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static unsigned number(const char *text)
{
	unsigned n = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		n = n * 10 + (unsigned)(*text - '0');
	return n;
}

static int serve(uint16_t port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	(void)setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (sock < 0 || bind(sock, (struct sockaddr *)&any, sizeof(any)) != 0 ||
	    listen(sock, 1024) != 0) {
		perror("serve");
		return 1;
	}
	(void)puts("ready");
	(void)fflush(stdout);
	for (;;) {
		int client = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
		if (client >= 0)
			(void)close(client);
		else if (errno != EINTR && errno != ECONNABORTED)
			return 1;
	}
}

static bool one(const struct sockaddr_in *to)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;
	char byte;

	if (sock < 0)
		return false;
	ok = connect(sock, (const struct sockaddr *)to, sizeof(*to)) == 0 &&
	     recv(sock, &byte, 1, 0) == 0;
	(void)setsockopt(sock, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	(void)close(sock);
	return ok;
}

static int ask(const char *address, uint16_t port, unsigned seconds)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	uint64_t began = now();
	uint64_t end = began + seconds * 1000000000ULL;
	unsigned long n = 0;

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		return 2;
	for (; now() < end; n++) {
		if (!one(&to)) {
			(void)fprintf(stderr, "connection %lu: %s\n", n, strerror(errno));
			return 1;
		}
	}
	(void)printf("%lu %llu\n", n, (unsigned long long)(now() - began));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve((uint16_t)number(argv[2]));
	if (argc == 4)
		return ask(argv[1], (uint16_t)number(argv[2]), number(argv[3]));
	(void)fprintf(stderr, "usage: connect serve PORT | connect ADDRESS PORT SECONDS\n");
	return 2;
}
