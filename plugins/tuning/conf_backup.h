/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "conf.h"

#define TUNING_BACKUP_MAX (2u << 20) /* bytes of a backup file */
#define TUNING_OLD_MAX	  512u	     /* switches in it: of two ADDs, if need be */

/* A switch below /proc/sys, what it was, and what we have set it to. */
struct tuning_old {
	char path[TUNING_PATH];
	char *value;
	const char *set; /* borrowed */
};

/*
 * What an attachment had before ADD: the contents of its backup file. The reference knows the five
 * properties of the link under the same names; the others are ours and unknown to it.
 */
struct tuning_backup {
	struct link_values link;
	uint32_t host_mtu;	    /* of the veth's host end; 0: not changed */
	struct tuning_old *sysctls; /* in the order in which they were changed */
	size_t n_sysctls;
	/* Whose values these are; NULL and 0: not said (the file is the reference's). */
	const char *network, *container, *ifname; /* borrowed */
	int64_t netns;				  /* who it is: detach.h */
	int64_t ifindex;			  /* 0 also: it has switches only */
	json_t *doc;				  /* what is borrowed from, after reading; owned */
};

/* The file's text, the caller's to free. */
int tuning_backup_encode(const struct tuning_backup *b, char **ret, struct cni_error *err);

/* Read a file's text (`len` bytes), from whoever; on failure (CNI_DECODE, CNI_INVALID_CONFIG) *ret
 * is untouched. */
int tuning_backup_decode(const char *text, size_t len, struct tuning_backup *ret,
			 struct cni_error *err);

void tuning_backup_free(struct tuning_backup *b);

/* Remember the old value of a switch, once, and what it is set to: a path that is there already
 * keeps its old value. `set` is borrowed. */
int tuning_backup_add(struct tuning_backup *b, const char *path, const char *value, const char *set,
		      struct cni_error *err);
