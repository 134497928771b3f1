/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Messages hold what others sent us, and a line of a log must stay one line. */
static void one_line(char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
	}
}

int cni_vfail(struct cni_error *err, int code, int sys, const char *fmt, va_list ap)
{
	struct text t;

	err->code = code;
	err->sys = sys;
	err->passed = false;
	err->details[0] = '\0';
	text_init(&t, err->msg, sizeof(err->msg));
	text_vadd(&t, fmt, ap);
	if (sys != 0)
		text_add(&t, ": %s", strerror(sys));
	one_line(err->msg);
	return -1;
}

int cni_fail(struct cni_error *err, int code, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = cni_vfail(err, code, 0, fmt, ap);
	va_end(ap);
	return r;
}

int cni_fail_sys(struct cni_error *err, int sys, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = cni_vfail(err, CNI_KERNEL, sys, fmt, ap);
	va_end(ap);
	return r;
}

int cni_fail_sys_code(struct cni_error *err, int code, int sys, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = cni_vfail(err, code, sys, fmt, ap);
	va_end(ap);
	return r;
}

int cni_wrap(struct cni_error *err, const char *fmt, ...)
{
	char inner[sizeof(err->msg)];
	struct text t;
	va_list ap;

	memcpy(inner, err->msg, sizeof(inner));
	text_init(&t, err->msg, sizeof(err->msg));
	va_start(ap, fmt);
	text_vadd(&t, fmt, ap);
	va_end(ap);
	text_add(&t, ": %s", inner);
	one_line(err->msg);
	return -1;
}

void cni_details(struct cni_error *err, const char *fmt, ...)
{
	struct text t;
	va_list ap;

	text_init(&t, err->details, sizeof(err->details));
	va_start(ap, fmt);
	text_vadd(&t, fmt, ap);
	va_end(ap);
}

void cni_clear(struct cni_error *err)
{
	err->code = CNI_OK;
	err->sys = 0;
	err->passed = false;
	err->msg[0] = '\0';
	err->details[0] = '\0';
}

void cni_keep_first(struct cni_error *first, const struct cni_error *step)
{
	size_t used = strlen(first->details);
	struct text t;

	if (first->code == CNI_OK) {
		*first = *step;
		return;
	}
	text_init(&t, first->details + used, sizeof(first->details) - used);
	text_add(&t, "%salso: %s", used != 0 ? "; " : "", step->msg);
}
