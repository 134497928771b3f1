/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"

/*
 * Run the nft program on a script, which it takes whole or not at all: by absolute path, without
 * shell, at most `ms` milliseconds (1 to NFT_PROGRAM_SECONDS * 1000). A script that it refuses:
 * CNI_INVALID_CONFIG with its words in details; no program, no end in time: CNI_KERNEL.
 */
#define NFT_PROGRAM_SECONDS 10
int nft_program_run(const char *script, int64_t ms, struct cni_error *err);

/* STATUS: is there an nft program to run? CNI_NOT_AVAILABLE names the package if not. */
int nft_program_status(struct cni_error *err);
