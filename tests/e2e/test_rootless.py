#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The chain as rootless podman and nerdctl run it: in a user namespace of somebody without rights.

`nobody` becomes root of a namespace of its own, over a /run of its own: sysctls of the machine
answer EPERM, no other user ID exists, /var/lib/cni cannot be written (state goes to dataDir).
"""

import os
import sys

from node import HERE, Node, closed, run, steady, test, world
from traffic import PORTS, Traffic

NETWORK = {
    "cniVersion": "1.0.0",
    "name": "rootless",
    "plugins": [
        {"type": "loopback"},
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/state",
                "ranges": [[{"subnet": "10.60.0.0/24"}], [{"subnet": "fd60::/64"}]],
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
        {"type": "firewall", "ingressPolicy": "same-bridge"},
        {
            "type": "tuning",
            "sysctl": {"net.ipv4.conf.IFNAME.log_martians": "1"},
            "mtu": 1400,
            "dataDir": "/run/state/tuning",
        },
        {
            "type": "bandwidth",
            "ingressRate": 10**9,
            "ingressBurst": 10**8,
            "egressRate": 10**9,
            "egressBurst": 10**8,
        },
    ],
}
FOLDERS = ("/run/state", "/run/podwire")


def life_inside(w):
    """ADD two pods, packets, CHECK, DEL, DEL without namespace; both rounds end alike."""
    w.sh("iptables -P FORWARD DROP; ip6tables -P FORWARD DROP")
    w.before = w.others()
    states = []
    for turn in ("one", "two"):
        a, b, ids = w.pod(f"a{turn}"), w.pod(f"b{turn}"), (f"first-id-{turn}", f"second-id-{turn}")
        found = w.chain(NETWORK, "ADD", a, ids[0], caps=PORTS).ok().ips()
        peer = w.chain(NETWORK, "ADD", b, ids[1]).ok().ips()
        assert a.pings("127.0.0.1"), "loopback is not up"
        Traffic(w, NETWORK).check(a, b, found, peer)
        w.chain(NETWORK, "CHECK", a, ids[0], caps=PORTS).ok()
        for pod, ident in ((a, ids[0]), (b, ids[1]), (None, ids[0]), (None, ids[1])):
            w.chain(NETWORK, "DEL", pod, ident, caps=PORTS).ok()
        w.addresses_free(FOLDERS)
        w.promise_eq(w.leftovers(ids, FOLDERS), [], "left behind")
        w.remove(a)
        w.remove(b)
        w.promise_others_unchanged()
        states.append(
            steady(
                w.sh(
                    "nft -s list ruleset; ip addr; ip route show table all; "
                    "ip -6 route show table all; ls -R /run/state"
                ).stdout
            )
        )
    w.promise_eq(states[1], states[0], "the node after the second round")
    assert closed(w, "127.0.0.1", 8080), "the host port is still open"


def inside():
    """Root of the user namespace, in a /run of its own."""
    for folder in ("/run/netns", "/run/state"):
        os.makedirs(folder)
    w = Node()
    w.sh("ip link set lo up")
    w.settle()
    life_inside(w)


@test
def chain_in_a_user_namespace(w):
    """As nobody, who becomes root of a user, network, mount and process namespace."""
    folders = f"cp -r {w.bin} {HERE} {HERE.parent / 'lib'} /var/tmp/"
    setup = (
        "set -e; mount -t tmpfs tmpfs /run; mkdir -p /run/tests /run/world;"
        "cp -r /var/tmp/bin /run/; cp -r /var/tmp/e2e /var/tmp/lib /run/tests/;"
        "exec python3 /run/tests/e2e/test_rootless.py inside"
    )
    world._mount("tmpfs", "/var/tmp", "tmpfs")
    w.sh(f"{folders}; chmod -R a+rX /var/tmp")
    done = w.sh(
        [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=-all",
            "unshare",
            "-Urnmpf",
            "--mount-proc",
            "sh",
            "-c",
            setup,
        ],
        check=False,
        timeout=60,
        env={"PODWIRE_BIN": "/run/bin", "HOME": "/var/tmp"},
    )
    assert (
        done.returncode == 0
    ), f"exit {done.returncode}: {done.stdout[-500:]} {done.stderr[-1500:]}"
    w.promise_nothing_left(("first-id", "second-id"))
    w.promise_others_unchanged()


if __name__ == "__main__":
    if sys.argv[1:] == ["inside"]:
        inside()
    else:
        run()
