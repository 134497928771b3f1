/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The protocol versions we speak, ascending: "0.1.0" … "1.1.0". The enum is their order. */
enum cni_version {
	CNI_V010,
	CNI_V020,
	CNI_V030,
	CNI_V031,
	CNI_V040,
	CNI_V100,
	CNI_V110,
	CNI_N_VERSIONS,
};

#define CNI_V_NEWEST CNI_V110

const char *cni_version_text(enum cni_version v);

/* String-equal to one of ours (cni-spec.md VER-01); false otherwise. */
bool cni_version_exact(const char *s, enum cni_version *ret);

/* Numeric parse (VER-03): 1 to 3 decimal parts, "" is 0.1.0. False if malformed. */
struct version_num {
	unsigned part[3];
};
bool cni_version_parse(const char *s, struct version_num *ret);
int cni_version_cmp(const struct version_num *a, const struct version_num *b);

/* Same family: results of one can be read as the other by changing the string (CNV-01). */
bool cni_version_same_family(enum cni_version a, enum cni_version b);
