/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"

/* What the verbs do; the order of it is told at the top of attach.c. */
int flannel_attach(const struct cni_args *args, const struct flannel_conf *conf,
		   struct cni_result *result, struct cni_error *err);
int flannel_detach(const struct cni_args *args, struct cni_error *err);
int flannel_check(const struct cni_args *args, const struct flannel_conf *conf,
		  struct cni_error *err);
int flannel_gc(const struct cni_args *args, const struct flannel_conf *conf, struct cni_error *err);
int flannel_status(const struct cni_args *args, const struct flannel_conf *conf,
		   struct cni_error *err);
