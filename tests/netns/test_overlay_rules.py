# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose address a receiver sees, between two nodes' pods and the world outside, and whose VXLAN packets get
through: pkg/nft/overlay.h in a cluster of namespaces. Every claim is a packet."""

import json
import socket
import struct

from cluster import (FAMILIES, FAR, NET, OUT, Cluster, ended, mac, node_ip, pod_ip, rules, seen, subnet, vtep)
from world import eq, main, test

LISTED = ("nonmasq=172.30.0.0/16", "nonmasq=fd00:172::/64")
GROUP = {4: "239.1.2.3", 6: "ff05::1:2:3"}


def cluster(w, *args, **keys):
    """With masquerade on both nodes."""
    c = Cluster(w)
    for net, node in ((w, 1), (c.node2, 2)):
        rules(net, "apply", *args, node=node, masq=1, **keys)
    return c


def host_port(net, port=8080):
    """A host port of this node that leads to pod c, as portmap or kube-proxy would make it."""
    net.sh("nft 'table inet hostport { chain pre { type nat hook prerouting priority dstnat;"
           f" tcp dport {port} meta nfproto ipv4 dnat ip to {pod_ip(2, 2, 4)}:80;"
           f" tcp dport {port} meta nfproto ipv6 dnat ip6 to [{pod_ip(2, 2, 6)}]:80; }}; }}'")


def multicast(w, out, family):
    """What a receiver outside sees of a datagram to a group that has a pod network's address for source."""
    version = socket.AF_INET if family == 4 else socket.AF_INET6
    level, join, via = ((socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.IP_MULTICAST_IF) if family == 4 else
                        (socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.IPV6_MULTICAST_IF))

    def receive():
        with socket.socket(version, socket.SOCK_DGRAM) as sock:
            sock.bind(("", 7000))
            index = socket.if_nametoindex("eth0")
            member = socket.inet_pton(version, GROUP[family]) + struct.pack("=4si" if family == 4 else "=I", *(
                (b"\0" * 4, index) if family == 4 else (index,)))
            sock.setsockopt(level, join, member)
            sock.settimeout(0.5)
            for _ in range(6):
                w.inside(send)
                try:
                    return sock.recvfrom(100)[1][0]
                except TimeoutError:
                    pass
            return None

    def send():
        with socket.socket(version, socket.SOCK_DGRAM) as sock:
            index = socket.if_nametoindex("eth0")
            sock.setsockopt(level, via, struct.pack("=4s4si", b"\0" * 4, b"\0" * 4, index) if family == 4
                            else struct.pack("=I", index))
            sock.bind((pod_ip(1, 1, family), 0))
            sock.sendto(b"?", (GROUP[family], 7000))

    # w.inside() within out.inside(): the host's namespace is entered by its file.
    host = open("/proc/self/ns/net", "rb")
    w.path = f"/proc/self/fd/{host.fileno()}"
    try:
        return out.inside(receive)
    finally:
        w.path = None
        host.close()


def matrix(c, listed=True):
    """Everything that item 3 of an overlay's masquerade promises."""
    w = c.w
    for f in FAMILIES:
        seen(c.a, pod_ip(2, 2, f), "c", pod_ip(1, 2, f))  # pod to pod, there
        seen(c.c, pod_ip(1, 2, f), "a", pod_ip(2, 2, f))  # and back
        seen(c.a, pod_ip(1, 3, f), "b", pod_ip(1, 2, f))  # on one node
        seen(c.a, OUT[f], "out", node_ip(1, f))
        seen(c.c, OUT[f], "out", node_ip(2, f))
        seen(c.a, FAR[f], "out", pod_ip(1, 2, f) if listed else node_ip(1, f))
        seen(w, pod_ip(2, 2, f), "c", vtep(1, f))
        seen(w, pod_ip(2, 2, f), "c", vtep(1, f), source=node_ip(1, f))  # its answer must take the tunnel
        seen(c.out, pod_ip(1, 2, f), "a", OUT[f])
        seen(c.out, node_ip(1, f), "c", vtep(1, f), port=8080)
        eq(multicast(w, c.out, f), pod_ip(1, 1, f), "source of a multicast packet")


@test
def everybody_sees_the_right_address(w):
    c = cluster(w, *LISTED)
    host_port(w)
    matrix(c)


@test
def ports_at_random_are_the_same_otherwise(w):
    c = cluster(w, *LISTED, random=1)
    host_port(w)
    matrix(c)
    for f in FAMILIES:
        # A port that nothing else wants is kept by a plain masquerade; both by chance: once in 10^9.
        listener = c.out.bg(["python3", "-c", PORTS], stdout=-1)
        eq(listener.stdout.readline(), "ready\n", "listener")
        for port in (40000, 40001):
            c.a.ask(OUT[f], 7001, proto="udp", source_port=port, seconds=0.1)
        ports = listener.communicate(timeout=10)[0].split()
        assert ports != ["40000", "40001"], ports


PORTS = """
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 7001)); s.settimeout(5); print("ready", flush=True)
print(s.recvfrom(100)[1][1], s.recvfrom(100)[1][1], flush=True)
"""


@test
def without_masquerade_all_keep_their_addresses(w):
    """That the tests above see something: the same packets without the rules."""
    c = Cluster(w)
    for f in FAMILIES:
        seen(c.a, OUT[f], "out", pod_ip(1, 2, f))
        seen(c.c, OUT[f], "out", pod_ip(2, 2, f))


MARK = "nft 'table inet marks { chain pre { type filter hook prerouting priority -150; iifname cni0 meta mark set 0x4010; }; }'"

KUBE_PROXY = """
{t} -t nat -N KUBE-POSTROUTING
{t} -t nat -I POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
{t} -t nat -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
{t} -t nat -A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
{t} -t nat -A KUBE-POSTROUTING -j MASQUERADE
"""


@test
def what_kube_proxy_has_marked_is_kube_proxys(w):
    """The mark bears other bits as well. We leave it alone; kube-proxy's own rule masquerades it, once."""
    c = cluster(w)
    w.sh(MARK)
    for f in FAMILIES:
        seen(c.a, OUT[f], "out", pod_ip(1, 2, f))
        w.sh(KUBE_PROXY.format(t="iptables" if f == 4 else "ip6tables"))
        seen(c.a, OUT[f], "out", node_ip(1, f))
        lines = w.sh(f"conntrack -L -f ipv{f} -p tcp -d {OUT[f]} --orig-src {pod_ip(1, 2, f)}").stdout
        assert f"dst={node_ip(1, f)} " in lines, lines


def flannel_iptables(w, tool, node=1):
    """overlay.md 1.11: what flanneld appends."""
    for t, f, mc in ((tool, 4, "224.0.0.0/4"), (tool.replace("ip", "ip6", 1), 6, "ff00::/8")):
        masq, net, own = '-m comment --comment "flanneld masq" -j', NET[f], subnet(node, f)
        w.sh(f"""set -e
        {t} -t nat -N FLANNEL-POSTRTG
        {t} -t nat -A POSTROUTING {masq} FLANNEL-POSTRTG
        {t} -t nat -A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 {masq} RETURN
        {t} -t nat -A FLANNEL-POSTRTG -s {own} -d {net} {masq} RETURN
        {t} -t nat -A FLANNEL-POSTRTG -s {net} -d {own} {masq} RETURN
        {t} -t nat -A FLANNEL-POSTRTG ! -s {net} -d {own} {masq} RETURN
        {t} -t nat -A FLANNEL-POSTRTG -s {net} ! -d {mc} {masq} MASQUERADE --random-fully
        {t} -t nat -A FLANNEL-POSTRTG ! -s {net} -d {net} {masq} MASQUERADE --random-fully
        {t} -N FLANNEL-FWD
        {t} -A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
        {t} -A FLANNEL-FWD -s {net} -m comment --comment "flanneld forward" -j ACCEPT
        {t} -A FLANNEL-FWD -d {net} -m comment --comment "flanneld forward" -j ACCEPT""")


def flannel_nftables(w, node=1):
    """overlay.md 1.12, with the rule 4 that keeps the source of what goes to another node's pod."""
    for f, ip, table, mc in ((4, "ip", "flannel-ipv4", "224.0.0.0/4"), (6, "ip6", "flannel-ipv6", "ff00::/8")):
        net, own = NET[f], subnet(node, f)
        w.sh("nft -f -", input=f"""table {ip} {table} {{
            comment "rules for {table}"
            chain forward {{ type filter hook forward priority filter; {ip} saddr {net} accept; {ip} daddr {net} accept; }};
            chain postrtg {{ type nat hook postrouting priority srcnat;
                meta mark 0x4000 return
                {ip} saddr {own} {ip} daddr {net} return
                {ip} saddr {net} {ip} daddr {own} return
                {ip} saddr != {own} {ip} daddr {net} return
                {ip} saddr {net} {ip} daddr != {mc} masquerade fully-random
                {ip} saddr != {net} {ip} daddr {net} masquerade fully-random
            }}; }}""")


def beside_flannel(w, put):
    """Its masquerade does not know of listed prefixes; all else must be as without it."""
    c = Cluster(w)
    put(w)
    for net, node in ((w, 1), (c.node2, 2)):
        rules(net, "apply", *LISTED, node=node, masq=1)
    host_port(w)
    matrix(c, listed=False)
    for line in w.sh("nft list ruleset").stdout.splitlines():
        assert "flanneld" not in line or "podwire" not in line, line


@test
def flannels_rules_of_iptables_nft_do_no_harm(w):
    beside_flannel(w, lambda w: flannel_iptables(w, "iptables-nft"))


@test(needs=["iptables_legacy"])
def flannels_rules_of_iptables_legacy_do_no_harm(w):
    beside_flannel(w, lambda w: flannel_iptables(w, "iptables-legacy"))


@test
def flannels_rules_of_nftables_do_no_harm(w):
    """And what they forget, an outside client of a host port that leads to another node, works with ours."""
    beside_flannel(w, flannel_nftables)


@test
def what_flannels_nftables_forget(w):
    """That the test above sees something: without us such a client has no answer."""
    c = Cluster(w)
    flannel_nftables(w)
    host_port(w)
    for f in FAMILIES:
        eq(c.out.ask(node_ip(1, f), 8080, seconds=0.3), None, "an answer that bypasses the tunnel")


# ---- senders

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def inner(family, text):
    """A frame to node 1's VTEP with a datagram from a pod of node 2 to pod a."""
    version = socket.AF_INET if family == 4 else socket.AF_INET6
    source, dest = (socket.inet_pton(version, pod_ip(n, 2, family)) for n in (2, 1))
    length = 8 + len(text)
    pseudo = source + dest + struct.pack("!II", length, socket.IPPROTO_UDP)
    udp = struct.pack("!HHH", 5000, 7002, length)
    udp += struct.pack("!H", checksum(pseudo + udp + b"\0\0" + text + b"\0" * (len(text) % 2))) + text
    if family == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, 17, 0) + source + dest
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    else:
        head = struct.pack("!IHBB", 6 << 28, length, 17, 64) + source + dest
    ethernet = bytes.fromhex((mac(1, family) + mac(2, family)).replace(":", "")) + (b"\x08\x00" if family == 4 else b"\x86\xdd")
    return struct.pack("!II", 0x08000000, 1 << 8) + ethernet + head + udp


INBOX = """
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 7002)); s.settimeout(5); print("ready", flush=True)
while True: print(s.recvfrom(100)[0].decode(), flush=True)
"""


def received(c, family, *senders):
    """Of datagrams in VXLAN packets that each of `senders` (a Net) forges, those that pod a gets; the last
    one comes by the tunnel from pod c itself."""
    inbox = c.a.bg(["python3", "-uc", INBOX], stdout=-1)
    eq(inbox.stdout.readline(), "ready\n", "inbox")

    def send(packet, address, port):
        with socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.sendto(packet, (address, port))

    for net in senders:
        net.inside(lambda: send(inner(family, net.name.encode()), node_ip(1, family), 8472))
    c.c.inside(lambda: send(b"end", pod_ip(1, 2, family), 7002))
    got = []
    while not got or got[-1] != "end":
        line = inbox.stdout.readline().strip()
        assert line, got
        got.append(line)
    ended(inbox)
    return got


def strangers(w, *args, **keys):
    return int(rules(w, "differ", *args, **keys).stdout.split("strangers ")[1].split()[0])


NODES = [f"sender={node_ip(n, f)}" for n in (1, 2) for f in FAMILIES]


@test
def strangers_are_counted(w):
    c = cluster(w)
    for f in FAMILIES:
        keys = {"families": [f], "port": 8472}
        rules(w, "apply", *NODES, **keys)
        eq(received(c, f, c.out, c.node2), ["out", "node2", "end"], "what a pod gets")
        eq(strangers(w, *NODES, **keys), 1, "counted")


@test
def strangers_are_dropped_on_request(w):
    c = cluster(w)
    keys = {"port": 8472, "drop": 1}
    rules(w, "apply", *NODES, **keys)
    for count, f in enumerate(FAMILIES, 1):
        eq(received(c, f, c.out, c.node2), ["node2", "end"], "what a pod gets")
        eq(strangers(w, *NODES, **keys), count, "counted")


@test
def another_sender_is_a_difference_of_elements(w):
    """A new node's packets pass, an old node's stop, the strangers' counters go on."""
    c = cluster(w)
    keys = {"families": [4], "port": 8472, "drop": 1}
    rules(w, "apply", *NODES, **keys)
    eq(received(c, 4, c.out, c.node2), ["node2", "end"], "what a pod gets")
    before = w.sh("nft -a list chain inet podwire-overlay-podnet senders").stdout
    more = [*NODES, f"sender={OUT[4]}"]
    eq(rules(w, "apply", *more, **keys).stdout, "changed\n")
    eq(received(c, 4, c.out, c.node2), ["out", "node2", "end"], "with one node more")
    eq(strangers(w, *more, **keys), 1, "counted before")
    eq(w.sh("nft -a list chain inet podwire-overlay-podnet senders").stdout, before, "rules and counters")
    eq(rules(w, "apply", *NODES, **keys).stdout, "changed\n")
    eq(received(c, 4, c.out, c.node2), ["node2", "end"], "with one node less")
    eq(strangers(w, *NODES, **keys), 2, "counted")


@test
def vxlan_that_is_only_passed_on_is_not_ours(w):
    """A pod may speak VXLAN with whom it likes."""
    c = cluster(w)
    rules(w, "apply", *NODES, masq=1, port=8472, drop=1)
    c.c.serve(8472, proto="udp", text="c")
    c.out.serve(8472, proto="udp", text="out")
    for f in FAMILIES:
        seen(c.a, pod_ip(2, 2, f), "c", pod_ip(1, 2, f), port=8472, proto="udp")
        seen(c.a, OUT[f], "out", node_ip(1, f), port=8472, proto="udp")


# ---- in motion

FLOOD = """
import socket, sys
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(200)]
print("ready", flush=True)
while True:
    for one in s: one.sendto(b"?", (sys.argv[1], 7003))
    s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(200)]
"""

SOURCES = """
import collections, json, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 7003)); seen = collections.Counter(); print("ready", flush=True)
while True:
    data, peer = s.recvfrom(100)
    if data == b"end": break
    seen[peer[0]] += 1
print(json.dumps(seen), flush=True)
"""


@test
def a_table_made_anew_misses_no_packet(w):
    """New connections all the time, while the table is replaced whole: none leaves with a pod's address."""
    c = cluster(w, random=1, families=[4])
    sources = c.out.bg(["python3", "-c", SOURCES], stdout=-1)
    eq(sources.stdout.readline(), "ready\n")
    flood = c.a.bg(["python3", "-c", FLOOD, OUT[4]], stdout=-1)
    eq(flood.stdout.readline(), "ready\n")
    for i in range(20):
        eq(rules(w, "apply", masq=1, random=i % 2, families=[4]).stdout, "changed\n")
    ended(flood)
    for _ in range(20):
        c.w.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"end", (OUT[4], 7003)))
    got = json.loads(sources.communicate(timeout=10)[0])
    eq(list(got), [node_ip(1, 4)], f"sources of {got}")
    assert got[node_ip(1, 4)] > 1000, got


if __name__ == "__main__":
    main()
