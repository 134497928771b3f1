/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/journal.h"
#include "base/scoped.h"
#include "base/text.h"
#include "cni/call.h"
#include "cni/jout.h"
#include "conf/jconf.h"

/* For a caller that does not read its pipe: of the answer, of the error object (an empty pipe takes
 * it at once; a full one is that of an answer which waited already), and of a remark. */
#define WRITE_TIMEOUT_MS 30000
#define ERROR_TIMEOUT_MS 3000
#define NOTE_TIMEOUT_MS	 1000

int64_t cni_now_usec(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* -1 with errno, ETIMEDOUT at the deadline. Any trouble of the descriptor is write(2)'s to tell. */
static int wait_writable(int fd, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int64_t left_ms = (deadline - cni_now_usec()) / 1000;
	int r = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);

	if (r == 0)
		errno = ETIMEDOUT;
	return r > 0 ? 0 : -1;
}

int cni_write_within(int fd, const char *text, size_t len, unsigned ms, struct cni_error *err)
{
	int64_t deadline = cni_now_usec() + (int64_t)ms * 1000;

	while (len > 0) {
		/* A pipe with any room at all takes this much without blocking; of more, a blocking
		 * one would keep us until it has taken the last byte. */
		size_t part = len < PIPE_BUF ? len : PIPE_BUF;
		ssize_t n = wait_writable(fd, deadline) == 0 ? write(fd, text, part) : -1;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return cni_fail_sys_code(err, CNI_IO, errno, "write the answer to stdout");
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

int cni_write(int fd, const char *text, size_t len, struct cni_error *err)
{
	return cni_write_within(fd, text, len, WRITE_TIMEOUT_MS, err);
}

int cni_answer_version(struct cni_call *call, struct cni_error *err)
{
	char buf[256];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_add(&t, "{\"cniVersion\":\"%s\",\"supportedVersions\":[",
		 cni_version_text(CNI_V_NEWEST));
	for (int v = (int)call->plugin->oldest; v < CNI_N_VERSIONS; v++)
		text_add(&t, "%s\"%s\"", v == (int)call->plugin->oldest ? "" : ",",
			 cni_version_text((enum cni_version)v));
	text_add(&t, "]}\n");
	return cni_write(call->out_fd, buf, t.len, err);
}

void cni_print_banner(const struct cni_plugin *plugin)
{
	char buf[512];
	struct text t;
	struct cni_error err;

	text_init(&t, buf, sizeof(buf));
	text_add(&t, "CNI %s plugin v1.9.1+podwire." PODWIRE_VERSION "\n", plugin->name);
	text_add(&t, "CNI protocol versions supported: ");
	for (int v = (int)plugin->oldest; v < CNI_N_VERSIONS; v++)
		text_add(&t, "%s%s", v == (int)plugin->oldest ? "" : ", ",
			 cni_version_text((enum cni_version)v));
	text_add(&t, "\n");
	(void)cni_write(STDERR_FILENO, buf, t.len, &err);
}

void cni_note(const char *fmt, ...)
{
	char line[1024];
	struct cni_error err;
	struct text t;
	va_list ap;

	text_init(&t, line, sizeof(line) - 1);
	text_add(&t, "podwire: ");
	va_start(ap, fmt);
	text_vadd(&t, fmt, ap);
	va_end(ap);
	line[t.len++] = '\n';
	(void)cni_write_within(STDERR_FILENO, line, t.len, NOTE_TIMEOUT_MS, &err);
}

static void send_journal(const struct cni_call *call, const struct cni_error *err)
{
	const struct cni_args *args = &call->args;
	char code[16], usec[24], message[sizeof(err->msg) + sizeof(err->details) + 2];

	(void)text_format(code, sizeof(code), "%d", err->code);
	(void)text_format(usec, sizeof(usec), "%lld",
			  (long long)(cni_now_usec() - call->start_usec));
	(void)text_format(message, sizeof(message), "%s%s%s", err->msg,
			  err->details[0] != '\0' ? "; " : "", err->details);

	const struct journal_field fields[] = {
		{ "CNI_PLUGIN", call->plugin->name },
		{ "CNI_COMMAND", call->command },
		{ "CNI_NETWORK", args->network },
		{ "CNI_CONTAINERID", args->container },
		{ "CNI_IFNAME", args->ifname },
		{ "CODE", code },
		{ "DURATION_USEC", usec },
		{ "MESSAGE", message },
	};

	journal_send(fields, ARRAY_SIZE(fields), 3);
}

static char *error_text(const struct cni_call *call, const struct cni_error *err)
{
	scoped_json json_t *root = json_object();
	struct jout o = { 0 };

	jout_text(&o, root, "cniVersion",
		  cni_version_text(call->version_known ? call->args.version : CNI_V_NEWEST));
	(void)jout_set(&o, root, "code", json_integer(err->code));
	(void)jout_set(&o, root, "msg", jout_string(err->msg));
	jout_text(&o, root, "details", err->details);
	return o.broken ? NULL : json_dumps(root, JSON_INDENT(4));
}

void cni_report(const struct cni_call *call, const struct cni_error *err)
{
	static const char no_memory[] = "{\"code\": 199, \"msg\": \"no memory for the error\"}";
	scoped_free char *text = error_text(call, err);
	const char *out = text != NULL ? text : no_memory;
	struct cni_error why;

	if (cni_write_within(call->out_fd, out, strlen(out), ERROR_TIMEOUT_MS, &why) < 0)
		cni_note("%s (code %d; the error object itself: %s)", err->msg, err->code, why.msg);
	send_journal(call, err);
}
