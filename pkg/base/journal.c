/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/journal.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/scoped.h"
#include "base/text.h"

/* Values hold what others sent us: a newline would start a field of their choosing. */
static void add_field(struct text *t, const struct journal_field *f)
{
	size_t start = t->len + strlen(f->key) + 1;

	text_add(t, "%s=%s\n", f->key, f->value);
	for (size_t i = start; i + 1 < t->len; i++) {
		if (t->buf[i] == '\n')
			t->buf[i] = ' ';
	}
}

void journal_send(const struct journal_field *fields, size_t n, int priority)
{
	static const struct sockaddr_un to = { .sun_family = AF_UNIX,
					       .sun_path = "/run/systemd/journal/socket" };
	scoped_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char buf[6144];
	struct text t;

	if (fd < 0)
		return;
	text_init(&t, buf, sizeof(buf));
	text_add(&t, "SYSLOG_IDENTIFIER=podwire\nPRIORITY=%d\n", priority);
	for (size_t i = 0; i < n; i++)
		add_field(&t, &fields[i]);
	(void)sendto(fd, buf, t.len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&to,
		     sizeof(to));
}
