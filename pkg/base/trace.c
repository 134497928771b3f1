/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/trace.h"

#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include "base/journal.h"
#include "base/text.h"

static const char *trace_program; /* NULL: off */

void trace_setup(const char *program)
{
	trace_program = access(PODWIRE_RUN_DIR "/debug", F_OK) == 0 ? program : NULL;
}

bool trace_on(void)
{
	return trace_program != NULL;
}

void trace(const char *fmt, ...)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	char line[1024];
	struct text t;
	va_list ap;

	if (trace_program == NULL)
		return;
	text_init(&t, line, sizeof(line) - 1);
	text_add(&t, "podwire %s[%d]: ", trace_program, (int)getpid());
	va_start(ap, fmt);
	text_vadd(&t, fmt, ap);
	va_end(ap);
	journal_send(&(struct journal_field){ "MESSAGE", line }, 1, 7);
	line[t.len++] = '\n';
	/* Nobody reads it: no failure, and no reason to wait. A pipe that poll() calls writable has
	 * room for PIPE_BUF bytes. */
	if (poll(&p, 1, 0) <= 0 || (p.revents & POLLOUT) == 0 ||
	    write(STDERR_FILENO, line, t.len) < 0)
		return;
}
