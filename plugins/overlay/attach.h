/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"

/* What the verbs do; the order of it is told at the top of attach.c and standing.c. */
int overlay_attach(const struct cni_args *args, const struct overlay_conf *conf,
		   struct cni_result *result, struct cni_error *err);
int overlay_check(const struct cni_args *args, const struct overlay_conf *conf,
		  struct cni_error *err);
int overlay_answer_status(const struct cni_args *args, const struct overlay_conf *conf,
			  struct cni_error *err);

/* They need no more of the configuration than the delegate does, whatever else it says by now. */
int overlay_detach(const struct cni_args *args, struct cni_error *err);
int overlay_gc(const struct cni_args *args, struct cni_error *err);
