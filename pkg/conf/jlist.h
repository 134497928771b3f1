/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf/jconf.h"

/*
 * Decode a document that is a list, an element at a time: a long one costs the memory of one
 * element. `each` gets them in order and returns -1 with err to stop. Otherwise as jconf_load();
 * more than `max` elements are CNI_INVALID_CONFIG.
 */
struct jconf_list {
	size_t max;
	int (*each)(const json_t *value, size_t idx, void *arg, struct cni_error *err);
	void *arg;
};
int jconf_load_list(const char *bytes, size_t len, const char *what, const struct jconf_list *list,
		    struct cni_error *err);
