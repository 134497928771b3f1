/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "store/store.h"

/* A folder of reservations per cmocka test, and short words for what is done to it. All of it
 * asserts. */
struct world {
	char dir[64];
	char path[128]; /* the network's folder; absent at first */
};

extern const struct owner alice, alice1 /* her other interface */, bob;

int store_setup(void **state);
int store_teardown(void **state);

/* ---- what others do to the folder ---- */

void in_folder(const struct world *w, const char *name, char buf[PATH_MAX]);
void put(const struct world *w, const char *name, const char *text);
void put_bytes(const struct world *w, const char *name, const char *data, size_t len);
void take_away(const struct world *w, const char *name);
bool exists(const struct world *w, const char *name);
void assert_file(const struct world *w, const char *name, const char *text, mode_t mode);

/* For nftw(), with FTW_DEPTH | FTW_PHYS. */
int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw);

/* ---- what we do, each in a store opened for it alone ---- */

struct ip ip(const char *s);
void must_open(struct store *s, const struct world *w, bool create);
bool claim(const struct world *w, const struct owner *o, const char *address);
void release(const struct world *w, const struct owner *o);
void assert_owns(const struct world *w, const struct owner *o, const char *want);

/* What `o` has, as "a b". */
void owned_text(const struct store *s, const struct owner *o, char *buf, size_t cap);

/* Is the index on disk believed, as after a change of ours and nobody else's? */
bool index_is_fresh(const struct world *w);

/* How many of alice, alice1 and bob have an entry. */
size_t index_entries(const struct world *w);
