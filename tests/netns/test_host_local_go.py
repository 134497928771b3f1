# SPDX-License-Identifier: GPL-2.0-or-later
"""host-local beside the reference's (Debian's containernetworking-plugins) on the same folder: a node
changes over, and back, with pods running. HOST_LOCAL_TRACES=N makes the random comparison longer."""

import os
import random
from pathlib import Path

from world import eq, main, test

NETWORKS = Path("/var/lib/cni/networks")
DIR = NETWORKS / "net"
GO = os.environ.get("CNI_REFERENCE_DIR", "/usr/lib/cni")


def conf(*sets, name="net", **more):
    return {"cniVersion": "1.0.0", "name": name, "type": "bridge",
            "ipam": {"type": "host-local", "ranges": list(sets)}, **more}


POD = conf([{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}])


def program(w, which):
    if not os.path.exists(f"{GO}/host-local"):
        w.skip(f"no {GO}/host-local")
    return f"{GO}/host-local" if which == "go" else f"{w.bin}/host-local"


def call(w, which, verb, id="c1", c=POD, args=""):
    return w.call(program(w, which), verb, c, "/run/netns/nowhere", id, args=args, path=GO)


def files(name="net"):
    """Address files and hints: {name: content}."""
    return {f.name: f.read_bytes() for f in sorted((NETWORKS / name).iterdir()) if f.is_file() and f.name != "lock"}


def reserved(name="net"):
    return {f: c for f, c in files(name).items() if f[0] != "l"}


@test
def either_removes_what_the_other_made(w):
    for first, second in (("go", "ours"), ("ours", "go")):
        for i in range(5):
            call(w, first, "ADD", f"c{i}").ok()
        for i in range(5):
            call(w, second, "CHECK", f"c{i}").ok()
            assert "duplicate allocation" in call(w, second, "ADD", f"c{i}").fails().msg
        for i in (3, 1, 4, 0, 2):
            call(w, second, "DEL", f"c{i}").ok()
            call(w, second, "CHECK", f"c{i}").fails()
            call(w, first, "CHECK", f"c{i}").fails()
        eq(reserved(), {}, f"added by {first}, deleted by {second}")
    # The index has followed: one entry per attachment, whoever made it.
    for i, which in enumerate(("go", "ours", "go", "ours")):
        call(w, which, "ADD", f"m{i}").ok()
    eq(sorted(a for f in (DIR / ".podwire").iterdir() if f.name != "stamp" for a in os.readlink(f).split(",")),
       sorted(reserved()), "the index")


@test
def folders_are_the_same(w):
    for which in ("go", "ours"):
        c = {**POD, "name": which}
        for i in range(4):
            call(w, which, "ADD", f"c{i}", c).ok()
        call(w, which, "DEL", "c1", c).ok()
        call(w, which, "ADD", "c9", c, args="IP=10.1.2.77").ok()
    eq(files("ours"), files("go"), "files")
    for name in ("", "lock"):
        eq(oct((NETWORKS / "ours" / name).stat().st_mode), oct((NETWORKS / "go" / name).stat().st_mode), name)


@test
def results_are_the_same(w):
    Path("/run/resolv").write_text("nameserver 192.0.2.1\nsearch a b\noptions x\n")
    for version in ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"):
        got = []
        for which in ("go", "ours"):
            c = {**POD, "cniVersion": version, "name": which + version}
            c["ipam"] = {**c["ipam"], "resolvConf": "/run/resolv", "routes": [
                {"dst": "0.0.0.0/0"}, {"dst": "10.9.8.7/16", "gw": "10.1.2.9"}, {"dst": "::/0", "gw": "fd00::9"}]}
            got.append(call(w, which, "ADD", c=c).ok().json)
        for routes in (got[0].get("routes", []), got[0].get("ip4", {}).get("routes", [])):
            for route in routes:  # the reference keeps host bits that mean nothing
                route["dst"] = route["dst"].replace("10.9.8.7/16", "10.9.0.0/16")
        eq(got[1], got[0], version)


@test
def errors_are_the_same(w):
    """What the reference says of a wrong configuration is in what we say."""
    def ranges(*sets):
        return conf(*sets)["ipam"]

    one = {"subnet": "192.0.2.0/24"}
    for ipam in (None, {}, ranges(), ranges([]), ranges([{"subnet": "192.0.2.0/31"}]), ranges([{"subnet": "fd00::/127"}]),
                 ranges([{"subnet": "192.0.2.12/24"}]), ranges([{"subnet": "fd00:0:0:1:8000::/64"}]),
                 ranges([{**one, "rangeStart": "192.0.3.5"}]), ranges([{**one, "rangeEnd": "192.0.3.5"}]),
                 ranges([{**one, "rangeStart": "192.0.2.50", "rangeEnd": "192.0.2.40"}]),
                 ranges([one], [one]), ranges([one, one]), ranges([one, {"subnet": "fd00::/64"}]),
                 ranges([one], [{"subnet": "fd00::/64"}], [{"subnet": "192.0.2.0/25"}]),
                 ranges([{"subnet": "10.1.0.0/22"}, {"subnet": "10.1.2.0/24"}]),
                 ranges([{**one, "gateway": "nonsense"}]), ranges([{"subnet": "nonsense"}]), ranges([{}]), "text", []):
        c = {"cniVersion": "1.0.0", "name": "net", "type": "bridge"}
        if ipam is not None:
            c["ipam"] = ipam
        theirs = call(w, "go", "ADD", c=c).fails()
        ours = call(w, "ours", "ADD", c=c).fails()
        if theirs.json["code"] == 999 and not theirs.msg.startswith(("json:", "invalid CIDR", "invalid IP address:", "IP <nil>")) \
                and "<nil>" not in theirs.msg:
            assert theirs.msg in ours.msg, (ipam, theirs.msg, ours.msg)
        assert ours.json["code"] in (6, 7), ours.json
    for args in ("IP=x", "IP=10.1.2.3,10.1.2.4", "a", "a=b", "IP=10.1.2.3;", "IgnoreUnknown=x"):
        call(w, "go", "ADD", args=args).fails()
        call(w, "ours", "ADD", args=args).fails(4)
    for top in ({"args": {"cni": {"ips": ["x"]}}}, {"runtimeConfig": {"ips": ["10.1.2.3/99"]}}, {"args": {"cni": {"ips": [""]}}},
                {"runtimeConfig": {"ipRanges": [[{"subnet": "x"}]]}}, {"args": {"cni": {"ips": "10.1.2.3"}}},
                {"args": 5}, {"args": {"cni": 5}}, {"args": []}, {"runtimeConfig": 5}):
        call(w, "go", "ADD", c={**POD, **top}).fails()
        call(w, "ours", "ADD", c={**POD, **top}).fails()


def a_pool(rng):
    """Range sets of which only the first can run out: there a failed ADD of the reference leaves its
    round robin where it was, as we always do."""
    n = rng.choice((1, 1, 2, 3))
    small = []
    for i in range(n):
        size = rng.choice((28, 29, 30))
        r = {"subnet": f"10.{i}.0.0/{size}"}
        if size == 28 and rng.random() < 0.5:
            start, end = sorted(rng.sample(range(0, 15), 2))
            r.update(rangeStart=f"10.{i}.0.{start}", rangeEnd=f"10.{i}.0.{end}")
            if rng.random() < 0.5:
                r["gateway"] = f"10.{i}.0.{rng.randrange(16)}"
            if start == end - 1 and r.get("gateway", "10.0.0.1").endswith((f".{start}", f".{end}")):
                r.pop("gateway", None)
        small.append(r)
    return [small] + ([[{"subnet": "fd00::/112"}]] if rng.random() < 0.3 else [])


def outcome(r):
    return (r.json["ips"] if r.json else None) if r.code == 0 else "failed: " + r.msg.removeprefix("host-local: ")


def step(w, rng, which, verb, id, sets, args):
    """The same call on the reference's own folder and on the shared one; both outcomes."""
    top = {"runtimeConfig": {"ips": [args]}} if args else {}
    theirs = call(w, "go", verb, id, conf(*sets, name="theirs", **top))
    got = call(w, which, verb, id, conf(*sets, name="net", **top))
    return outcome(theirs), outcome(got)


@test(timeout=900)
def same_order_as_the_reference(w):
    """Random ADD and DEL: on one folder the reference alone, on the other either program by chance."""
    traces = int(os.environ.get("HOST_LOCAL_TRACES", "10"))
    for seed in range(traces):
        rng = random.Random(seed)
        sets, alive = a_pool(rng), []
        for n in range(40):
            which = rng.choice(("go", "ours", "ours"))
            asked = ""
            if alive and rng.random() < 0.4:
                verb, id = "DEL", rng.choice(alive + ["unknown"])
            else:
                verb, id = "ADD", rng.choice(alive) if alive and rng.random() < 0.1 else f"c{n}"
                # (A second ADD that fails behind a requested address costs the reference's pod its
                # first one; with us a failed ADD takes away nothing but its own.)
                if id not in alive and rng.random() < 0.15:
                    first = sets[0][0]
                    asked = rng.choice([first.get("rangeStart", "10.0.0.2"), first.get("rangeEnd", "10.0.0.2")])
            theirs, got = step(w, rng, which, verb, id, sets, asked)
            what = f"seed {seed}, step {n}: {which} {verb} {id} {asked} of {sets}"
            eq(got, theirs, what)
            if verb == "ADD" and not str(got).startswith("failed"):
                alive.append(id)
            if verb == "DEL" and id in alive:
                alive.remove(id)
            eq(files("net"), files("theirs"), what)
        for id in alive:
            call(w, rng.choice(("go", "ours")), "DEL", id, conf(*sets)).ok()
        eq(reserved(), {}, f"seed {seed}: all deleted")
        w.sh(f"rm -r {NETWORKS}")


@test
def both_at_once(w):
    c = conf([{"subnet": "10.0.0.0/25"}])
    for verb in ("ADD", "CHECK", "DEL"):
        running = [w.start(program(w, ("go", "ours")[i % 2 ^ (verb == "DEL")]), verb, c, "/run/netns/x", f"c{i}", path=GO)
                   for i in range(64)]
        replies = [w.finish(p, "host-local", verb).ok() for p in running]
        if verb == "ADD":
            eq(len({r.ips()[0] for r in replies}), 64, "different addresses")
        eq(len(reserved()), 0 if verb == "DEL" else 64, f"files after {verb}")
    call(w, "ours", "CHECK", "c1", c).fails(103)
    eq([f.name for f in (DIR / ".podwire").iterdir()], ["stamp"], "the index")


@test
def the_reference_minds_no_debris_of_ours(w):
    call(w, "ours", "ADD", "c1").ok()
    (DIR / ".podwire" / "new").write_bytes(b"c2\r\neth0")
    (DIR / ".podwire" / "tmp").symlink_to("10.1.2.2")
    eq(call(w, "go", "ADD", "c2").ok().ips(), ["10.1.2.3", "fd00::3"])
    call(w, "go", "DEL", "c1").ok()
    call(w, "go", "DEL", "c2").ok()
    eq(reserved(), {}, "after DEL")
    eq(call(w, "ours", "ADD", "c3").ok().ips(), ["10.1.2.4", "fd00::4"])


@test
def under_the_references_bridge(w):
    mixed = Path("/run/mixed")
    mixed.mkdir()
    (mixed / "bridge").symlink_to(f"{GO}/bridge")
    (mixed / "host-local").symlink_to(f"{w.bin}/host-local")
    program(w, "go")
    pod = w.pod("p")
    before = w.snapshot(pods=[pod], folders=())
    c = {**POD, "bridge": "cni7", "isGateway": True}
    r = w.call("bridge", "ADD", c, pod, path=str(mixed)).ok()
    eq(r.ips(), ["10.1.2.2", "fd00::2"])
    w.call("bridge", "CHECK", {**c, "prevResult": r.json}, pod, path=str(mixed)).ok()
    assert pod.pings("10.1.2.1")
    # It passes our errors on.
    again = w.call("bridge", "ADD", c, w.pod("q"), path=str(mixed)).fails(101, "duplicate allocation is not allowed")
    assert again.msg.startswith("host-local: "), again
    w.call("bridge", "DEL", c, pod, path=str(mixed)).ok()
    eq(reserved(), {}, "after DEL")
    w.sh("ip link del cni7")
    w.sh("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0", check=False)


if __name__ == "__main__":
    main()
