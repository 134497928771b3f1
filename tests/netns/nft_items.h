/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Owners and items for the tests of pkg/nft, and how they are attached. */
#include "sandbox.h"

#include <netinet/in.h>
#include <string.h>

#include "nft/attach.h"

static const struct owner pod_a = { "podnet", "a", "eth0" };
static const struct owner pod_b = { "podnet", "b", "eth0" };
static const struct owner other = { "othernet", "c", "eth0" };

static inline struct ipnet net(const char *text)
{
	struct ipnet n;

	assert_true(ipnet_parse(text, &n));
	return n;
}

static inline void ok(int r, const struct cni_error *err)
{
	if (r != 0)
		fail_msg("%s (%s)", err->msg, err->details);
}

static inline void contains(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in\n%s", part, text);
}

static inline void lacks(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("\"%s\" is in\n%s", part, text);
}

static inline struct nft_item masq(const char *pod)
{
	return (struct nft_item){ .kind = NFT_ITEM_MASQ, .pod = net(pod) };
}

static inline struct nft_item veth(const struct owner *o, const char *pod)
{
	struct nft_item item = { .kind = NFT_ITEM_POD, .pod = net(pod) };

	ifname_host_veth(o, item.veth);
	return item;
}

static inline struct nft_item port(const char *pod, uint8_t protocol, uint16_t host_port)
{
	return (struct nft_item){ .kind = NFT_ITEM_HOSTPORT,
				  .pod = net(pod),
				  .protocol = protocol,
				  .host_port = host_port,
				  .pod_port = 80 };
}

static inline int attach_masq(const struct owner *o, const char *pod, struct cni_error *err)
{
	struct nft_item items[] = { masq(pod), veth(o, pod) };
	const char *const links[] = { items[1].veth, NULL };

	return nft_attach(NFT_MASQ, o, links, items, 2, err);
}

static inline int attach_port(const struct owner *o, const char *link, const struct nft_item *item,
			      struct cni_error *err)
{
	return nft_attach(NFT_PORTMAP, o, (const char *const[]){ link, NULL }, item, 1, err);
}
