/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf_delegate.h"

#include "base/text.h"
#include "conf/jconf.h"

static struct delegate_family family(const struct subnet_family *f)
{
	return (struct delegate_family){ .networks = f->networks,
					 .n_networks = f->n_networks,
					 .has_subnet = f->has_subnet,
					 .subnet = f->subnet };
}

int flannel_delegate_build(const struct cni_args *args, const struct subnet_env *env,
			   struct delegate_conf *ret, struct cni_error *err)
{
	const struct delegate_wants wants = { .v4 = family(&env->v4),
					      .v6 = family(&env->v6),
					      .has_mtu = true,
					      .mtu = env->mtu,
					      .masq = !env->masq };

	return delegate_conf_build(args, &wants, ret, err);
}

#define SHOWN 192 /* of a value in an error */

static void show(const json_t *value, char buf[SHOWN])
{
	scoped_free char *text =
	    value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	(void)text_format(buf, SHOWN, "%s", text != NULL ? text : "not there");
}

static int compare(const json_t *kept, const json_t *wanted, const char *name,
		   struct cni_error *err)
{
	char was[SHOWN], is[SHOWN];

	if (kept == wanted || (kept != NULL && wanted != NULL && json_equal(kept, wanted)))
		return 0;
	show(kept, was);
	show(wanted, is);
	return cni_fail(err, CNI_CHECK_FAILED,
			"subnet.env or the configuration has changed since ADD: %s was %s and is "
			"%s; the pod has to be made anew",
			name, was, is);
}

int flannel_delegate_compare(const struct delegate_conf *kept, const struct delegate_conf *wanted,
			     struct cni_error *err)
{
	const json_t *was = jconf_get(kept->doc, "ipam"), *is = jconf_get(wanted->doc, "ipam");

	if (compare(json_object_get(was, "ranges"), json_object_get(is, "ranges"), "ipam.ranges",
		    err) < 0 ||
	    compare(json_object_get(was, "routes"), json_object_get(is, "routes"), "ipam.routes",
		    err) < 0 ||
	    compare(json_object_get(kept->doc, "mtu"), json_object_get(wanted->doc, "mtu"), "mtu",
		    err) < 0)
		return -1;
	return compare(json_object_get(kept->doc, "ipMasq"), json_object_get(wanted->doc, "ipMasq"),
		       "ipMasq", err);
}
