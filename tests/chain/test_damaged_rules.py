# SPDX-License-Identifier: GPL-2.0-or-later
"""Our tables, damaged by hand while pods run: CHECK names the damage, and the next ADD of another pod
mends it for all; what strangers put into them is theirs, and in nobody's way but its own key's."""

from crowd import HOST, NETWORK, Crowd, eq
from world import main, test

TABLES = ("inet", "bridge")


def furnished(w):
    """Two pods that run, and one that comes and goes."""
    crowd = Crowd(w, 3)
    a, b, c = crowd.pods
    for pod in crowd.pods:
        pod.serve(80, text=pod.name)
    crowd.add([a, b])
    crowd.rules = crowd.shared()
    return crowd, a, b, c


def mended(crowd, what, a, b, c):
    """The next ADD is enough, for those that run as for the new one."""
    crowd.call("ADD", c).ok()
    eq(crowd.shared(), crowd.rules, f"rules after {what}")
    crowd.traffic(a, c)
    for pod in (a, b, c):
        eq(crowd.check(pod), {}, f"CHECK of {pod.name} after {what}")
    crowd.call("DEL", c).ok()


def named(crowd, pod, what, *words):
    said = crowd.check(pod)
    assert said, f"no CHECK noticed: {what}"
    for message in said.values():
        assert any(word in message for word in words), f"{what}: {said}"


@test
def tables_and_chains(w):
    crowd, a, b, c = furnished(w)
    for family in TABLES:
        for damage in (f"delete table {family} podwire", f"flush table {family} podwire"):
            w.sh(f"nft {damage}")
            named(crowd, a, damage, f"table {family} podwire")
            mended(crowd, damage, a, b, c)
    chains = [x["chain"] for x in w.json("nft -j list chains")["nftables"] if x.get("chain", {}).get("table") == "podwire"]
    assert len(chains) > 12, chains
    for chain in chains:
        damage = f"flush chain {chain['family']} podwire {chain['name']}"
        w.sh(f"nft {damage}")
        named(crowd, a, damage, chain["name"], f"table {chain['family']} podwire lacks")
        mended(crowd, damage, a, b, c)


@test
def maps(w):
    """What a hand took out of a map comes back with the table: nobody looks at every pod's element at every
    ADD. CHECK says whose it is, DEL does without it."""
    crowd, a, b, c = furnished(w)
    sets = [x[k] for x in w.json("nft -j list ruleset")["nftables"] for k in ("set", "map") if k in x]
    sets = [x for x in sets if x["table"] == "podwire" and "elem" in x]
    assert len(sets) > 11, sets
    for s in sets:
        w.sh(f"nft flush {'map' if 'map' in s else 'set'} {s['family']} podwire {s['name']}")
        named(crowd, a, f"flushed {s['name']}", s["name"], f"set {s['name']}")
        w.sh(f"nft delete table {s['family']} podwire")
        mended(crowd, f"flushed {s['name']}", a, b, c)
    for s in sets:
        w.sh(f"nft flush {'map' if 'map' in s else 'set'} {s['family']} podwire {s['name']}")
    crowd.delete([a, b])
    crowd.left(rebuilt=True)


FOREIGN = """
add element inet podwire hostport4 { tcp . 31000 : 198.51.100.1 . 80 }
add element inet podwire hostport6 { tcp . 31000 comment "crowd nobody eth0 and more" : 2001:db8::1 . 80 }
add element inet podwire hostip4 { 192.0.2.1 . tcp . 31001 comment "by hand" : 198.51.100.1 . 80 }
add element inet podwire masq-10.77.0.0-23 { 198.51.100.1 comment "by hand" }
add element inet podwire pod4 { "lo" comment "by hand" : 198.51.100.1 }
add element bridge podwire allowed { "byhand" . 02:00:00:00:00:01 comment "by hand" }
add rule inet podwire forward counter comment "by hand"
add chain inet podwire byhand
add rule inet podwire byhand counter
add set inet podwire byhand { type ipv4_addr; }
"""


@test
def strangers_in_our_tables(w):
    crowd, a, b, c = furnished(w)
    w.sh("nft -f -", input=FOREIGN)
    theirs = crowd.shared()
    crowd.call("ADD", c).ok()
    crowd.traffic(a, c)
    eq([crowd.check(pod) for pod in (a, b, c)], [{}, {}, {}], "CHECK")
    w.chain(NETWORK, "GC", valid=[("p0", "eth0"), ("p2", "eth0")]).ok()
    eq(crowd.check(c), {}, "CHECK after GC")
    crowd.call("DEL", c).ok()
    crowd.delete([a, b])
    eq(crowd.shared(), theirs, "their chains, sets and rules")
    text = w.sh("nft list ruleset").stdout
    eq([text.count(x) for x in ('"by hand"', "31000", "crowd p")], [5, 2, 0], "their elements")


@test
def strangers_on_our_keys(w):
    """The key of a pod to come is taken by an element of nobody: the ADD says so, and is undone."""
    crowd, a, b, c = furnished(w)
    port = crowd.ports["p2"]
    for element in (f"hostport4 '{{ tcp . {port} : 198.51.100.1 . 80 }}'",
                    f"hostport6 '{{ tcp . {port} comment \"by hand\" : 2001:db8::1 . 80 }}'"):
        w.sh(f"nft add element inet podwire {element}")
        words = crowd.call("ADD", c).fails(101, "is taken by").msg
        assert f"{port}/tcp" in words, words
        crowd.call("DEL", c).ok()
        eq(w.json("ip -j link show type veth").__len__(), 3, "host ends and the node's own")
        w.sh("nft delete element inet podwire " + element.split(" : ")[0].split(" comment")[0] + " }'")
    crowd.call("ADD", c).ok()
    crowd.traffic(a, b, c)
    eq(w.ask(HOST, port), f"p2 {HOST}", "the host's own way")


if __name__ == "__main__":
    main()
