"""What packets must do on a bridge network, worked out from its configuration alone.

Traffic takes a conflist whose first interface plugin is a bridge, and two pods that some caller
attached with it, and sends real packets: pod to pod, node to pod, pod to neighbour (which address
does the neighbour see?), and through host ports from every side. Nothing here reads what a plugin
says about itself but the addresses in its result.
"""

import ipaddress

from lib import (LAN_PORT, LAN4, LAN6, NODE4, NODE6, Server, ask, addresses, equal, refused,
                 wait_for)

PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
                          {"hostPort": 8080, "containerPort": 80, "protocol": "udp"}]}


def go_cni(caps):
    """The same capability arguments with the capitals that containerd's go-cni sends."""
    return {key: [{name[0].upper() + name[1:]: value for name, value in port.items()} for port in ports]
            for key, ports in caps.items()}


def plugin(conflist, *kinds):
    return next((entry for entry in conflist["plugins"] if entry["type"] in kinds), {})


def routed(conf, family):
    """Has the pod a default route of that family?"""
    ipam = conf.get("ipam", {})
    default = "0.0.0.0/0" if family == 4 else "::/0"
    return conf.get("isDefaultGateway") or any(route["dst"] == default for route in ipam.get("routes", []))


def has_vlan_filtering(world):
    """The development kernel is built without; asked of the kernel, not of its version."""
    world.sh("ip link add probe type bridge")
    world.sh("ip link set probe type bridge vlan_filtering 1", check=False)
    on = world.links()["probe"]["linkinfo"]["info_data"].get("vlan_filtering") == 1
    world.sh("ip link del probe")
    return on


class Traffic:
    def __init__(self, world, conflist):
        self.world, self.conflist = world, conflist
        self.bridge = plugin(conflist, "bridge")
        self.portmap = plugin(conflist, "portmap")

    def check(self, a, b, result_a, result_b, ifname="eth0"):
        """Pod a has PORTS where the list has a portmap; both have eth0 from this network."""
        self.ifname, self.gates = ifname, self.bridge.get("isGateway") or self.bridge.get("isDefaultGateway")
        found_a, found_b = addresses(result_a), addresses(result_b)
        if not self.bridge.get("ipam"):
            return self.layer_two(a, b)
        assert found_a and len(found_a) == len(found_b), f"addresses {found_a} and {found_b}"
        assert not set(found_a) & set(found_b), f"one address given twice: {found_a} {found_b}"
        Server(a.path, 80)
        for address, peer in zip(found_a, found_b):
            self.one_family(a, b, address, peer)
        if self.portmap.get("capabilities", {}).get("portMappings"):
            self.answer_routes((a, b), (result_a, result_b))
            self.host_ports(a, b, found_a, found_b)
        if self.bridge.get("mtu"):
            equal(a.links()[ifname]["mtu"], self.bridge["mtu"], "MTU in the pod")
        if self.bridge.get("macspoofchk"):
            self.spoofed(a, found_b[0])

    def layer_two(self, a, b):
        for pod, host in ((a, 1), (b, 2)):
            pod.sh(f"ip addr add 10.99.99.{host}/24 dev {self.ifname}")
        assert a.pings("10.99.99.2"), "pods of a network without ipam do not reach each other"

    def one_family(self, a, b, address, peer):
        family = ipaddress.ip_address(address).version
        isolated = self.bridge.get("portIsolation")
        equal(a.pings(peer, 1 if isolated else 3), not isolated, f"ping from pod to pod {peer}")
        if self.gates:
            at_once = self.world.pings(address)
            self.world.promise(at_once, f"the node does not reach {address} when ADD is done")
            if not at_once:
                wait_for(f"the node to reach {address}", lambda: self.world.pings(address))
            equal(ask(b.path if not isolated else None, address, 80, "udp") != "", True, "UDP to a pod")
        if routed(self.bridge, family):
            self.outward(a, address, family)

    def outward(self, a, address, family):
        """The neighbour sees the node's address if there is masquerade, else the pod's."""
        node, lan = (NODE4, LAN4) if family == 4 else (NODE6, LAN6)
        seen = node if self.bridge.get("ipMasq") else address
        for protocol in ("tcp", "udp"):
            equal(ask(a.path, lan, LAN_PORT, protocol), seen, f"pod's address at the neighbour over {protocol}")

    def answer_routes(self, pods, results):
        """A pod without a default route here (a second network, say) can answer no client elsewhere."""
        for pod, result in zip(pods, results):
            for address in result.get("ips", []):
                family = 6 if ":" in address["address"] else 4
                if not routed(self.bridge, family):
                    pod.sh(f"ip -{family} route add default via {address['gateway']}")

    def host_ports(self, a, b, found_a, found_b):
        world, snat = self.world, self.portmap.get("snat", True)
        mine = {ipaddress.ip_address(text).version: text for text in found_a}
        other = {ipaddress.ip_address(text).version: text for text in found_b}
        for family, node, lan in ((4, NODE4, LAN4), (6, NODE6, LAN6)):
            if family not in mine:
                continue
            for protocol in ("tcp", "udp"):
                seen = ask(world.lan.path, node, 8080, protocol)
                assert self.portmap.get("masqAll") or seen == lan, f"host port saw {seen}, not the neighbour {lan}"
                ask(None, node, 8080, protocol)
                if not snat:
                    continue
                if not self.bridge.get("portIsolation"):
                    seen = ask(b.path, node, 8080, protocol)
                    assert seen != "", f"{other[family]} does not reach the host port"
                self.hairpin(a, node, protocol)
        if 4 in mine and snat and not self.portmap.get("conditionsV4"):
            for protocol in ("tcp", "udp"):
                ask(None, "127.0.0.1", 8080, protocol)
        assert refused(ask, world.lan.path, NODE4, 80), "the container's port is open on the node"

    def hairpin(self, a, node, protocol):
        """A pod through its own host port; with br_netfilter on, the port must be in hairpin mode."""
        key = "net.bridge.bridge-nf-call-ip6tables" if ":" in node else "net.bridge.bridge-nf-call-iptables"
        if not self.bridge.get("hairpinMode"):
            self.world.sh(f"sysctl -q {key}=0")
        ask(a.path, node, 8080, protocol)
        if not self.bridge.get("hairpinMode"):
            self.world.sh(f"sysctl -q {key}=1")

    def spoofed(self, a, peer):
        mac = a.links()[self.ifname]["address"]
        a.sh(f"ip link set {self.ifname} address 02:00:00:00:be:ef")
        assert not a.pings(peer, 1), "a frame with a foreign MAC passed"
        a.sh(f"ip link set {self.ifname} address {mac}")
        assert a.pings(peer, 3), "frames with the right MAC no longer pass"
