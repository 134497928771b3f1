# SPDX-License-Identifier: GPL-2.0-or-later
"""After a reboot: /var/lib/cni is as it was, /run is empty, the kernel knows nothing, the pods are gone."""

import shutil
from pathlib import Path

from crowd import NETWORK, Crowd, eq
from world import main, test


def reboot(w, crowd):
    for pod in list(crowd.pods):
        w.remove(pod)
    w.sh("ip link del cni0; for l in $(ls /sys/class/net | grep ^bwp); do ip link del $l; done; nft flush ruleset;"
         "for f in 4/ip_forward 4/conf/all/route_localnet 6/conf/all/forwarding; do echo 0 > /proc/sys/net/ipv$f; done")
    for folder in ("/run/podwire", "/run/cni"):
        shutil.rmtree(folder, ignore_errors=True)
    eq(w.sh("nft list ruleset; ip -br link show type veth | grep -v ^eth0; ls /run/netns", check=False).stdout.split(),
       ["node2"], "what a reboot leaves")


def reserved():
    return sorted(f.read_text().split()[0] for f in Path("/var/lib/cni/networks/crowd").iterdir()
                  if f.is_file() and f.name[0] in "1f")


@test
def pods_of_before(w):
    """Their DEL succeeds with nothing there, in any order with new ADDs; nobody gets a living pod's address."""
    crowd = Crowd(w, 4)
    crowd.add(crowd.pods)
    old = crowd.pods
    reboot(w, crowd)
    new = [w.pod(f"n{i}") for i in range(2)]
    crowd.ports.update({"n0": 31000, "n1": 31001})
    for pod in new:
        pod.serve(80, text=pod.name)
    w.chain(NETWORK, "DEL", "", id=old[0].name).ok()
    crowd.add(new)
    w.chain(NETWORK, "DEL", old[1].path, id=old[1].name).ok()
    crowd.traffic(*new)
    eq(reserved(), sorted(2 * ["n0", "n1", "p2", "p3"]), "reservations")
    w.chain(NETWORK, "GC", valid=[(pod.name, "eth0") for pod in new]).ok()
    eq(reserved(), sorted(2 * ["n0", "n1"]), "reservations after GC")
    crowd.traffic(*new)
    for pod in new:
        eq(crowd.check(pod), {}, f"CHECK of {pod.name}")
    w.chain(NETWORK, "DEL", old[2].path, id=old[2].name).ok()
    crowd.delete(new)
    eq(reserved(), [], "reservations in the end")


@test
def a_full_range_of_dead_pods(w):
    """What runtimes forget at a reboot would fill a range for good: GC with an empty list empties it."""
    conf = {"cniVersion": "1.1.0", "name": "small", "plugins": [
        {"type": "bridge", "bridge": "br8", "isGateway": True, "ipMasq": True,
         "ipam": {"type": "host-local", "subnet": "10.98.0.0/29"}}]}
    for i in range(5):
        w.chain(conf, "ADD", w.pod(f"p{i}"), id=f"p{i}").ok()
    for pod in list(w.pods.values()):
        w.remove(pod)
    w.sh("ip link del br8; nft flush ruleset; rm -r /run/podwire")
    late = w.pod("late")
    w.chain(conf, "ADD", late, id="late").fails(None, "no IP addresses available")
    w.chain(conf, "DEL", late, id="late").ok()
    w.chain(conf, "GC", valid=[]).ok()
    w.chain(conf, "ADD", late, id="late").ok()
    eq(late.pings("10.98.0.1"), True, "the way out")


if __name__ == "__main__":
    main()
