# SPDX-License-Identifier: GPL-2.0-or-later
"""Every step that can fail, failing once (STYLE principle 19): strace makes the k-th system call of a
kind fail, for k = 1, 2, … until the verb succeeds. A failed ADD leaves nothing and may be repeated at
once; a DEL that failed half-way is finished by the next one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from world import eq, main, test, wait_for  # noqa: E402

# Kernel objects are made by messages; the rest is how one gets to send them. Reads of optional
# switches may fail without consequence, so an ADD that succeeds all the same is no surprise. setns is
# left out: not getting home from a pod's namespace ends the program at once, by design.
KINDS = {"sendto,sendmsg": "EIO", "socket": "EMFILE", "linkat,renameat,renameat2,write": "EDQUOT"}
LIMIT = 60


def conf(**keys):
    return {"cniVersion": "1.1.0", "name": "faultnet", "type": "bridge", "bridge": "br0", "isDefaultGateway": True,
            "ipMasq": True, "macspoofchk": True, "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.66.0.0/24"}], [{"subnet": "fd66::/64"}]]}, **keys}


def faulty(w, plugin, verb, c, pod, kind, k):
    """One call whose k-th system call of `kind` fails; also whether it came to that."""
    wrapper = Path("/run/world/faulty")
    log = Path("/run/world/strace.log")
    log.unlink(missing_ok=True)
    wrapper.write_text(
        f"#!/bin/sh\nexec strace -o {log} -e trace={kind} -e inject={kind}:error={KINDS[kind]}:when={k} "
        f"{w.bin}/{plugin}\n")
    wrapper.chmod(0o755)
    # LeakSanitizer cannot work in a traced process.
    r = w.call(str(wrapper), verb, c, pod, env={"ASAN_OPTIONS": "detect_leaks=0", "LSAN_OPTIONS": "detect_leaks=0"})
    return r, "(INJECTED)" in log.read_text()


def settled(text):
    """Without what moves on by design: the round robin's memory and the folder's stamp."""
    return "\n".join(x for x in text.splitlines() if "last_reserved_ip" not in x and "/.podwire" not in x)


def quiet(w, pod):
    """The baseline, once the bridge's own link-local address has got through its detection."""
    wait_for(lambda: "fe80" in w.sh("ip -6 route show table local dev br0").stdout, "br0's link-local address")
    return settled(w.snapshot(pods=[pod]))


def every_step(w, plugin, c, verify):
    """Run ADD with each step failing; returns how many did."""
    w.call("bridge", "ADD", conf(), w.pod("first"), id="first").ok()
    pod = w.pod("a")
    base = c(pod)
    w.call(plugin, "ADD", base, pod).ok()
    w.call(plugin, "DEL", base, pod).ok()
    before = quiet(w, pod)
    failures = 0
    for kind in KINDS:
        for k in range(1, LIMIT):
            r, hit = faulty(w, plugin, "ADD", base, pod, kind, k)
            if r.code != 0:
                failures += 1
                assert r.json and r.json["msg"], r
                w.same(before, settled(w.snapshot(pods=[pod])), f"{kind} number {k} failed: {r.msg}")
            else:
                w.call(plugin, "DEL", base, pod).ok()
                w.same(before, settled(w.snapshot(pods=[pod])), f"after DEL, {kind} number {k}")
            if not hit:
                break
        else:
            raise AssertionError(f"{kind}: more than {LIMIT} calls")
    w.call(plugin, "ADD", base, pod).ok()
    verify(pod)
    return failures


@test(timeout=300)
def bridge_add(w):
    assert every_step(w, "bridge", lambda pod: conf(), lambda pod: eq(pod.pings("10.66.0.1"), True)) >= 10


@test(timeout=300)
def portmap_add(w):
    def c(pod):
        prev = w.call("bridge", "ADD", conf(), pod).ok().json
        pod.serve(80)
        return {"cniVersion": "1.1.0", "name": "faultnet", "type": "portmap", "prevResult": prev, "runtimeConfig": {
            "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}
    assert every_step(w, "portmap", c, lambda pod: eq(w.ask("10.66.0.1", 8080) is not None, True)) >= 3


@test(timeout=300)
def firewall_add(w):
    """The two rules in FORWARD are the node's: they are there from the first ADD on."""
    def c(pod):
        prev = w.call("bridge", "ADD", conf(), pod).ok().json
        return {"cniVersion": "1.1.0", "name": "faultnet", "type": "firewall", "ingressPolicy": "same-bridge", "prevResult": prev}

    def verify(pod):
        w.sh("iptables -P FORWARD DROP")
        w.neighbour()
        eq(pod.pings("192.0.2.2"), True, "the way out")
    assert every_step(w, "firewall", c, verify) >= 4


@test(timeout=300)
def host_local_add(w):
    assert every_step(w, "host-local", lambda pod: conf(), lambda pod: None) >= 2


@test(timeout=300)
def del_that_fails_is_finished_by_the_next(w):
    w.call("bridge", "ADD", conf(), w.pod("first"), id="first").ok()
    pod = w.pod("a")
    w.call("bridge", "ADD", conf(), pod).ok()
    w.call("bridge", "DEL", conf(), pod).ok()
    before = quiet(w, pod)
    for kind in KINDS:
        for k in range(1, LIMIT):
            w.call("bridge", "ADD", conf(), pod).ok()
            _, hit = faulty(w, "bridge", "DEL", conf(), pod, kind, k)
            w.call("bridge", "DEL", conf(), pod).ok()
            w.same(before, settled(w.snapshot(pods=[pod])), f"DEL twice, {kind} number {k}")
            if not hit:
                break


if __name__ == "__main__":
    main()
