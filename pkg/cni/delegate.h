/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cni/skel.h"

/*
 * Another plugin run in our name (cni-spec.md §1.15): found in CNI_PATH (absolute elements only;
 * regular file), with our environment and only CNI_COMMAND changed, with `stdin_text` (ours, byte
 * for byte, unless the caller made one), its stderr on ours. Bounded: CNI_DELEGATE_SECONDS, then
 * killed; it dies with us (PR_SET_PDEATHSIG). At most CNI_DELEGATE_MAX bytes of its output are
 * read. Its error, if it printed one, comes back unchanged (code, msg, details); a crash, rubbish
 * or silence is CNI_DELEGATE naming program and status; a missing program is CNI_DELEGATE "failed
 * to find plugin …" with the folders.
 */
#ifndef CNI_DELEGATE_SECONDS /* tests do not wait as long */
#define CNI_DELEGATE_SECONDS 60
#endif
#define CNI_ROLLBACK_SECONDS 5
#define CNI_DELEGATE_MAX     (1u << 20)

/* ADD: the delegate's result, in `result` (empty on entry). */
int cni_delegate_add(const struct cni_args *args, const char *type, struct cni_result *result,
		     struct cni_error *err);

/*
 * ADD that leaves nothing when it fails (DLG-07): the delegate's DEL has been run then, in what the
 * ADD left of CNI_DELEGATE_SECONDS but at least CNI_ROLLBACK_SECONDS, so that one that hangs does
 * not cost the time twice. Not so where the attachment is there already, and may be alive
 * ("duplicate allocation", CNI_CONFLICT, "already exists"). *ret_clean, set on failure, is false
 * then, and when that DEL failed as well, other than by refusing the same configuration.
 */
int cni_delegate_attach(const struct cni_args *args, const char *type, struct cni_result *result,
			bool *ret_clean, struct cni_error *err);

/* DEL, CHECK, GC, STATUS: no output wanted. */
int cni_delegate(const struct cni_args *args, const char *type, enum cni_verb verb,
		 struct cni_error *err);

/*
 * IPAM as main plugins use it. ADD: delegates to args->ipam_type, requires at least one address,
 * sets each ips[].interface to `interface`; on any failure but "duplicate allocation" the
 * delegate's DEL has been run, as cni_delegate_attach() does. The other verbs are cni_delegate()
 * with args->ipam_type. None of them does anything without ipam_type.
 */
int cni_ipam_add(const struct cni_args *args, int interface, struct cni_result *result,
		 struct cni_error *err);
int cni_ipam(const struct cni_args *args, enum cni_verb verb, struct cni_error *err);
