# SPDX-License-Identifier: GPL-2.0-or-later
"""What packets must do on a bridge network, worked out from its configuration alone.

Traffic takes a conflist with a bridge, and two pods that some caller attached with it, and sends
real packets: pod to pod, node to pod, pod to neighbour (which address does the neighbour see?),
and through host ports from every side. Of what a plugin says, only the addresses in its result
are used.
"""

import ipaddress
import json

from node import LAN4, LAN6, LAN_PORT, NODE4, NODE6, client, closed, eq, links, serve

PORTS = {
    "portMappings": [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 8080, "containerPort": 80, "protocol": "udp"},
    ]
}
EXCLUDED = {4: "203.0.113.0/24", 6: "2001:db8::/32"}
SIDES = {4: (NODE4, LAN4), 6: (NODE6, LAN6)}


def go_cni(caps):
    """The same capability arguments with the capitals that containerd's go-cni sends."""
    return {
        key: [{name[0].upper() + name[1:]: value for name, value in port.items()} for port in ports]
        for key, ports in caps.items()
    }


def plugin(conflist, kind):
    return next((entry for entry in conflist["plugins"] if entry["type"] == kind), {})


def version_of(address):
    return ipaddress.ip_address(address).version


class Traffic:
    def __init__(self, w, conflist):
        self.w, self.bridge, self.portmap = (
            w,
            plugin(conflist, "bridge"),
            plugin(conflist, "portmap"),
        )

    def check(self, a, b, found_a, found_b):
        """Pods and their addresses; pod a has PORTS where the list has a portmap."""
        if not self.bridge.get("ipam"):
            return self.layer_two(a, b)
        assert found_a and len(found_a) == len(found_b), f"addresses {found_a} and {found_b}"
        assert not set(found_a) & set(found_b), f"one address given twice: {found_a} {found_b}"
        serve(a, 80)
        for address, peer in zip(found_a, found_b):
            self.one_family(a, b, address, peer)
        if self.portmap.get("capabilities", {}).get("portMappings"):
            for family in {version_of(address) for address in found_a}:
                self.host_ports(a, b, family)
        if self.bridge.get("promiscMode"):
            assert (
                links(self.w)[self.bridge["bridge"]]["promiscuity"] > 0
            ), "the bridge is not promiscuous"
        if self.bridge.get("mtu"):
            mtu = (
                links(self.w)["eth0"]["mtu"] if self.bridge["mtu"] == "auto" else self.bridge["mtu"]
            )
            eq(links(a)["eth0"]["mtu"], mtu, "MTU in the pod")
        self.routes(a)
        if self.bridge.get("macspoofchk"):
            self.foreign_mac(a, found_b[0])

    def layer_two(self, a, b):
        for pod, host in ((a, 1), (b, 2)):
            pod.sh(f"ip addr add 10.99.99.{host}/24 dev eth0")
        assert a.pings("10.99.99.2"), "pods of a network without ipam do not reach each other"

    def gateway(self):
        return self.bridge.get("isGateway") or self.bridge.get("isDefaultGateway")

    def routed(self, family):
        """Do pods get a default route of that family?"""
        default = "0.0.0.0/0" if family == 4 else "::/0"
        routes = self.bridge["ipam"].get("routes", [])
        return self.bridge.get("isDefaultGateway") or any(
            route["dst"] == default for route in routes
        )

    def one_family(self, a, b, address, peer):
        isolated, family = bool(self.bridge.get("portIsolation")), version_of(address)
        eq(a.pings(peer, 1 if isolated else 2), not isolated, f"ping from pod to pod {peer}")
        if not isolated:
            for proto in ("tcp", "udp"):
                eq(client(b, address, 80, proto), peer, f"pod to pod over {proto}")
        if self.gateway():
            self.w.at_once(lambda: self.w.pings(address), f"the node reaches {address}")
        if self.routed(family):
            self.outward(a, address, family)

    def outward(self, a, address, family):
        """The neighbour sees the node's address if there is masquerade, else the pod's."""
        node, lan = SIDES[family]
        seen = node if self.bridge.get("ipMasq") else address
        for proto in ("tcp", "udp"):
            eq(
                client(a, lan, LAN_PORT, proto),
                seen,
                f"pod's address at the neighbour over {proto}",
            )

    def routes(self, a):
        """Routes with attributes, as the pod's kernel shows them."""
        words = {"mtu": "mtu", "advmss": "advmss", "priority": "metric"}
        for route in self.bridge["ipam"].get("routes", []):
            shown = a.sh(f"ip route show {route['dst']}").stdout if set(words) & set(route) else ""
            for key in set(words) & set(route):
                assert f"{words[key]} {route[key]}" in shown, f"no {key} {route[key]} in {shown!r}"

    def host_ports(self, a, b, family):
        node, lan = SIDES[family]
        snat, isolated = self.portmap.get("snat", True), self.bridge.get("portIsolation")
        seen = self.bridge_address(family) if self.portmap.get("masqAll") else lan
        if EXCLUDED[family] in json.dumps(self.portmap.get(f"conditionsV{family}", "")):
            self.excluded_client(family, node)
        if not self.routed(family):
            self.answer_by_the_node((a, b), family)
        for proto in ("tcp", "udp"):
            eq(
                client(self.w.lan, node, 8080, proto),
                seen,
                f"neighbour at the host port over {proto}",
            )
            assert client(
                self.w, node, 8080, proto
            ), f"the node does not reach its host port over {proto}"
            if snat:
                self.hairpin(a, node, proto)
            if snat and not isolated:
                assert client(
                    b, node, 8080, proto
                ), f"another pod does not reach the host port over {proto}"
            if snat and family == 4 and not self.portmap.get("conditionsV4"):
                assert client(
                    self.w, "127.0.0.1", 8080, proto
                ), f"no answer at 127.0.0.1 over {proto}"
        assert closed(self.w.lan, node, 80), "the container's port is open on the node"

    def excluded_client(self, family, node):
        """A client whose network the conditions leave out."""
        source = str(ipaddress.ip_network(EXCLUDED[family])[7])
        self.w.lan.sh(f"ip addr replace {source}/{32 if family == 4 else 128} dev lo")
        assert self.w.lan.pings(node, extra=f"-I {source}"), f"no ping from {source}"
        assert self.w.lan.ask(node, 8080, seconds=0.5, source=source) is None, f"{source} is let in"

    def bridge_address(self, family):
        found = [
            ip["local"]
            for ip in links(self.w)[self.bridge["bridge"]]["addr_info"]
            if ip["scope"] == "global" and version_of(ip["local"]) == family
        ]
        return found[0]

    def answer_by_the_node(self, pods, family):
        """A pod without a default route (of a second network, say) can answer no far client."""
        for pod in pods:
            pod.sh(f"ip -{family} route add default via {self.bridge_address(family)}")

    def hairpin(self, a, node, proto):
        """A pod through its own host port; under br_netfilter its port must be in hairpin mode."""
        key = "net.bridge.bridge-nf-call-" + ("ip6tables" if ":" in node else "iptables")
        if not self.bridge.get("hairpinMode"):
            before = self.w.sysctl(key)
            self.w.sysctl(key, 0)
        assert client(
            a, node, 8080, proto
        ), f"the pod does not reach itself through {node} over {proto}"
        if not self.bridge.get("hairpinMode"):
            self.w.sysctl(key, before)

    def foreign_mac(self, a, peer):
        mac = links(a)["eth0"]["address"]
        a.sh("ip link set eth0 address 02:00:00:00:be:ef")
        assert not a.pings(peer, 1), "a frame with a foreign MAC passed"
        a.sh(f"ip link set eth0 address {mac}")
        assert a.pings(peer), "frames with the right MAC no longer pass"
