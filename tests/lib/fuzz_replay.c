/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Stands in for libFuzzer's main: runs the fuzz target over every file of the corpus folder given,
 * so that what a hunt once found stays tested by every compiler.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *folder, const char *name)
{
	char path[4096];
	FILE *file;
	uint8_t *data;
	size_t size;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file) {
		perror(path);
		return -1;
	}
	data = malloc(1 << 20);
	if (!data)
		abort();
	size = fread(data, 1, 1 << 20, file);
	(void)fclose(file);
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	int failed = 0;
	int n = 0;

	if (!dir) {
		(void)fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 1;
	}
	for (entry = readdir(dir); entry; entry = readdir(dir)) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		failed += replay(argv[1], entry->d_name) < 0;
	}
	(void)closedir(dir);
	printf("%d passed, %d failed, 0 skipped\n", n - failed, failed);
	return failed > 0 || n == 0;
}
