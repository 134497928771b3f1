# SPDX-License-Identifier: GPL-2.0-or-later
"""The chain, with one of its programs killed at a step of ADD, at every one, and the DEL never comes: GC takes it all."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from trials import BRIDGE, CHAINED, Subject, killed  # noqa: E402
from world import main, test  # noqa: E402


def chain(w, plugin):
    subject = Subject(w, [BRIDGE, *CHAINED], gc=True)
    killed(subject, plugin, "ADD", "step", after=("GC",))
    subject.unharmed()


@test(timeout=200)
def bridge(w):
    chain(w, "bridge")


@test(timeout=200)
def portmap(w):
    chain(w, "portmap")


@test(timeout=200)
def firewall(w):
    chain(w, "firewall")


@test(timeout=200)
def tuning(w):
    chain(w, "tuning")


@test(timeout=200)
def bandwidth(w):
    chain(w, "bandwidth")


if __name__ == "__main__":
    main()
