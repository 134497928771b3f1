/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "base/error.h"

/*
 * Run the nft program on a script, which it takes whole or not at all: by absolute path, without
 * shell, at most NFT_PROGRAM_SECONDS. A script that it refuses: CNI_INVALID_CONFIG with its words
 * in details; no program, no end in time: CNI_KERNEL.
 */
#define NFT_PROGRAM_SECONDS 10
int nft_program_run(const char *script, struct cni_error *err);
