# SPDX-License-Identifier: GPL-2.0-or-later
"""Each program by itself, killed at every system call of ADD and of DEL: the next DEL leaves the node as it was
before ADD. What is chained may also be added again at once."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from trials import BRIDGE, CHAINED, HostLocal, Subject, killed, one_each  # noqa: E402
from world import main, test  # noqa: E402


def chained(w, plugin):
    subject = Subject(w, [p for p in CHAINED if p["type"] == plugin], base=[BRIDGE])
    killed(subject, plugin, "ADD")
    killed(subject, plugin, "ADD", "step", after=("ADD", "CHECK", "DEL"))
    killed(subject, plugin, "DEL")
    subject.unharmed()


@test(timeout=120)
def loopback(w):
    subject = Subject(w, [{"type": "loopback"}], ifname="lo")
    killed(subject, "loopback", "ADD")
    killed(subject, "loopback", "DEL")


@test(timeout=120)
def host_local(w):
    subject = HostLocal(w, [])
    killed(subject, "host-local", "ADD")
    killed(subject, "host-local", "DEL")
    killed(subject, "host-local", "ADD", "step", after=("GC",))
    subject.unharmed()


def unchained(w, how):
    subject = Subject(w, [BRIDGE])
    killed(subject, "bridge", "ADD", how)
    killed(subject, "bridge", "DEL", how)
    subject.unharmed()


@test(timeout=200)
def bridge(w):
    unchained(w, "kill")


@test(timeout=200)
def bridge_and_host_local(w):
    unchained(w, "tree")


one_each([p["type"] for p in CHAINED], chained, timeout=120)

if __name__ == "__main__":
    main()
