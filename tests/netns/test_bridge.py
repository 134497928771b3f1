# SPDX-License-Identifier: GPL-2.0-or-later
"""bridge with host-local behind it, as a runtime calls it: what the kernel, a packet and another
program see (plugins.md §1.1, issue "Pods on a bridge" item 2)."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from world import eq, main, test, wait_for  # noqa: E402

GO = "/usr/lib/cni"
V4, V6 = {"subnet": "10.1.2.0/24"}, {"subnet": "fd01:2::/64"}


def conf(version="1.1.0", ranges=((V4,), (V6,)), **keys):
    """One bridge configuration; ranges=None is L2 only."""
    ipam = {"type": "host-local", "ranges": [list(r) for r in ranges]} if ranges else {}
    return {"cniVersion": version, "name": "testnet", "type": "bridge", "bridge": "br0",
            "isDefaultGateway": True, "ipam": ipam, **keys}


def host_veth(reply):
    return reply.json["interfaces"][1]["name"]


def link(net, name):
    return net.json(f"ip -j -d link show dev {name}")[0]


def brport(w, name):
    return link(w, name)["linkinfo"]["info_slave_data"]


def files(w, net="testnet"):
    """Address files of the network."""
    folder = Path("/var/lib/cni/networks") / net
    return sorted(p.name for p in folder.glob("*") if p.is_file() and p.name[0] in "0123456789f"
                  and not p.name.startswith("fd") or ":" in p.name) if folder.exists() else []


@test
def dual_stack_result_and_kernel(w):
    a = w.pod("a")
    r = w.call("bridge", "ADD", conf(), a).ok()
    names = [i["name"] for i in r.json["interfaces"]]
    eq(len(names), 3)
    eq((names[0], names[2]), ("br0", "eth0"))
    assert names[1].startswith("veth"), names
    eq(r.json["interfaces"][2]["sandbox"], a.path)
    for entry, net in zip(r.json["interfaces"], (w, w, a)):
        eq(entry["mac"], link(net, entry["name"])["address"], entry["name"])
    eq([(i["address"], i["gateway"], i["interface"]) for i in r.json["ips"]],
       [("10.1.2.2/24", "10.1.2.1", 2), ("fd01:2::2/64", "fd01:2::1", 2)])
    eq(a.ips("eth0"), ["10.1.2.2/24", "fd01:2::2/64"])
    eq(sorted(w.ips("br0")), ["10.1.2.1/24", "fd01:2::1/64"])
    for family, gw in ((4, "10.1.2.1"), (6, "fd01:2::1")):
        default = [x for x in a.json(f"ip -{family} -j route show default")]
        eq([(x["gateway"], x["dev"]) for x in default], [(gw, "eth0")])
    eq(sorted(x["ifname"] for x in w.json("ip -j link")), sorted(["lo", "br0", names[1]]))
    eq(link(w, names[1])["ifalias"], "podwire testnet c1 eth0")
    eq(w.sysctl("net.ipv4.ip_forward"), "1")
    eq(w.sysctl("net.ipv6.conf.all.forwarding"), "1")


@test
def ipv6_is_usable_at_once(w):
    """No tentative address when ADD returns, and the first ping of either family crosses."""
    a = w.pod("a")
    w.call("bridge", "ADD", conf(), a).ok()
    for net, dev in ((a, "eth0"), (w, "br0")):
        assert "tentative" not in net.sh(f"ip -6 addr show dev {dev} scope global").stdout
    assert a.pings("fd01:2::1", seconds=1)
    assert a.pings("10.1.2.1", seconds=1)
    eq(a.sysctl("net.ipv6.conf.eth0.accept_dad"), "0")
    eq(a.sysctl("net.ipv6.conf.eth0.keep_addr_on_down"), "1")


@test
def the_host_end_has_no_link_local_address(w):
    a = w.pod("a")
    r = w.call("bridge", "ADD", conf(), a).ok()
    eq(w.sh(f"ip -6 addr show dev {host_veth(r)}").stdout, "")
    assert "fe80" in a.sh("ip -6 addr show dev eth0").stdout


@test
def enabledad_waits_for_detection(w):
    a = w.pod("a")
    w.call("bridge", "ADD", conf(enabledad=True), a).ok()
    assert "tentative" not in a.sh("ip -6 addr show dev eth0").stdout
    eq(a.sysctl("net.ipv6.conf.eth0.accept_dad"), "1")


@test
def enabledad_finds_a_duplicate(w):
    b, a = w.pod("b"), w.pod("a")
    w.call("bridge", "ADD", conf(), b, id="b").ok()
    b.sh("ip addr add fd01:2::3/64 dev eth0 nodad; ip addr add 10.1.2.99/24 dev eth0")
    w.call("bridge", "ADD", conf(enabledad=True), a, id="a").fails(text="fd01:2::3")
    eq(a.json("ip -j link show type veth"), [])
    eq(files(w), ["10.1.2.2", "fd01:2::2"])


@test
def two_pods_and_the_host(w):
    a, b = w.pod("a"), w.pod("b")
    w.call("bridge", "ADD", conf(), a, id="a").ok()
    w.call("bridge", "ADD", conf(), b, id="b").ok()
    for address in ("10.1.2.3", "fd01:2::3", "10.1.2.1", "fd01:2::1"):
        assert a.pings(address), address
    assert w.pings("10.1.2.2") and w.pings("fd01:2::2")


@test
def del_leaves_nothing_and_may_be_repeated(w):
    a = w.pod("a")
    w.call("bridge", "ADD", conf(ipMasq=True, macspoofchk=True), a, id="first").ok()
    w.call("bridge", "DEL", conf(ipMasq=True, macspoofchk=True), a, id="first").ok()
    before = w.snapshot(pods=[a])
    r = w.call("bridge", "ADD", conf(ipMasq=True, macspoofchk=True), a).ok()
    for _ in range(3):
        d = w.call("bridge", "DEL", conf(ipMasq=True, macspoofchk=True, prevResult=r.json), a).ok()
        eq(d.out, "")
    after = w.snapshot(pods=[a])
    w.same(drop_counters(before), drop_counters(after))


def drop_counters(text):
    """last_reserved_ip moves on by design, and with it the folder's stamp."""
    return "\n".join(line for line in text.splitlines()
                     if "last_reserved_ip" not in line and "/.podwire" not in line)


@test
def del_without_namespace_or_prev_result(w):
    """plugins 810, 811, 1078: the reference leaks masquerade rules here."""
    base = conf(ipMasq=True, macspoofchk=True)
    for i, netns in enumerate(("", "/run/netns/never", "gone", "/run/plain-file", "/proc/999999/ns/net")):
        a = w.pod(f"p{i}")
        r = w.call("bridge", "ADD", base, a, id="x").ok()
        Path("/run/plain-file").write_text("")
        if netns == "gone":
            netns = a.path
            w.remove(a)
        w.call("bridge", "DEL", base, netns, id="x").ok()
        eq(w.sh(f"ip link show {host_veth(r)}", check=False).returncode, 1, netns)
        eq(files(w), [], netns)
        assert r.ips()[0] not in w.sh("nft list ruleset").stdout, netns
        assert "podwire" not in w.sh("ip link").stdout, netns


@test
def del_of_what_never_was(w):
    a = w.pod("a")
    before = w.snapshot(pods=[a])
    w.call("bridge", "DEL", conf(ipMasq=True), a).ok()
    w.same(before, w.snapshot(pods=[a]), "DEL made something")


@test
def del_leaves_other_interfaces_alone(w):
    """DEL-17: a second network's interface of that name, or one made by hand, is not ours."""
    a = w.pod("a")
    w.call("bridge", "ADD", conf(), a).ok()
    other = conf(name="other", bridge="br1", ranges=(({"subnet": "10.9.0.0/24"},),))
    w.call("bridge", "ADD", other, a, ifname="eth0").fails(101, "eth0 already exists")
    w.call("bridge", "DEL", other, a, ifname="eth0").ok()
    eq(a.ips("eth0", 4), ["10.1.2.2/24"])
    a.sh("ip link add dev hand type veth peer name hand2")
    w.call("bridge", "DEL", other, a, ifname="hand").ok()
    eq(a.sh("ip link show hand", check=False).returncode, 0)


@test
def second_add_fails_and_first_stays(w):
    a = w.pod("a")
    w.call("bridge", "ADD", conf(), a).ok()
    before = w.snapshot(pods=[a])
    w.call("bridge", "ADD", conf(), a).fails(101, "already exists")
    w.same(before, w.snapshot(pods=[a]))


@test
def leftover_of_a_killed_add_is_replaced(w):
    a = w.pod("a")
    r = w.call("bridge", "ADD", conf(), a).ok()
    w.call("host-local", "DEL", conf(), a).ok()
    w.remove(a)
    a = w.pod("a")
    # The namespace takes the pair with it, a little later: put the host end back as a kill leaves it.
    wait_for(lambda: w.sh(f"ip link show {host_veth(r)}", check=False).returncode != 0, "the pair to go")
    w.sh(f"ip link add {host_veth(r)} type veth peer name lost")
    w.sh(f"ip link set {host_veth(r)} alias 'podwire testnet c1 eth0'")
    again = w.call("bridge", "ADD", conf(), a).ok()
    eq(host_veth(again), host_veth(r))
    assert a.pings("10.1.2.1")


@test
def existing_bridge_is_reused_and_its_mac_stays(w):
    w.sh("ip link add br0 address 02:11:22:33:44:55 type bridge && ip link set br0 mtu 1400")
    index = link(w, "br0")["ifindex"]
    a = w.pod("a")
    r = w.call("bridge", "ADD", conf(), a).ok()
    eq(link(w, "br0")["ifindex"], index)
    eq(r.json["interfaces"][0]["mac"], "02:11:22:33:44:55")
    w.call("bridge", "DEL", conf(), a).ok()
    eq(link(w, "br0")["address"], "02:11:22:33:44:55")
    eq(link(w, "br0")["mtu"], 1400)


@test
def a_bridge_we_make_keeps_its_mac(w):
    a = w.pod("a")
    mac = w.call("bridge", "ADD", conf(), a).ok().json["interfaces"][0]["mac"]
    for i in range(4):
        w.call("bridge", "ADD", conf(), w.pod(f"x{i}"), id=f"x{i}").ok()
    eq(link(w, "br0")["address"], mac)
    w.call("bridge", "DEL", conf(), a).ok()
    eq(link(w, "br0")["address"], mac)
    eq(Path("/sys/class/net/br0/addr_assign_type").read_text().strip(), "3", "udev keeps off set MACs")


@test
def macs_of_the_pair_are_set_not_random(w):
    """systemd#21185: udev rewrites MACs whose addr_assign_type is not NET_ADDR_SET."""
    a = w.pod("a")
    r = w.call("bridge", "ADD", conf(), a).ok()
    eq(Path(f"/sys/class/net/{host_veth(r)}/addr_assign_type").read_text().strip(), "3")
    eq(a.inside(lambda: open("/proc/self/net/dev").read().count("eth0")), 1)


@test
def not_a_bridge(w):
    w.sh("ip link add br0 type veth peer name other")
    before = w.snapshot()
    w.call("bridge", "ADD", conf(), w.pod("a")).fails(101, "is not a bridge")
    w.same(before, w.snapshot())


@test
def mtu_of_both_ends(w):
    a = w.pod("a")
    w.call("bridge", "ADD", conf(mtu=1234), a).fails(7, "1280")
    eq(w.json("ip -j link show type veth"), [])
    r = w.call("bridge", "ADD", conf(mtu=1321), a).ok()
    eq([link(w, "br0")["mtu"], link(w, host_veth(r))["mtu"], link(a, "eth0")["mtu"]], [1321] * 3)
    eq(r.json["interfaces"][2]["mtu"], 1321)


@test
def mtu_auto_is_the_default_routes(w):
    a = w.pod("a")
    w.call("bridge", "ADD", conf(mtu="auto"), a).fails(7, "default route")
    w.neighbour()
    w.sh("ip link set eth0 mtu 1380")
    w.call("bridge", "ADD", conf(mtu="auto"), a).ok()
    eq(link(a, "eth0")["mtu"], 1380)


@test
def hairpin_isolation_promisc(w):
    a, b, c = w.pod("a"), w.pod("b"), w.pod("c")
    r = w.call("bridge", "ADD", conf(hairpinMode=True), a, id="a").ok()
    eq(brport(w, host_veth(r))["hairpin"], True)
    r = w.call("bridge", "ADD", conf(portIsolation=True), b, id="b").ok()
    eq((brport(w, host_veth(r))["hairpin"], brport(w, host_veth(r))["isolated"]), (False, True))
    w.call("bridge", "ADD", conf(portIsolation=True), c, id="c").ok()
    assert not b.pings("10.1.2.4", seconds=1), "isolated ports reach each other"
    assert b.pings("10.1.2.1")
    w.call("bridge", "ADD", conf(promiscMode=True), w.pod("d"), id="d").ok()
    eq(link(w, "br0")["promiscuity"], 1)
    w.call("bridge", "ADD", conf(promiscMode=True, hairpinMode=True), w.pod("e")).fails(
        7, "cannot set hairpin mode and promiscuous mode at the same time")


@test
def mac_from_its_three_places(w):
    macs = [f"02:00:00:00:00:0{i}" for i in range(3)]
    keys, args = {}, "IgnoreUnknown=1;MAC=" + macs[0]
    for i, more in enumerate(({}, {"args": {"cni": {"mac": macs[1]}}}, {"RuntimeConfig": {"Mac": macs[2]}})):
        keys.update(more)
        pod = w.pod(f"p{i}")
        r = w.call("bridge", "ADD", conf(**keys), pod, id=f"p{i}", args=args).ok()
        eq(link(pod, "eth0")["address"], macs[i])
        eq(r.json["interfaces"][2]["mac"], macs[i])


@test
def bad_macs(w):
    a = w.pod("a")
    for wrong in ({"args": 5}, {"args": {"cni": 5}}, {"runtimeConfig": []}):
        w.call("bridge", "ADD", conf(**wrong), a).fails(6, "is not an object")
    for mac in ("02:00:00:00:00", "zz:00:00:00:00:00", "01:00:5e:00:00:01", "00:00:00:00:00:00"):
        w.call("bridge", "ADD", conf(runtimeConfig={"mac": mac}), a).fails(7, "runtimeConfig.mac")
        w.call("bridge", "ADD", conf(), a, args="MAC=" + mac).fails(7, "MAC")
    eq(w.json("ip -j link show type bridge"), [])


@test
def l2_only(w):
    for ipam in ({}, None):
        a = w.pod(f"a{ipam is None}")
        c = conf(ranges=None)
        c["ipam"] = ipam
        r = w.call("bridge", "ADD", c, a, id=a.name).ok()
        eq([i["name"] for i in r.json["interfaces"]][::2], ["br0", "eth0"])
        assert "ips" not in r.json
        assert "UP" in link(a, "eth0")["flags"]
        w.call("bridge", "CHECK", {**c, "prevResult": r.json}, a, id=a.name).ok()
        w.call("bridge", "DEL", c, a, id=a.name).ok()
    for version in ("0.1.0", "0.2.0"):
        before = w.snapshot(pods=[a])
        w.call("bridge", "ADD", conf(version, ranges=None), a).fails(
            text="cannot convert: no valid IP addresses")
        w.same(before, w.snapshot(pods=[a]))
        w.call("bridge", "DEL", conf(version, ranges=None), a).ok()


@test
def disabled_container_interface(w):
    a = w.pod("a")
    w.call("bridge", "ADD", conf(disableContainerInterface=True), a).fails(
        7, "cannot use IPAM when DisableContainerInterface flag is set")
    r = w.call("bridge", "ADD", conf(ranges=None, disableContainerInterface=True), a).ok()
    assert "UP" not in link(a, "eth0")["flags"]
    w.call("bridge", "CHECK", conf(ranges=None, disableContainerInterface=True, prevResult=r.json), a).ok()


@test
def every_version_prints_its_layout(w):
    for version in ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0", None):
        pod = w.pod("v" + (version or "none").replace(".", ""))
        c = conf(version)
        if version is None:
            del c["cniVersion"]
        r = w.call("bridge", "ADD", c, pod, id=pod.name).ok()
        eq(r.json["cniVersion"], version or "0.1.0")
        if r.json["cniVersion"] < "0.3":
            eq(set(r.json), {"cniVersion", "ip4", "ip6", "dns"})
            assert r.json["ip4"]["routes"][0]["dst"] == "0.0.0.0/0"
        else:
            eq(["version" in ip for ip in r.json["ips"]], [r.json["cniVersion"] < "1"] * 2)
            eq("dns" in r.json, r.json["cniVersion"] < "1")
        w.call("bridge", "DEL", c, pod, id=pod.name).ok()


@test
def too_many_addresses_for_the_oldest_versions(w):
    a = w.pod("a")
    two = conf("0.2.0", ranges=((V4,), ({"subnet": "10.3.0.0/24"},)))
    w.call("bridge", "ADD", two, a).fails(text="does not support more than 1 address per family")
    eq(w.json("ip -j link show type veth"), [])


@test
def several_ranges_give_several_addresses(w):
    a = w.pod("a")
    w.sh("ip link add br0 type bridge")
    c = conf(ranges=((V4,), ({"subnet": "10.3.0.0/24"},), (V6,), ({"subnet": "fd05::/64"},)),
             isDefaultGateway=False, isGateway=False, ipMasq=True)
    r = w.call("bridge", "ADD", c, a).ok()
    eq(sorted(a.ips("eth0")), ["10.1.2.2/24", "10.3.0.2/24", "fd01:2::2/64", "fd05::2/64"])
    w.call("bridge", "CHECK", {**c, "prevResult": r.json}, a).ok()
    w.call("bridge", "DEL", c, a).ok()
    assert "10.3.0.2" not in w.sh("nft list table inet podwire").stdout


@test
def gateway_address_conflicts(w):
    """podman#12306: two networks with one bridge and different subnets."""
    w.call("bridge", "ADD", conf(), w.pod("a"), id="a").ok()
    other = conf(name="other", ranges=(({"subnet": "10.7.0.0/24"},),))
    before = w.snapshot()
    w.call("bridge", "ADD", other, w.pod("b"), id="b").fails(
        101, '"br0" already has an IP address different from 10.7.0.1/24, namely 10.1.2.1/24')
    w.same(drop_counters(before), "\n".join(
        line for line in drop_counters(w.snapshot()).splitlines() if "/other" not in line), "failed ADD")
    w.call("bridge", "ADD", {**other, "forceAddress": True}, w.pod("c"), id="c").ok()
    eq(w.ips("br0", 4), ["10.7.0.1/24"])
    # IPv6: other subnets accumulate, overlapping ones conflict
    six = conf(name="six", ranges=(({"subnet": "fd09::/64"},),))
    w.call("bridge", "ADD", six, w.pod("d"), id="d").ok()
    eq(set(w.ips("br0", 6)), {"fd01:2::1/64", "fd09::1/64"})
    wide = conf(name="wide", ranges=(({"subnet": "fd09::/48"},),))
    w.call("bridge", "ADD", wide, w.pod("e"), id="e").fails(101, "fd09::1/64")


@test
def bridge_deleted_or_readdressed_by_hand(w):
    a, b = w.pod("a"), w.pod("b")
    r = w.call("bridge", "ADD", conf(), a, id="a").ok()
    w.sh("ip addr del 10.1.2.1/24 dev br0")
    w.call("bridge", "CHECK", conf(prevResult=r.json), a, id="a").fails(103, "10.1.2.1/24")
    w.call("bridge", "ADD", conf(), b, id="b").ok()
    w.call("bridge", "CHECK", conf(prevResult=r.json), a, id="a").ok()
    w.sh("ip link del br0")
    w.call("bridge", "CHECK", conf(prevResult=r.json), a, id="a").fails(103, "bridge br0 is gone")
    w.call("bridge", "DEL", conf(prevResult=r.json), a, id="a").ok()
    w.call("bridge", "DEL", conf(), b, id="b").ok()
    eq(w.json("ip -j link show type veth"), [])


@test
def ip_masq_is_an_element_and_works(w):
    node2 = w.neighbour()
    a, b = w.pod("a"), w.pod("b")
    node2.serve(7000)
    w.call("bridge", "ADD", conf(ipMasq=True), a, id="a").ok()
    one = w.sh("nft list table inet podwire").stdout
    w.call("bridge", "ADD", conf(ipMasq=True), b, id="b").ok()
    two = w.sh("nft list table inet podwire").stdout
    assert "10.1.2.2" in one and "10.1.2.3" not in one and "10.1.2.3" in two
    eq(one.count("masquerade"), two.count("masquerade"), "a rule per pod")
    assert '"testnet a eth0"' in two
    eq(a.ask("192.0.2.2", 7000), "hello 192.0.2.1")
    eq(a.ask("2001:db8:0:1::2", 7000), "hello 2001:db8:0:1::1")
    b.serve(7001)
    eq(a.ask("10.1.2.3", 7001), "hello 10.1.2.2")
    w.call("bridge", "DEL", conf(ipMasq=True), a, id="a").ok()
    left = w.sh("nft list table inet podwire").stdout
    assert "10.1.2.2" not in left and "10.1.2.3" in left


@test
def without_ip_masq_the_address_stays(w):
    node2 = w.neighbour()
    node2.serve(7000)
    node2.sh("ip route add 10.1.2.0/24 via 192.0.2.1")
    a = w.pod("a")
    w.call("bridge", "ADD", conf(ipMasq=False), a).ok()
    eq(a.ask("192.0.2.2", 7000), "hello 10.1.2.2")
    eq(w.sh("nft list ruleset").stdout, "", "no table without need")


@test
def ip_masq_backends(w):
    for backend in ("iptables", "nftables", ""):
        a = w.pod("a" + backend)
        w.call("bridge", "ADD", conf(ipMasq=True, ipMasqBackend=backend), a, id=a.name).ok()
    w.call("bridge", "ADD", conf(ipMasq=True, ipMasqBackend="ebtables"), w.pod("z")).fails(
        7, 'ipMasqBackend: unknown ipmasq backend "ebtables"')


@test
def mac_spoofing_is_dropped(w):
    a, b = w.pod("a"), w.pod("b")
    w.call("bridge", "ADD", conf(macspoofchk=True), a, id="a").ok()
    w.call("bridge", "ADD", conf(macspoofchk=False), b, id="b").ok()
    assert a.pings("10.1.2.3") and a.pings("10.1.2.1")
    mac = link(a, "eth0")["address"]
    a.sh("ip link set eth0 address 02:de:ad:be:ef:01")
    assert not a.pings("10.1.2.3", seconds=1), "a foreign MAC passes"
    assert not a.pings("10.1.2.1", seconds=1), "a foreign MAC reaches the host"
    a.sh(f"ip link set eth0 address {mac}")
    assert a.pings("10.1.2.3")
    b.sh("ip link set eth0 address 02:de:ad:be:ef:02")
    assert b.pings("10.1.2.1"), "unchecked pod"
    w.call("bridge", "DEL", conf(macspoofchk=True), a, id="a").ok()
    assert mac not in w.sh("nft list ruleset").stdout


@test
def gratuitous_arp_and_unsolicited_na(w):
    """cni#84, plugins 588: the address moves to another MAC; the neighbours must know at once."""
    a, b = w.pod("a"), w.pod("b")
    only = {"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.50", "rangeEnd": "10.1.2.50"}
    only6 = {"subnet": "fd01:2::/64", "rangeStart": "fd01:2::50", "rangeEnd": "fd01:2::50"}
    listener = w.pod("listener")
    w.call("bridge", "ADD", conf(), listener, id="l").ok()
    c = conf(ranges=((only,), (only6,)), dataDir="x")
    c["ipam"]["dataDir"] = "/var/lib/cni/other"
    w.call("bridge", "ADD", c, a, id="a").ok()
    for net in (w, listener):
        assert net.pings("10.1.2.50") and net.pings("fd01:2::50")
    w.call("bridge", "DEL", c, a, id="a").ok()
    w.call("bridge", "ADD", c, b, id="b").ok()
    for net in (w, listener):
        assert net.pings("10.1.2.50", seconds=1), "stale IPv4 neighbour"
        assert net.pings("fd01:2::50", seconds=1), "stale IPv6 neighbour"


@test
def dns_of_configuration_and_of_ipam(w):
    Path("/run/resolv.conf").write_text("nameserver 192.0.2.3\nsearch example.org\n")
    c = conf()
    c["ipam"]["resolvConf"] = "/run/resolv.conf"
    r = w.call("bridge", "ADD", c, w.pod("a"), id="a").ok()
    eq(r.json["dns"], {"nameservers": ["192.0.2.3"], "search": ["example.org"]})
    r = w.call("bridge", "ADD", {**c, "dns": {"nameservers": ["192.0.2.4"]}}, w.pod("b"), id="b").ok()
    eq(r.json["dns"], {"nameservers": ["192.0.2.4"]})


@test
def route_attributes_reach_the_kernel(w):
    c = conf()
    c["ipam"]["routes"] = [
        {"dst": "10.200.0.0/16", "mtu": 1300, "advmss": 1200, "priority": 77},
        {"dst": "10.201.0.0/16", "gw": "10.1.2.9", "table": 100},
        {"dst": "10.202.0.0/16", "scope": 253},
        {"dst": "fd99::/64", "priority": 5}]
    a = w.pod("a")
    r = w.call("bridge", "ADD", c, a).ok()
    one = a.json("ip -j route show 10.200.0.0/16")[0]
    eq((one["gateway"], one["metric"]), ("10.1.2.1", 77))
    eq({k: v for m in one["metrics"] for k, v in m.items()}, {"mtu": 1300, "advmss": 1200})
    eq(a.json("ip -j route show table 100")[0]["gateway"], "10.1.2.9")
    eq(a.json("ip -j route show 10.202.0.0/16")[0]["scope"], "link")
    eq(a.json("ip -6 -j route show fd99::/64")[0]["metric"], 5)
    w.call("bridge", "CHECK", {**c, "prevResult": r.json}, a).ok()
    a.sh("ip route del 10.200.0.0/16")
    w.call("bridge", "CHECK", {**c, "prevResult": r.json}, a).fails(103, "10.200.0.0/16")


@test
def check_sees_every_loss(w):
    c = conf(ipMasq=True, macspoofchk=True, hairpinMode=True)
    a = w.pod("a")
    r = w.call("bridge", "ADD", c, a).ok()
    c["prevResult"] = r.json
    veth = host_veth(r)
    w.call("bridge", "CHECK", c, a).ok()
    mac = link(a, "eth0")["address"]
    for breaks, mends, text in (
            ("ip link set br0 down", "ip link set br0 up", "br0"),
            (f"ip link set {veth} down", f"ip link set {veth} up", veth),
            (f"ip link set {veth} type bridge_slave hairpin off", f"ip link set {veth} type bridge_slave hairpin on", "hairpin"),
            (f"ip link set {veth} nomaster", f"ip link set {veth} master br0 && ip link set {veth} type bridge_slave hairpin on", "br0"),
            ("echo 0 > /proc/sys/net/ipv4/ip_forward", "echo 1 > /proc/sys/net/ipv4/ip_forward", "ip_forward")):
        w.sh(breaks)
        w.call("bridge", "CHECK", c, a).fails(103, text)
        w.sh(mends)
        w.call("bridge", "CHECK", c, a).ok()
    for breaks, mends, text in (
            ("ip addr del 10.1.2.2/24 dev eth0", "ip addr add 10.1.2.2/24 dev eth0; ip route add default via 10.1.2.1", "10.1.2.2"),
            ("ip route del default", "ip route add default via 10.1.2.1", "0.0.0.0/0"),
            ("ip link set eth0 address 02:00:00:00:00:99", f"ip link set eth0 address {mac}", "Mac"),
            ("ip link set eth0 down", "ip link set eth0 up; ip route replace default via 10.1.2.1; ip -6 route replace default via fd01:2::1", "eth0")):
        a.sh(breaks)
        w.call("bridge", "CHECK", c, a).fails(103, text)
        a.sh(mends)
        w.call("bridge", "CHECK", c, a).ok()
    w.sh("nft delete element inet podwire masq-10.1.2.0-24 { 10.1.2.2 }")
    w.call("bridge", "CHECK", c, a).fails(103, "10.1.2.2")
    w.call("bridge", "CHECK", {k: v for k, v in c.items() if k != "prevResult"}, a).fails(7, "prevResult")


@test
def gc_removes_the_stale_and_only_that(w):
    c = conf(ipMasq=True, macspoofchk=True)
    other = conf(name="other", bridge="br1", ranges=(({"subnet": "10.9.0.0/24"},),), ipMasq=True)
    pods = {n: w.pod(n) for n in ("keep", "stale", "foreign")}
    keep = w.call("bridge", "ADD", c, pods["keep"], id="keep").ok()
    stale = w.call("bridge", "ADD", c, pods["stale"], id="stale").ok()
    foreign = w.call("bridge", "ADD", other, pods["foreign"], id="foreign").ok()
    w.sh("ip link add vethhand type veth peer name vethhand2; ip link set vethhand alias 'podwire is great'")
    w.call("bridge", "GC", c).fails(7, "cni.dev/valid-attachments")
    w.call("bridge", "GC", {**c, "cni.dev/valid-attachments": [
        {"containerID": "keep", "ifname": "eth0"}, {"containerID": "elsewhere", "ifname": "net1"}]}).ok()
    nft = w.sh("nft list ruleset").stdout
    for reply, there in ((keep, True), (stale, False), (foreign, True)):
        eq(w.sh(f"ip link show {host_veth(reply)}", check=False).returncode == 0, there, host_veth(reply))
        eq(reply.ips()[0] in nft, there, reply.ips()[0])
    eq(files(w), sorted(keep.ips()))
    eq(files(w, "other"), foreign.ips())
    eq(w.sh("ip link show vethhand", check=False).returncode, 0)
    assert pods["keep"].pings("10.1.2.1")
    w.call("bridge", "GC", {**c, "cni.dev/valid-attachments": None}).ok()
    eq(files(w), [])
    eq(files(w, "other"), foreign.ips())


@test
def status_says_what_is_wrong(w):
    w.call("bridge", "STATUS", conf(ipMasq=True)).ok()
    w.call("bridge", "STATUS", conf(ranges=(({"subnet": "10.1.2.0/30", "rangeStart": "10.1.2.2"},),))).ok()
    missing = conf()
    missing["ipam"]["type"] = "nosuchipam"
    w.call("bridge", "STATUS", missing).fails(50, "nosuchipam")
    eq(w.json("ip -j link show type bridge"), [])
    eq(w.sh("nft list ruleset").stdout, "")


@test
def ipam_missing_failing_or_printing_rubbish(w):
    before = w.snapshot()
    folder = Path("/run/bad")
    folder.mkdir()
    cases = {"crash": "kill -SEGV $$", "silent": "exit 3", "rubbish": "echo '{]'", "empty": "exit 0",
             "mixed": "echo '{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"10.1.0.5/24\",\"gateway\":\"fd00::1\"}]}'",
             "noips": "echo '{\"cniVersion\":\"1.1.0\"}'", "noisy": "head -c 300000 /dev/zero | tr '\\0' x >&2; exit 1",
             "refuses": "echo '{\"code\": 123, \"msg\": \"pool is closed\", \"details\": \"for today\"}'; exit 1"}
    for name, body in cases.items():
        (folder / name).write_text(f"#!/bin/sh\n[ $CNI_COMMAND = ADD ] || exit 0\ncat >/dev/null\n{body}\n")
        (folder / name).chmod(0o755)
    a = w.pod("a")
    for name in [*cases, "absent", "../bridge"]:
        c = conf(ranges=None)
        c["ipam"] = {"type": name}
        r = w.call("bridge", "ADD", c, a, path=f"{w.bin}:{folder}").fails()
        assert name in r.msg or name in ("noips", "refuses"), r
        if name == "refuses":
            eq((r.json["code"], r.json["details"]), (123, "for today"))
        eq(w.json("ip -j link show type veth"), [], name)
    w.same(before, w.snapshot(), "a failed IPAM must leave nothing, not even the bridge")


@test
def failed_add_undoes_itself_and_may_be_repeated(w):
    """Each late step fails once; the next ADD, without a DEL between, works (Nomad retries so)."""
    w.call("bridge", "ADD", conf(ipMasq=True), w.pod("first"), id="first").ok()
    a = w.pod("a")
    before = drop_counters(w.snapshot(pods=[a]))
    w.sh("mount --bind /dev/null /run/podwire/nft.lock 2>/dev/null; true")
    full = conf(ipMasq=True)
    full["ipam"]["routes"] = [{"dst": "10.99.0.0/16", "gw": "192.0.2.250"}]  # unreachable: the last step
    w.call("bridge", "ADD", full, a).fails(100, "10.99.0.0/16")
    w.sh("umount /run/podwire/nft.lock 2>/dev/null; true")
    w.same(before, drop_counters(w.snapshot(pods=[a])))
    w.call("bridge", "ADD", conf(ipMasq=True), a).ok()
    assert a.pings("10.1.2.1")


@test
def ipv6_default_route_of_the_host_survives(w):
    """k3s#5019, podman#6114: forwarding makes the kernel drop routes learnt from advertisements."""
    router = w.pod("router")
    w.sh("ip link add up0 type veth peer name eth0 netns router")
    w.sh("ip link set up0 up; echo 1 > /proc/sys/net/ipv6/conf/up0/accept_ra")
    router.sh("ip link set eth0 up; ip -6 addr add fe80::1/64 dev eth0 nodad; ip -6 addr add 2001:db8::1/64 dev eth0 nodad")
    router.inside(advertise)
    wait_for(lambda: w.sh("ip -6 route show default").stdout, "a route by advertisement")
    w.call("bridge", "ADD", conf(), w.pod("a")).ok()
    eq(w.sysctl("net.ipv6.conf.all.forwarding"), "1")
    assert "proto ra" in w.sh("ip -6 route show default").stdout
    eq(w.sysctl("net.ipv6.conf.up0.accept_ra"), "2")


def advertise():
    """One router advertisement to all nodes, lifetime 1800 s; its checksum is the kernel's work."""
    import socket
    import struct
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    index = socket.if_nametoindex("eth0")
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    s.bind(("fe80::1", 0, 0, index))
    packet = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    for _ in range(3):
        s.sendto(packet, ("ff02::1", 0, 0, index))


@test
def read_only_proc_sys(w):
    """Preset right: fine. Not preset: an error that names the switch."""
    w.sh("mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys")
    a = w.pod("a")
    w.call("bridge", "ADD", conf(ranges=((V4,),)), a).fails(100, "ip_forward")
    eq(w.json("ip -j link show type veth"), [])
    w.sh("mount -o remount,rw,bind /proc/sys; echo 1 > /proc/sys/net/ipv4/ip_forward; mount -o remount,ro,bind /proc/sys")
    w.call("bridge", "ADD", conf(ranges=((V4,),)), a).ok()
    assert a.pings("10.1.2.1")


@test(timeout=240)
def the_1024th_port(w):
    w.sh("ip link add br0 type bridge")
    batch = "".join(f"link add p{i} type veth peer name q{i}\nlink set p{i} master br0\n" for i in range(1023))
    w.sh("ip -batch -", input=batch, timeout=200)
    a = w.pod("a")
    w.call("bridge", "ADD", conf(ranges=None, isDefaultGateway=False), a).fails(102, "1,023")
    eq(a.json("ip -j link show type veth"), [])


@test
def go_pods_are_deleted_by_us(w):
    """A pod that Debian's Go bridge attached: its veth has a random name."""
    c = conf("1.0.0", ranges=((V4,),))
    a, b = w.pod("a"), w.pod("b")
    r = w.call("bridge", "ADD", c, a, id="a", path=GO).ok()
    w.call("bridge", "ADD", c, b, id="b").ok()
    w.call("bridge", "DEL", {**c, "prevResult": r.json}, a, id="a").ok()
    eq(a.json("ip -j link show type veth"), [])
    eq(files(w), ["10.1.2.3"])
    assert b.pings("10.1.2.1")


@test(timeout=180)
def lo_eth0_eth1_at_once(w):
    """go-cni attaches a pod's networks concurrently, 200 rounds (CCY-02)."""
    second = conf(name="net2", bridge="br1", ranges=(({"subnet": "10.8.0.0/16"},), ({"subnet": "fd08::/64"},)))
    loop = {"cniVersion": "1.1.0", "name": "cni-loopback", "type": "loopback"}
    for i in range(200):
        pod = w.pod(f"p{i}")
        calls = [("loopback", loop, "lo"), ("bridge", conf(), "eth0"), ("bridge", second, "eth1")]
        running = [w.start(p, "ADD", c, pod, id=f"p{i}", ifname=n) for p, c, n in calls]
        for process, (p, _, n) in zip(running, calls):
            w.finish(process, p, "ADD " + n).ok()
        eq((len(pod.ips("eth0")), len(pod.ips("eth1"))), (2, 2), f"round {i}")
        running = [w.start(p, "DEL", c, pod, id=f"p{i}", ifname=n) for p, c, n in calls]
        for process, (p, _, n) in zip(running, calls):
            w.finish(process, p, "DEL " + n).ok()
        w.remove(pod)
    eq(files(w), [])
    eq(w.json("ip -j link show type veth"), [])


if __name__ == "__main__":
    main()
