/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "base/error.h"

/*
 * Put before every file that clang-tidy reads (but error.c): the analyzer sees one file at a time
 * and does not know that raising an error always returns -1.
 */
#define cni_fail(...)		((void)cni_fail(__VA_ARGS__), -1)
#define cni_fail_sys(...)	((void)cni_fail_sys(__VA_ARGS__), -1)
#define cni_fail_sys_code(...)	((void)cni_fail_sys_code(__VA_ARGS__), -1)
#define cni_vfail(...)		((void)cni_vfail(__VA_ARGS__), -1)
#define cni_wrap(...)		((void)cni_wrap(__VA_ARGS__), -1)
