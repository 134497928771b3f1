/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pipe tells when its last writer is gone: its reader sees the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>

#include "base/collect.h"
#include "base/scoped.h"

/* Waits up to `ms` for the end of what can be read. */
static bool ended(int fd, int ms)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	return poll(&one, 1, ms) == 1 && (one.revents & POLLHUP) != 0;
}

static void the_kernel_closes_it_behind_both_closes(void **state)
{
	int ends[2], held;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	held = collector_hold(ends[1]);
	assert_true(held >= 0);
	close_fdp(&ends[1]);
	assert_false(ended(ends[0], 0));
	close_fdp(&held);
	assert_true(ended(ends[0], 10000));
	close_fdp(&ends[0]);
}

static void what_is_still_open_elsewhere_stays(void **state)
{
	int ends[2], held;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	held = collector_hold(ends[1]);
	close_fdp(&held);
	assert_false(ended(ends[0], 100));
	assert_int_equal(write(ends[1], "x", 1), 1);
	close_fdp(&ends[1]);
	close_fdp(&ends[0]);
}

static void nothing_is_held_of_what_is_not_open(void **state)
{
	(void)state;
	assert_int_equal(collector_hold(-1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_closes_it_behind_both_closes),
		cmocka_unit_test(what_is_still_open_elsewhere_stays),
		cmocka_unit_test(nothing_is_held_of_what_is_not_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
