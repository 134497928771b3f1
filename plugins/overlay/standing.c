/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: the node's side of the overlay, made once, and found standing ever after.
 *
 * An apply holds the network's lock. It reads all nodes, finds ours, lets pkg/overlay refuse what
 * the kernel tells against the configuration, and looks whether the delegate's bridge is one of
 * another subnet: up to here nothing has been changed. If the stamp tells of another device or
 * backend, that goes first, and a stamp of the new one that vouches for nothing takes its place:
 * whatever comes after a run that died tells what that made. Then come the rules, so that no packet
 * leaves before it would be masqueraded, and what FORWARD of iptables needs of them, if there is
 * one; then device, routes and entries; at last the stamp. Every step reads what is there and
 * writes differences only: killed anywhere, the next apply goes on.
 *
 * The stamp has the digest of the configuration, the identity of nodesFile (device, inode, size,
 * times), our own node and a few peers. ADD compares these, and asks the kernel whether device,
 * rules and the entries of those peers stand: a constant number of questions, no list read. Only if
 * something is not as it should be is an apply due. A file that was changed within the last moment
 * may be changed again without a trace in its times: the stamp of it is no file's.
 *
 * A stamp that cannot be written costs the next ADD an apply, and is not worth failing for.
 */
#include "standing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/text.h"
#include "base/trace.h"
#include "netlink/addr.h"
#include "netlink/link.h"
#include "nft/xtables.h"
#include "others.h"

void overlay_standing_free(struct overlay_standing *side)
{
	nl_close(&side->nl);
	overlay_nodes_free(&side->list);
}

/* ---- nodesFile */

#define QUIET_NSEC 100000000 /* the clock of a file's times ticks every 10 ms at the slowest */

static void identify(const struct stat *st, char buf[OVERLAY_FILE_ID])
{
	(void)text_format(buf, OVERLAY_FILE_ID, "%llx:%llx:%llx:%llx.%lx:%llx.%lx",
			  (unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
			  (unsigned long long)st->st_size, (unsigned long long)st->st_mtim.tv_sec,
			  (unsigned long)st->st_mtim.tv_nsec,
			  (unsigned long long)st->st_ctim.tv_sec,
			  (unsigned long)st->st_ctim.tv_nsec);
}

static bool quiet(const struct stat *st)
{
	struct timespec now;
	int64_t nsec;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	nsec = (int64_t)(now.tv_sec - st->st_ctim.tv_sec) * 1000000000 +
	       (now.tv_nsec - st->st_ctim.tv_nsec);
	return nsec > QUIET_NSEC;
}

static int open_nodes(const char *path, int *ret_fd, struct cni_error *err)
{
	if (fs_open_file(AT_FDCWD, path, 0, ret_fd, err) == 0)
		return 0;
	if (err->sys == ENOENT)
		return cni_fail(err, CNI_TRY_AGAIN,
				"nodesFile: there is no %.256s (yet); put the list of nodes there",
				path);
	return cni_wrap(err, "nodesFile");
}

static int read_nodes_file(const struct overlay_conf *conf, struct overlay_standing *side,
			   struct cni_error *err)
{
	char what[sizeof("nodesFile ") + 256];
	scoped_free char *text = NULL;
	scoped_fd int fd = -1;
	struct stat st;
	size_t len;

	(void)text_format(what, sizeof(what), "nodesFile %s", conf->nodes_file);
	if (open_nodes(conf->nodes_file, &fd, err) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "look at %s", what);
	identify(&st, side->file);
	if (!quiet(&st))
		(void)text_format(side->file, sizeof(side->file), "busy");
	if (fs_read_all(fd, OVERLAY_NODES_FILE_MAX, what, &text, &len, err) < 0)
		return -1;
	return overlay_nodes_read(text, len, what, &conf->overlay, &side->list, err);
}

/* ---- which node is ours */

static int order_ip(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static int local_addresses(struct nl *nl, struct ip **ret, size_t *ret_n, struct cni_error *err)
{
	scoped_free struct addr *addrs = NULL;
	struct ip *list;
	size_t n;

	if (addr_list(nl, 0, AF_UNSPEC, &addrs, &n, err) < 0)
		return -1;
	list = calloc(n + 1, sizeof(*list));
	if (list == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	for (size_t i = 0; i < n; i++)
		list[i] = addrs[i].net.addr;
	qsort(list, n, sizeof(*list), order_ip);
	*ret = list;
	*ret_n = n;
	return 0;
}

static int find_self(const struct overlay_conf *conf, struct overlay_standing *side,
		     struct cni_error *err)
{
	scoped_free struct ip *addrs = NULL;
	char host[HOST_NAME_MAX + 1] = "";
	struct overlay_self self = { .node = conf->node, .host = host };

	if (local_addresses(&side->nl, &addrs, &self.n, err) < 0)
		return -1;
	(void)gethostname(host, sizeof(host) - 1);
	self.addr = addrs;
	return overlay_nodes_self(&side->list, &side->overlay, &self, &side->overlay.self, err);
}

/* ---- reading all of it */

static void use_list(const struct overlay_conf *conf, struct overlay_standing *side)
{
	side->overlay = conf->overlay;
	side->overlay.nodes = side->list.nodes;
	side->overlay.n = side->list.n;
	side->overlay.self = 0;
}

int overlay_standing_load(const struct overlay_conf *conf, struct overlay_standing *side,
			  struct cni_error *err)
{
	int r;

	overlay_nodes_free(&side->list);
	side->file[0] = '\0';
	if (side->nl.sk == NULL && nl_open(&side->nl, err) < 0)
		return -1;
	if (conf->nodes_file != NULL)
		r = read_nodes_file(conf, side, err);
	else
		r = overlay_nodes_parse(conf->nodes, &conf->overlay, &side->list, err);
	if (r < 0 || overlay_nodes_check(&side->list, err) < 0)
		return -1;
	use_list(conf, side);
	return find_self(conf, side, err);
}

/* ---- rules */

/* What FORWARD of iptables needs; the other half of chain `forward` in our table. */
static struct xtables_forward forward_of(const struct overlay_conf *conf)
{
	return (struct xtables_forward){ .four = conf->overlay.has4,
					 .six = conf->overlay.has6,
					 .mark_bit = (uint8_t)conf->mark_bit,
					 .admin = XTABLES_ADMIN,
					 .own_only = true };
}

static int ensure_forward(const struct overlay_conf *conf, struct overlay_standing *side,
			  struct cni_error *err)
{
	const struct xtables_forward forward = forward_of(conf);

	return conf->forward ? xtables_forward_ensure(&forward, &side->rules_changed, err) : 0;
}

static int check_forward(const struct overlay_conf *conf, void (*line)(void *arg, const char *text),
			 void *arg, struct cni_error *err)
{
	const struct xtables_forward forward = forward_of(conf);

	if (!conf->forward || xtables_forward_check(&forward, err) == 0)
		return 0;
	if (err->code != CNI_CHECK_FAILED)
		return -1;
	line(arg, err->msg);
	return 0;
}

static struct nft_overlay rules_of(const struct overlay_conf *conf, const struct overlay *o)
{
	const struct overlay_node *own = &o->nodes[o->self];

	return (struct nft_overlay){ .network = conf->network,
				     .has4 = o->has4,
				     .has6 = o->has6,
				     .net4 = o->network4,
				     .net6 = o->network6,
				     .own4 = own->subnet4,
				     .own6 = own->subnet6,
				     .masquerade = conf->masq,
				     .random_fully = true,
				     .non_masq = conf->non_masq,
				     .n_non_masq = conf->n_non_masq,
				     .forward_mark =
					 conf->forward ? UINT32_C(1) << conf->mark_bit : 0,
				     .vxlan_port = o->backend == OVERLAY_VXLAN ? o->port : 0,
				     .drop_strangers = conf->drop_strangers };
}

static int senders_of(const struct overlay *o, struct ip **ret, size_t *ret_n,
		      struct cni_error *err)
{
	struct ip *list = calloc(2 * o->n, sizeof(*list));
	size_t n = 0;

	if (list == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	for (size_t i = 0; i < o->n; i++) {
		if (o->has4)
			list[n++] = o->nodes[i].public4;
		if (o->has6)
			list[n++] = o->nodes[i].public6;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

static int with_rules(const struct overlay_conf *conf, const struct overlay *o, struct ip **ret,
		      struct nft_overlay *rules, struct cni_error *err)
{
	*rules = rules_of(conf, o);
	if (rules->vxlan_port == 0)
		return 0;
	if (senders_of(o, ret, &rules->n_senders, err) < 0)
		return -1;
	rules->senders = *ret;
	return 0;
}

/* ---- a bridge that is left over */

static int refuse_family(const struct overlay_conf *conf, const struct ipnet *own,
			 const struct addr *addrs, size_t n, struct cni_error *err)
{
	const struct addr *other = NULL;
	char has[IPNET_TEXT], subnet[IPNET_TEXT];

	for (size_t i = 0; i < n; i++) {
		const struct ip *a = &addrs[i].net.addr;

		if (ip_is4(a) != ip_is4(&own->addr) || ip_is_link_local(a))
			continue;
		if (ipnet_contains(own, a))
			return 0;
		other = &addrs[i];
	}
	if (other == NULL)
		return 0;
	ipnet_print(&other->net, has);
	ipnet_print(own, subnet);
	return cni_fail(err, CNI_CONFLICT,
			"delegate.bridge: %s is there with %s, which is no address of this node's "
			"subnet %s: once no pod needs it any more, delete it (ip link delete %s), "
			"or set delegate.forceAddress",
			conf->bridge_name, has, subnet, conf->bridge_name);
}

static int refuse_bridge(const struct overlay_conf *conf, struct overlay_standing *side,
			 struct cni_error *err)
{
	const struct overlay *o = &side->overlay;
	const struct overlay_node *own = &o->nodes[o->self];
	scoped_free struct addr *addrs = NULL;
	struct link bridge;
	size_t n;

	if (!conf->bridge || conf->force_address || ifname_problem(conf->bridge_name) != NULL)
		return 0;
	if (link_get(&side->nl, conf->bridge_name, &bridge, err) < 0)
		return err->sys == ENODEV ? 0 : -1;
	if (strcmp(bridge.kind, "bridge") != 0) /* the delegate's to refuse */
		return 0;
	if (addr_list(&side->nl, bridge.index, AF_UNSPEC, &addrs, &n, err) < 0)
		return -1;
	if (o->has4 && refuse_family(conf, &own->subnet4, addrs, n, err) < 0)
		return -1;
	return o->has6 ? refuse_family(conf, &own->subnet6, addrs, n, err) : 0;
}

/* ---- apply */

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Would the old one's objects stay behind? */
static bool is_another(const struct overlay *old, const struct overlay *o)
{
	return old->backend != o->backend || old->has4 != o->has4 || old->has6 != o->has6 ||
	       (o->has4 && (!ipnet_equal(&old->network4, &o->network4) ||
			    !same_text(old->device4, o->device4))) ||
	       (o->has6 && (!ipnet_equal(&old->network6, &o->network6) ||
			    !same_text(old->device6, o->device6)));
}

/* What an older configuration of this network made, if the stamp tells of another one; the whole
 * of it is to be freed with `old`. */
static const struct overlay *read_before(int dir, const struct overlay_conf *conf,
					 struct overlay_stamp *old)
{
	return overlay_stamp_read(dir, conf->network, old) &&
		       is_another(&old->overlay, &conf->overlay)
		   ? &old->overlay
		   : NULL;
}

/* `dir` -1: there are no stamps. */
static int refuse(int dir, const struct overlay_conf *conf, struct overlay_standing *side,
		  const struct overlay *before, struct cni_error *err)
{
	struct overlay o = side->overlay;

	o.before = before;
	o.bridge = conf->bridge ? conf->bridge_name : NULL;
	if (refuse_bridge(conf, side, err) < 0 ||
	    (dir >= 0 && overlay_refuse_others(dir, &side->nl, conf->network, &o, err) < 0) ||
	    overlay_status(&side->nl, &side->overlay, err) < 0)
		return -1;
	return overlay_refuse(&side->nl, &o, err);
}

/* From here on the stamp tells whose objects there may be, and vouches for none of them. */
static int make_way(int dir, const struct overlay_conf *conf, struct overlay_standing *side,
		    const struct overlay *before, struct cni_error *err)
{
	struct cni_error ignored;

	if (before != NULL && overlay_remove(&side->nl, before, err) < 0)
		return -1;
	(void)overlay_stamp_write(dir, conf, &side->overlay, "busy", &ignored);
	return 0;
}

static int make(const struct overlay_conf *conf, struct overlay_standing *side,
		struct cni_error *err)
{
	scoped_free struct ip *senders = NULL;
	struct nft_overlay rules;

	if (with_rules(conf, &side->overlay, &senders, &rules, err) < 0 ||
	    nft_overlay_apply(&rules, &side->rules_changed, err) < 0 ||
	    ensure_forward(conf, side, err) < 0)
		return -1;
	return overlay_apply(&side->nl, &side->overlay, &side->report, err);
}

static int program(int dir, const struct overlay_conf *conf, struct overlay_standing *side,
		   struct cni_error *err)
{
	scoped_overlay_stamp struct overlay_stamp old;
	const struct overlay *before = read_before(dir, conf, &old);
	const bool told = before == NULL && old.digest[0] != '\0';
	struct cni_error ignored;

	if (overlay_standing_load(conf, side, err) < 0 ||
	    refuse(dir, conf, side, before, err) < 0 ||
	    (!told && make_way(dir, conf, side, before, err) < 0) || make(conf, side, err) < 0)
		return -1;
	(void)overlay_stamp_write(dir, conf, &side->overlay, side->file, &ignored);
	return 0;
}

static int lock(const char *network, int *ret_dir, int *ret_lock, struct cni_error *err)
{
	scoped_fd int dir = -1;

	if (overlay_run_dir(true, &dir, err) < 0 || overlay_lock(dir, network, ret_lock, err) < 0)
		return -1;
	*ret_dir = take_fd(&dir);
	return 0;
}

int overlay_standing_apply(const struct overlay_conf *conf, struct overlay_standing *side,
			   struct cni_error *err)
{
	scoped_fd int dir = -1, held = -1;

	if (lock(conf->network, &dir, &held, err) < 0)
		return -1;
	return program(dir, conf, side, err);
}

/* ---- does it stand? */

static bool is_current(const struct overlay_conf *conf, const struct overlay_stamp *stamp)
{
	char file[OVERLAY_FILE_ID] = "";
	struct stat st;

	if (strcmp(stamp->digest, conf->digest) != 0)
		return false;
	if (conf->nodes_file != NULL) {
		if (stat(conf->nodes_file, &st) < 0)
			return false;
		identify(&st, file);
	}
	return strcmp(file, stamp->file) == 0;
}

/* By the stamp; *ret false: there is none, or something is not as it says. */
static int probe(int dir, const struct overlay_conf *conf, struct overlay_standing *side, bool *ret,
		 struct cni_error *err)
{
	scoped_overlay_stamp struct overlay_stamp stamp;
	scoped_free struct ip *senders = NULL;
	struct nft_overlay rules;

	*ret = false;
	if (!overlay_stamp_read(dir, conf->network, &stamp) || !is_current(conf, &stamp))
		return 0;
	overlay_nodes_free(&side->list);
	side->list = stamp.nodes;
	stamp.nodes = (struct overlay_nodes){ .n = 0 };
	use_list(conf, side);
	if (overlay_probe(&side->nl, &side->overlay, ret, &side->report, err) < 0)
		return -1;
	if (!*ret)
		return 0;
	if (with_rules(conf, &side->overlay, &senders, &rules, err) < 0)
		return -1;
	return nft_overlay_probe(&rules, ret, err);
}

int overlay_standing_ensure(const struct overlay_conf *conf, struct overlay_standing *side,
			    struct cni_error *err)
{
	scoped_fd int dir = -1, held = -1, made = -1;
	bool stands = false;

	if (nl_open(&side->nl, err) < 0)
		return -1;
	if (overlay_run_dir(false, &dir, err) == 0 && probe(dir, conf, side, &stands, err) < 0)
		return -1;
	if (stands)
		return ensure_forward(conf, side, err);
	/* Whoever had the lock may have made it meanwhile. */
	if (lock(conf->network, &made, &held, err) < 0 || probe(made, conf, side, &stands, err) < 0)
		return -1;
	trace("the overlay %s", stands ? "stands now" : "does not stand");
	return stands ? ensure_forward(conf, side, err) : program(made, conf, side, err);
}

uint32_t overlay_standing_mtu(const struct overlay_standing *side)
{
	uint32_t mtu4 = side->report.mtu4, mtu6 = side->report.mtu6;

	return mtu4 != 0 && (mtu6 == 0 || mtu4 < mtu6) ? mtu4 : mtu6;
}

/* ---- the other verbs */

int overlay_standing_differ(const struct overlay_conf *conf, struct overlay_standing *side,
			    void (*line)(void *arg, const char *text), void *arg,
			    struct nft_overlay_strangers *strangers, struct cni_error *err)
{
	scoped_free struct ip *senders = NULL;
	struct nft_overlay rules;

	if (with_rules(conf, &side->overlay, &senders, &rules, err) < 0 ||
	    overlay_differ(&side->nl, &side->overlay, line, arg, err) < 0 ||
	    check_forward(conf, line, arg, err) < 0)
		return -1;
	return nft_overlay_differ(&rules, line, arg, strangers, err);
}

int overlay_standing_look(struct overlay_standing *side, uint32_t *ret_mtu, struct cni_error *err)
{
	struct overlay alone = side->overlay;
	bool stands;

	alone.nodes = &side->overlay.nodes[side->overlay.self];
	alone.n = 1;
	alone.self = 0;
	if (overlay_probe(&side->nl, &alone, &stands, &side->report, err) < 0)
		return -1;
	*ret_mtu = overlay_standing_mtu(side);
	return 0;
}

int overlay_standing_refused(const struct overlay_conf *conf, struct overlay_standing *side,
			     struct cni_error *err)
{
	scoped_overlay_stamp struct overlay_stamp old = { .file = "" };
	scoped_fd int dir = -1;
	struct cni_error ignored;

	(void)overlay_run_dir(false, &dir, &ignored);
	return refuse(dir, conf, side, dir >= 0 ? read_before(dir, conf, &old) : NULL, err);
}

static int could_stand(const struct overlay_conf *conf, struct overlay_standing *side,
		       struct cni_error *err)
{
	struct nft_overlay rules;

	if (overlay_standing_load(conf, side, err) < 0 ||
	    overlay_status(&side->nl, &side->overlay, err) < 0)
		return -1;
	rules = rules_of(conf, &side->overlay);
	if (nft_overlay_status(&rules, err) < 0)
		return -1;
	return overlay_standing_refused(conf, side, err);
}

int overlay_standing_status(const struct overlay_conf *conf, struct overlay_standing *side,
			    struct cni_error *err)
{
	scoped_fd int dir = -1;
	bool stands = false;

	if (nl_open(&side->nl, err) < 0)
		return -1;
	if (overlay_run_dir(false, &dir, err) == 0 && probe(dir, conf, side, &stands, err) < 0)
		return -1;
	return stands ? 0 : could_stand(conf, side, err);
}

int overlay_standing_remove(const struct overlay_conf *conf, struct cni_error *err)
{
	scoped_fd int dir = -1, held = -1;
	scoped_nl struct nl nl = { .sk = NULL };
	scoped_overlay_stamp struct overlay_stamp old = { .file = "" };
	const struct overlay *before;
	struct cni_error step;

	if (lock(conf->network, &dir, &held, err) < 0 || nl_open(&nl, err) < 0)
		return -1;
	cni_clear(err);
	before = read_before(dir, conf, &old);
	if (before != NULL && overlay_remove(&nl, before, &step) < 0)
		cni_keep_first(err, &step);
	if (overlay_remove(&nl, &conf->overlay, &step) < 0)
		cni_keep_first(err, &step);
	if (nft_overlay_remove(conf->network, &step) < 0)
		cni_keep_first(err, &step);
	if (err->code != CNI_OK)
		return -1;
	return overlay_stamp_remove(dir, conf->network, err);
}
