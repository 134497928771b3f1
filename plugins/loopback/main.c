/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "attach.h"

const struct cni_plugin loopback_plugin = {
	.name = "loopback",
	.add = loopback_attach,
	.del = loopback_detach,
	.check = loopback_check,
};
