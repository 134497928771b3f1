/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/record.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/num.h"
#include "base/text.h"
#include "nft/item.h"

#define HEADER	  "podwire attachment 1"
#define FIELDS	  8
#define LINE_TEXT 256
#define LOST_MARK "incomplete"

void record_free(struct nft_record *r)
{
	free(r->text);
	free(r->links);
	free(r->indexes);
	free(r->items);
	*r = (struct nft_record){ 0 };
}

const char *record_user_text(enum nft_user user)
{
	static const char *const names[] = {
		[NFT_MASQ] = "masq",
		[NFT_SPOOF] = "spoof",
		[NFT_PORTMAP] = "portmap",
		[NFT_FIREWALL] = "firewall",
	};
	_Static_assert(ARRAY_SIZE(names) == NFT_N_USERS, "a user has no name");

	return names[user];
}

/* ---- printing */

static void print_item(struct text *t, const struct nft_item *item)
{
	char pod[IPNET_TEXT], host[IP_TEXT] = "-", mac[MAC_TEXT];

	ipnet_print(&item->pod, pod);
	mac_print(&item->mac, mac);
	if (item->has_host)
		ip_print(&item->host, host);
	switch (item->kind) {
	case NFT_ITEM_MASQ:
		text_add(t, "masq %s\n", pod);
		break;
	case NFT_ITEM_POD:
		text_add(t, "pod %s %s\n", item->veth, pod);
		break;
	case NFT_ITEM_SPOOF:
		text_add(t, "spoof %s %s\n", item->veth, mac);
		break;
	case NFT_ITEM_HOSTPORT:
		text_add(t, "hostport %s %u %s %u %s %s\n", item_protocol(item->protocol),
			 item->host_port, pod, item->pod_port, host,
			 item->conditions[0] != '\0' ? item->conditions : "-");
		break;
	case NFT_ITEM_SNAT:
		text_add(t, "snat %s %u %s %s\n", item_protocol(item->protocol), item->host_port,
			 pod, item->snat_all ? "all" : "subnet");
		break;
	case NFT_ITEM_FORWARD:
		text_add(t, "forward %s %u\n", pod, item->mark_bit);
		break;
	case NFT_ITEM_INGRESS:
		text_add(t, "ingress %s %s\n", item->veth,
			 item->isolated ? "isolated" : "same-bridge");
		break;
	case NFT_ITEM_SOURCE:
		text_add(t, "source %s %s\n", pod, item->zone);
		break;
	}
}

static void print_link(struct text *t, const struct nft_record *r, size_t i)
{
	if (r->indexes == NULL || r->indexes[i] == 0)
		text_add(t, "link %s\n", r->links[i]);
	else
		text_add(t, "link %s %" PRIu32 "\n", r->links[i], r->indexes[i]);
}

int record_print(const struct nft_record *r, char **ret, struct cni_error *err)
{
	size_t cap = 1024 + strlen(r->owner.network) + strlen(r->owner.container) +
		     LINE_TEXT * r->n + (IFNAME_MAX + 20) * r->n_links;
	scoped_free char *buf = malloc(cap);
	struct text t;

	if (buf == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "write down an attachment");
	text_init(&t, buf, cap);
	text_add(&t, HEADER "\nnetwork %s\ncontainer %s\nifname %s\n", r->owner.network,
		 r->owner.container, r->owner.ifname);
	for (size_t i = 0; i < r->n_links; i++)
		print_link(&t, r, i);
	for (size_t i = 0; i < r->n; i++)
		print_item(&t, &r->items[i]);
	text_add(&t, "end\n");
	if (t.cut)
		return cni_fail(err, CNI_INTERNAL, "an attachment's record does not fit");
	*ret = take_ptr(&buf);
	return 0;
}

/* ---- parsing */

static bool parse_protocol(const char *s, uint8_t *ret)
{
	static const uint8_t all[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (strcmp(item_protocol(all[i]), s) == 0) {
			*ret = all[i];
			return true;
		}
	}
	return false;
}

static bool parse_port(const char *s, uint16_t *ret)
{
	uint64_t v;

	if (!num_parse(s, 65535, &v) || v == 0)
		return false;
	*ret = (uint16_t)v;
	return true;
}

static bool parse_veth(const char *s, char veth[IFNAME_MAX])
{
	return ifname_problem(s) == NULL && text_format(veth, IFNAME_MAX, "%s", s);
}

static bool parse_hostport(char *const *f, size_t n, struct nft_item *item)
{
	item->has_host = n == 7 && strcmp(f[5], "-") != 0;
	return n == 7 && parse_protocol(f[1], &item->protocol) &&
	       parse_port(f[2], &item->host_port) && ipnet_parse(f[3], &item->pod) &&
	       parse_port(f[4], &item->pod_port) &&
	       (!item->has_host ||
		(ip_parse(f[5], &item->host) && ip_is4(&item->host) == ip_is4(&item->pod.addr))) &&
	       (strcmp(f[6], "-") == 0 ||
		(strspn(f[6], "0123456789abcdef") == 16 &&
		 text_format(item->conditions, sizeof(item->conditions), "%s", f[6])));
}

static bool parse_forward(char *const *f, size_t n, struct nft_item *item)
{
	uint64_t bit;

	if (n != 3 || !ipnet_parse(f[1], &item->pod) || !num_parse(f[2], 31, &bit))
		return false;
	item->mark_bit = (uint8_t)bit;
	return true;
}

static bool parse_firewall(char *const *f, size_t n, struct nft_item *item)
{
	if (strcmp(f[0], "forward") == 0) {
		item->kind = NFT_ITEM_FORWARD;
		return parse_forward(f, n, item);
	}
	if (strcmp(f[0], "ingress") == 0) {
		item->kind = NFT_ITEM_INGRESS;
		item->isolated = n == 3 && strcmp(f[2], "isolated") == 0;
		return n == 3 && parse_veth(f[1], item->veth) &&
		       (item->isolated || strcmp(f[2], "same-bridge") == 0);
	}
	if (strcmp(f[0], "source") == 0) {
		item->kind = NFT_ITEM_SOURCE;
		return n == 3 && ipnet_parse(f[1], &item->pod) && zone_name_valid(f[2]) &&
		       text_format(item->zone, sizeof(item->zone), "%s", f[2]);
	}
	return false;
}

static bool parse_item(char *const *f, size_t n, struct nft_item *item)
{
	if (strcmp(f[0], "masq") == 0) {
		item->kind = NFT_ITEM_MASQ;
		return n == 2 && ipnet_parse(f[1], &item->pod);
	}
	if (strcmp(f[0], "pod") == 0) {
		item->kind = NFT_ITEM_POD;
		return n == 3 && parse_veth(f[1], item->veth) && ipnet_parse(f[2], &item->pod);
	}
	if (strcmp(f[0], "spoof") == 0) {
		item->kind = NFT_ITEM_SPOOF;
		return n == 3 && parse_veth(f[1], item->veth) && mac_parse(f[2], &item->mac);
	}
	if (strcmp(f[0], "hostport") == 0) {
		item->kind = NFT_ITEM_HOSTPORT;
		return parse_hostport(f, n, item);
	}
	if (strcmp(f[0], "snat") == 0) {
		item->kind = NFT_ITEM_SNAT;
		item->snat_all = n == 5 && strcmp(f[4], "all") == 0;
		return n == 5 && parse_protocol(f[1], &item->protocol) &&
		       parse_port(f[2], &item->host_port) && ipnet_parse(f[3], &item->pod) &&
		       (item->snat_all || strcmp(f[4], "subnet") == 0);
	}
	return parse_firewall(f, n, item);
}

/* "link NAME" (the older form) or "link NAME INDEX". */
static bool parse_link(struct nft_record *r, char *const *f, size_t n)
{
	uint64_t index = 0;

	if (r->n_links == RECORD_LINKS_MAX || n > 3 ||
	    (n == 3 && (!num_parse(f[2], INT32_MAX, &index) || index == 0)))
		return false;
	r->indexes[r->n_links] = (uint32_t)index;
	return parse_veth(f[1], r->links[r->n_links++]);
}

/* Split at single spaces; 0 if there are too many fields. */
static size_t split(char *line, char *fields[FIELDS])
{
	size_t n = 0;

	for (char *p = line; p != NULL;) {
		if (n == FIELDS)
			return 0;
		fields[n++] = p;
		p = strchr(p, ' ');
		if (p != NULL)
			*p++ = '\0';
	}
	return n;
}

static bool owner_done(const struct owner *o)
{
	return o->network != NULL && o->container != NULL && o->ifname != NULL;
}

/* One line between the first and the last. */
static bool parse_line(struct nft_record *r, char *line)
{
	char *f[FIELDS] = { NULL };
	size_t n = split(line, f);

	if (n == 2 && strcmp(f[0], "network") == 0 && r->owner.network == NULL)
		r->owner.network = f[1];
	else if (n == 2 && strcmp(f[0], "container") == 0 && r->owner.container == NULL)
		r->owner.container = f[1];
	else if (n == 2 && strcmp(f[0], "ifname") == 0 && r->owner.ifname == NULL)
		r->owner.ifname = f[1];
	else if (n >= 2 && strcmp(f[0], "link") == 0)
		return parse_link(r, f, n);
	else
		return n > 0 && owner_done(&r->owner) && r->n < NFT_ITEMS_MAX &&
		       parse_item(f, n, &r->items[r->n++]);
	return f[1][0] != '\0';
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (const char *p = strchr(text, '\n'); p != NULL; p = strchr(p + 1, '\n'))
		n++;
	return n;
}

/* Every line ends in '\n', the last one is "end": a file cut short is seen. */
static int parse_lines(struct nft_record *r, char *text, struct cni_error *err)
{
	size_t number = 1;

	for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		bool last = strcmp(line, "end\n") == 0;

		*end = '\0';
		if (number == 1 ? strcmp(line, HEADER) != 0 : !last && !parse_line(r, line))
			return cni_fail(err, CNI_DECODE, "line %zu is not one of ours", number);
		if (last && owner_done(&r->owner))
			return 0;
		number++;
	}
	return cni_fail(err, CNI_DECODE, "it ends at line %zu without \"end\"", number);
}

int record_parse(char *text, struct nft_record *ret, struct cni_error *err)
{
	size_t lines = count_lines(text);
	size_t links = RECORD_LINKS_MAX < lines ? RECORD_LINKS_MAX : lines + 1;
	scoped_record struct nft_record r = {
		.links = calloc(links, sizeof(*r.links)),
		.indexes = calloc(links, sizeof(*r.indexes)),
		.items = calloc(lines + 1, sizeof(*r.items)),
	};

	if (r.links == NULL || r.indexes == NULL || r.items == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "read an attachment's record");
	if (parse_lines(&r, text, err) < 0)
		return -1;
	r.text = text;
	*ret = r;
	r = (struct nft_record){ 0 };
	return 0;
}

/* ---- files */

static void file_name(enum nft_user user, uint64_t hash, char buf[64])
{
	(void)text_format(buf, 64, "%s-%016" PRIx64, record_user_text(user), hash);
}

/* Made under another name, so that it never stands there without its mark. */
int record_folder_make(int run, bool (*tables)(void *arg), void *arg, struct cni_error *err)
{
	static const char making[] = RECORD_FOLDER ".new";
	scoped_fd int folder = -1;
	char path[PATH_MAX];

	if (faccessat(run, RECORD_FOLDER, F_OK, 0) == 0)
		return 0;
	if (mkdirat(run, making, 0700) < 0 && errno != EEXIST)
		return cni_fail_sys_code(err, CNI_IO, errno, "create the folder %s",
					 fs_path(run, RECORD_FOLDER, path));
	folder = openat(run, making, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "create the folder %s",
					 fs_path(run, RECORD_FOLDER, path));
	if (!tables(arg))
		(void)unlinkat(folder, LOST_MARK, 0);
	else if (fs_write_at(folder, LOST_MARK, "", 0, 0600, err) < 0)
		return -1;
	if (renameat(run, making, run, RECORD_FOLDER) < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "create the folder %s",
					 fs_path(run, RECORD_FOLDER, path));
	return 0;
}

bool record_missing(int run)
{
	return faccessat(run, RECORD_FOLDER, F_OK, 0) < 0 ||
	       faccessat(run, RECORD_FOLDER "/" LOST_MARK, F_OK, 0) == 0;
}

static int open_folder(int run, struct cni_error *err)
{
	int fd = openat(run, RECORD_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX];

	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "open the folder %s",
					 fs_path(run, RECORD_FOLDER, path));
	return fd;
}

int record_write(int run, enum nft_user user, const struct nft_record *r, struct cni_error *err)
{
	scoped_fd int folder = open_folder(run, err);
	scoped_free char *text = NULL;
	char name[64];

	if (folder < 0 || record_print(r, &text, err) < 0)
		return -1;
	assert(text != NULL);
	file_name(user, owner_hash(&r->owner), name);
	return fs_write_at(folder, name, text, strlen(text), 0600, err);
}

static int read_file(int folder, const char *name, struct nft_record *ret, struct cni_error *err)
{
	scoped_fd int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	scoped_free char *text = NULL;
	char path[PATH_MAX];
	size_t len;

	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "open %s",
					 fs_path(folder, name, path));
	if (fs_read_all(fd, RECORD_MAX, name, &text, &len, err) < 0)
		return cni_wrap(err, "%s", fs_path(folder, name, path));
	if (strlen(text) != len)
		return cni_fail(err, CNI_DECODE, "the record " RECORD_FOLDER "/%s holds a NUL",
				name);
	if (record_parse(text, ret, err) < 0)
		return cni_wrap(err, "the record " RECORD_FOLDER "/%s is damaged", name);
	(void)take_ptr(&text);
	return 0;
}

int record_read(int run, enum nft_user user, uint64_t hash, struct nft_record *ret,
		struct cni_error *err)
{
	scoped_fd int folder = open_folder(run, err);
	char name[64];

	file_name(user, hash, name);
	return folder < 0 ? -1 : read_file(folder, name, ret, err);
}

int record_remove(int run, enum nft_user user, uint64_t hash, struct cni_error *err)
{
	scoped_fd int folder = open_folder(run, err);
	char name[64];

	if (folder < 0)
		return err->sys == ENOENT ? 0 : -1;
	file_name(user, hash, name);
	return fs_remove_at(folder, name, err);
}

static bool is_file_of(const char *name, enum nft_user user)
{
	size_t prefix = strlen(record_user_text(user));

	return strncmp(name, record_user_text(user), prefix) == 0 && name[prefix] == '-';
}

bool record_any(int run, enum nft_user user)
{
	scoped_fd int folder = openat(run, RECORD_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped_dir DIR *dir = folder < 0 ? NULL : fdopendir(folder);
	const struct dirent *d;

	if (dir == NULL)
		return false;
	(void)take_fd(&folder); /* closed with dir */
	while ((d = readdir(dir)) != NULL) {
		if (is_file_of(d->d_name, user))
			return true;
	}
	return false;
}

static int each_file(int folder, const char *name,
		     int (*each)(const struct nft_record *r, void *arg, struct cni_error *err),
		     void *arg, struct cni_error *err)
{
	scoped_record struct nft_record r = { 0 };

	if (read_file(folder, name, &r, err) < 0)
		return err->sys == ENOENT ? 0 : each(NULL, arg, err);
	return each(&r, arg, err);
}

int record_each(int run, enum nft_user user,
		int (*each)(const struct nft_record *r, void *arg, struct cni_error *err),
		void *arg, struct cni_error *err)
{
	scoped_fd int folder = open_folder(run, err);
	scoped_dir DIR *dir = NULL;
	const struct dirent *d;

	if (folder < 0)
		return err->sys == ENOENT ? 0 : -1;
	dir = fdopendir(folder);
	if (dir == NULL)
		return cni_fail_sys_code(err, CNI_IO, errno, "list the folder " RECORD_FOLDER);
	(void)take_fd(&folder); /* closed with dir */
	while ((d = readdir(dir)) != NULL) {
		if (strncmp(d->d_name, ".tmp-", 5) == 0) /* of a program killed while it wrote */
			(void)unlinkat(dirfd(dir), d->d_name, 0);
		if (!is_file_of(d->d_name, user))
			continue;
		if (each_file(dirfd(dir), d->d_name, each, arg, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- life */

/* A link may have been renamed; the kernel gives no index of a namespace twice. */
static bool link_exists(const struct nft_record *r, size_t i)
{
	char name[IF_NAMESIZE];

	return if_nametoindex(r->links[i]) != 0 || (r->indexes != NULL && r->indexes[i] != 0 &&
						    if_indextoname(r->indexes[i], name) != NULL);
}

bool record_alive(const struct nft_record *r, uint64_t hash)
{
	char veth[IFNAME_MAX] = "veth";

	if (r != NULL && r->n_links == 0)
		return true; /* nothing that could prove it dead */
	for (size_t i = 0; r != NULL && i < r->n_links; i++) {
		if (link_exists(r, i))
			return true;
	}
	text_base32(hash, IFNAME_MAX - 1 - 4, veth + 4);
	return if_nametoindex(veth) != 0;
}

bool record_owner_alive(int run, enum nft_user user, uint64_t hash, struct nft_record *r)
{
	struct cni_error err;

	if (record_read(run, user, hash, r, &err) == 0)
		return record_alive(r, hash);
	return user == NFT_PORTMAP || record_alive(NULL, hash);
}
