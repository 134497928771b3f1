/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>

#include "cni/delegate.h"
#include "cni/spawn.h"
#include "fuzz.h"

/* What the child prints, and how it ends: the first byte is its exit status, or above 127 a signal.
 */
static struct {
	const uint8_t *data;
	size_t size;
	size_t runs;
} fake;

/* In the place of the library's: no process is started. */
int cni_spawn(const struct cni_child *child, char **ret_out, size_t *ret_len, int *ret_status,
	      struct cni_error *err)
{
	const uint8_t how = fake.size > 0 ? fake.data[0] : 0;
	const size_t len = fake.size > 0 ? fake.size - 1 : 0;

	FUZZ_CHECK(strcmp(child->path, "/proc/self/exe") == 0);
	fake.runs++;
	if (len > child->max_output)
		return cni_fail(err, CNI_DELEGATE, "it printed too much");
	*ret_out = fuzz_text(fake.data + (fake.size > 0 ? 1 : 0), len);
	*ret_len = len;
	*ret_status = how < 128 ? how << 8 : 1 + how % 31;
	return 0;
}

/* An error object's own code, if that is what was printed; else 0. */
static json_int_t printed_code(const char *out, size_t len)
{
	json_t *doc = json_loadb(out, len, JSON_ALLOW_NUL, NULL);
	json_int_t code = json_integer_value(json_object_get(doc, "code"));

	if (!json_is_string(json_object_get(doc, "msg")) || code > 1000 || code < 0)
		code = 0;
	json_decref(doc);
	return code;
}

/*
 * Whatever an IPAM plugin prints: a result with addresses, all of the interface asked for, or an
 * error. A child that failed never counts as success; its error's code passes; its DEL has been
 * run, unless what is there is another's; nothing is left in the result.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cni_args args = fuzz_call(NULL);
	struct cni_result result = { 0 };
	struct cni_error err = { 0 };
	json_int_t code;

	fake.data = data;
	fake.size = size;
	fake.runs = 0;
	args.path = ":relative:/proc/self";
	args.ipam_type = "exe";
	if (cni_ipam_add(&args, 2, &result, &err) == 0) {
		FUZZ_CHECK(size > 0 && data[0] == 0 && fake.runs == 1 && result.n_ips > 0);
		for (size_t i = 0; i < result.n_ips; i++)
			FUZZ_CHECK(result.ips[i].interface == 2);
		FUZZ_CHECK(result.n_interfaces == 0);
		cni_result_free(&result);
		return 0;
	}
	FUZZ_CHECK(err.code > 0 && memchr(err.msg, '\0', sizeof(err.msg)) != NULL);
	FUZZ_CHECK(fake.runs == (strstr(err.msg, "duplicate allocation") != NULL ? 1 : 2));
	FUZZ_CHECK(result.ips == NULL && result.routes == NULL);
	code = size > 1 && data[0] > 0 && data[0] < 128
		   ? printed_code((const char *)data + 1, size - 1)
		   : 0;
	FUZZ_CHECK(code == 0 || err.code == code);
	return 0;
}
