/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

#include "cni/skel.h"

/* Built once per program; the build names the program's table of verbs. */
extern const struct cni_plugin CNI_PLUGIN;

int main(int argc, char **argv)
{
	return cni_main(&CNI_PLUGIN, argc, argv, environ);
}
