# SPDX-License-Identifier: GPL-2.0-or-later
"""portmap behind our bridge and host-local: what packets see. Every claim is a connection."""

import json
import os
import re
import time
from pathlib import Path

from world import eq, main, test, wait_for

HOST4, HOST6, NODE4, NODE6 = "192.0.2.1", "2001:db8:0:1::1", "192.0.2.2", "2001:db8:0:1::2"


def conflist(name="podnet", bridge="cni0", subnet=88, portmap=None, **keys):
    return {
        "cniVersion": "1.1.0",
        "name": name,
        "plugins": [
            {"type": "bridge", "bridge": bridge, "isGateway": True, "ipMasq": True, "hairpinMode": True,
             "ipam": {"type": "host-local",
                      "ranges": [[{"subnet": f"10.{subnet}.0.0/24"}], [{"subnet": f"fd{subnet}::/64"}]],
                      "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}, **keys},
            {"type": "portmap", "capabilities": {"portMappings": True}, **(portmap or {})},
        ],
    }


def port(host, pod=80, protocol="tcp", ip=None):
    mapping = {"hostPort": host, "containerPort": pod, "protocol": protocol}
    return {**mapping, "hostIP": ip} if ip is not None else mapping


def caps(*ports):
    return {"portMappings": list(ports)}


def add(w, pod, *ports, list=None, id=None, **kw):
    reply = w.chain(list or conflist(), "ADD", pod, id=id or pod.name, caps=caps(*ports), **kw)
    reply.ok()
    return reply.ips()


def delete(w, pod, *ports, list=None, **kw):
    return w.chain(list or conflist(), "DEL", pod, id=getattr(pod, "name", pod), caps=caps(*ports), **kw).ok()


def forward(w):
    w.sysctl("net.ipv4.ip_forward", 1)
    w.sysctl("net.ipv6.conf.all.forwarding", 1)


def br_netfilter(w, value):
    """Set it where the kernel has it per namespace; False if it cannot be had."""
    base = "/proc/sys/net/bridge/bridge-nf-call-"
    if not os.path.exists(base + "iptables"):
        return value == 0
    for name in ("iptables", "ip6tables"):
        try:
            Path(base + name).write_text(str(value))
        except OSError:
            pass
        if Path(base + name).read_text().strip() != str(value):
            return False
    return True


def conntrack_on(w):
    """Somebody else's rules remember flows to the host itself."""
    w.sh("nft 'add table inet x; add chain inet x y { type filter hook input priority 0; };"
         " add rule inet x y ct state new counter'")


def reaches(net, address, number, client=None, text="hello", **kw):
    """A connection gets an answer, and the server saw this client."""
    answer = net.ask(address, number, **kw)
    if answer is None:
        raise AssertionError(f"[{net.name}] no answer from {address} port {number} {kw}")
    got_text, got_client = answer.rsplit(" ", 1)
    eq(got_text, text, f"[{net.name}] who answers at {address} port {number}")
    if client is not None:
        eq(got_client, client, f"[{net.name}] client of {address} port {number}")


def silent(net, address, number, **kw):
    kw.setdefault("seconds", 0.5)
    eq(net.ask(address, number, **kw), None, f"[{net.name}] {address} port {number}")


def everywhere(w, protocol, brnf):
    """The whole table of kernel.md (c) for one protocol."""
    node = w.neighbour()
    forward(w)
    assert br_netfilter(w, brnf), "bridge-nf-call-iptables cannot be set"
    a, b, c = w.pod("a"), w.pod("b"), w.pod("c")
    other = conflist("othernet", "cni1", 99)
    add(w, a, port(8080, protocol=protocol))
    add(w, b)
    add(w, c, list=other)
    br_netfilter(w, brnf)
    a.serve(80, protocol)
    for host, far, loop in ((HOST4, NODE4, "127.0.0.1"), (HOST6, NODE6, "::1")):
        how = {"proto": protocol}
        reaches(w, host, 8080, **how)
        if loop == "127.0.0.1" or brnf == 0:
            reaches(w, loop, 8080, **how)
        reaches(node, host, 8080, client=far, **how)  # another node's address is kept
        reaches(a, host, 8080, **how)  # the pod itself
        reaches(b, host, 8080, **how)  # the same bridge
        reaches(c, host, 8080, **how)  # another bridge, whose ipMasq hides the pod
        silent(w, host, 8081, **how)
    delete(w, a, port(8080, protocol=protocol))
    for host in (HOST4, HOST6):
        silent(node, host, 8080, proto=protocol)


@test
def tcp_from_everywhere(w):
    everywhere(w, "tcp", 0)


@test
def udp_from_everywhere(w):
    everywhere(w, "udp", 0)


@test(needs=("br_netfilter",))
def tcp_from_everywhere_with_br_netfilter(w):
    everywhere(w, "tcp", 1)


@test(needs=("br_netfilter",))
def udp_from_everywhere_with_br_netfilter(w):
    everywhere(w, "udp", 1)


@test
def strict_reverse_path_filter(w):
    w.sysctl("net.ipv4.conf.all.rp_filter", 1)
    w.sysctl("net.ipv4.conf.default.rp_filter", 1)
    everywhere(w, "tcp", 0)


def own_port(w, brnf, hairpin, works):
    """kernel.md (b) 4: with br_netfilter on, a pod reaches itself only through a hairpin port."""
    w.neighbour()
    a = w.pod("a")
    add(w, a, port(8080), list=conflist(hairpinMode=hairpin))
    a.serve(80)
    assert br_netfilter(w, brnf)
    for host in (HOST4, HOST6):
        eq(a.ask(host, 8080, seconds=1) is not None, works, f"brnf {brnf} hairpin {hairpin} {host}")


@test(needs=("br_netfilter",))
def own_port_bridged_without_hairpin(w):
    own_port(w, 1, False, False)


@test(needs=("br_netfilter",))
def own_port_bridged_with_hairpin(w):
    own_port(w, 1, True, True)


@test
def own_port_routed_without_hairpin(w):
    own_port(w, 0, False, True)


@test
def one_family_pods(w):
    """A mapping whose hostIP is of the other family gives nothing, as in the reference."""
    w.neighbour()
    a, b = w.pod("a"), w.pod("b")
    only = {4: conflist("four", "cni4"), 6: conflist("six", "cni6")}
    for family, list_ in only.items():
        ipam = list_["plugins"][0]["ipam"]
        ipam["ranges"] = [ipam["ranges"][family == 6]]
        ipam["routes"] = [ipam["routes"][family == 6]]
    add(w, a, port(8080), port(8081, ip="::"), port(8082, ip=HOST6), list=only[4])
    add(w, b, port(9080), port(9081, ip="0.0.0.0"), list=only[6])
    a.serve(80)
    b.serve(80)
    reaches(w, HOST4, 8080)
    reaches(w, HOST6, 9080)
    for host, number in ((HOST6, 8080), (HOST6, 8081), (HOST6, 8082), (HOST4, 9080), (HOST4, 9081)):
        silent(w, host, number)


@test(needs=("sctp",))
def sctp_from_everywhere(w):
    everywhere(w, "sctp", 0)


@test
def sctp_is_mapped(w):
    a = w.pod("a")
    add(w, a, port(8080, protocol="SCTP"))
    text = w.sh("nft list table inet podwire").stdout
    assert "sctp . 8080 comment \"podnet a eth0\" : 10.88.0.2 . 80" in text, text


@test
def host_ip_is_the_only_one(w):
    node = w.neighbour()
    forward(w)
    w.sh("ip addr add 192.0.2.77/32 dev eth0")
    a, b = w.pod("a"), w.pod("b")
    add(w, a, port(8080, ip="192.0.2.77"), port(8443, 80, ip="127.0.0.1"))
    a.serve(80)
    reaches(w, "192.0.2.77", 8080)
    reaches(node, "192.0.2.77", 8080, client=NODE4)
    silent(w, HOST4, 8080)
    silent(w, "127.0.0.1", 8080)
    silent(w, HOST6, 8080)
    reaches(w, "127.0.0.1", 8443)
    silent(node, HOST4, 8443)
    # A specific address beside the same port of any address: no conflict, it wins for itself.
    add(w, b, port(8080))
    b.serve(80, text="any")
    reaches(node, "192.0.2.77", 8080)
    reaches(node, HOST4, 8080, text="any")


@test
def unspecified_host_ip_is_one_family(w):
    w.neighbour()
    a = w.pod("a")
    add(w, a, port(8080, ip="0.0.0.0"), port(8081, ip="::"))
    a.serve(80)
    reaches(w, HOST4, 8080)
    silent(w, HOST6, 8080)
    reaches(w, HOST6, 8081)
    silent(w, HOST4, 8081)


@test
def masq_all_hides_every_client(w):
    node = w.neighbour()
    forward(w)
    a = w.pod("a")
    add(w, a, port(8080), list=conflist(portmap={"masqAll": True}))
    a.serve(80)
    reaches(node, HOST4, 8080, client="10.88.0.1")
    reaches(node, HOST6, 8080, client="fd88::1")


@test
def without_snat_nothing_is_masqueraded(w):
    node = w.neighbour()
    forward(w)
    a = w.pod("a")
    add(w, a, port(8080), list=conflist(portmap={"snat": False}))
    a.serve(80)
    reaches(node, HOST4, 8080, client=NODE4)
    reaches(w, HOST4, 8080)
    eq(w.sysctl("net.ipv4.conf.cni0.route_localnet"), "0")
    eq(re.findall(r"snat-\S+", w.sh("nft list table inet podwire | grep -v all").stdout), [])


@test
def traffic_through_the_host_is_not_captured(w):
    """GHSA-jv3w-x3r3-g6rm: a connection that only passes, to the same port elsewhere."""
    node = w.neighbour()
    forward(w)
    a, b = w.pod("a"), w.pod("b")
    add(w, a, port(8080), port(53, 53, "udp"))
    add(w, b)
    a.serve(80, text="pod")
    a.serve(53, "udp", text="pod")
    node.serve(8080, text="node")
    node.serve(53, "udp", text="node")
    reaches(b, NODE4, 8080, text="node")
    reaches(b, NODE6, 8080, text="node")
    reaches(w, NODE4, 8080, text="node")
    reaches(b, NODE4, 53, proto="udp", text="node")


@test
def loopback_services_stay_private(w):
    """route_localnet=1 must not open 127.0.0.1 of the node to pods and neighbours (CVE-2020-8558)."""
    node = w.neighbour()
    forward(w)
    w.serve(7777, address="127.0.0.1", text="secret")
    a, b = w.pod("a"), w.pod("b")
    add(w, a, port(8080))
    add(w, b)
    a.serve(80)
    eq(w.sysctl("net.ipv4.conf.cni0.route_localnet"), "1")
    reaches(w, "127.0.0.1", 8080)
    reaches(w, "127.0.0.1", 7777, text="secret")
    w.sysctl("net.ipv4.conf.eth0.route_localnet", 1)  # the hardest case for the neighbour
    for net, dev, via in ((b, "eth0", "10.88.0.1"), (node, "eth0", HOST4)):
        net.sysctl(f"net.ipv4.conf.all.route_localnet", 1)
        net.sysctl(f"net.ipv4.conf.{dev}.route_localnet", 1)
        net.sh("ip addr del 127.0.0.1/8 dev lo; ip route flush table local 127.0.0.0/8", check=False)
        net.sh(f"ip rule add pref 1 to 127.0.0.1 lookup 100; ip route add 127.0.0.1 via {via} dev {dev} table 100")
        source = net.ips("eth0", 4)[0].split("/")[0]
        silent(net, "127.0.0.1", 7777, source=source)
    # Taken away, the secret is out: the test can see what it claims.
    w.sh("nft flush chain inet podwire guard")
    reaches(b, "127.0.0.1", 7777, text="secret", source=b.ips("eth0", 4)[0].split("/")[0])


@test
def second_owner_is_refused_by_name(w):
    a, b = w.pod("a"), w.pod("b")
    add(w, a, port(8080))
    before = w.snapshot()
    reply = w.chain(conflist(), "ADD", b, id="b", caps=caps(port(8080)))
    reply.fails(101, "container a (network podnet, interface eth0)")
    assert "8080/tcp" in reply.msg, reply.msg
    delete(w, b, port(8080))
    text = w.sh("nft list table inet podwire").stdout
    assert "podnet b" not in text, text
    add(w, b, port(8080, protocol="udp"))  # another protocol is another port
    delete(w, a, port(8080))
    a2 = w.pod("a2")
    add(w, a2, port(8080))
    assert before


@test
def one_container_on_two_networks(w):
    """podman hands the same mappings to each network of a container: the first one keeps the port."""
    a, b = w.pod("a"), w.pod("b")
    other = conflist("othernet", "cni1", 99)
    add(w, a, port(8080))
    w.chain(other, "ADD", a, id="a", ifname="eth1", caps=caps(port(8080))).ok()
    w.chain(other, "CHECK", a, id="a", ifname="eth1", caps=caps(port(8080))).ok()
    a.serve(80)
    reaches(w, "127.0.0.1", 8080)
    w.chain(other, "ADD", b, id="b", caps=caps(port(8080))).fails(101, "container a")
    w.chain(other, "DEL", a, id="a", ifname="eth1", caps=caps(port(8080))).ok()
    reaches(w, "127.0.0.1", 8080)
    delete(w, a, port(8080))
    assert "8080" not in w.sh("nft list table inet podwire").stdout


@test
def dead_owner_gives_way(w):
    a, b = w.pod("a"), w.pod("b")
    add(w, a, port(8080), port(9090))
    w.remove(a)  # the node lost it: no DEL, no netns, no link
    wait_for(lambda: "veth" not in w.sh("ip -br link show type veth").stdout, "the dead pod's veth to go")
    add(w, b, port(8080))
    b.serve(80)
    reaches(w, "127.0.0.1", 8080)
    text = w.sh("nft list map inet podwire hostport4; ls /run/podwire/attachments").stdout
    assert "podnet a" not in text and "9090" not in text, text
    delete(w, "a", port(8080))  # the late DEL of the dead one takes nothing away
    reaches(w, "127.0.0.1", 8080)


@test
def a_pair_on_the_host_proves_no_life(w):
    """The gateway of a bridge's VLAN is a veth with both ends on the host, and outlives every pod."""
    w.sh("ip link add cni0.100 type veth peer name port100")
    a, b = w.pod("a"), w.pod("b")
    w.sh("ip link add pod0 type veth peer name eth0 netns a")
    prev = {"cniVersion": "1.1.0", "ips": [{"address": "10.88.0.2/24", "interface": 2}], "dns": {},
            "interfaces": [{"name": "cni0.100"}, {"name": "pod0"}, {"name": "eth0", "sandbox": a.path}]}
    conf = {"cniVersion": "1.1.0", "name": "podnet", "type": "portmap", "prevResult": prev,
            "runtimeConfig": caps(port(8080))}
    w.call("portmap", "ADD", conf, a, id="a").ok()
    eq(re.findall(r"^link (\S+)", w.sh("cat /run/podwire/attachments/portmap-*").stdout, re.M), ["pod0"])
    w.call("portmap", "ADD", conf, b, id="b").fails(101, "container a")
    w.sh("ip link del pod0")
    prev["interfaces"].pop(1)
    prev["ips"][0]["interface"] = 1
    prev["interfaces"][1]["sandbox"] = b.path
    w.call("portmap", "ADD", conf, b, id="b").ok()


@test
def old_results_prove_life_and_death(w):
    """Results before 0.3.0 tell no interfaces: our own bridge's veth is known by its name."""
    a, b = w.pod("a"), w.pod("b")
    list_ = {**conflist(), "cniVersion": "0.1.0"}
    add(w, a, port(8080), list=list_)
    w.chain(list_, "ADD", b, id="b", caps=caps(port(8080))).fails(101, "container a")
    delete(w, b, list=list_)
    w.remove(a)
    wait_for(lambda: "veth" not in w.sh("ip -br link show type veth").stdout, "the dead pod's veth to go")
    add(w, b, port(8080), list=list_)
    b.serve(80)
    reaches(w, "127.0.0.1", 8080)


@test
def the_uplink_is_left_alone(w):
    """A pod that the host reaches by its default route only: nothing there is opened."""
    w.neighbour()
    a = w.pod("a")
    before = w.sh("ip -6 route show table local").stdout
    prev = {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": a.path}], "dns": {},
            "ips": [{"address": "10.77.0.2/24", "interface": 0}, {"address": "fd77::2/64", "interface": 0}]}
    conf = {"cniVersion": "1.1.0", "name": "podnet", "type": "portmap", "prevResult": prev,
            "runtimeConfig": caps(port(8080))}
    for verb in ("ADD", "CHECK"):
        w.call("portmap", verb, conf, a, id="a").ok()
        eq(w.sysctl("net.ipv4.conf.eth0.route_localnet"), "0")
        eq(w.sh("ip -6 route show table local").stdout, before)


@test
def everything_comes_back_after_a_flush(w):
    w.neighbour()
    a, b = w.pod("a"), w.pod("b")
    add(w, a, port(8080))
    a.serve(80)
    w.sh("nft flush ruleset")
    silent(w, HOST4, 8080)
    add(w, b, port(8081))
    reaches(w, HOST4, 8080)
    reaches(w, "127.0.0.1", 8080)
    reaches(w, HOST6, 8080)


@test
def del_needs_no_runtime_config(w):
    a = w.pod("a")
    for how in ("as it is", "no netns", "no record", "no folder", "damaged record", "nothing at all"):
        add(w, a, port(8080), port(53, 53, "udp"))
        conf = {"type": "portmap", "name": "podnet", "cniVersion": "1.1.0"}
        if how == "no record":
            w.sh("rm -r /run/podwire/attachments")
        if how == "no folder":
            w.sh("rm -r /run/podwire")
        if how == "damaged record":
            w.sh("echo rubbish > $(ls /run/podwire/attachments/portmap-*)")
        if how == "nothing at all":
            w.sh("nft delete table inet podwire")
        w.call("portmap", "DEL", conf, None if how == "no netns" else a, id="a").ok()
        text = w.sh("nft list table inet podwire", check=how != "nothing at all").stdout
        for name in ("hostport4", "hostport6", "snat-10.88.0.0-16", "snat-fd88---64"):
            found = re.search(name + r" \{[^}]*\}?", text)
            assert found is None or "elements" not in found[0], (how, text)
        delete(w, a)
        delete(w, a)


@test
def pods_alone_in_their_subnets(w):
    """An IPAM gives /32 and /128 (Calico's does): one chain serves all, and each is its own client and nobody else's."""
    w.neighbour()
    forward(w)
    a, b = w.pod("a"), w.pod("b")
    for number, pod in ((8080, a), (8081, b)):
        prev = w.chain({**conflist(), "plugins": [{**conflist()["plugins"][0], "ipMasq": False}]}, "ADD", pod, id=pod.name).ok().json
        for ip in prev["ips"]:
            ip["address"] = ip["address"].split("/")[0] + ("/128" if ":" in ip["address"] else "/32")
        conf = {**conflist()["plugins"][1], "name": "podnet", "cniVersion": "1.1.0", "prevResult": prev,
                "runtimeConfig": caps(port(number))}
        w.call("portmap", "ADD", conf, pod, id=pod.name).ok()
        w.call("portmap", "CHECK", conf, pod, id=pod.name).ok()
        pod.serve(80, text=pod.name)
    chains = re.findall(r"chain (snat-\S+)", w.sh("nft list table inet podwire").stdout)
    eq(chains, ["snat-hosts4", "snat-hosts6"], "chains")
    for host, gateway, address in ((HOST4, "10.88.0.1", "10.88.0.2"), (HOST6, "fd88::1", "fd88::2")):
        reaches(a, host, 8080, client=gateway, text="a")
        reaches(b, host, 8081, client=gateway, text="b")
        reaches(a, host, 8081, client=address, text="b")
    reaches(w, "127.0.0.1", 8080, client="10.88.0.1", text="a")
    w.call("portmap", "DEL", {"type": "portmap", "name": "podnet", "cniVersion": "1.1.0"}, a, id="a").ok()
    w.call("portmap", "GC", {"type": "portmap", "name": "podnet", "cniVersion": "1.1.0", "cni.dev/valid-attachments": []}).ok()
    eq(re.findall(r"snat-hosts\d|self\d", w.sh("nft list table inet podwire").stdout), [], "left after GC")


@test
def no_mapping_touches_nothing(w):
    a = w.pod("a")
    prev = {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": a.path}],
            "ips": [{"address": "10.88.0.2/24", "interface": 0}], "dns": {}}
    before = w.snapshot()
    for runtime in ({}, {"runtimeConfig": {"portMappings": []}}, {"runtimeConfig": {}}, {"runtimeConfig": None}):
        conf = {"cniVersion": "1.1.0", "name": "podnet", "type": "portmap", "prevResult": prev, **runtime,
                "conditionsV4": ["ip", "daddr", "1.2.3.4"]}
        for verb in ("ADD", "CHECK", "DEL"):
            done = w.sh(["strace", "-f", "-o", "/run/world/trace", "-e", "trace=socket,execve,clone,vfork,mkdir,mkdirat",
                         "env", "-i", f"CNI_COMMAND={verb}", "CNI_CONTAINERID=a", f"CNI_NETNS={a.path}",
                         "CNI_IFNAME=eth0", "CNI_PATH=/x", "ASAN_OPTIONS=detect_leaks=0", f"{w.bin}/portmap"],
                        input=json.dumps(conf))
            if verb == "ADD":
                eq(json.loads(done.stdout)["ips"], prev["ips"])
            calls = Path("/run/world/trace").read_text()
            looks = verb == "DEL"  # without our folder's records only the table knows
            for call in ("mkdir", "clone(", "vfork(") if looks else ("socket(", "mkdir", "clone(", "vfork("):
                assert call not in calls, (verb, calls)
    w.same(before, w.snapshot())


@test
def check_sees_what_is_missing(w):
    a = w.pod("a")
    list_ = conflist()
    pod4, pod6 = add(w, a, port(8080), port(8081, ip="192.0.2.1"))
    check = lambda: w.chain(list_, "CHECK", a, id="a", caps=caps(port(8080), port(8081, ip="192.0.2.1")))
    check().ok()
    for damage, text in (
        ("nft delete element inet podwire hostport4 '{ tcp . 8080 }'", "host port 0.0.0.0 8080/tcp"),
        ("nft delete element inet podwire hostip4 '{ 192.0.2.1 . tcp . 8081 }'", "host port 192.0.2.1 8081/tcp"),
        ("nft delete element inet podwire snat-fd88---64 '{ POD6 . tcp . 8080 }'", "masquerade of host port 8080/tcp"),
        ("nft delete element inet podwire hostport4 '{ tcp . 8080 }';"
         " nft add element inet podwire hostport4 '{ tcp . 8080 comment \"podnet b eth0\" : POD4 . 80 }'",
         'belongs to "podnet b eth0"'),
        ("nft delete element inet podwire hostport4 '{ tcp . 8080 }';"
         " nft add element inet podwire hostport4 '{ tcp . 8080 comment \"podnet a eth0\" : POD4 . 81 }'",
         "points elsewhere"),
        ("nft flush chain inet podwire output", "lacks chains or rules"),
        ("nft delete table inet podwire", "is missing"),
        ("sysctl -qw net.ipv4.conf.cni0.route_localnet=0", "route_localnet is not 1"),
    ):
        w.sh(damage.replace("POD4", pod4).replace("POD6", pod6))
        check().fails(103, text)
        w.sh("nft flush ruleset")
        delete(w, a)
        pod4, pod6 = add(w, a, port(8080), port(8081, ip="192.0.2.1"))
        check().ok()


@test
def check_speaks_of_the_surroundings(w):
    a = w.pod("a")
    list_ = conflist(hairpinMode=False)
    add(w, a, port(8080), list=list_)
    br_netfilter(w, 0)
    check = lambda: w.chain(list_, "CHECK", a, id="a", caps=caps(port(8080))).ok().steps[-1].err
    eq(check(), "")
    w.sh("iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP")
    said = check()
    assert "iptables's chain FORWARD is DROP" in said and "ip6tables's chain FORWARD is DROP" in said, said
    w.sh("iptables-nft -P FORWARD ACCEPT; ip6tables-nft -P FORWARD ACCEPT")
    if br_netfilter(w, 1) and os.path.exists("/proc/sys/net/bridge"):
        assert "cannot reach itself" in check()


@test
def gc_keeps_the_valid_and_the_others(w):
    a, b, c = w.pod("a"), w.pod("b"), w.pod("c")
    other = conflist("othernet", "cni1", 99)
    add(w, a, port(8080))
    add(w, b, port(8081))
    add(w, c, port(8082), list=other)
    w.chain(conflist(), "GC", valid=[("a", "eth0")]).ok()
    text = w.sh("nft list table inet podwire; ls /run/podwire/attachments").stdout
    assert "podnet a eth0" in text and "othernet c eth0" in text and "podnet b" not in text, text


@test
def udp_clients_follow_the_port(w):
    """A client that never stops sending must reach the pod that has the port now."""
    node = w.neighbour()
    forward(w)
    a, b = w.pod("a"), w.pod("b")
    talk = lambda: node.ask(HOST4, 5353, "udp", source_port=40000)
    keep = lambda: node.ask(HOST4, 6000, "udp", source_port=40001)
    w.serve(6000, "udp", text="untouched")
    conntrack_on(w)
    w.serve(5353, "udp", text="host")
    assert talk() == f"host {NODE4}"
    assert keep() == f"untouched {NODE4}"
    assert "dport=5353" in w.sh("conntrack -L -p udp").stdout
    add(w, a, port(5353, 53, "udp"))
    a.serve(53, "udp", text="first")
    eq(talk(), f"first {NODE4}", "after ADD of the first pod")
    delete(w, a, port(5353, 53, "udp"))
    assert "dport=5353" not in w.sh("conntrack -L -p udp", check=False).stdout
    add(w, b, port(5353, 53, "udp"))
    b.serve(53, "udp", text="second")
    eq(talk(), f"second {NODE4}", "after the port moved")
    assert "dport=6000" in w.sh("conntrack -L -p udp", check=False).stdout, "another port's flow was cut"


@test
def very_many_udp_ports_use_one_listing(w):
    node = w.neighbour()
    forward(w)
    a = w.pod("a")
    conntrack_on(w)
    w.serve(5353, "udp", text="host")
    node.ask(HOST4, 5353, "udp", source_port=40000)
    ports = [port(n, 53, "udp") for n in range(5300, 5400)]
    add(w, a, *ports)
    a.serve(53, "udp", text="pod")
    eq(node.ask(HOST4, 5353, "udp", source_port=40000), f"pod {NODE4}")
    delete(w, a, *ports)
    assert "dport=5353" not in w.sh("conntrack -L -p udp", check=False).stdout


@test
def thousands_of_mappings(w):
    a = w.pod("a")
    ports = [port(n) for n in range(10000, 12000)]
    began = time.monotonic()
    add(w, a, *ports)
    took = time.monotonic() - began
    a.serve(80)
    reaches(w, "127.0.0.1", 11999)
    delete(w, a)
    silent(w, "127.0.0.1", 11999)
    assert took < 20, f"2000 mappings took {took:.1f} s"
    reply = w.chain(conflist(), "ADD", a, id="a", caps=caps(*[port(n) for n in range(10000, 14200)]))
    reply.fails(7, "at most 16384")


@test
def conditions_of_the_multus_file(w):
    """conflists/multus-portmap-nft.conflist: not from 127.0.0.0/8 and one more."""
    node = w.neighbour()
    forward(w)
    w.sh("ip addr add 198.19.254.254/32 dev lo; ip addr add 198.19.254.1/32 dev lo")
    node.sh(f"ip route add 198.19.254.0/24 via {HOST4}")
    a, b = w.pod("a"), w.pod("b")
    conditions = ["ip", "daddr", "!=", "{ 127.0.0.0/8, 198.19.254.254 }"]
    mgmt = conflist("mgmt", portmap={"backend": "nftables", "conditionsV4": conditions})
    other = conflist("othernet", "cni1", 99)
    add(w, a, port(8080), list=mgmt)
    add(w, b, port(8081), list=other)
    a.serve(80)
    b.serve(80, text="other")
    reaches(node, HOST4, 8080, client=NODE4)
    reaches(node, "198.19.254.1", 8080)
    silent(node, "198.19.254.254", 8080)
    silent(w, "127.0.0.1", 8080)
    reaches(w, HOST4, 8080)
    reaches(node, HOST6, 8080)
    # Never global: the other network's ports have no conditions.
    reaches(node, "198.19.254.254", 8081, text="other")
    reaches(w, "127.0.0.1", 8081, text="other")
    reaches(node, HOST4, 8081, text="other")
    # Once per list, not once per pod.
    c = w.pod("c")
    chain = w.sh("nft list chain inet podwire prerouting").stdout
    add(w, c, port(8082), list=mgmt)
    eq(w.sh("nft list chain inet podwire prerouting").stdout, chain)
    # And back after a flush, by somebody else's ADD.
    w.sh("nft flush ruleset")
    add(w, w.pod("d"), port(8083), list=other)
    reaches(node, HOST4, 8080, client=NODE4)
    silent(node, "198.19.254.254", 8080)
    for pod, list_ in ((a, mgmt), (b, other), (c, mgmt)):
        delete(w, pod, list=list_)
    silent(node, HOST4, 8080)
    silent(node, HOST4, 8081)


@test
def conditions_in_iptables_spelling(w):
    node = w.neighbour()
    forward(w)
    node.sh("ip addr add 192.0.2.3/24 dev eth0")
    a = w.pod("a")
    add(w, a, port(8080), list=conflist(portmap={
        "backend": "iptables", "conditionsV4": ["!", "-s", "192.0.2.3", "-i", "eth+", "-p", "TCP"],
        "conditionsV6": ["-s", "2001:db8::/32"]}))
    a.serve(80)
    reaches(node, HOST4, 8080, source=NODE4)
    silent(node, HOST4, 8080, source="192.0.2.3")
    silent(w, HOST4, 8080)  # did not come in by eth+
    reaches(node, HOST6, 8080)


@test
def bad_conditions_change_nothing(w):
    a = w.pod("a")
    before = w.snapshot(ours=False)
    for words, text in ((["ip", "saddr", "1.2.3.4;", "drop"], "would end the rule"),
                        (["ip saddr 1.2.3.4 # all"], "would end the rule"),
                        (["ip", "saddr", "{ 1.2.3.4"], "a brace is not closed"),
                        (["}", "table x {"], "closes a brace"),
                        (["ip saddr\n1.2.3.4"], "control character"),
                        (["-m", "comment"], "-s, -d, -i, -p"),
                        (["-s", "example.com"], "is not an IPv4 address"),
                        (["-s"], "is not followed by a value"),
                        (["no", "such", "words"], "nft refuses them"),
                        (["ip6", "saddr", "::1"], "nft refuses them")):
        reply = w.chain(conflist(portmap={"conditionsV4": words}), "ADD", a, id="a", caps=caps(port(8080)))
        reply.fails(7, text)
        assert "conditionsV4" in reply.msg, reply.msg
        delete(w, a)
        text = w.sh("nft list table inet podwire", check=False).stdout
        assert "hostports-" not in text and "podnet a" not in text, text
    assert before


@test
def bad_input_says_where(w):
    a = w.pod("a")
    prev = {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": a.path}],
            "ips": [{"address": "10.88.0.2/24", "interface": 0}], "dns": {}}
    before = w.snapshot()

    def call(code, text, ports=(port(8080),), verb="ADD", **keys):
        conf = {"cniVersion": "1.1.0", "name": "podnet", "type": "portmap", "prevResult": prev,
                "runtimeConfig": {"portMappings": ports}, **keys}
        w.call("portmap", verb, {k: v for k, v in conf.items() if v is not ...}, a, id="a").fails(code, text)

    first = "runtimeConfig.portMappings[0]"
    call(7, f"{first}.hostPort: Invalid host port number: 0", [port(0)])
    call(7, f"{first}.containerPort: Invalid container port number: 0", [port(0, 0)])
    call(7, f"{first}.hostPort: Invalid host port number: 70000", [port(70000)])
    call(7, f"{first}.hostPort: Invalid host port number: -1", [port(-1)])
    call(7, f"{first}.hostPort: Invalid host port number: 0", [{"containerPort": 80}])
    call(6, f"{first}.hostPort", [port("80")])
    call(7, f'{first}.protocol: "icmp" is not tcp, udp or sctp', [port(80, protocol="icmp")])
    call(7, f"{first}.hostIP", [port(80, ip="localhost")])
    call(7, f"{first}.hostIP", [port(80, ip="224.0.0.1")])
    call(6, "runtimeConfig.portMappings[1]", [port(80), 7])
    call(6, "runtimeConfig.portMappings", {"hostPort": 80})
    call(6, "runtimeConfig", runtimeConfig=[])
    call(7, "host port 80 is mapped to container port 1 and to container port 2", [port(80, 1), port(80, 2)])
    call(7, 'backend: unrecognized backend "ebpf"', backend="ebpf")
    call(7, "markMasqBit: MasqMarkBit must be between 0 and 31", markMasqBit=32)
    call(7, "markMasqBit: MasqMarkBit must be between 0 and 31", markMasqBit=-1)
    call(7, "Cannot specify externalSetMarkChain and markMasqBit", markMasqBit=5, externalSetMarkChain="KUBE-MARK-MASQ")
    call(6, "snat", snat="yes")
    call(6, "conditionsV4", conditionsV4="-s 1.2.3.4")
    call(7, "must be called as a chained plugin", prevResult=...)
    call(7, "no address for interface eth0", prevResult={**prev, "ips": []})
    call(7, "must be called as a chained plugin", prevResult=..., verb="CHECK")
    w.same(before, w.snapshot())


@test
def spellings_of_real_callers(w):
    """go-cni prints Go's field names; protocols come in capitals, empty or not at all."""
    a = w.pod("a")
    bridge = conflist()["plugins"][0]
    prev = w.call("bridge", "ADD", {**bridge, "name": "podnet", "cniVersion": "1.1.0"}, a, id="a").ok().json
    conf = {"cniVersion": "1.1.0", "name": "podnet", "type": "portmap", "prevResult": prev, "backend": "",
            "markMasqBit": 13, "snat": True,
            "runtimeConfig": {"portMappings": [
                {"HostPort": 8080, "ContainerPort": 80, "Protocol": "TCP", "HostIP": ""},
                {"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": "0.0.0.0"},
                {"hostPort": 8081, "containerPort": 80, "protocol": ""},
                {"hostPort": 8082, "containerPort": 80, "HostIP": None}]}}
    eq(w.call("portmap", "ADD", conf, a, id="a").ok().json, prev, "prevResult passes unchanged")
    a.serve(80)
    for number in (8080, 8081, 8082):
        reaches(w, "127.0.0.1", number)
    w.call("portmap", "CHECK", conf, a, id="a").ok()
    w.call("portmap", "ADD", conf, a, id="a").ok()  # again, as after a kill
    reaches(w, "127.0.0.1", 8080)


@test
def long_names_have_owners_too(w):
    name, id = "n" * 100, "c" * 200
    a, b = w.pod("a"), w.pod("b")
    list_ = conflist(name, "cni0")
    w.chain(list_, "ADD", a, id=id, ifname='e"0', caps=caps(port(8080))).ok()
    a.serve(80)
    reaches(w, "127.0.0.1", 8080)
    text = w.sh("nft list ruleset").stdout
    w.sh("nft -c -f -", input=text)
    w.chain(list_, "ADD", b, id="b", caps=caps(port(8080))).fails(101, "is taken by")
    w.chain(list_, "DEL", b, id="b").ok()
    w.sh("rm -r /run/podwire")
    w.chain(list_, "DEL", a, id=id, ifname='e"0').ok()
    silent(w, "127.0.0.1", 8080)


@test
def parallel_adds_and_deletes(w):
    conf = {"cniVersion": "1.1.0", "name": "podnet", "type": "portmap"}
    pod = w.pod("a")

    def start(verb, i):
        prev = {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": pod.path}],
                "ips": [{"address": f"10.88.0.{i + 2}/24", "interface": 0}], "dns": {}}
        return w.start("portmap", verb, {**conf, "prevResult": prev, "snat": False,
                                         "runtimeConfig": {"portMappings": [port(20000 + i)]}}, pod, id=f"c{i}")

    for verb in ("ADD", "CHECK", "DEL"):
        running = [start(verb, i) for i in range(32)]
        for process in running:
            eq(w.finish(process).code, 0, verb)
        text = w.sh("nft list table inet podwire").stdout
        eq(len(re.findall("podnet c", text)), 0 if verb == "DEL" else 32)
        eq(text.count("fib daddr type local goto hostports"), 2)


@test
def others_edit_meanwhile(w):
    """Every transaction is made from a generation of the ruleset that somebody may change: try again."""
    pod = w.pod("a")
    busy = w.bg("nft add table ip busy; while :; do nft 'add chain ip busy x; delete chain ip busy x'; done")
    conf = {"cniVersion": "1.1.0", "name": "podnet", "type": "portmap", "snat": False}
    for i in range(40):
        prev = {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": pod.path}],
                "ips": [{"address": f"10.88.0.{i + 2}/24", "interface": 0}], "dns": {}}
        w.call("portmap", "ADD", {**conf, "prevResult": prev, "runtimeConfig": caps(port(20000 + i))},
               pod, id=f"c{i}").ok()
    eq(w.sh("nft list map inet podwire hostport4").stdout.count("podnet c"), 40)
    for i in range(40):
        w.call("portmap", "DEL", conf, pod, id=f"c{i}").ok()
    eq(w.sh("nft list map inet podwire hostport4").stdout.count("podnet c"), 0)
    w.stop(busy)


@test
def in_a_user_namespace(w):
    """Rootless: no right to /run, none to the machine's limits; all else works."""
    prev = {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/proc/self/ns/x"}],
            "ips": [{"address": "10.88.0.2/24", "interface": 0}], "dns": {}}
    conf = {"cniVersion": "1.1.0", "name": "podnet", "type": "portmap", "prevResult": prev,
            "runtimeConfig": caps(*[port(n) for n in range(8000, 8300)])}
    w.sh("mkdir -m 700 /run/mine; chown 4242:4242 /run/mine; chmod 755 /run")
    Path("/run/mine.json").write_text(json.dumps(conf))
    call = ("env -i CNI_COMMAND=VERB CNI_CONTAINERID=a CNI_NETNS=/run/mine/pod CNI_IFNAME=eth0 CNI_PATH=/x"
            f" XDG_RUNTIME_DIR=/run/mine ASAN_OPTIONS=detect_leaks=0 {w.bin}/portmap < /run/mine.json")
    script = ["set -e", "ip link set lo up", "ip link add cni0 type bridge", "ip link set cni0 up",
              "ip addr add 10.88.0.1/24 dev cni0", "mount -t tmpfs none /run/mine", "touch /run/mine/pod",
              "unshare -n sh -c 'mount --bind /proc/self/ns/net /run/mine/pod'",
              call.replace("VERB", "ADD"), call.replace("VERB", "CHECK"),
              "nft list map inet podwire hostport4 | grep -o 'tcp . 8299 .*'", call.replace("VERB", "DEL"),
              "nft list map inet podwire hostport4 | grep -c eth0 || true", "ls /run/mine/podwire"]
    done = w.sh(["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups", "unshare", "-Urnm", "sh", "-c",
                 "\n".join(script)], check=False)
    eq(done.returncode, 0, done.stdout + done.stderr)
    assert 'tcp . 8299 comment "podnet a eth0" : 10.88.0.2 . 80' in done.stdout, done.stdout
    eq(done.stdout.splitlines()[-3:], ["0", "attachments", "nft.lock"])
    assert "podwire" not in w.sh("ls /run").stdout


@test
def status_is_real(w):
    conf = {"cniVersion": "1.1.0", "name": "podnet", "type": "portmap"}
    before = w.snapshot()
    w.call("portmap", "STATUS", conf).ok()
    conditions = {**conf, "conditionsV6": ["ip6", "saddr", "fd00::/8"]}
    w.call("portmap", "STATUS", conditions).ok()
    w.same(before, w.snapshot())
    for path in {os.path.realpath(p) for p in ("/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft")}:
        if os.path.exists(path):
            w.sh(f"mount --bind /dev/null {path}")
    w.call("portmap", "STATUS", conditions).fails(50, "nft")
    w.call("portmap", "STATUS", conf).ok()


@test
def a_table_made_between_look_and_question(w):
    """bridge asks as STATUS does before it changes anything, without a lock: the first pods of a node come together."""
    pod, wrapper, log = w.pod("a"), Path("/run/world/slow"), Path("/run/world/strace.log")
    wrapper.write_text(f"#!/bin/sh\nexec strace -f -o {log} -e trace=sendto -e inject=sendto:delay_enter=1000000:when=2"
                       f" {w.bin}/portmap\n")
    wrapper.chmod(0o755)
    process = w.start(str(wrapper), "STATUS", {"cniVersion": "1.1.0", "name": "podnet", "type": "portmap"},
                      env={"ASAN_OPTIONS": "detect_leaks=0"})
    wait_for(lambda: log.exists() and "sendto" in log.read_text(), "the look")
    add(w, pod, port(8080))
    w.finish(process, "portmap", "STATUS").ok()
    assert log.read_text().count("sendto") >= 3, "it looked again: " + log.read_text()[-2000:]
    delete(w, pod, port(8080))


if __name__ == "__main__":
    main()
