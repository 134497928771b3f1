# SPDX-License-Identifier: GPL-2.0-or-later
"""The firewall plugin on a real kernel: what passes a FORWARD chain that drops, and what iptables lists."""

import fcntl
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from world import eq, main, test, wait_for  # noqa: E402

GO = "/usr/lib/cni"
ADMIN = '-A FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN'
ACCEPT = '-A FORWARD -m mark --mark 0x1000/0x1000 -m comment --comment "podwire: pods may forward" -j ACCEPT'


def network(name="fwnet", bridge="cni0", subnet=88, families=(4, 6), version="1.1.0", portmap=False, **keys):
    subnets = {4: f"10.{subnet}.0.0/24", 6: f"fd{subnet}::/64"}
    plugins = [{"type": "bridge", "bridge": bridge, "isDefaultGateway": True, "hairpinMode": True, "ipMasq": True,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": subnets[f]}] for f in families]}}]
    if portmap:
        plugins.append({"type": "portmap", "capabilities": {"portMappings": True}})
    return {"cniVersion": version, "name": name, "plugins": [*plugins, {"type": "firewall", **keys}]}


def add(w, pod, net=None, **kw):
    return w.chain(net or network(), "ADD", pod, id=pod.name, **kw).ok()


def delete(w, pod, net=None, **kw):
    return w.chain(net or network(), "DEL", pod, id=pod.name, **kw).ok()


def closed(w, *families):
    """A node with another machine behind it, whose FORWARD drops what no rule accepts."""
    for family in families or (4, 6):
        w.sh(f"{'ip6tables' if family == 6 else 'iptables'} -P FORWARD DROP")
    return w.neighbour()


def forward(w, family=4, program="iptables"):
    return w.sh(f"{program.replace('ip', 'ip6', 1) if family == 6 else program} -S FORWARD").stdout.splitlines()[1:]


def elements(w):
    """Those of the sets forward4-BIT and forward6-BIT, as (address, owner)."""
    found = []
    for text in re.findall(r"set forward[46]-\d+ {.*?\n\t}", w.sh("nft list ruleset").stdout, re.S):
        found += re.findall(r'([\d.a-f:]+) comment "(\S+ \S+ [^"]*)"', text.split("elements", 1)[-1])
    return sorted(found)


def single(w, verb, prev, pod=None, id="c1", ifname="eth0", **keys):
    """The plugin alone, with this prevResult."""
    conf = {"cniVersion": "1.1.0", "name": "fwnet", "type": "firewall", **keys}
    if prev is not None:
        conf["prevResult"] = prev
    return w.call("firewall", verb, conf, pod, id=id, ifname=ifname)


def result(*addresses, host="veth0"):
    return {"cniVersion": "1.1.0", "interfaces": [{"name": host}, {"name": "eth0", "sandbox": "/run/netns/a"}],
            "ips": [{"address": a, "interface": 1} for a in addresses]}


# ---- what passes

@test
def pods_reach_out_where_forward_drops(w):
    closed(w)
    a, b = w.pod("a"), w.pod("b")
    bare = network()
    bare["plugins"].pop()
    w.chain(bare, "ADD", b, id="b").ok()
    eq([b.pings("192.0.2.2", 1), b.pings("2001:db8:0:1::2", 1)], [False, False], "without the plugin")
    add(w, a)
    eq([a.pings("192.0.2.2"), a.pings("2001:db8:0:1::2")], [True, True], "with it")
    eq([b.pings("192.0.2.2", 1), b.pings("2001:db8:0:1::2", 1)], [False, False], "another pod without it")
    for family in (4, 6):
        eq(forward(w, family), [ADMIN, ACCEPT], f"FORWARD of IPv{family}")
        program = "ip6tables" if family == 6 else "iptables"
        w.sh(f"{program} -C {ACCEPT[3:]}; {program} -nvL; {program}-save")
    delete(w, a)
    eq(elements(w), [], "elements after DEL")


@test
def host_ports_are_reached_where_forward_drops(w):
    other = closed(w)
    net = network(portmap=True)
    a = w.pod("a")
    caps = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
                             {"hostPort": 8053, "containerPort": 53, "protocol": "udp"}]}
    add(w, a, net, caps=caps)
    a.serve(80)
    a.serve(53, "udp")
    a.serve(81)
    for host, client in (("192.0.2.1", "192.0.2.2"), ("2001:db8:0:1::1", "2001:db8:0:1::2")):
        eq(other.ask(host, 8080), f"hello {client}", "TCP")
        eq(other.ask(host, 8053, "udp"), f"hello {client}", "UDP")
    other.sh("ip route add 10.88.0.0/24 via 192.0.2.1; ip -6 route add fd88::/64 via 2001:db8:0:1::1")
    pod = a.ips("eth0", 4)[0].split("/")[0]
    eq(other.ask(pod, 81, seconds=0.5), None, "a connection that nobody redirected")


@test
def only_the_families_of_the_pod(w):
    closed(w)
    a = w.pod("a")
    add(w, a, network(families=(6,)))
    eq(a.pings("2001:db8:0:1::2"), True, "IPv6")
    eq([forward(w, 4), forward(w, 6)], [[], [ADMIN, ACCEPT]], "rules of FORWARD")
    eq([x for x, _ in elements(w)], [a.ips("eth0", 6)[0].split("/")[0]], "elements")


# ---- the rules in iptables' table

@test
def rules_do_not_grow_with_pods(w):
    w.sh("iptables -S; ip6tables -S")
    pods = [w.pod(f"p{i}") for i in range(12)]
    add(w, pods[0])
    before = w.sh("iptables-save; ip6tables-save; nft list chain inet podwire forward").stdout
    for pod in pods[1:]:
        add(w, pod)
    after = w.sh("iptables-save; ip6tables-save; nft list chain inet podwire forward").stdout
    eq(re.sub(r"(?m)^#.*\n|\[\d+:\d+\]", "", after), re.sub(r"(?m)^#.*\n|\[\d+:\d+\]", "", before), "rules")
    eq(len(elements(w)), 24, "elements")
    for pod in pods:
        delete(w, pod)
    eq(elements(w), [], "elements after DEL")


@test(timeout=120)
def rules_are_there_once_after_parallel_adds(w):
    """Also while iptables itself changes the table. They all wait for one lock when they begin, so that many of
    them have looked before the first has put its rules."""
    w.sh("iptables -S; ip6tables -S; mkdir -m 700 /run/podwire")
    lock = open("/run/podwire/nft.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    noise = w.bg("for i in $(seq 200); do iptables -w -A INPUT -s 203.0.113.$i -j ACCEPT; done")
    calls = [w.start("firewall", "ADD", {
        "cniVersion": "1.1.0", "name": "fwnet", "type": "firewall",
        "prevResult": result(f"10.88.1.{i}/16", f"fd88::{i:x}/64")}, w.pod(f"p{i}"), id=f"p{i}") for i in range(1, 33)]
    wait_for(lambda: w.sh("grep -c -- '-> FLOCK' /proc/locks", check=False).stdout.strip() == "32", "32 waiting", 8)
    lock.close()
    for call in calls:
        w.finish(call, "firewall", "ADD").ok()
    for family in (4, 6):
        eq(forward(w, family), [ADMIN, ACCEPT], f"FORWARD of IPv{family}")
    eq(len(elements(w)), 64, "elements")
    noise.wait(60)


@test
def administrators_are_asked_first(w):
    """Chains that others filled already: what they say counts before what we accept."""
    closed(w)
    w.sh("iptables -N NOMAD-ADMIN; iptables -A NOMAD-ADMIN -d 192.0.2.2 -p icmp -j DROP")
    a, b = w.pod("a"), w.pod("b")
    nomad = network(iptablesAdminChainName="NOMAD-ADMIN")
    add(w, a, nomad)
    eq(forward(w), [ADMIN.replace("CNI-ADMIN", "NOMAD-ADMIN"), ACCEPT], "FORWARD")
    eq(a.pings("192.0.2.2", 1), False, "what NOMAD-ADMIN drops")
    eq(a.pings("2001:db8:0:1::2"), True, "what it says nothing of")
    eq(w.sh("ip6tables -S NOMAD-ADMIN").stdout, "-N NOMAD-ADMIN\n", "the other family's chain, made")
    add(w, b, network(name="second", bridge="cni1", subnet=89))
    eq(forward(w), [ADMIN, ADMIN.replace("CNI-ADMIN", "NOMAD-ADMIN"), ACCEPT], "both chains before the rule")
    w.sh("iptables -F NOMAD-ADMIN")
    eq(a.pings("192.0.2.2"), True, "after the administrator's change")
    w.sh("iptables -A CNI-ADMIN -s 10.89.0.0/24 -j DROP")
    eq([a.pings("192.0.2.2"), b.pings("192.0.2.2", 1)], [True, False], "one network shut out")


@test
def a_jump_behind_the_rule_does_not_count(w):
    w.sh("iptables -N CNI-ADMIN; iptables -A FORWARD -m mark --mark 0x1000/0x1000 -j ACCEPT;"
         "iptables -A FORWARD -j CNI-ADMIN")
    single(w, "ADD", result("10.88.0.2/24"), w.pod("a")).ok()
    eq(forward(w), [ADMIN, "-A FORWARD -m mark --mark 0x1000/0x1000 -j ACCEPT", "-A FORWARD -j CNI-ADMIN"], "FORWARD")


@test
def the_mark_is_chosen(w):
    closed(w)
    a, b = w.pod("a"), w.pod("b")
    add(w, a, network(markForwardBit=20))
    add(w, b, network(name="second", bridge="cni1", subnet=89))
    eq(forward(w), [ADMIN, ACCEPT, ACCEPT.replace("0x1000", "0x100000")], "FORWARD")
    eq([a.pings("192.0.2.2"), b.pings("192.0.2.2")], [True, True], "both marks")
    w.sh(f"iptables -D {ACCEPT[3:]}")
    eq([a.pings("192.0.2.2"), b.pings("192.0.2.2", 1)], [True, False], "one of them")


@test
def rules_survive_save_and_restore(w):
    """iptables-save writes them in its own way; they are recognised, and not put in twice."""
    add(w, w.pod("a"))
    w.sh("iptables-save > /run/saved; nft delete table ip filter; iptables-restore < /run/saved")
    add(w, w.pod("b"))
    eq(forward(w), [ADMIN, ACCEPT], "FORWARD")


@test
def a_lost_rule_comes_back_with_any_pod(w):
    closed(w)
    a, b = w.pod("a"), w.pod("b")
    net = network()
    for i, damage in enumerate(("iptables -F FORWARD", "iptables -F; iptables -X", "nft delete table ip filter",
                                f"iptables -D {ADMIN[3:]}")):
        add(w, a, net)
        w.sh(damage)
        w.sh("iptables -P FORWARD DROP")
        w.chain(net, "CHECK", a, id="a").fails(103, "expected rule not found")
        add(w, b, net)
        w.chain(net, "CHECK", a, id="a").ok()
        eq((i, a.pings("192.0.2.2"), forward(w)), (i, True, [ADMIN, ACCEPT]), damage)
        delete(w, a, net)
        delete(w, b, net)


@test
def everything_comes_back_after_a_flush(w):
    closed(w)
    a, b = w.pod("a"), w.pod("b")
    net = network(ingressPolicy="same-bridge")
    add(w, a, net)
    w.sh("nft flush ruleset; iptables -P FORWARD DROP; ip6tables -P FORWARD DROP")
    w.chain(net, "CHECK", a, id="a").fails(103)
    add(w, b, net)
    w.chain(net, "CHECK", a, id="a").ok()
    eq([p.pings("192.0.2.2") for p in (a, b)], [True, True], "both pods")
    eq(w.sh("nft list set inet podwire bridges").stdout.count('"cni0"'), 1, "its policy")


@test
def no_iptables_no_table(w):
    for name in ("iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy"):
        w.sh(f"mount --bind /dev/null $(realpath /usr/sbin/{name})")
    w.neighbour()
    a = w.pod("a")
    add(w, a)
    eq(a.pings("192.0.2.2"), True, "nothing drops")
    eq(w.sh("nft list tables").stdout, "table inet podwire\n", "tables")
    w.chain(network(), "CHECK", a, id="a").ok()
    delete(w, a)


@test
def a_table_is_made_before_others_close_it(w):
    """iptables is installed, its table not yet in use: whoever sets DROP later finds the rule."""
    w.neighbour()
    a = w.pod("a")
    add(w, a)
    w.sh("iptables -P FORWARD DROP; ip6tables -P FORWARD DROP")
    eq([a.pings("192.0.2.2"), a.pings("2001:db8:0:1::2")], [True, True], "after DROP")
    eq(w.sh("iptables -S").stdout.splitlines()[:3], ["-P INPUT ACCEPT", "-P FORWARD DROP", "-P OUTPUT ACCEPT"], "listing")


@test
def backend_nftables_makes_nothing_of_iptables(w):
    w.neighbour()
    a = w.pod("a")
    net = network(backend="nftables")
    add(w, a, net)
    eq(w.sh("nft list tables").stdout, "table inet podwire\n", "tables")
    w.chain(net, "CHECK", a, id="a").ok()
    w.sh("iptables -P FORWARD DROP")
    eq(a.pings("192.0.2.2", 1), False, "closed later")
    w.chain(net, "CHECK", a, id="a").fails(103, "expected rule not found")
    b = w.pod("b")
    add(w, b, net)
    eq([a.pings("192.0.2.2"), b.pings("192.0.2.2")], [True, True], "a FORWARD that exists gets the rule")


@test(needs=("iptables_legacy",))
def legacy_xtables(w):
    """The rule is put there by iptables, once; the nftables kind is left alone where it is not used."""
    w.sh("iptables-legacy -P FORWARD DROP; ip6tables-legacy -P FORWARD DROP")
    w.sh("mount --bind /usr/sbin/xtables-legacy-multi /usr/sbin/xtables-nft-multi")
    w.neighbour()
    a, b = w.pod("a"), w.pod("b")
    net = network()
    for pod in (a, b):
        add(w, pod, net)
        eq([pod.pings("192.0.2.2"), pod.pings("2001:db8:0:1::2")], [True, True], pod.name)
    for family in (4, 6):
        eq(forward(w, family, "iptables-legacy"), [ADMIN, ACCEPT], f"FORWARD of IPv{family}")
    eq(w.sh("nft list tables").stdout, "table inet podwire\n", "tables")
    w.chain(net, "CHECK", a, id="a").ok()
    w.sh("iptables-legacy -F FORWARD")
    w.chain(net, "CHECK", a, id="a").fails(103, "expected rule not found: iptables-legacy")
    delete(w, b, net)
    add(w, b, net)
    w.chain(net, "CHECK", a, id="a").ok()


def legacy_only(w):
    w.sh("for p in iptables ip6tables; do ln -sf /usr/sbin/$p-legacy /etc/alternatives/$p; done")


@test(needs=("iptables_legacy",))
def legacy_rules_keep_their_order(w):
    """Whatever is missing goes to its place: nothing is accepted before the administrators are asked."""
    legacy_only(w)
    other = ADMIN.replace("CNI-ADMIN", "OTHER")
    second = ACCEPT.replace("0x1000", "0x100000")
    a = w.pod("a")
    prev = result("10.88.0.2/24")
    single(w, "ADD", prev, a).ok()
    for damage in (f"-D {ACCEPT[3:]}", f"-D {ADMIN[3:]}", "-F FORWARD"):
        w.sh(f"iptables-legacy {damage}")
        single(w, "CHECK", prev, a).fails(103, "expected rule not found")
        single(w, "ADD", prev, a).ok()
        eq(forward(w, 4, "iptables-legacy"), [ADMIN, ACCEPT], damage)
    single(w, "ADD", prev, a, markForwardBit=20).ok()
    eq(forward(w, 4, "iptables-legacy"), [ADMIN, second, ACCEPT], "a second mark")
    single(w, "ADD", prev, a, iptablesAdminChainName="OTHER").ok()
    eq(forward(w, 4, "iptables-legacy"), [other, ADMIN, second, ACCEPT], "a second chain")
    w.sh(f"iptables-legacy -D {ADMIN[3:]}; iptables-legacy -A {ADMIN[3:]}")
    single(w, "CHECK", prev, a).fails(103, "administrator's chain first")


@test(needs=("iptables_legacy",), timeout=120)
def legacy_rules_are_there_once_after_parallel_adds(w):
    legacy_only(w)
    w.sh("mkdir -m 700 /run/podwire")
    lock = open("/run/podwire/nft.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    calls = [w.start("firewall", "ADD", {"cniVersion": "1.1.0", "name": "fwnet", "type": "firewall",
                                         "prevResult": result(f"10.88.1.{i}/16")}, w.pod(f"p{i}"), id=f"p{i}")
             for i in range(1, 9)]
    wait_for(lambda: w.sh("grep -c -- '-> FLOCK' /proc/locks", check=False).stdout.strip() == "8", "8 waiting", 8)
    lock.close()
    for call in calls:
        w.finish(call, "firewall", "ADD").ok()
    eq(forward(w, 4, "iptables-legacy"), [ADMIN, ACCEPT], "FORWARD")


@test(needs=("iptables_legacy",))
def legacy_table_without_a_program(w):
    """Somebody else's container filled it with a program of its own: CHECK says so, nothing fails."""
    w.sh("iptables -P FORWARD ACCEPT; iptables-legacy -A INPUT -j ACCEPT; mount --bind /dev/null /usr/sbin/xtables-legacy-multi")
    a = w.pod("a")
    prev = result("10.88.0.2/24")
    single(w, "ADD", prev, a).ok()
    eq(forward(w), [ADMIN, ACCEPT], "the other kind's FORWARD")
    single(w, "CHECK", prev, a).fails(103, "no program iptables-legacy is installed")
    single(w, "DEL", prev, a).ok()
    single(w, "DEL", prev, a).ok()


@test
def any_add_mends_what_all_need(w):
    """The other family's rules, another network's mark and chain."""
    closed(w)
    a, b, c = w.pod("a"), w.pod("b"), w.pod("c")
    add(w, a)
    other = network(name="second", bridge="cni1", subnet=89, markForwardBit=20, iptablesAdminChainName="SECOND")
    add(w, b, other)
    four, six = forward(w), forward(w, 6)
    w.sh("for p in iptables ip6tables; do $p -F; $p -X; done")
    add(w, c, network(name="third", bridge="cni2", subnet=90, families=(4,)))
    eq([sorted(forward(w)), sorted(forward(w, 6))], [sorted(four), sorted(six)], "FORWARD of both families")
    for pod in (a, b):
        eq([pod.pings("192.0.2.2"), pod.pings("2001:db8:0:1::2")], [True, True], pod.name)
    Path("/run/podwire/forward").write_text("9 12 any X\n4 99 any X\n4 12 any -j\nrubbish\n4 12 own\n")
    w.sh("iptables -F FORWARD")
    add(w, w.pod("d"))
    eq(forward(w), [ADMIN, ACCEPT], "after damage to the list")


# ---- ingressPolicy

def two_networks(w, first, second):
    """Two pods on cni0, one on cni1, and another machine that has routes to both."""
    other = w.neighbour()
    other.sh("ip route add 10.88.0.0/24 via 192.0.2.1; ip route add 10.89.0.0/24 via 192.0.2.1")
    one = network("one", "cni0", 88, families=(4,), ingressPolicy=first)
    two = network("two", "cni1", 89, families=(4,), ingressPolicy=second)
    a, b, c = w.pod("a"), w.pod("b"), w.pod("c")
    add(w, a, one)
    add(w, b, one)
    add(w, c, two)
    return {"other": other, "a": a, "b": b, "c": c}, {p: n.ips("eth0", 4)[0].split("/")[0] for p, n in
                                                        (("a", a), ("b", b), ("c", c))}


def reach(pods, at, *pairs):
    return [pods[x].pings(at[y], 1) for x, y in pairs]


@test
def same_bridge_keeps_bridges_apart(w):
    pods, at = two_networks(w, "same-bridge", "same-bridge")
    eq(reach(pods, at, ("a", "b"), ("b", "a")), [True, True], "on one bridge")
    eq(reach(pods, at, ("a", "c"), ("c", "a")), [False, False], "between two")
    eq(reach(pods, at, ("other", "a"), ("other", "c")), [True, True], "from outside")
    eq([pods["a"].pings("192.0.2.2"), pods["c"].pings("192.0.2.2")], [True, True], "to the outside")


@test
def open_is_open(w):
    pods, at = two_networks(w, "open", "same-bridge")
    eq(reach(pods, at, ("a", "c"), ("c", "a"), ("a", "b")), [True, True, True], "one policy alone keeps nobody out")


@test(needs=("br_netfilter",))
def isolated_keeps_pods_apart(w):
    w.sh("sysctl -qw net.bridge.bridge-nf-call-iptables=1")
    pods, at = two_networks(w, "isolated", "isolated")
    eq(reach(pods, at, ("a", "b"), ("a", "c"), ("c", "a")), [False, False, False], "pods")
    eq([pods["a"].pings("192.0.2.2"), *reach(pods, at, ("other", "a"))], [True, True], "outside")


@test
def policies_are_shared_and_collected(w):
    """A bridge's policy outlives one pod; GC takes it with the last record that names it."""
    one = network("one", "cni0", 88, families=(4,), ingressPolicy="isolated")
    two = network("two", "cni1", 89, families=(4,), ingressPolicy="same-bridge")
    a, b, c = w.pod("a"), w.pod("b"), w.pod("c")
    add(w, a, one)
    add(w, b, one)
    add(w, c, two)

    def policies():
        text = "".join(w.sh(f"nft list set inet podwire {s}").stdout for s in ("bridges", "own", "isolated"))
        return sorted(re.findall(r'"(cni\d)"(?! \.)', text))
    eq(policies(), ["cni0", "cni0", "cni0", "cni1", "cni1"], "bridges, own, isolated")
    delete(w, a, one)
    w.chain(one, "GC", valid=[("b", "eth0")]).ok()
    eq(policies(), ["cni0", "cni0", "cni0", "cni1", "cni1"], "one pod less")
    w.chain(one, "GC", valid=[]).ok()
    eq(policies(), ["cni1", "cni1"], "none of that network")
    w.chain(two, "CHECK", c, id="c").ok()


@test
def a_policy_needs_a_bridge(w):
    prev = result("10.88.0.2/24")
    prev["interfaces"].pop(0)
    prev["ips"][0]["interface"] = 0
    before = w.snapshot(ours=False)
    single(w, "ADD", prev, w.pod("a"), ingressPolicy="same-bridge").fails(
        7, 'interface needs to be set for ingress policy "same-bridge", make sure to chain "firewall" plugin with "bridge"')
    w.same(before, w.snapshot(ours=False))


# ---- the verbs

@test
def del_needs_nothing(w):
    a = w.pod("a")
    prev = add(w, a).json
    for pod, keys in (("", {}), ("/run/netns/gone", {"ingressPolicy": "nonsense"}), (a, {"backend": 7})):
        single(w, "ADD", prev, a, id="a").ok()
        single(w, "DEL", None, pod, id="a", **keys).ok()
        eq((elements(w), w.files("/run/podwire/attachments").count("firewall-")), ([], 0), f"after DEL with {keys}")
        single(w, "DEL", None, pod, id="a", **keys).ok()


@test
def del_works_without_the_record(w):
    a = w.pod("a")
    add(w, a)
    w.sh("rm -r /run/podwire/attachments")
    single(w, "DEL", None, a, id="a").ok()
    eq(elements(w), [], "elements, found by their comments")


@test
def del_leaves_the_node_as_it_was(w):
    net = network(families=(4,))
    a = w.pod("a")
    add(w, a, net)
    delete(w, a, net)
    w.remove(a)
    wait_for(lambda: "fe80" in w.sh("ip -6 route show table local dev cni0").stdout, "cni0's link-local address")

    def steady():
        return "\n".join(x for x in w.snapshot().splitlines() if "last_reserved_ip" not in x and "/.podwire" not in x)
    before = steady()
    a = w.pod("a")
    add(w, a, net)
    delete(w, a, net)
    w.remove(a)
    w.same(before, steady())


@test
def check_sees_what_is_missing(w):
    a = w.pod("a")
    net = network()
    add(w, a, net)
    address = a.ips("eth0", 4)[0].split("/")[0]
    for damage, text in ((f"nft delete element inet podwire forward4-12 '{{ {address} }}'", "its element is missing"),
                         ("nft flush chain inet podwire forward", "lacks chains or rules"),
                         ("nft flush chain inet podwire mark-12", "mark-12")):
        w.sh(damage)
        w.chain(net, "CHECK", a, id="a").fails(103, text)
        before = w.snapshot()
        w.chain(net, "CHECK", a, id="a").fails(103)
        w.same(before, w.snapshot(), "CHECK changes nothing")
        single(w, "ADD", w.results[("fwnet", "a", "eth0")], a, id="a")
        w.sh("nft flush ruleset")
        add(w, w.pod("b"), net)
        w.chain(net, "CHECK", a, id="a").ok()
        delete(w, w.pods["b"], net)
        w.remove(w.pods["b"])


@test
def gc_keeps_the_valid_and_the_others(w):
    pods = [w.pod(x) for x in "abc"]
    for pod in pods:
        add(w, pod)
    other = network(name="othernet", bridge="cni1", subnet=89)
    add(w, w.pod("d"), other)
    w.chain(network(), "GC", valid=[("b", "eth0")]).ok()
    eq(sorted({o for _, o in elements(w)}), ["fwnet b eth0", "othernet d eth0"], "owners")
    w.chain(network(), "CHECK", pods[1], id="b").ok()
    w.chain(other, "CHECK", w.pods["d"], id="d").ok()


@test
def without_addresses_nothing_is_opened(w):
    a = w.pod("a")
    prev = {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": a.path}]}
    before = w.snapshot()
    eq(single(w, "ADD", prev, a).ok().json, prev, "result")
    single(w, "CHECK", prev, a).ok()
    w.same(before, w.snapshot())


@test
def the_result_is_prev_result(w):
    prev = {"cniVersion": "1.1.0", "interfaces": [{"name": "x", "mac": "02:00:00:00:00:01"}, {"name": "eth0", "sandbox": "/s"}],
            "ips": [{"address": "10.0.0.2/24", "interface": 1, "gateway": "10.0.0.1"}, {"address": "2001:db8:1:2::1/64", "interface": 1}],
            "routes": [{"dst": "0.0.0.0/0"}], "dns": {"nameservers": ["10.0.0.1"]}}
    eq(single(w, "ADD", prev, w.pod("a")).ok().json, prev, "result")


@test
def one_address_twice(w):
    """Two attachments with one address (two macvlan networks, say): forwarding it is no conflict. When the
    first goes, a repeated ADD of the second has it."""
    w.pod("a")
    w.pod("b")
    w.sh("ip link add veth0 type veth peer name x0 netns a; ip link add veth1 type veth peer name x1 netns b")
    first, second = result("10.88.0.2/24"), result("10.88.0.2/24", host="veth1")
    single(w, "ADD", first, w.pods["a"], id="a").ok()
    single(w, "ADD", second, w.pods["b"], id="b").ok()
    eq(elements(w), [("10.88.0.2", "fwnet a eth0")], "elements")
    single(w, "CHECK", second, w.pods["b"], id="b").ok()
    single(w, "DEL", first, w.pods["a"], id="a").ok()
    single(w, "ADD", second, w.pods["b"], id="b").ok()
    eq(elements(w), [("10.88.0.2", "fwnet b eth0")], "elements")


@test
def a_dead_owner_gives_way(w):
    a, b = w.pod("a"), w.pod("b")
    w.sh("ip link add veth0 type veth peer name x0 netns a")
    single(w, "ADD", result("10.88.0.2/24"), a, id="a").ok()
    w.sh("ip link del veth0")
    single(w, "ADD", result("10.88.0.2/24", host="lo"), b, id="b").ok()
    eq(elements(w), [("10.88.0.2", "fwnet b eth0")], "elements")
    single(w, "DEL", None, "", id="a").ok()
    eq(elements(w), [("10.88.0.2", "fwnet b eth0")], "after the dead one's DEL")


@test
def a_table_without_the_part_keeps_its_rules(w):
    """The part for firewall comes with the first pod that needs it: no other rule is touched."""
    a, b = w.pod("a"), w.pod("b")
    bare = network()
    bare["plugins"].pop()
    w.chain(bare, "ADD", a, id="a").ok()
    before = w.sh("nft -a list table inet podwire").stdout
    assert "forward" not in before, before
    single(w, "ADD", result("10.88.0.9/24"), b, id="b").ok()
    after = w.sh("nft -a list table inet podwire").stdout
    for line in re.findall(r"(?m)^.* # handle \d+$", before):
        assert line in after or line.startswith("table "), f"gone: {line}"


# ---- taking over from the Go plugin

def go_rules(w, program="iptables"):
    return [x for x in w.sh(f"{program} -S CNI-FORWARD", check=False).stdout.splitlines() if "ACCEPT" in x]


def go_add(w, pod, prev, env=None):
    conf = {"cniVersion": "1.0.0", "name": "fwnet", "type": "firewall", "prevResult": {**prev, "cniVersion": "1.0.0"}}
    return w.call(f"{GO}/firewall", "ADD", conf, pod, id=pod.name, env=env).ok()


@test
def pods_of_the_go_plugin_are_deleted(w):
    a, b = w.pod("a"), w.pod("b")
    one, two = result("10.88.0.2/24", "fd88::2/64"), result("10.88.0.22/24", "fd88::22/64")
    go_add(w, a, one)
    kept = go_rules(w) + go_rules(w, "ip6tables")
    go_add(w, b, two)
    eq(len(go_rules(w) + go_rules(w, "ip6tables")), 8, "rules of two pods")
    single(w, "DEL", two, b, id="b").ok()
    eq(go_rules(w) + go_rules(w, "ip6tables"), kept, "the other pod's rules")
    single(w, "DEL", two, b, id="b").ok()
    single(w, "DEL", one, "", id="a").ok()
    eq(go_rules(w) + go_rules(w, "ip6tables"), [], "rules of none")
    w.sh("iptables -S; ip6tables -S")


@test
def rules_of_others_for_the_address_stay(w):
    a = w.pod("a")
    prev = result("10.88.0.2/24")
    go_add(w, a, prev)
    others = ["-A CNI-FORWARD -s 10.88.0.2/32 -p tcp -j ACCEPT", "-A CNI-FORWARD -s 10.88.0.2/32 -j DROP",
              "-A CNI-FORWARD -s 10.88.0.0/24 -j ACCEPT", "-A CNI-FORWARD -s 10.88.0.2/32 -d 10.88.0.3/32 -j ACCEPT",
              "-A CNI-FORWARD -d 10.88.0.2/32 -j ACCEPT",
              "-A CNI-FORWARD -s 10.88.0.2/32 -m conntrack --ctstate NEW -j ACCEPT",
              "-A CNI-FORWARD -d 10.88.0.2/32 -m conntrack --ctstate ESTABLISHED -j ACCEPT",
              "-A CNI-FORWARD -i cni0 -s 10.88.0.2/32 -j ACCEPT"]
    for rule in others:
        w.sh(f"iptables {rule}")
    single(w, "DEL", prev, a, id="a").ok()
    left = w.sh("iptables -S CNI-FORWARD").stdout.splitlines()
    eq(left, ["-N CNI-FORWARD", '-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN',
              *others[:-1], "-A CNI-FORWARD -s 10.88.0.2/32 -i cni0 -j ACCEPT"], "CNI-FORWARD")


@test(needs=("iptables_legacy",))
def legacy_pods_of_the_go_plugin_are_deleted(w):
    w.sh("mkdir /run/legacy; for p in iptables ip6tables; do ln -s /usr/sbin/$p-legacy /run/legacy/$p; done")
    a, b = w.pod("a"), w.pod("b")
    one, two = result("10.88.0.2/24"), result("10.88.0.22/24")
    path = {"PATH": "/run/legacy:/usr/sbin:/usr/bin:/sbin:/bin"}
    go_add(w, a, one, path)
    kept = go_rules(w, "iptables-legacy")
    go_add(w, b, two, path)
    single(w, "DEL", two, b, id="b").ok()
    eq(go_rules(w, "iptables-legacy"), kept, "the other pod's rules")


@test
def both_plugins_on_one_node(w):
    """A pod of theirs keeps working beside ours, and after ours is gone."""
    closed(w)
    theirs, ours = w.pod("theirs"), w.pod("ours")
    net = network()
    go_net = json.loads(json.dumps(net))
    go_net["cniVersion"] = "1.0.0"
    prev = w.chain({**go_net, "plugins": go_net["plugins"][:1]}, "ADD", theirs, id="theirs").ok().json
    go_add(w, theirs, prev)
    add(w, ours, net)
    eq([p.pings("192.0.2.2") for p in (theirs, ours)], [True, True], "both")
    delete(w, ours, net)
    eq(theirs.pings("192.0.2.2"), True, "theirs alone")


@test
def others_rules_stay_listed_and_unchanged(w):
    """Docker's and kube-proxy's rules in FORWARD are the same text afterwards, ours above them."""
    w.sh("iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -A FORWARD -j DOCKER-USER;"
         "iptables -N KUBE-FORWARD; iptables -A FORWARD -m comment --comment 'kubernetes forwarding rules' -j KUBE-FORWARD;"
         "iptables -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP;"
         "iptables -A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT; iptables -P FORWARD DROP")
    before = w.sh("iptables -S").stdout.splitlines()
    a = w.pod("a")
    add(w, a)
    delete(w, a)
    eq([x for x in w.sh("iptables -S").stdout.splitlines() if x not in (ADMIN, ACCEPT, "-N CNI-ADMIN")], before, "rules")
    eq(forward(w)[:2], [ADMIN, ACCEPT], "ours first")
    w.sh(f"iptables -C {ACCEPT[3:]}; iptables -D {ACCEPT[3:]}; iptables -D {ADMIN[3:]}; iptables -X CNI-ADMIN")
    eq(w.sh("iptables -S").stdout.splitlines(), before, "and iptables itself can take them away")


if __name__ == "__main__":
    main()
