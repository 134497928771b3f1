/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "others.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/scoped.h"
#include "netlink/addr.h"
#include "netlink/link.h"

static int has_address(struct nl *nl, const char *device, const struct ip *ip, bool *ret,
		       struct cni_error *err)
{
	scoped_free struct addr *list = NULL;
	struct link link;
	size_t n = 0;

	*ret = false;
	if (link_get(nl, device, &link, err) < 0)
		return err->sys == ENODEV ? 0 : -1;
	if (addr_list(nl, link.index, ip_family(ip), &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		*ret |= ip_equal(&list[i].net.addr, ip);
	return 0;
}

static int refuse_device(struct nl *nl, const char *name, const char *theirs, const char *ours,
			 const struct ipnet *subnet, struct cni_error *err)
{
	bool held;

	if (theirs == NULL || ours == NULL || strcmp(theirs, ours) != 0)
		return 0;
	if (has_address(nl, ours, &subnet->addr, &held, err) < 0)
		return -1;
	return !held ? 0
		     : cni_fail(err, CNI_CONFLICT,
				"backend.device%s: %s is the device of network \"%s\": give this "
				"one another backend.vni or backend.device%s, or take that one "
				"away (\"overlay remove\" with its file)",
				ip_is4(&subnet->addr) ? "" : "V6", ours, name,
				ip_is4(&subnet->addr) ? "" : "V6");
}

static int refuse_one(int dir, struct nl *nl, const char *name, const struct overlay *o,
		      struct cni_error *err)
{
	scoped_overlay_stamp struct overlay_stamp stamp;
	const struct overlay *other = &stamp.overlay;
	const struct overlay_node *self;

	if (!overlay_stamp_read(dir, name, &stamp))
		return 0;
	self = &other->nodes[0];
	if (o->has4 && other->has4 &&
	    refuse_device(nl, name, other->device4, o->device4, &self->subnet4, err) < 0)
		return -1;
	if (o->has6 && other->has6)
		return refuse_device(nl, name, other->device6, o->device6, &self->subnet6, err);
	return 0;
}

int overlay_refuse_others(int dir, struct nl *nl, const char *network, const struct overlay *o,
			  struct cni_error *err)
{
	static const char prefix[] = "stamp-";
	scoped_fd int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped_dir DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (list == NULL)
		return 0;   /* hints, as all that is in there */
	(void)take_fd(&fd); /* closed with list */
	while ((entry = readdir(list)) != NULL) {
		const char *name = entry->d_name + strlen(prefix);

		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
		    strcmp(name, network) != 0 && refuse_one(dir, nl, name, o, err) < 0)
			return -1;
	}
	return 0;
}
