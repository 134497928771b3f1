/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf_backup.h"

/* Backup files: DIR/CONTAINER_IFNAME.json, where the reference keeps its own. */

/* The attachment's file; *ret_found false: there is none. A damaged one is CNI_DECODE, and
 * CNI_CONFLICT that of another attachment, whose names give the same file name. */
int backup_load(const struct cni_args *args, const char *dir, struct tuning_backup *ret,
		bool *ret_found, struct cni_error *err);

/* Put the file in place, whole; the folder is made (0700, with its parents) if it is missing. */
int backup_save(const struct cni_args *args, const char *dir, const struct tuning_backup *b,
		struct cni_error *err);

/* Remove the attachment's file; absent is success. */
int backup_remove(const struct cni_args *args, const char *dir, struct cni_error *err);

/* GC: remove this network's files whose attachments are not valid. Files that do not say so
 * (the reference's), damaged ones and those of others stay. */
int backup_gc(const struct cni_args *args, const char *dir, struct cni_error *err);

/* STATUS: could files be kept there? CNI_IO when something else stands in the way. */
int backup_status(const char *dir, struct cni_error *err);
