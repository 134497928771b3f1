# SPDX-License-Identifier: GPL-2.0-or-later
"""The overlay's nftables table as an operator sees it, and what becomes of it under hands, faults, other
writers and large numbers: pkg/nft/overlay.h by its program (tests/lib/overlay_rules.c)."""

import os
import re

from cluster import rules
from world import eq, main, test, wait_for

TABLE = "inet podwire-overlay-podnet"
SENDERS = ("sender=192.0.2.1", "sender=192.0.2.2", "sender=2001:db8::1", "sender=2001:db8::2")
ALL = ("nonmasq=172.16.0.0/12", "nonmasq=192.168.0.0/16", "nonmasq=fc00::/8", *SENDERS)
KEYS = {"masq": 1, "random": 1, "mark": 12, "port": 8472, "drop": 1}
NOTHING = {"masq": 0, "port": 0, "mark": 0}


def apply(w, *args, **keys):
    return rules(w, "apply", *(args or ALL), **{**KEYS, **keys}).stdout.strip()


def differ(w, *args, **keys):
    """What differs, without the counters."""
    lines = rules(w, "differ", *(args or ALL), **{**KEYS, **keys}).stdout.splitlines()
    return [line.removeprefix(f"nftables table {TABLE}: ") for line in lines if not line.startswith("strangers ")]


def probe(w, *args, **keys):
    return rules(w, "probe", *(args or ALL), **{**KEYS, **keys}).stdout.strip()


def listing(w, options="-s"):
    return w.sh(f"nft {options} list ruleset").stdout


WHOLE = """table inet podwire-overlay-podnet {
	comment "Podwire: masquerade, forwarding and VXLAN senders of the overlay podnet"
	set nonmasq4 {
		type ipv4_addr
		flags interval
		comment "pods keep their address towards these"
		elements = { 172.16.0.0/12, 192.168.0.0/16 }
	}

	set senders4 {
		type ipv4_addr
		comment "nodes: they send VXLAN packets"
		elements = { 192.0.2.1, 192.0.2.2 }
	}

	chain postrouting {
		comment "pods keep their address among each other"
		type nat hook postrouting priority srcnat + 5; policy accept;
		meta mark & 0x00004000 == 0x00004000 return comment "kube-proxy masquerades these"
		ip saddr 10.244.0.0/16 ip daddr 10.244.0.0/16 return comment "pod to pod"
		ip saddr != 10.244.0.0/16 ip daddr 10.244.1.0/24 return comment "outside to a pod of this node"
		ip saddr 10.244.0.0/16 ip daddr @nonmasq4 return comment "pod to nonMasqueradeCIDRs"
		ip saddr 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random comment "pod to outside"
		ip saddr != 10.244.0.0/16 ip daddr 10.244.0.0/16 masquerade fully-random comment "outside to a pod of another node"
	}

	chain forward {
		comment "pods may pass where iptables' FORWARD drops"
		type filter hook forward priority filter - 5; policy accept;
		ip saddr 10.244.0.0/16 meta mark set meta mark | 0x00001000 comment "forward from a pod"
		ip daddr 10.244.0.0/16 meta mark set meta mark | 0x00001000 comment "forward to a pod"
	}

	chain senders {
		comment "VXLAN packets from addresses that are no node's"
		type filter hook input priority filter - 5; policy accept;
		udp dport 8472 ip saddr != @senders4 counter drop comment "VXLAN from no node"
	}
}
"""


@test
def it_reads_as_a_person_would_have_written_it(w):
    eq(apply(w, families=[4]), "changed")
    eq(listing(w), WHOLE)


@test
def its_listing_loads_again(w):
    """And is the same to us: nft's own compiler makes the same rules of it."""
    apply(w)
    w.sh("nft list ruleset > /run/one; nft flush ruleset; nft -f /run/one; nft list ruleset > /run/two; cmp /run/one /run/two")
    eq(differ(w), [])
    eq(apply(w), "same")


@test
def odd_prefixes_read_well(w):
    """Not on a byte's boundary; and listed ones that overlap, touch, or reach to the last address."""
    nets = ("net=10.96.0.0/13", "own=10.97.128.0/17", "net=fd00::/44", "own=fd00:0:8::/52")
    listed = [f"nonmasq={x}" for x in ("10.0.0.0/9", "10.128.0.0/9", "11.0.0.0/8", "10.1.0.0/16", "240.0.0.0/4",
                                       "192.0.2.128/25", "192.0.2.7/32", "ff00::/8", "fe80::1/10", "fe80::/64")]
    eq(rules(w, "apply", *nets, *listed, masq=1, families=[]).stdout, "changed\n")
    text = re.sub(r"\s+", " ", listing(w))
    for part in ("elements = { 10.0.0.0/7, 192.0.2.7, 192.0.2.128/25, 240.0.0.0/4 }",
                 "elements = { fe80::/10, ff00::/8 }",
                 "ip saddr != 10.96.0.0/13 ip daddr 10.97.128.0/17 return",
                 "ip6 saddr != fd00::/44 ip6 daddr fd00:0:8::/52 return"):
        assert part in text, f"{part}\n{text}"
    eq(rules(w, "apply", *nets, *listed, masq=1, families=[]).stdout, "same\n")
    w.sh("nft list ruleset > /run/one; nft flush ruleset; nft -f /run/one")
    eq(rules(w, "apply", *nets, *listed, masq=1, families=[]).stdout, "same\n")


@test
def everything_may_be_listed(w):
    """::/0 has no address behind its last one."""
    for _ in range(2):
        last = apply(w, "nonmasq=0.0.0.0/0", "nonmasq=::/0")
    eq(last, "same")
    text = re.sub(r"\s+", " ", listing(w))
    assert "elements = { 0.0.0.0/0 }" in text and "elements = { ::/0 }" in text, text


@test
def nothing_to_say_is_no_table(w):
    eq(apply(w, **NOTHING), "same")
    eq(listing(w), "")
    eq(apply(w, port=0), "changed")
    assert "senders" not in listing(w).replace("VXLAN senders", "")
    eq(apply(w, masq=0), "changed")
    assert "postrouting" not in listing(w)
    eq(apply(w, masq=0, port=0), "changed")
    assert "senders" not in listing(w).replace("VXLAN senders", "")
    eq(apply(w, masq=0, mark=0), "changed")
    assert "forward" not in listing(w).replace("forwarding and", "")
    eq(differ(w, masq=0, mark=0), [])
    eq(differ(w, **NOTHING), ["is not wanted"])
    eq(probe(w, **NOTHING), "fell")
    eq(apply(w, **NOTHING), "changed")
    eq(listing(w), "")
    eq(probe(w, **NOTHING), "stands")


@test
def what_changes_nothing_writes_nothing(w):
    apply(w)
    before = listing(w, "-a")
    monitor = w.bg("exec nft monitor >> /run/monitor 2>&1")
    # What it prints is not much before it listens.
    wait_for(lambda: w.sh("nft add table ip probe; nft delete table ip probe; cat /run/monitor").stdout, "the monitor")
    w.sh(": > /run/monitor")
    for verb in ("apply", "differ", "probe", "status"):
        rules(w, verb, *ALL, **KEYS)
    rules(w, "remove", network="another")
    w.sh("nft add table ip last")
    wait_for(lambda: "last" in open("/run/monitor").read(), "the last event")
    monitor.kill()
    lines = [line for line in open("/run/monitor").read().splitlines() if "probe" not in line and "generation" not in line]
    eq(lines, ["add table ip last"])
    w.sh("nft delete table ip last")
    eq(listing(w, "-a"), before)


@test
def questions_make_nothing(w):
    eq(differ(w), ["is missing"])
    eq(probe(w), "fell")
    rules(w, "status", *ALL, **KEYS)
    rules(w, "remove")
    eq(listing(w), "")
    assert not os.path.exists("/run/podwire")


@test
def remove_takes_it_and_nothing_else(w):
    apply(w, network="one")
    before = listing(w)
    apply(w)
    rules(w, "remove")
    eq(listing(w), before)
    rules(w, "remove")
    eq(listing(w), before)


@test
def every_change_of_the_configuration_is_made(w):
    """Each from the same table, and what results is what a fresh one would be."""
    changes = [({"random": 0}, ALL), ({"drop": 0}, ALL), ({"port": 4789}, ALL), ({"masq": 0}, ALL), ({"port": 0}, ALL),
               ({"families": [4]}, ALL), ({"families": [6]}, ALL), ({"node": 2}, ALL), ({}, ALL[1:]), ({}, ALL[:-1]),
               ({}, (*ALL, "nonmasq=10.0.0.0/24")), ({}, (*ALL, "sender=192.0.2.3")), ({}, ("sender=192.0.2.9",)),
               ({}, SENDERS), ({}, ("many=300",))]
    for keys, args in changes:
        apply(w)
        assert differ(w, *args, **keys), f"{keys} {args}"
        eq(apply(w, *args, **keys), "changed", f"{keys} {args}")
        eq(differ(w, *args, **keys), [], f"{keys} {args}")
        eq(apply(w, *args, **keys), "same", f"{keys} {args}")
        got = listing(w)
        rules(w, "remove")
        apply(w, *args, **keys)
        eq(got, listing(w), f"{keys} {args}")


DAMAGE = {
    "flush ruleset": ["is missing"],
    f"delete table {TABLE}": ["is missing"],
    f"flush table {TABLE}": 17,
    f"flush chain {TABLE} postrouting": 11,
    f"flush chain {TABLE} senders": ["VXLAN from no node is missing or another one"] * 2,
    f"flush set {TABLE} senders4": ["set senders4: 192.0.2.1 is missing", "set senders4: 192.0.2.2 is missing"],
    f"flush set {TABLE} nonmasq6": ["set nonmasq6: what begins at fc00:: is missing",
                                    "set nonmasq6: what ends before fd00:: is missing"],
    f"delete element {TABLE} senders6 {{ 2001:db8::2 }}": ["set senders6: 2001:db8::2 is missing"],
    f"add element {TABLE} senders4 {{ 203.0.113.9 }}": ["set senders4: 203.0.113.9 does not belong there"],
    f"add element {TABLE} senders4 {{ * }}": ["set senders4: an element that is no address"],
    f"delete element {TABLE} nonmasq4 {{ 172.16.0.0/12 }}": 2,
    f"add element {TABLE} nonmasq4 {{ 1.0.0.0/8 }}": 2,
    f"add rule {TABLE} postrouting accept": ["1 rules that do not belong there"],
    f"insert rule {TABLE} postrouting ip protocol tcp return": ["1 rules that do not belong there"],
    f"add chain {TABLE} mine; add rule {TABLE} mine drop": ["1 rules that do not belong there"],
    f"add chain {TABLE} senders {{ policy drop; }}": ["senders is missing or another one"],
    f"add table {TABLE} {{ flags dormant; }}": [TABLE.split()[1] + " is missing or another one"],
}


@test(timeout=120)
def hands_are_put_right(w):
    apply(w)
    whole = listing(w)
    for command, lines in DAMAGE.items():
        w.sh(["nft", command])
        got = differ(w)
        if isinstance(lines, int):
            eq(len(got), lines, f"{command}: {got}")
        else:
            eq(got, lines, command)
        if " nonmasq" not in command and "add element" not in command:  # those are what probe does not ask for
            eq(probe(w), "fell", command)
        eq(apply(w), "changed", command)
        eq(listing(w), whole, command)
        eq([apply(w), probe(w), *differ(w)], ["same", "stands"], command)


@test
def every_rule_is_looked_at(w):
    """Each one deleted, and each one replaced by one that differs in what it does alone."""
    apply(w)
    whole = listing(w)
    rule = re.compile(r"^\t\t((?:meta|ip|ip6|udp) .*) # handle (\d+)$", re.M)
    n = len(rule.findall(listing(w, "-a -s")))
    eq(n, 17)
    chains = ["postrouting"] * 11 + ["forward"] * 4 + ["senders"] * 2
    for i in range(2 * n):
        chain, (text, handle) = chains[i % n], rule.findall(listing(w, "-a -s"))[i % n]
        if i < n:
            w.sh(["nft", f"delete rule {TABLE} {chain} handle {handle}"])
        else:
            other = re.sub(r"(return|masquerade fully-random|drop|meta mark set.*)( comment)", r"accept\2", text)
            assert other != text, text
            w.sh(["nft", f"replace rule {TABLE} {chain} handle {handle} {other}"])
        eq(probe(w), "fell", text)
        eq(apply(w), "changed", text)
        eq(listing(w), whole, text)


@test
def a_set_of_another_type_is_made_anew(w):
    """Reached by hand in steps, as nft refuses to delete a set in use."""
    apply(w, families=[4])
    text = listing(w).replace("flags interval\n", "flags interval\n\t\tauto-merge\n").replace(
        "set senders4 {\n\t\ttype ipv4_addr", "set senders4 {\n\t\ttype ipv4_addr\n\t\tsize 2")
    w.sh("nft flush ruleset; nft -f -", input=text)
    eq(differ(w, families=[4]), ["nonmasq4 is missing or another one", "senders4 is missing or another one"])
    eq(apply(w, families=[4]), "changed")
    eq(listing(w), WHOLE)


@test
def somebody_elses_table_is_left_alone(w):
    """By its comment; without one, by rules of which none is ours. An empty one is nobody's."""
    for body in ('comment "mine"', 'comment "mine"; chain postrouting { accept; }',
                 "chain x { type filter hook input priority 0; accept; }"):
        w.sh("nft -f -", input=f"table {TABLE} {{ {body}; }}".replace("};", "};\n").replace("; }", ";\n}"))
        before = listing(w)
        done = rules(w, "apply", *ALL, check=False, **KEYS)
        eq(done.returncode, 1, body)
        assert f"100 the nftables table {TABLE} is not Podwire's" in done.stderr, done.stderr
        done = rules(w, "status", *ALL, check=False, **KEYS)
        assert f"50 the nftables table {TABLE} is not Podwire's" in done.stderr, done.stderr
        eq([probe(w), *differ(w)], ["fell", "is not Podwire's"], body)
        eq(apply(w, **NOTHING), "same", body)
        rules(w, "remove")
        eq(listing(w), before, body)
        w.sh("nft flush ruleset")
    w.sh(f"nft add table {TABLE}")
    eq(apply(w), "changed")
    eq(differ(w), [])


@test
def names_of_any_length_have_a_table_each(w):
    names = ["a", "k8s-pod_net.1", "x" * 47, "x" * 48, "y" * 200 + "1", "y" * 200 + "2"]
    for name in names:
        eq(apply(w, network=name), "changed", name)
        eq(apply(w, network=name), "same", name)
    tables = re.findall(r"^table inet (\S+) ", listing(w), re.M)
    eq(len(set(tables)), len(names))
    eq(tables[:3], [f"podwire-overlay-{name}" for name in names[:3]])
    assert all(len(t) <= 63 for t in tables), tables
    w.sh("nft list ruleset > /run/one; nft flush ruleset; nft -f /run/one")
    for name in names:
        eq(apply(w, network=name), "same", name)
        rules(w, "remove", network=name)
    eq(listing(w), "")


@test
def ten_thousand_senders(w):
    """Batches are larger than any socket's buffer; one more and one less are one element each."""
    eq(apply(w, "many=10000", *SENDERS), "changed")
    eq(apply(w, "many=10000", *SENDERS), "same")
    eq(differ(w, "many=10000", *SENDERS), [])
    senders = w.json(f"nft -j list set {TABLE} senders4")["nftables"][1]["set"]["elem"]
    eq(len(senders), 10002)
    # As if strangers had come, as far as rules go on that are not made anew.
    w.sh("nft list ruleset | sed 's/packets 0 bytes 0/packets 7 bytes 700/' > /run/seven; nft flush ruleset; nft -f /run/seven")
    eq(differ(w, "many=10001", "sender=192.0.2.1", *SENDERS[2:]),
       ["set senders4: 10.0.39.17 is missing", "set senders4: 192.0.2.2 does not belong there"])
    eq(apply(w, "many=10001", "sender=192.0.2.1", *SENDERS[2:]), "changed")
    eq(listing(w, "").count("packets 7 bytes 700"), 2)
    w.sh(f"nft flush set {TABLE} senders4")
    eq(apply(w, "many=10001"), "changed")
    eq(differ(w, "many=10001"), [])
    eq(apply(w, "many=20"), "changed")
    eq(differ(w, "many=20"), [])


@test
def a_send_that_fails_changes_nothing(w):
    """Each send of an apply in turn: from nothing, over damage, for other senders."""
    def other(w):
        apply(w)
        w.sh(f"nft flush chain {TABLE} postrouting")

    sends = []
    for start, args in ((lambda w: None, ALL), (other, ALL), (apply, (*ALL, "sender=192.0.2.3")), (apply, ALL)):
        w.sh("nft flush ruleset")
        start(w)
        before = listing(w)
        for k in range(20):
            done = rules(w, "apply", *args, check=False, fail=k, **KEYS)
            if done.returncode == 0:
                break
            assert "asked for by a test" in done.stderr, done.stderr
            eq(listing(w), before, f"after a failure of send {k}")
        eq(differ(w, *args), [])
        sends.append(k)
    # One look and one transaction; the sets' elements are read where the rules stand.
    eq(sends, [2, 2, 6, 5])


@test
def many_writers_are_none_too_many(w):
    """Programs that want different things, and a hand that changes the ruleset all the time."""
    tool = f"{os.environ['PODWIRE_BUILD']}/tests/overlay_rules"
    hand = w.bg("while :; do nft add table ip hand; nft delete table ip hand; done")
    jobs = [w.bg(f"for i in 1 2 3 4 5 6 7 8; do {tool} apply network={network} net=10.244.0.0/16 own=10.244.1.0/24"
                 f" masq=1 port=8472 sender=192.0.2.{n} || exit 1; done", stdout=-1, stderr=-1)
            for n, network in enumerate(("podnet", "podnet", "podnet", "other"))]
    for job in jobs:
        out, err = job.communicate(timeout=50)
        eq((job.returncode, err), (0, ""), out)
    w.stop(hand)
    one = [f"sender=192.0.2.{n}" for n in range(3)]
    eq(sorted(len(differ(w, sender, families=[4], random=0, drop=0, mark=0)) for sender in one), [0, 2, 2])


if __name__ == "__main__":
    main()
