# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of two layouts on one node while it is upgraded (docs/decisions/021). The newer ones are built
with the next number; a newer table whose maps have other names as well is made by hand."""

import os
import re

from crowd import NETWORK, Crowd, eq
from world import main, test

NEWER = "layout 3 of a newer Podwire; this program knows layout 2"


NINE = """table inet podwire {
	map nine {
		type ipv4_addr . ifname : verdict
		elements = { 10.1.2.3 . "lo" comment "crowd p0 eth0" : accept }
	}
}
"""


def both(w):
    """Pods p0 of the old programs and p1 of the new ones, which is to come; and both folders."""
    crowd = Crowd(w, 4)
    for pod in crowd.pods:
        pod.serve(80, text=pod.name)
    return crowd, crowd.pods, w.bin, os.environ["PODWIRE_NEXT_BIN"]


def layouts(w):
    return re.findall(r"Podwire layout (\d+)", w.sh("nft list ruleset").stdout)


def using(w, folder, what):
    before, w.bin = w.bin, folder
    try:
        return what()
    finally:
        w.bin = before


def nothing_of(w, pod):
    eq(f"crowd {pod.name} " in w.sh("nft list ruleset").stdout, False, f"elements of {pod.name}")
    eq(pod.name in w.files("/run/podwire/attachments"), False, f"records of {pod.name}")


@test(timeout=120)
def an_upgrade_with_pods_running(w):
    crowd, (a, b, c, d), old, new = both(w)
    crowd.add([a, b])
    eq(layouts(w), ["2", "2"], "layouts")
    # The new ones look at the old table: nothing is missing from it yet but the number.
    using(w, new, lambda: crowd.call("DEL", b)).ok()
    nothing_of(w, b)
    crowd.traffic(a)
    eq(sorted(using(w, new, lambda: crowd.check(a))), ["bridge", "firewall", "portmap"], "whose CHECK fails")
    using(w, new, lambda: crowd.call("ADD", c)).ok()
    eq(layouts(w), ["3", "3"], "layouts")
    crowd.traffic(a, c)
    for pod in (a, c):
        eq(using(w, new, lambda pod=pod: crowd.check(pod)), {}, f"CHECK of {pod.name}")
    # The old ones, not yet replaced.
    before = crowd.snapshot()
    crowd.call("ADD", d).fails(100, NEWER)
    crowd.call("DEL", d).ok()
    eq(crowd.snapshot(), before, "left by the ADD that was refused")
    w.chain(NETWORK, "CHECK", a, id="p0", caps=crowd.caps(a)).fails(100, NEWER)
    for program in ("bridge", "portmap", "firewall"):
        conf = {**next(p for p in NETWORK["plugins"] if p["type"] == program), "name": "crowd", "cniVersion": "1.1.0"}
        w.call(program, "STATUS", conf).fails(50, NEWER)
    crowd.call("DEL", c).ok()
    nothing_of(w, c)
    crowd.traffic(a)
    using(w, new, lambda: crowd.call("ADD", d)).ok()
    w.chain(NETWORK, "GC", valid=[("p3", "eth0")]).ok()
    nothing_of(w, a)
    crowd.traffic(d)
    # And back to the old ones, as the decision tells.
    w.sh("nft delete table inet podwire; nft delete table bridge podwire")
    crowd.call("ADD", b).ok()
    crowd.traffic(b, d)
    crowd.call("DEL", d).ok()
    nothing_of(w, d)


@test(timeout=120)
def both_at_once(w):
    """As the files are replaced one by one: ADDs of the new programs among DELs of both."""
    crowd, pods, old, new = both(w)
    a, b, c, d = pods
    crowd.add([a, b])
    crowd.at_once(("DEL", a), ("DEL", b, {"path": new}), ("ADD", c, {"path": new}), ("ADD", d, {"path": new}))
    eq(layouts(w), ["3", "3"], "layouts")
    crowd.traffic(c, d)
    crowd.at_once(("DEL", c), ("DEL", d, {"path": new}))
    for pod in pods:
        nothing_of(w, pod)


@test(timeout=120)
def maps_that_nobody_knows(w):
    """A table of layout 9 with other maps and other keys: DEL and GC go by the comments, of all maps."""
    crowd, (a, b, c, d), old, new = both(w)
    crowd.add([a, b, c])
    text = w.sh("nft list ruleset").stdout.replace("Podwire layout 2", "Podwire layout 9")
    text = re.sub(r"(?<=[@ ])((hostport|hostip|pod|self)[46]|(masq|snat|forward4|forward6)-[\w.-]+)(?! {\n\t\t(?:ip|meta))", r"nine-\1", text)
    w.sh("nft -f -", input="flush ruleset\n" + text + NINE)
    assert "nine-pod4" in w.sh("nft list ruleset").stdout
    crowd.traffic(a, b, c)
    crowd.call("DEL", a).ok()
    nothing_of(w, a)
    w.sh("rm /run/podwire/attachments/portmap-*")
    using(w, new, lambda: crowd.call("DEL", b)).ok()
    nothing_of(w, b)
    crowd.traffic(c)
    w.chain(NETWORK, "GC", valid=[("p2", "eth0")]).ok()
    crowd.traffic(c)
    w.chain(NETWORK, "GC", valid=[]).ok()
    nothing_of(w, c)
    plain = {"cniVersion": "1.1.0", "name": "plain", "type": "bridge", "bridge": "br7", "ipam": {}}
    w.call("bridge", "ADD", plain, d, id="d").ok()  # needs no table, and leaves that one alone
    assert "nine-pod4" in w.sh("nft list ruleset").stdout


if __name__ == "__main__":
    main()
