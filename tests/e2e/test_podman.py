#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's podman with network_backend = "cni", its default network's four plugins, and our folder alone as
cni_plugin_dirs."""

from callers import Podman
from node import (
    LAN4,
    LAN6,
    LAN_PORT,
    NODE4,
    NODE6,
    client,
    closed,
    eq,
    links,
    page,
    run,
    serve,
    test,
)

NETWORK = {
    "cniVersion": "0.4.0",
    "name": "podman",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni-podman0",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
                "ranges": [
                    [{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}],
                    [{"subnet": "fd88::/64"}],
                ],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
        {"type": "firewall"},
        {"type": "tuning"},
    ],
}


def podman(w):
    return Podman(w, [w.bin], NETWORK)


def gone(w, p, *containers):
    """What every program shows when the containers are removed."""
    p.remove(*containers)
    w.addresses_free()
    w.promise_nothing_left()
    eq([name for name in links(w) if name.startswith("veth")], [], "host ends of pods")
    eq(w.sh("ip netns list").stdout.count("cni-"), 0, "namespaces of pods")
    w.promise_others_unchanged()


@test
def published_ports_from_every_side(w):
    """TCP to a server in the container, UDP to one in its namespace; both name the client."""
    p = podman(w)
    web = p.run("web", "-p", "8080:80", "-p", "5353:53/udp", "-p", f"{NODE4}:8081:80")
    other = p.run("other")
    own, peer = web.networks["podman"]["IPAddress"], other.networks["podman"]["IPAddress"]
    serve(web, 53, ("udp",))
    eq(page(w.lan, NODE4, 8080), LAN4, "neighbour over TCP")
    eq(client(w.lan, NODE4, 5353, "udp"), LAN4, "neighbour over UDP")
    eq(page(w.lan, NODE4, 8081), LAN4, "neighbour to the one host address")
    eq(page(w, NODE4, 8080), NODE4, "node through its own address")
    eq(page(w, "127.0.0.1", 8080), "10.88.0.1", "node through 127.0.0.1")
    eq(client(w, "127.0.0.1", 5353, "udp"), "10.88.0.1", "node through 127.0.0.1 over UDP")
    assert closed(w, "127.0.0.1", 8081), "a port of one host address is open on 127.0.0.1"
    eq(p.page("web", NODE4, 8080), "10.88.0.1", "the pod itself")
    eq(p.page("other", NODE4, 8080), "10.88.0.1", "another pod")
    eq(p.page("other", own, 80), peer, "pod to pod")
    eq(client(web, NODE4, 5353, "udp"), "10.88.0.1", "the pod itself over UDP")
    assert closed(w.lan, NODE4, 80), "the container's port is open on the node"
    gone(w, p, "web", "other")
    for port in (8080, 8081):
        assert closed(w.lan, NODE4, port), f"port {port} is still open"
    assert closed(w.lan, NODE4, 5353, "udp"), "port 5353 is still open"


@test
def behind_a_closed_forward(w):
    """FORWARD drops, as beside Docker: published ports and the way out work, unpublished ports are closed."""
    w.sh("iptables -P FORWARD DROP; ip6tables -P FORWARD DROP")
    p = podman(w)
    web = p.run("web", "-p", "8080:80")
    eq(page(w.lan, NODE4, 8080), LAN4, "neighbour at the published port")
    w.at_once(lambda: page(w.lan, NODE6, 8080) == LAN6, "neighbour at the published port over IPv6")
    eq(client(web, LAN4, LAN_PORT), NODE4, "the way out")
    eq(client(web, LAN6, LAN_PORT), NODE6, "the way out over IPv6")
    assert closed(w.lan, web.networks["podman"]["IPAddress"], 80), "the container's own port is open"
    w.sh("iptables -P FORWARD ACCEPT; ip6tables -P FORWARD ACCEPT")
    gone(w, p, "web")


@test
def masquerade_and_ipv6(w):
    """Outward the neighbour sees the node; inward, IPv6 clients keep their address too."""
    p = podman(w)
    web = p.run("web", "-p", "8080:80")
    own6 = web.networks["podman"]["GlobalIPv6Address"]
    w.at_once(lambda: w.pings(own6), "the pod's IPv6 address answers")
    eq(client(web, LAN4, LAN_PORT), NODE4, "pod's address at the neighbour")
    eq(client(web, LAN6, LAN_PORT), NODE6, "pod's IPv6 address at the neighbour")
    eq(client(web, LAN4, LAN_PORT, "udp"), NODE4, "pod's address at the neighbour over UDP")
    eq(
        p("exec", "web", "ping", "-c", "1", "-W", "2", LAN4).count("1 packets received"),
        1,
        "ping outward",
    )
    eq(page(w.lan, own6, 80), LAN6, "neighbour to the pod's IPv6 address")
    eq(page(w, own6, 80), "fd88::1", "node to the pod's IPv6 address")
    eq(
        web.networks["podman"]["MacAddress"],
        links(web)["eth0"]["address"],
        "MAC that podman was told",
    )
    gone(w, p, "web")


@test
def fixed_address_and_mac(w):
    """--ip and --mac-address reach the plugin as CNI_ARGS and capabilities."""
    p = podman(w)
    pod = p.run("fixed", "--ip", "10.88.7.7", "--mac-address", "02:11:22:33:44:55")
    eq(pod.networks["podman"]["IPAddress"], "10.88.7.7", "address")
    assert w.pings("10.88.7.7"), "the requested address does not answer"
    table = w.sh("ip neigh show 10.88.7.7").stdout
    assert "02:11:22:33:44:55" in table, f"the node knows another MAC: {table}"
    second = p.attempt(*p.start("twin", "--ip", "10.88.7.7"))
    assert (
        second.returncode != 0 and "10.88.7.7" in second.stderr
    ), f"the address was given twice: {second}"
    assert w.pings("10.88.7.7"), "the refused container took the first one's address away"
    p.remove("twin")
    assert w.pings("10.88.7.7"), "removing the refused container took the first one's address away"
    gone(w, p, "fixed")


@test
def stop_start_and_kill(w):
    """A restart keeps the host port; a killed container is cleaned up by its monitor."""
    p = podman(w)
    p.run("web", "-p", "8080:80")
    eq(page(w.lan, NODE4, 8080), LAN4, "before the restart")
    p("stop", "-t", "0", "web")
    assert closed(w.lan, NODE4, 8080), "the port of a stopped container is open"
    w.promise_nothing_left()
    p("start", "web")
    eq(page(w.lan, NODE4, 8080), LAN4, "after the restart")
    p("kill", "web")
    p("wait", "web")
    gone(w, p, "web")


@test
def two_containers_on_one_host_port(w):
    """The second is refused, by podman's own hold on the port already; the first keeps it."""
    p = podman(w)
    p.run("first", "-p", "8080:80")
    done = p.attempt(*p.start("second", "-p", "8080:80"))
    assert done.returncode != 0, "one host port was given to two containers"
    eq(page(w.lan, NODE4, 8080), LAN4, "the first one's port after the refusal")
    p.remove("second")
    eq(page(w.lan, NODE4, 8080), LAN4, "the first one's port after the other is removed")
    gone(w, p, "first")


@test
def network_reload(w):
    """`podman network reload` tears down and sets up again with pods running, as after a flush."""
    p = podman(w)
    web = p.run("web", "-p", "8080:80")
    w.sh("nft flush ruleset")
    p("network", "reload", "web")
    web = p.inspect("web")
    eq(page(w.lan, NODE4, 8080), LAN4, "host port after the reload")
    eq(client(web, LAN4, LAN_PORT), NODE4, "masquerade after the reload")
    gone(w, p, "web")


@test
def host_addresses_ranges_and_ipv6(w):
    """One host port on two host addresses is two pods'; a range of ports; the same over IPv6."""
    p = podman(w)
    web = p.run("web", "-p", "8080:80", "-p", "8000-8005:8000-8005/udp")
    p.run("inside", "-p", "127.0.0.1:8088:80")
    p.run("outside", "-p", f"{NODE4}:8088:80")
    serve(web, 8003, ("udp",))
    eq(client(w.lan, NODE4, 8003, "udp"), LAN4, "neighbour at a port of the range")
    eq(client(w.lan, NODE6, 8003, "udp"), LAN6, "neighbour at a port of the range over IPv6")
    w.at_once(lambda: page(w.lan, NODE6, 8080) == LAN6, "neighbour at the host port over IPv6")
    eq(page(w, NODE6, 8080), NODE6, "node through its own IPv6 address")
    eq(page(w.lan, NODE4, 8088), LAN4, "neighbour to the one host address")
    p.remove("outside")
    eq(page(w.lan, NODE4, 8088), None, "neighbour when that pod is gone")
    eq(page(w, "127.0.0.1", 8088), "10.88.0.1", "node to the other host address")
    gone(w, p, "web", "inside")


@test
def many_at_once(w):
    """Eight containers start and end at the same time."""
    p, names = podman(w), [f"web{number}" for number in range(8)]
    all_at_once(p, [p.start(name, "-p", f"{8100 + n}:80") for n, name in enumerate(names)])
    eq(len({p.inspect(name).address() for name in names}), 8, "different addresses")
    for n in range(8):
        eq(page(w.lan, NODE4, 8100 + n), LAN4, f"neighbour at the host port of {names[n]}")
    all_at_once(p, [("rm", "-f", "-t", "0", name) for name in names])
    w.addresses_free()
    w.promise_nothing_left()
    w.promise_others_unchanged()


def all_at_once(p, calls):
    running = [p.begin(*words) for words in calls]
    for process in running:
        eq((process.wait(60), process.args), (0, process.args), "exit")


@test
def a_flush_is_mended_by_the_next_container(w):
    """`nft flush ruleset` cuts everybody off; any ADD brings back the pods that still run."""
    p = podman(w)
    web = p.run("web", "-p", "8080:80")
    p.run("other", "-p", "8081:80")
    w.sh("nft flush ruleset")
    p.remove("other")
    eq(page(w.lan, NODE4, 8080), None, "neighbour after the flush")
    p.run("third", "-p", "8081:80")
    eq(page(w.lan, NODE4, 8081), LAN4, "neighbour at the new pod's host port")
    w.promise_eq(page(w.lan, NODE4, 8080), LAN4, "neighbour at the old pod's host port")
    w.promise_eq(client(web, LAN4, LAN_PORT), NODE4, "the old pod's address at the neighbour")
    gone(w, p, "web", "third")


@test
def a_bridge_that_somebody_deleted(w):
    """Removal goes on without it, and the next container gets a new one."""
    p = podman(w)
    p.run("web", "-p", "8080:80")
    w.sh("ip link del cni-podman0")
    p.remove("web")
    w.promise_nothing_left()
    p.run("web", "-p", "8080:80")
    eq(page(w.lan, NODE4, 8080), LAN4, "neighbour at the host port")
    gone(w, p, "web")


if __name__ == "__main__":
    run()
