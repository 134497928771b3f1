/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/nft_program.h"

#include <stddef.h>
#include <sys/wait.h>

#include "nft/program.h"

int nft_program_run(const char *script, int64_t ms, struct cni_error *err)
{
	char path[PROGRAM_PATH], said[PROGRAM_SAID];
	const char *const argv[] = { path, "-f", "-", NULL };
	const struct program nft = { .path = path, .argv = argv, .input = script, .ms = ms };
	int status = 0;

	if (program_find("nft", path) == NULL)
		return cni_fail(err, CNI_KERNEL,
				"they need the program nft (package nftables) once per network, "
				"and it is not installed");
	if (program_run(&nft, &status, said, err) < 0)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	(void)!cni_fail(err, CNI_INVALID_CONFIG, "nft refuses them: %.160s", said);
	cni_details(err, "%s", said);
	return -1;
}

int nft_program_status(struct cni_error *err)
{
	char path[PROGRAM_PATH];

	if (program_find("nft", path) != NULL)
		return 0;
	return cni_fail(
	    err, CNI_NOT_AVAILABLE,
	    "conditionsV4 and conditionsV6 need the program nft, which is not installed "
	    "(package nftables)");
}
