/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

#include "cni/skel.h"

/* Built once per program; the build names the program's table of verbs. */
extern const struct cni_plugin CNI_PLUGIN;

int main(void)
{
	return cni_run(&CNI_PLUGIN, environ, STDIN_FILENO, STDOUT_FILENO);
}
