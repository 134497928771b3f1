/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/undo.h"

struct log {
	char text[64];
};

static void note(void *ctx, const void *arg)
{
	struct log *log = ctx;

	strncat(log->text, arg, sizeof(log->text) - strlen(log->text) - 1);
}

static void two_steps(struct log *log, bool commit)
{
	scoped_undo struct undo undo = { .n = 0 };

	undo_push(&undo, note, log, "a");
	undo_push(&undo, note, log, "b");
	if (commit)
		undo_commit(&undo);
}

static void reverse_order(void **state)
{
	struct log log = { "" };

	(void)state;
	two_steps(&log, false);
	assert_string_equal(log.text, "ba");
}

static void committed(void **state)
{
	struct log log = { "" };

	(void)state;
	two_steps(&log, true);
	assert_string_equal(log.text, "");
}

/* Running it by hand leaves nothing for the end of the scope. */
static void runs_once(void **state)
{
	struct log log = { "" };

	(void)state;
	{
		scoped_undo struct undo undo = { .n = 0 };

		undo_push(&undo, note, &log, "a");
		undo_run(&undo);
		assert_string_equal(log.text, "a");
		undo_push(&undo, note, &log, "b");
	}
	assert_string_equal(log.text, "ab");
}

static void whole_stack(void **state)
{
	struct log log = { "" };

	(void)state;
	{
		scoped_undo struct undo undo = { .n = 0 };

		for (size_t i = 0; i < ARRAY_SIZE(undo.steps); i++)
			undo_push(&undo, note, &log, "x");
	}
	assert_int_equal(strlen(log.text), 24);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reverse_order),
		cmocka_unit_test(committed),
		cmocka_unit_test(runs_once),
		cmocka_unit_test(whole_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
