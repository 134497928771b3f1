/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/ifname.h"
#include "net/ip.h"

struct cni_error;

/*
 * One reservation as it lies on disk: a file named by the address, holding the container and the
 * interface (plugins.md §2.1, "State on disk"). The format is the reference host-local's, byte for
 * byte; white space around the parts is tolerated in what we read.
 */
enum record_kind {
	RECORD_ABSENT,
	RECORD_EMPTY,	/* nothing in it: what a crash between create and write leaves */
	RECORD_OLD,	/* the container alone, as releases before 0.7 of the reference wrote it */
	RECORD_FULL,	/* container and interface */
	RECORD_FOREIGN, /* not a reservation: a folder, or bytes that name no container */
};

#define RECORD_MAX 4096 /* bytes of a file; a container ID that does not fit cannot be stored */

struct record {
	enum record_kind kind;
	const char *container; /* OLD, FULL: points into text */
	const char *ifname;    /* FULL: points into text; otherwise "" */
	char text[RECORD_MAX + 1];
};

/* The file's bytes for an owner: "CONTAINER\r\nIFNAME", no final newline. *ret_len without the NUL.
 * CNI_BAD_ENV if the container ID is too long to be stored. */
int record_format(const struct owner *o, char buf[RECORD_MAX], size_t *ret_len,
		  struct cni_error *err);

/* Understand `len` bytes in r->text; sets kind, container and ifname. */
void record_parse(struct record *r, size_t len);

/* Read the file of `ip` in the folder `dir`. Absence is RECORD_ABSENT; an error only if the file
 * system refuses (CNI_IO). */
int record_read(int dir, const struct ip *ip, struct record *ret, struct cni_error *err);

/* One system call, for looking at many: is there anything of that name; is it an empty file? */
bool record_exists(int dir, const struct ip *ip);
bool record_is_empty(int dir, const struct ip *ip);

/* Does the record name this container, and (FULL) this interface? */
bool record_is(const struct record *r, const struct owner *o);
