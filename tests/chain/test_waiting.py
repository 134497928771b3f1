# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom others keep waiting: a stopped process that holds a lock, an IPAM program that sleeps."""

import os
import re
import signal
from pathlib import Path

from crowd import NETWORK, Crowd, eq
from world import main, test, wait_for


def stopped(w, program, verb, conf, pod, at):
    """A call that was stopped in its first system call of the kind `at`, with a lock in its hands."""
    wrapper = Path(f"/run/world/stopped-{program}")
    wrapper.write_text(f"#!/bin/sh\nexec strace -D -qq -o /dev/null -e trace={at} -e inject={at}:signal=STOP:when=1"
                       f" {w.bin}/{program}\n")
    wrapper.chmod(0o755)
    call = w.start(str(wrapper), verb, conf, pod, id=pod.name)
    looks = []

    def stands_still():
        state = Path(f"/proc/{call.pid}/stat").read_text().split()[2]
        looks.append(state in "Tt" and f" {call.pid} " in Path("/proc/locks").read_text())
        return looks[-10:] == [True] * 10  # not only for the tracer's own stop
    wait_for(stands_still, f"{program} to stop")
    return call


def conf_of(crowd, program, pod):
    plugin = next(p for p in NETWORK["plugins"] if p["type"] == program)
    conf = {**plugin, "name": "crowd", "cniVersion": "1.1.0", "runtimeConfig": crowd.caps(pod)}
    result = crowd.w.results.get(("crowd", pod.name, "eth0"))
    return {**conf, "prevResult": result} if result and program != "bridge" else conf


@test(timeout=120)
def a_stopped_holder(w):
    """Everybody else says who it is, in time; whoever still waits when it goes on gets through."""
    crowd = Crowd(w, 6)
    a, b, c, d, e, f = crowd.pods
    crowd.add([a, b])
    for pod in (a, b):
        w.call("portmap", "DEL", conf_of(crowd, "portmap", pod), pod, id=pod.name).ok()
    nft = stopped(w, "portmap", "ADD", conf_of(crowd, "portmap", a), a, "linkat")
    ipam = stopped(w, "host-local", "ADD", conf_of(crowd, "bridge", f), f, "linkat,renameat2")
    waiting = [(nft.pid, w.start("portmap", "ADD", conf_of(crowd, "portmap", b), b, id=b.name)),
               (nft.pid, w.start("firewall", "DEL", conf_of(crowd, "firewall", b), b, id=b.name)),
               (ipam.pid, w.start("bridge", "ADD", conf_of(crowd, "bridge", c), c, id=c.name)),
               (ipam.pid, w.start("host-local", "DEL", conf_of(crowd, "bridge", a), a, id=a.name))]
    for pid, call in waiting:
        reply = w.finish(call).fails(11)
        assert re.search(rf"the lock \S+/(nft\.)?lock was held by process {pid} for more than 10 s", reply.msg), reply.msg
    late = [w.start("portmap", "ADD", conf_of(crowd, "portmap", b), b, id=b.name),
            w.start("bridge", "ADD", conf_of(crowd, "bridge", d), d, id=d.name)]
    for pid in (nft.pid, ipam.pid):
        os.kill(pid, signal.SIGCONT)
    for call in (nft, ipam, *late):
        w.finish(call).ok()
    crowd.delete([b, c, d, e, f, a])
    crowd.left()


SLEEPER = """#!/bin/sh
# SLEEP: which verbs it sleeps at
echo $$ >> /run/world/sleepers
case " ADD DEL CHECK STATUS GC " in *" $CNI_COMMAND "*) ;; *) exit 0 ;; esac
case " $(cat /run/world/sleep) " in *" $CNI_COMMAND "*) exec sleep 50 ;; esac
cat > /dev/null
[ $CNI_COMMAND != ADD ] || echo '{"cniVersion":"1.1.0","ips":[{"address":"10.99.0.2/24"}]}'
"""


@test(timeout=120)
def an_ipam_that_sleeps(w):
    """The programs of this test wait 3 s for a delegate, in place of 60."""
    crowd = Crowd(w, 3)
    a, b, c = crowd.pods
    path = f"{os.environ['PODWIRE_NEXT_BIN']}:/run/world/ipam"
    Path("/run/world/ipam").mkdir()
    sleeper = Path("/run/world/ipam/sleeper")
    sleeper.write_text(SLEEPER)
    sleeper.chmod(0o755)
    conf = {"cniVersion": "1.1.0", "name": "sleepy", "type": "bridge", "bridge": "br9", "isGateway": True, "ipMasq": True,
            "ipam": {"type": "sleeper"}}

    def call(verb, pod, sleeps):
        Path("/run/world/sleep").write_text(sleeps)
        return w.call("bridge", verb, conf, pod, id=pod.name, path=path)

    def sleepers():
        pids = Path("/run/world/sleepers").read_text().split()
        return [p for p in pids if os.path.exists(f"/proc/{p}/cmdline") and "sleep" in Path(f"/proc/{p}/cmdline").read_text()]

    call("ADD", a, "").ok()
    call("DEL", a, "").ok()
    wait_for(lambda: "fe80" in w.sh("ip -6 addr show dev br9 scope link -tentative").stdout, "br9's fe80::")
    before = crowd.snapshot()
    for sleeps in ("ADD", "ADD DEL"):
        reply = call("ADD", a, sleeps).fails(None, "sleeper")
        assert " 3 s" in reply.msg, reply.msg
        eq(sleepers(), [], "sleepers")
        w.same(before, crowd.snapshot(), f"left by an ADD whose IPAM sleeps at {sleeps}")
    call("ADD", a, "").ok()
    assert " 3 s" in call("DEL", a, "DEL").fails(None, "sleeper").msg
    eq(w.sh("ip link show type veth").stdout.count("sleepy"), 0, "the pod's link")
    call("DEL", a, "").ok()
    eq(sleepers(), [], "sleepers")
    w.same(before, crowd.snapshot(), "left after DEL")


if __name__ == "__main__":
    main()
