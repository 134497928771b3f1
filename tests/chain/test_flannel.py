# SPDX-License-Identifier: GPL-2.0-or-later
"""flannel with bridge and host-local behind it, killed at every system call of its own, and with each that may fail
failing once: the next DEL, or GC where none comes, leaves the node as it was, state files included."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from trials import BRIDGE, Subject, failing_add, failing_del, killed  # noqa: E402
from world import eq, main, test  # noqa: E402

FLANNEL = {"type": "flannel", "delegate": {k: v for k, v in BRIDGE.items() if k != "ipam"}}
STATE = Path("/var/lib/cni/flannel")


def subject(w, **more):
    """The daemon's subnets are those of the pod that lives behind the bridge already."""
    Path("/run/flannel").mkdir()
    Path("/run/flannel/subnet.env").write_text(
        "FLANNEL_NETWORK=10.66.0.0/16\nFLANNEL_SUBNET=10.66.0.1/24\nFLANNEL_IPV6_NETWORK=fd66::/48\n"
        "FLANNEL_IPV6_SUBNET=fd66::1/64\nFLANNEL_MTU=1500\nFLANNEL_IPMASQ=true\n")
    return Subject(w, [FLANNEL], **more)


def end(s):
    s.unharmed()
    eq(list(STATE.iterdir()), [], "state files")


@test(timeout=200)
def add_then_del(w):
    s = subject(w)
    killed(s, "flannel", "ADD")
    end(s)


@test(timeout=200)
def del_then_del(w):
    s = subject(w)
    killed(s, "flannel", "DEL")
    end(s)


@test(timeout=200)
def add_then_gc(w):
    s = subject(w, gc=True)
    killed(s, "flannel", "ADD", "step", after=("GC",))
    end(s)


@test(timeout=200)
def failing_calls(w):
    s = subject(w)
    failing_add(s, "flannel")
    failing_del(s, "flannel", [])
    end(s)


if __name__ == "__main__":
    main()
