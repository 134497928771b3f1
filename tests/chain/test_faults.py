# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that can fail, failing once (STYLE principle 19): each netlink message and answer, each socket, file,
lock, switch of namespace, pipe and start of a program, by tests/lib/stopat.c; and the delegate itself."""

import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from trials import BRIDGE, CHAINED, PLAIN, STOPAT, HostLocal, Subject, failing_add, failing_del, one_each  # noqa: E402
from world import eq, main, test  # noqa: E402

LINK, SPOOF, MASQ = r"^(host|a) (link|addr|route|qdisc)", r" set (allowed|checked) |/spoof-", r" set (masq-\S+|pod[46]) |/masq-"
ADDRESS = r"/networks/"


def chained(w, plugin):
    subject = Subject(w, [p for p in CHAINED if p["type"] == plugin], base=[BRIDGE])
    failing_add(subject, plugin)
    return subject


@test(timeout=120)
def loopback(w):
    subject = Subject(w, [{"type": "loopback"}], ifname="lo")
    failing_add(subject, "loopback")
    failing_del(subject, "loopback", [])


@test(timeout=120)
def host_local(w):
    subject = HostLocal(w, [])
    failing_add(subject, "host-local")
    failing_del(subject, "host-local", [])
    subject.unharmed()


@test(timeout=200)
def bridge(w):
    """A link that cannot be deleted keeps its address."""
    subject = Subject(w, [BRIDGE])
    failing_add(subject, "bridge")
    failing_del(subject, "bridge", [f"{LINK}|{ADDRESS}", SPOOF, MASQ])
    subject.unharmed()


def add_and_del(w, plugin):
    subject = chained(w, plugin)
    failing_del(subject, plugin, [])
    subject.unharmed()


one_each(["portmap", "firewall", "bandwidth"], add_and_del, timeout=120)


@test(timeout=120)
def bandwidth_del_goes_on(w):
    """What cannot be read of one direction keeps nothing of the other: only without a socket, and where the one
    message that deletes cannot be sent, both stay. The other pod has both."""
    subject = Subject(w, [p for p in CHAINED if p["type"] == "bandwidth"], base=[BRIDGE])
    failures = 0
    for k in itertools.count(1):
        subject.run("ADD").ok()
        r = subject.run("DEL", {"bandwidth": [STOPAT, "fail", k]})
        queues = w.json("tc -j qdisc")
        both = [len(w.json("ip -j link show type ifb")), sum(q["kind"] == "tbf" and q["dev"][:3] != "bwp" for q in queues)] == [2, 2]
        if r.code != 0 and not any(x in r.msg for x in ("on stdin", "netlink socket", ": delete ")):
            eq(both, False, f"both are left: {r.err.strip()}: {r.msg}")
            failures += 1
        subject.run("DEL").ok()
        if "stopat: failed" not in r.err:
            break
    eq(failures > 5, True, failures)


@test(timeout=120)
def tuning_add(w):
    chained(w, "tuning").unharmed()


@test(timeout=200)
def tuning_del(w):
    """It never fails, so the list goes on; what it cannot put back dies with the pod (docs/decisions/014)."""
    subject = Subject(w, [BRIDGE, next(p for p in CHAINED if p["type"] == "tuning")], gc=True)
    failing_del(subject, "tuning", [], stays="/run/cni/tuning/")


# ---- the delegate

WAYS = {
    "refuses": """echo '{"cniVersion": "1.1.0", "code": 123, "msg": "pool is closed"}'; exit 1""",
    "says nothing": "exit 3",
    "prints garbage": "echo '{]'; exit 1",
    "prints garbage and is content": "echo '{]'",
    "is killed": "kill -KILL $$",
}


def delegate(verb, way):
    """A folder with a host-local that does its work, and fails at this verb."""
    folder = Path("/run/world/bad")
    folder.mkdir(exist_ok=True)
    program = folder / "host-local"
    program.write_text(f"#!/bin/sh\n[ $CNI_COMMAND = {verb} ] || exec {PLAIN}/host-local\n"
                       f"{PLAIN}/host-local >/dev/null\n{WAYS[way]}\n")
    program.chmod(0o755)
    return f"{folder}:{PLAIN}"


def without_delegate(*_):
    folder = Path("/run/world/none")
    folder.mkdir()
    (folder / "bridge").symlink_to(f"{PLAIN}/bridge")
    return str(folder)


@test(timeout=120)
def delegate_fails_at_add(w):
    subject = Subject(w, [BRIDGE])
    for way in WAYS:
        subject.run("ADD", path=delegate("ADD", way)).fails()
        subject.same(f"a delegate that {way}")
    subject.run("ADD", path=without_delegate()).fails(104, "host-local")
    subject.same("a delegate that is not there")
    subject.unharmed()


@test(timeout=120)
def delegate_fails_at_del(w):
    """It is asked last: all that is left is what it keeps itself."""
    subject = Subject(w, [BRIDGE])
    for path, way in [(delegate, x) for x in WAYS] + [(without_delegate, "is not there")]:
        subject.run("ADD").ok()
        r = subject.run("DEL", path=path("DEL", way))
        # What a DEL prints is nobody's business, if it says that all is well.
        eq(r.code, 0 if "content" in way else 1, f"a delegate that {way}: {r!r}")
        eq([x for x in subject.left() if "/networks/" not in x], [], f"left by a delegate that {way}")
        subject.run("DEL").ok()
        subject.same(f"a delegate that {way}, then DEL")
    subject.unharmed()


if __name__ == "__main__":
    main()
