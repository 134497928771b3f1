/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Options of the sanitizers for every program of a developer build. A finding exits with 99: a
 * plugin's own failure is exit 1, and a test must be able to tell the two apart.
 */
/* NOLINTBEGIN(bugprone-reserved-identifier): the sanitizers chose the names */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
/* NOLINTEND(bugprone-reserved-identifier) */

const char *__asan_default_options(void)
{
	return "exitcode=99:detect_stack_use_after_return=1:strict_string_checks=1";
}

const char *__ubsan_default_options(void)
{
	return "exitcode=99:print_stacktrace=1:halt_on_error=1";
}
