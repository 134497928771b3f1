#!/usr/bin/env python3
"""Debian's containerd with `ctr run --cni`, our folder where it looks for plugins.

ctr attaches through /proc/PID/ns/net and detaches with an empty CNI_NETNS when the task is dead, so
the namespace is gone: DEL has only the configuration and the container ID to go by.
"""

import copy
import json

from callers import WEB, Containerd
from lib import LAN4, LAN6, NODE4, NODE6, ask, equal, http, main, test

NETWORK = {
    "cniVersion": "1.0.0",
    "name": "containerd-net",
    "plugins": [
        {"type": "loopback"},
        {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "promiscMode": True,
         "ipam": {"type": "host-local",
                  "ranges": [[{"subnet": "10.88.0.0/16"}], [{"subnet": "2001:4860:4860::/64"}]],
                  "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def address_of(w, container, family=4):
    links = json.loads(w.sh(f"nsenter --net={container.path} ip -j -{family} addr show dev eth0 scope global"))
    return links[0]["addr_info"][0]["local"]


@test
def pods_reach_each_other_and_leave_nothing(w):
    c = Containerd(w, w.bin, [NETWORK])
    web, other = c.run("web", *WEB), c.run("other", *WEB)
    own4, own6, peer4 = address_of(w, web), address_of(w, web, 6), address_of(w, other)
    for path in (web.path, other.path):
        assert w.pings("127.0.0.1", path), "a pod's own loopback does not answer"
    equal(http(None, own4, 80), "10.88.0.1", "node to pod")
    seen = http(None, own6, 80)
    w.promise(seen == "2001:4860:4860::1", f"the bridge's IPv6 address is not ready when ADD is done: {seen}")
    equal(http(other.path, own4, 80), peer4, "pod to pod")
    equal(http(w.lan.path, own4, 80), LAN4, "neighbour to pod")
    equal(ask(web.path, LAN4, 7000), NODE4, "pod's address at the neighbour")
    equal(ask(web.path, LAN6, 7000), NODE6, "pod's IPv6 address at the neighbour")
    c.stop(web, "web")
    equal(http(None, peer4, 80), "10.88.0.1", "the other pod after the first is gone")
    c.stop(other, "other")
    w.promise_nothing_left((web.id, other.id))
    equal([link for link in w.links() if link.startswith("veth")], [], "host ends of pods")
    w.promise_others_unchanged()


@test
def an_address_is_free_again(w):
    """A network of one free address: each container can only start when the one before is all gone."""
    small = copy.deepcopy(NETWORK)
    small["plugins"][1]["ipam"] = {"type": "host-local", "ranges": [[
        {"subnet": "10.77.0.0/24", "rangeStart": "10.77.0.5", "rangeEnd": "10.77.0.5"}]]}
    c = Containerd(w, w.bin, [small])
    for turn in ("one", "two", "three"):
        web = c.run(turn, *WEB)
        equal(address_of(w, web), "10.77.0.5", f"address of {turn}")
        equal(http(None, "10.77.0.5", 80), "10.77.0.1", f"node to {turn}")
        c.stop(web, turn)
    w.promise_nothing_left()


if __name__ == "__main__":
    main()
