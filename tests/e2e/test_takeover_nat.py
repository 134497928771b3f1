#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Pods that the Go plugins attached with masquerade and host ports, deleted, collected and respected by ours:
Debian's 1.1.1 and 1.9.1, their iptables backend (of nf_tables and of legacy xtables) and their
nftables backend; and the way back."""

import functools
import itertools
import json
import re
from pathlib import Path

from gotools import CACHE, install
from node import DEBIAN, GREETING, LAN4, LAN6, LAN_PORT, NODE4, NODE6, ROOT, client, closed, eq, links, run, test, wait_for
from trials import PLAIN, STOPAT

MODULE = "github.com/containernetworking/plugins/plugins/"
WHY_NOT = install("plugins-1.9.1", *[f"{MODULE}{p}@v1.9.1" for p in ("meta/portmap", "main/bridge", "ipam/host-local")])
IDS = ("first-pod", "second-pod")
KINDS = {"old": ("1.1.1", "iptables"), "new": ("1.9.1", "iptables"), "nft": ("1.9.1", "nftables")}
LEGACY = ("iptables_legacy",)
FOREIGN = """
for p in iptables ip6tables; do
  $p -t nat -N CNI-0123456789abcdef01234567
  $p -t nat -N CNI-DN-0123456789abcdef01234
  $p -t nat -A CNI-DN-0123456789abcdef01234 -p tcp --dport 7777 -j RETURN
  $p -t nat -A PREROUTING -p tcp --dport 7777 -j CNI-DN-0123456789abcdef01234
  $p -t nat -A OUTPUT -p tcp --dport 7777 -j CNI-DN-0123456789abcdef01234
  $p -t nat -A POSTROUTING -p tcp --dport 7777 -m comment --comment 'name: "old" id: "first-pod"' -j RETURN
done
nft 'table bridge nat { chain PREROUTING { type filter hook prerouting priority -300; iifname "none" drop comment "mine"; }; }'
"""


def chain(kind, name="old", bridge="cni0", subnet="88"):
    backend = KINDS[kind][1]
    choice = {"backend": backend, "ipMasqBackend": backend} if KINDS[kind][0] == "1.9.1" else {}
    return {"cniVersion": "1.0.0", "name": name, "plugins": [
        {"type": "bridge", "bridge": bridge, "isGateway": True, "ipMasq": True, "hairpinMode": True, "macspoofchk": True,
         **choice, "ipam": {"type": "host-local", "ranges": [[{"subnet": f"10.{subnet}.0.0/24"}], [{"subnet": f"fd{subnet}::/64"}]],
                            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}},
        {"type": "portmap", "capabilities": {"portMappings": True}, **choice}]}


def theirs(w, kind):
    if KINDS[kind][0] == "1.1.1":
        return DEBIAN
    if WHY_NOT:
        w.skip(WHY_NOT)
    return str(CACHE / "plugins-1.9.1")


def ports(*mappings):
    """(host port, container port, protocol[, host address])"""
    keys = ("hostPort", "containerPort", "protocol", "hostIP")
    return {"portMappings": [dict(zip(keys, m)) for m in mappings]}


def web(n):
    return ports((8080 + n, 80, "tcp"), (8080 + n, 80, "udp"), (9080 + n, 80, "tcp", NODE4), (9080 + n, 80, "tcp", NODE6))


def attach(w, kind, path=None):
    """Two pods of theirs that answer at 8080 and 8081."""
    pods = [w.pod(name) for name in IDS]
    for net in (w, *pods):  # theirs does not wait for its IPv6 addresses
        for key in ("default", "all"):
            net.sysctl(f"net/ipv6/conf/{key}/accept_dad", 0)
    for n, pod in enumerate(pods):
        w.chain(chain(kind), "ADD", pod, id=pod.name, caps=web(n), path=path or theirs(w, kind)).ok()
        pod.servers = [pod.serve(80, proto, GREETING) for proto in ("tcp", "udp")]
        wait_for(lambda port=8080 + n: client(w.lan, NODE6, port), f"host port {8080 + n} over IPv6")
    return pods


def kill(w, pod):
    """Its processes end, then its namespace."""
    for server in pod.servers:
        w.stop(server)
    w.remove(pod)


def state(w):
    """All that belongs to others on this node, legacy tables too."""
    used = [p for p in ("ip", "ip6") if Path(f"/proc/net/{p}_tables_names").exists()]
    legacy = "".join(w.sh(f"{p}tables-legacy-save").stdout for p in used)
    return w.others() + re.sub(r"^#.*\n|\[\d+:\d+\]", "", legacy, flags=re.M)


def works(w, pod, n, what):
    """Its ports from outside, and its masquerade, in both families."""
    for node, lan in ((NODE4, LAN4), (NODE6, LAN6)):
        for port, proto in ((8080 + n, "tcp"), (8080 + n, "udp"), (9080 + n, "tcp")):
            eq(client(w.lan, node, port, proto), lan, f"{what}: {proto} port {port} of {node}")
        eq(client(pod, lan, LAN_PORT), node, f"{what}: the pod's address at the neighbour")


def named(w, name):
    text = w.sh("nft list ruleset; iptables-save; ip6tables-save").stdout
    return [line for line in text.splitlines() if name in line]


def backends(*names, needs=()):
    """One test for each kind of theirs, named FUNCTION_KIND; with `needs` legacy xtables is what they find."""
    def mark(function):
        for kind in names:
            def one(w, kind=kind):
                if needs:
                    w.sh("for p in iptables ip6tables; do ln -sf /usr/sbin/$p-legacy /etc/alternatives/$p; "
                         "ln -sf /usr/sbin/$p-legacy-save /etc/alternatives/$p-save; done")
                function(w, kind)
            one.__name__ = f"{function.__name__}_{kind}{'_legacy' if needs else ''}"
            test(functools.wraps(one)(one), needs=needs)
        return function
    return mark


def everywhere(function):
    return backends("old", "new", needs=LEGACY)(backends("old", "new", "nft")(function))


@everywhere
def one_after_the_other(w, kind):
    """Its own go with the first pod, and what both share with the last; nothing of anybody else's."""
    w.sh(FOREIGN)
    before = state(w)
    a, b = attach(w, kind)
    works(w, a, 0, "the first before")
    for _ in range(2):
        w.chain(chain(kind), "DEL", a, id=IDS[0]).ok()
        eq([line for line in named(w, IDS[0]) if "dport 7777" not in line], [], "rules that name the first pod")
        assert closed(w.lan, NODE4, 8080) and closed(w.lan, NODE6, 8080), "the first pod's port is open"
        works(w, b, 1, "the second after the first's DEL")
    kill(w, b)
    for _ in range(2):
        w.chain(chain(kind), "DEL", None, id=IDS[1]).ok()
        eq(state(w), before, "what belongs to others")
    w.addresses_free()
    wait_for(lambda: w.leftovers() == [], f"the links of a dead namespace to go: {w.leftovers()}")


@backends("old", "new")
def a_namespace_that_lives_on_without_its_path(w, kind):
    """Its processes keep the pair: it goes before its address does."""
    a, b = attach(w, kind)
    w.remove(a)
    veth = w.results["old", IDS[0], "eth0"]["interfaces"][1]["name"]
    assert veth in links(w), "the pair of a namespace that a process keeps"
    w.chain(chain(kind), "DEL", None, id=IDS[0]).ok()
    assert veth not in links(w), "the pair is still there, and its address free"
    works(w, b, 1, "the second")


@everywhere
def a_host_port_of_theirs_is_seen(w, kind):
    """With and without an address, as docs/decisions/011 has it; and let go with their pod."""
    attach(w, kind)
    pod, network = w.pod("new-pod"), chain("old", "ours", "cni1", "99")
    network["plugins"].pop()
    prev = w.chain(network, "ADD", pod, id="new-pod").ok().json

    def portmap(verb, *mapping):
        conf = {"cniVersion": "1.0.0", "name": "ours", "type": "portmap", "prevResult": prev, "runtimeConfig": ports(mapping)}
        return w.call("portmap", verb, conf, pod, id="new-pod")

    for mapping in ((8080, 80, "tcp"), (8081, 80, "udp"), (8080, 80, "tcp", NODE4), (8080, 80, "tcp", NODE6),
                    (9081, 80, "tcp", NODE4), (9080, 80, "tcp", NODE6)):
        reply = portmap("ADD", *mapping)
        reply.fails(101, f"{mapping[0]}/{mapping[2]} is taken by container {IDS[mapping[0] % 2]}")
        assert kind == "nft" or "network old" in reply.msg, f"no network in: {reply.msg}"
    eq(w.elements(), [e for e in w.elements() if "hostport" not in e], "elements of what was refused")
    for mapping in ((8080, 80, "sctp"), (8090, 80, "tcp"), (9080, 80, "udp", NODE4), (9080, 80, "tcp")):
        portmap("ADD", *mapping).ok()
    w.sh("ip addr add 192.168.50.12/24 dev eth0")
    pod.serve(80, text="ours")
    eq(w.lan.ask("192.168.50.12", 9080), f"ours {LAN4}", "the port at another address")
    eq(w.lan.ask(NODE4, 9080), f"{GREETING} {LAN4}", "the port at the address that theirs has")
    w.chain(chain(kind), "DEL", w.pods[IDS[0]], id=IDS[0]).ok()
    portmap("ADD", 8080, 80, "tcp").ok()
    for node, lan in ((NODE4, LAN4), (NODE6, LAN6)):
        eq(w.lan.ask(node, 8080), f"ours {lan}", f"our port after their pod's DEL, at {node}")
        eq(client(w.lan, node, 8081), lan, f"their other pod's, at {node}")
    portmap("DEL").ok()
    w.chain(network, "DEL", pod, id="new-pod").ok()
    w.chain(chain(kind), "DEL", w.pods[IDS[1]], id=IDS[1]).ok()
    eq(w.leftovers(IDS), [], "left behind")


@everywhere
def gc_by_their_comments(w, kind):
    """Who is valid keeps all, who is not loses all that says its network."""
    w.sh(FOREIGN)
    before = state(w)
    conflist = {**chain(kind), "cniVersion": "1.1.0"}
    a, b = attach(w, kind)
    both = state(w)
    w.chain(conflist, "GC", valid=[(name, "eth0") for name in IDS]).ok()
    w.chain({**conflist, "name": "another"}, "GC", valid=[]).ok()
    eq(state(w), both, "after GC that had nothing to do")
    kill(w, a)
    w.chain(conflist, "GC", valid=[(IDS[1], "eth0")]).ok()
    left = [line for line in named(w, IDS[0]) if "dport 7777" not in line]
    eq([line for line in left if "net: old" in line or "name:" in line], [], "rules that name the first pod and its network")
    eq(bool(left), True, "its MAC check, which names no network")
    works(w, b, 1, "the second after GC")
    kill(w, b)
    w.chain(conflist, "GC", valid=[]).ok()
    if kind == "nft":
        eq(len([line for line in named(w, IDS[1]) if "dnat to" in line]), 6, "its ports, which name no network")
    for name in IDS:
        w.chain(conflist, "DEL", None, id=name).ok()
    eq(state(w), before, "what belongs to others")


@backends("old", "new", "nft")
def two_interfaces_of_one_container(w, kind):
    """They share the chain of their masquerade; each DEL takes its own part."""
    pod = w.pod(IDS[0])
    for ifname in ("eth0", "net1"):
        w.chain(chain(kind), "ADD", pod, id=IDS[0], ifname=ifname, path=theirs(w, kind)).ok()
    w.chain(chain(kind), "DEL", pod, id=IDS[0], ifname="eth0").ok()
    pod.sh("ip route replace default via 10.88.0.1 dev net1")
    eq(client(pod, LAN4, LAN_PORT), NODE4, "the second interface's address at the neighbour")
    w.chain(chain(kind), "DEL", pod, id=IDS[0], ifname="net1").ok()
    eq(named(w, IDS[0]) + [name for name in ("CNI-", "cni_plugins") if named(w, name)], [], "after the second DEL")


def our_del_killed(w, kind):
    """At every fifth step of bridge and of portmap that may change something: the next DEL finishes it."""
    w.sh(FOREIGN)
    w.bin, before, pod = PLAIN, state(w), w.pod(IDS[0])
    for plugin in ("portmap", "bridge"):
        for k in itertools.count(2, 5):
            w.chain(chain(kind), "ADD", pod, id=IDS[0], caps=web(0), path=theirs(w, kind)).ok()
            r = w.chain(chain(kind), "DEL", pod, id=IDS[0], under={plugin: [STOPAT, "step", k]})
            hit = "\nstopat: killed" in "\n" + r.err
            eq(r.code != 0, hit, f"{plugin}, to be killed at {k}: {r!r}")
            w.chain(chain(kind), "DEL", pod, id=IDS[0]).ok()
            eq(state(w), before, f"{plugin}, {r.err.strip()[-120:]}, then DEL")
            if not hit:
                assert k > 10, f"{plugin} has less than {k} steps"
                break
    w.addresses_free()


backends("old")(our_del_killed)
backends("new", needs=LEGACY)(our_del_killed)


@backends("old", "nft")
def two_networks_of_one_container(w, kind):
    """podman's way, and without a masquerade chain that the kernel would find in use. Comments of the nftables
    backend do not tell the networks apart; addresses do."""
    pod, one, other = w.pod(IDS[0]), chain(kind), chain(kind, "older", "cni1", "99")
    for network in (one, other):
        network["plugins"][1]["snat"] = False
    w.chain(one, "ADD", pod, id=IDS[0], caps=ports((8080, 80, "tcp")), path=theirs(w, kind)).ok()
    w.chain(other, "ADD", pod, id=IDS[0], ifname="eth1", caps=ports((8081, 80, "tcp")), path=theirs(w, kind)).ok()
    pod.serve(80, "tcp", GREETING)
    w.chain(one, "DEL", pod, id=IDS[0]).ok()
    pod.sh("ip route replace default via 10.99.0.1 dev eth1")
    eq((closed(w.lan, NODE4, 8080), client(w.lan, NODE4, 8081)), (True, LAN4), "ports of the first and of the second network")
    w.chain(other, "DEL", pod, id=IDS[0], ifname="eth1").ok()
    eq([name for name in (IDS[0], "CNI-", "cni_") if named(w, name)], [], "after the second DEL")


def parallel(w, kind):
    """Many DELs at once, while others change the table: each takes its own, and the last what they shared."""
    w.sh(FOREIGN)
    before = state(w)
    names = [f"pod-{n}" for n in range(6)]
    for n, name in enumerate(names):
        w.chain(chain(kind), "ADD", w.pod(name), id=name, caps=ports((8080 + n, 80, "tcp")), path=theirs(w, kind)).ok()
    noise = w.bg("for i in $(seq 40); do for o in A D; do iptables -w 9 -t nat -$o POSTROUTING -s 203.0.113.$i -j ACCEPT; "
                 "done; done")
    calls = []
    for plugin in reversed(chain(kind)["plugins"]):
        conf = {**plugin, "cniVersion": "1.0.0", "name": "old"}
        calls += [w.start(plugin["type"], "DEL", {**conf, "prevResult": w.results["old", name, "eth0"]}, w.pods[name], name)
                  for name in names]
    for call in calls:
        w.finish(call, "DEL").ok()
    eq(noise.wait(60), 0, "the others' last change")
    eq(state(w), before, "what belongs to others")


backends("old", "nft")(parallel)
backends("old", needs=LEGACY)(parallel)


@backends("old", needs=LEGACY)
def legacy_programs_are_run_for_theirs_only(w, kind):
    """Others' rules in the legacy table are no reason; nor is a missing program one to fail."""
    w.sh(FOREIGN)
    a, network = w.pod("a"), chain("old", "ours", "cni1", "99")
    real, spy = "/usr/sbin/xtables-legacy-multi", Path("/run/world/spy")
    spy.write_text('#!/bin/sh\necho "$0 $*" >> /run/world/ran\nexec /run/world/real-multi "$@"\n')
    w.sh(f"cp {real} /run/world/real-multi; chmod 755 {spy}; mount --bind {spy} {real}")
    for verb in ("ADD", "CHECK", "DEL"):
        w.chain(network, verb, a, id="a", caps=web(0)).ok()
    w.chain({**network, "cniVersion": "1.1.0"}, "GC", valid=[]).ok()
    eq(w.sh("cat /run/world/ran", check=False).stdout, "", "runs of iptables where theirs have nothing")
    w.sh(f"umount {real}")
    w.chain(chain(kind), "ADD", w.pod(IDS[0]), id=IDS[0], caps=web(0), path=theirs(w, kind)).ok()
    w.sh(f"mount --bind /dev/null {real}")
    w.chain(network, "ADD", a, id="a", caps=web(1)).ok()
    w.chain(chain(kind), "DEL", w.pods[IDS[0]], id=IDS[0]).ok()
    w.sh(f"umount {real}")
    w.chain(chain(kind), "DEL", w.pods[IDS[0]], id=IDS[0]).ok()
    eq([line for line in named(w, IDS[0]) if "dport 7777" not in line], [], "rules that name their pod")


SPY = """#!/bin/sh
real() { /run/world/real-multi "$@" </dev/null; }
name=$(basename "$0")
if [ "$name" = iptables-legacy-restore ] && [ ! -e /run/world/came ]; then
	touch /run/world/came
	real iptables-legacy -t nat -N CNI-DN-ofanother
	real iptables-legacy -t nat -A CNI-HOSTPORT-DNAT -p tcp -m multiport --dports 9999 -j CNI-DN-ofanother
fi
exec /run/world/real-multi "$name" "$@"
"""


@backends("old", needs=LEGACY)
def their_pod_that_comes_between_list_and_change(w, kind):
    """The last pod's DEL by ours, and another of theirs that gets its host port at that very moment: it keeps it."""
    pod, multi = w.pod(IDS[0]), "/usr/sbin/xtables-legacy-multi"
    w.chain(chain(kind), "ADD", pod, id=IDS[0], caps=web(0), path=theirs(w, kind)).ok()
    Path("/run/world/spy").write_text(SPY)
    w.sh(f"cp {multi} /run/world/real-multi; chmod 755 /run/world/spy; mount --bind /run/world/spy {multi}")
    w.chain(chain(kind), "DEL", pod, id=IDS[0]).ok()
    w.sh(f"umount {multi}")
    rules = w.sh("iptables-legacy -t nat -S").stdout
    assert Path("/run/world/came").exists() and "--dports 9999 -j CNI-DN-ofanother" in rules, rules
    eq([rules.count(f"-A {hook} ") for hook in ("PREROUTING", "OUTPUT")], [1, 1], "ways to the shared chain")
    eq(named(w, IDS[0]), [], "rules that name our DEL's pod")


OURS_LEFT = ["allowed", "checked", "hostip4", "hostip6", "hostport4", "hostport6",
             "masq-10.88.0.0-24", "masq-fd88---64", "pod4", "pod6", "snat-10.88.0.0-24", "snat-fd88---64"]


def guide(w, heading):
    """The shell script below a heading of docs/takeover.md, for this node's folders."""
    text = (ROOT / "docs/takeover.md").read_text().split(f"\n## {heading}\n")[1]
    return text.split("```sh\n")[1].split("```")[0].replace("OURS=/opt/podwire ", f"OURS={w.bin} ")


def cache(network, *names):
    """What libcni keeps of each attachment, as far as the guide reads it."""
    Path("/var/lib/cni/results").mkdir()
    for name in names:
        entry = {"kind": "cniCacheV1", "containerId": name, "ifName": "eth0", "networkName": network}
        Path(f"/var/lib/cni/results/{network}-{name}-eth0").write_text(json.dumps(entry))
    Path("/etc/cni/net.d").mkdir()
    Path("/etc/cni/net.d/10-old.conflist").write_text(json.dumps({"name": network, "plugins": []}))


@backends("old", "new", "nft")
def the_way_back(w, kind):
    """Their files return while pods of ours run (docs/takeover.md): what stays reachable, what their DEL leaves."""
    path, third = theirs(w, kind), "third-pod"
    a, b = attach(w, kind, path=w.bin)
    c = w.pod(third)
    w.chain(chain(kind), "ADD", c, id=third, caps=web(2), path=path).ok()
    c.serve(80, "tcp", GREETING)
    c.serve(80, "udp", GREETING)
    wait_for(lambda: client(w.lan, NODE6, 8082), "the host port of their new pod over IPv6")
    for n, pod in enumerate((a, b, c)):
        works(w, pod, n, f"pod {n} of ours, ours and theirs")
    first = w.chain(chain(kind), "DEL", a, id=IDS[0], caps=web(0), path=path)
    assert first.code == 0 or "CNI-" in first.msg, f"their DEL misses something else than its chain: {first.msg}"
    w.chain(chain(kind), "DEL", a, id=IDS[0], caps=web(0), path=path).ok()
    eq(list(links(a)), ["lo"], "links of our pod after their DEL")
    left = w.leftovers(IDS[:1])
    eq(sorted({e.split(":")[0].split()[1] for e in left if e.startswith("element") and IDS[0] in e}), OURS_LEFT, "elements left")
    eq(sorted(e.split("/")[-1].split("-")[0] for e in left if "attachments" in e), ["masq", "portmap", "spoof"], "records left")
    works(w, b, 1, "our other pod after their DEL")
    cache("old", IDS[1], third)
    w.sh(guide(w, "Going back"))
    eq([e for e in w.leftovers(IDS[:1]) if IDS[0] in e], [], "left of the first pod after our GC")
    for n, pod in ((1, b), (2, c)):
        works(w, pod, n, f"pod {n} after our GC")
    for name, n in ((IDS[1], 1), (third, 2)):
        for _ in range(2):
            last = w.chain(chain(kind), "DEL", w.pods[name], id=name, caps=web(n), path=path)
        last.ok()
    w.sh("rm -r /var/lib/cni/results")
    w.sh(guide(w, "The last pod of ours is gone").replace("/opt/podwire", ""))
    eq(w.leftovers((*IDS, third)), [], "left behind")
    assert "podwire" not in w.sh("nft list ruleset").stdout, "our tables are still there"


@backends("old", "nft")
def their_killed_commands(w, kind):
    """Half of a pod: chains that nothing leads to any more, rules or a whole family gone."""
    w.sh(FOREIGN)
    before = state(w)
    a, b = attach(w, kind)
    if kind == "old":
        w.sh("iptables -t nat -F CNI-HOSTPORT-DNAT; ip6tables -t nat -D POSTROUTING -j CNI-HOSTPORT-MASQ "
             "-m comment --comment 'CNI portfwd requiring masquerade'")
        w.sh("for h in $(nft -a list chain ip nat POSTROUTING | sed -n 's/.* jump CNI-[0-9a-f].* handle //p'); do "
             "nft delete rule ip nat POSTROUTING handle $h; done")
    else:
        w.sh("nft delete table ip6 cni_hostport; nft flush chain ip cni_hostport masquerading")
    for pod in (a, b):
        w.chain(chain(kind), "DEL", pod, id=pod.name).ok()
    eq(state(w), before, "what belongs to others")


if __name__ == "__main__":
    run()
