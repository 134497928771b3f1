#!/usr/bin/env python3
"""Debian's podman with network_backend = "cni" and our folder alone as cni_plugin_dirs."""

from callers import Podman
from lib import LAN4, LAN6, NODE4, NODE6, Server, ask, equal, http, main, refused, test

NETWORK = {
    "cniVersion": "0.4.0",
    "name": "podman",
    "plugins": [
        {"type": "bridge", "bridge": "cni-podman0", "isGateway": True, "ipMasq": True, "hairpinMode": True,
         "ipam": {"type": "host-local",
                  "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
                  "ranges": [[{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}],
                             [{"subnet": "fd88::/64"}]]}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def podman(w):
    return Podman(w, [w.bin], [NETWORK])


def gone(w, p, *containers):
    """What every program shows when the containers are removed."""
    for container in containers:
        p("rm", "-f", "-t", "0", container)
    w.promise_nothing_left()
    equal([name for name in w.links() if name.startswith("veth")], [], "host ends of pods")
    equal(w.sh("ip netns list | grep cni- || true"), "", "namespaces of pods")
    files = [file for file in w.state_files() if file.split("/")[-1][0].isdigit()]
    equal(files, [], "address files")
    w.promise_others_unchanged()


@test
def published_ports_from_every_side(w):
    """TCP to a server inside the container, UDP to one in its namespace; each tells its client's address."""
    p = podman(w)
    web = p.run("web", "-p", "8080:80", "-p", "5353:53/udp", "-p", f"{NODE4}:8081:80")
    other = p.run("other")
    own, peer = web.networks["podman"]["IPAddress"], other.networks["podman"]["IPAddress"]
    Server(web.path, 53, ("udp",))
    equal(http(w.lan.path, NODE4, 8080), LAN4, "neighbour over TCP")
    equal(ask(w.lan.path, NODE4, 5353, "udp"), LAN4, "neighbour over UDP")
    equal(http(w.lan.path, NODE4, 8081), LAN4, "neighbour to the one host address")
    equal(http(None, NODE4, 8080), NODE4, "node through its own address")
    equal(http(None, "127.0.0.1", 8080), "10.88.0.1", "node through 127.0.0.1")
    equal(ask(None, "127.0.0.1", 5353, "udp"), "10.88.0.1", "node through 127.0.0.1 over UDP")
    assert refused(http, None, "127.0.0.1", 8081), "a port of one host address is open on 127.0.0.1"
    equal(p.get("web", NODE4, 8080), "10.88.0.1", "the pod itself")
    equal(p.get("other", NODE4, 8080), "10.88.0.1", "another pod")
    equal(p.get("other", own, 80), peer, "pod to pod")
    equal(ask(web.path, NODE4, 5353, "udp"), "10.88.0.1", "the pod itself over UDP")
    assert refused(ask, w.lan.path, NODE4, 80), "the container's port is open on the node"
    gone(w, p, "web", "other")
    for port in (8080, 8081):
        assert refused(http, w.lan.path, NODE4, port), f"port {port} is still open"
    assert refused(ask, w.lan.path, NODE4, 5353, protocol="udp"), "port 5353 is still open"


@test
def masquerade_and_ipv6(w):
    """Outward the neighbour sees the node; inward, IPv6 clients keep their address too."""
    p = podman(w)
    web = p.run("web", "-p", "8080:80")
    own6 = web.networks["podman"]["GlobalIPv6Address"]
    equal(ask(web.path, LAN4, 7000), NODE4, "pod's address at the neighbour")
    equal(ask(web.path, LAN6, 7000), NODE6, "pod's IPv6 address at the neighbour")
    equal(ask(web.path, LAN4, 7000, "udp"), NODE4, "pod's address at the neighbour over UDP")
    equal(p.exec("web", "ping", "-c", "1", "-W", "2", LAN4).count("1 packets received"), 1, "ping outward")
    equal(http(w.lan.path, own6, 80), LAN6, "neighbour to the pod's IPv6 address")
    equal(http(None, own6, 80), "fd88::1", "node to the pod's IPv6 address")
    mac = w.sh(f"nsenter --net={web.path} ip -br link show eth0").split()[2]
    equal(web.networks["podman"]["MacAddress"], mac, "MAC that podman was told")
    gone(w, p, "web")


@test
def fixed_address_and_mac(w):
    """--ip and --mac-address reach the plugin as CNI_ARGS and capabilities."""
    p = podman(w)
    pod = p.run("fixed", "--ip", "10.88.7.7", "--mac-address", "02:11:22:33:44:55")
    equal(pod.networks["podman"]["IPAddress"], "10.88.7.7", "address")
    assert w.pings("10.88.7.7"), "the requested address does not answer"
    table = w.sh("ip neigh show 10.88.7.7")
    assert "02:11:22:33:44:55" in table, f"the node knows another MAC: {table}"
    second = p.try_to("run", "-d", "--name", "twin", "--cgroup-parent", f"/{w.cgroup}", "--ip", "10.88.7.7",
                      "localhost/busybox:1", "sleep", "100")
    assert second.returncode != 0 and "10.88.7.7" in second.stderr, f"the address was given twice: {second}"
    assert w.pings("10.88.7.7"), "the refused container took the first one's address away"
    p("rm", "-f", "-t", "0", "-i", "twin")
    assert w.pings("10.88.7.7"), "removing the refused container took the first one's address away"
    gone(w, p, "fixed")


@test
def stop_start_and_kill(w):
    """A restart keeps the host port; a killed container is cleaned up by its monitor."""
    p = podman(w)
    p.run("web", "-p", "8080:80")
    equal(http(w.lan.path, NODE4, 8080), LAN4, "before the restart")
    p("stop", "-t", "0", "web")
    assert refused(http, w.lan.path, NODE4, 8080), "the port of a stopped container is open"
    w.promise(not w.leftovers(), f"a stopped container keeps: {w.leftovers()}")
    p("start", "web")
    equal(http(w.lan.path, NODE4, 8080), LAN4, "after the restart")
    p("kill", "web")
    p("wait", "web")
    gone(w, p, "web")


@test
def two_containers_on_one_host_port(w):
    """The second is refused, by podman's own hold on the port already; the first keeps it."""
    p = podman(w)
    p.run("first", "-p", "8080:80")
    done = p.try_to("run", "-d", "--name", "second", "--cgroup-parent", f"/{w.cgroup}", "-p", "8080:80",
                    "localhost/busybox:1", "sleep", "100")
    assert done.returncode != 0, "one host port was given to two containers"
    equal(http(w.lan.path, NODE4, 8080), LAN4, "the first one's port after the refusal")
    p("rm", "-f", "-t", "0", "-i", "second")
    equal(http(w.lan.path, NODE4, 8080), LAN4, "the first one's port after the other is removed")
    gone(w, p, "first")


@test
def network_reload(w):
    """`podman network reload` tears down and sets up again with pods running, as after a flush."""
    p = podman(w)
    web = p.run("web", "-p", "8080:80")
    w.sh("nft flush ruleset")
    p("network", "reload", "web")
    web = p.inspect("web")
    equal(http(w.lan.path, NODE4, 8080), LAN4, "host port after the reload")
    equal(ask(web.path, LAN4, 7000), NODE4, "masquerade after the reload")
    gone(w, p, "web")


if __name__ == "__main__":
    main()
