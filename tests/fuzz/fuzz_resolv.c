/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "ipam/host-local/resolv.h"

static void words(char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++) {
		FUZZ_CHECK(list[i][0] != '\0' && strpbrk(list[i], " \t\r\v\f\n") == NULL);
		FUZZ_CHECK(strstr(text, list[i]) != NULL);
	}
}

/* A resolv.conf of any bytes: read, and every word of the answer is a word of the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cni_dns dns = { 0 };
	struct cni_error err;
	char *text = fuzz_text(data, size);
	char path[64];
	int fd = memfd_create("resolv", 0);

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FUZZ_CHECK(resolv_read(path, &dns, &err) == 0);
	if (strlen(text) == size) {
		words(dns.nameservers, dns.n_nameservers, text);
		words(dns.search, dns.n_search, text);
		words(dns.options, dns.n_options, text);
		FUZZ_CHECK(dns.domain == NULL || strstr(text, dns.domain) != NULL);
	}
	FUZZ_CHECK(dns.n_nameservers + dns.n_search + dns.n_options <= size);
	cni_dns_free(&dns);
	(void)close(fd);
	free(text);
	return 0;
}
