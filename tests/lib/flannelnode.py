# SPDX-License-Identifier: GPL-2.0-or-later
"""A node whose overlay is set up by hand, with `ip` and `bridge`, exactly as flannel's daemon does it: the
devices with the attributes that it sends, per peer a neighbour, an FDB entry and an onlink route, its
masquerade rules in iptables. Its pods are those of the Go plugins.

    node = FlannelNode(lab, lab.nodes["n2"])
    node.peer(lab.nodes["n1"].entry(True), {4: "aa:…", 6: "aa:…"})
    pod = node.add("p2a")
"""

import ipaddress

GO = "/usr/lib/cni"
V4 = {"public": "publicIP", "subnet": "subnet", "host": 32, "local": "v4"}
V6 = {"public": "publicIPv6", "subnet": "subnetV6", "host": 128, "local": "v6"}


def base(subnet):
    return subnet.split("/")[0]


class FlannelNode:
    def __init__(self, lab, node, vni=1, port=8472):
        self.lab, self.node, self.devices, self.macs = lab, node, {}, {}
        lab.foreign[node] = self
        self.families = {4: V4, 6: V6} if lab.dual else {4: V4}
        self.networks = {4: "10.244.0.0/16", 6: "fd44::/48"}
        self.start(vni, port)
        for family in self.families:
            self.rules("iptables" if family == 4 else "ip6tables", self.subnet(family), self.networks[family],
                       "224.0.0.0/4" if family == 4 else "ff00::/8")
        node.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")

    def start(self, vni=1, port=8472):
        """The devices. A daemon that starts anew finds its MAC in its lease."""
        for family, keys in self.families.items():
            device = f"flannel.{vni}" if family == 4 else f"flannel-v6.{vni}"
            self.devices[family] = device
            self.macs[family] = f"02:00:00:00:{family:02x}:{self.node.number:02x}"
            self.node.sh(f"ip link add {device} address {self.macs[family]} txqueuelen 0 mtu {self.lab.mtu - 50} type vxlan"
                         f" id {vni} dev eth0 local {getattr(self.node, keys['local'])} dstport {port} nolearning ttl inherit")
            self.node.sh(f"sysctl -qw net.ipv6.conf.{device.replace('.', '/')}.accept_ra=0;"
                         f"ip addr add {base(self.subnet(family))}/{keys['host']} dev {device}; ip link set {device} up")

    def subnet(self, family):
        return self.node.subnet4 if family == 4 else self.node.subnet6

    def rules(self, tool, own, network, multicast):
        """--ip-masq and --iptables-forward-rules."""
        chain = f"{tool} -t nat -A FLANNEL-POSTRTG -m comment --comment 'flanneld masq'"
        forward = f"{tool} -A FLANNEL-FWD -m comment --comment 'flanneld forward'"
        self.node.sh(f"""set -e
            {tool} -t nat -N FLANNEL-POSTRTG; {tool} -t nat -A POSTROUTING -m comment --comment 'flanneld masq' -j FLANNEL-POSTRTG
            {chain} -m mark --mark 0x4000/0x4000 -j RETURN
            {chain} -s {own} -d {network} -j RETURN
            {chain} -s {network} -d {own} -j RETURN
            {chain} ! -s {network} -d {own} -j RETURN
            {chain} -s {network} ! -d {multicast} -j MASQUERADE --random-fully
            {chain} ! -s {network} -d {network} -j MASQUERADE --random-fully
            {tool} -N FLANNEL-FWD; {tool} -A FORWARD -m comment --comment 'flanneld forward' -j FLANNEL-FWD
            {forward} -s {network} -j ACCEPT; {forward} -d {network} -j ACCEPT""")

    def entry(self):
        """As a node of ours lists it: flannel chose the MAC, so the list says it."""
        macs = {4: "vtepMAC", 6: "vtepMACV6"}
        return {**self.node.entry(6 in self.families), **{macs[f]: self.macs[f] for f in self.families}}

    def peer(self, entry, macs):
        """A lease was added, or has changed."""
        for family, keys in self.families.items():
            subnet, device = entry[keys["subnet"]], self.devices[family]
            self.node.sh(f"""set -e
                ip neigh replace {base(subnet)} lladdr {macs[family]} nud permanent dev {device}
                bridge fdb replace {macs[family]} dev {device} dst {entry[keys["public"]]} self permanent
                ip -{family} route replace {subnet} via {base(subnet)} dev {device} onlink proto boot""")

    def direct(self, entry):
        """A lease of a node on the same L2, with DirectRouting."""
        for family, keys in self.families.items():
            self.node.sh(f"ip -{family} route replace {entry[keys['subnet']]} via {entry[keys['public']]} proto boot")

    def gone(self, entry, macs):
        for family, keys in self.families.items():
            subnet, device = entry[keys["subnet"]], self.devices[family]
            self.node.sh(f"""set -e
                ip -{family} route del {subnet} via {base(subnet)} dev {device} onlink
                bridge fdb del {macs[family]} dev {device} dst {entry[keys["public"]]} self
                ip neigh del {base(subnet)} lladdr {macs[family]} dev {device}""")

    def conflist(self):
        """What the CNI plugin of flannel hands to bridge, then portmap, as its manifest lists them."""
        version = "0.3.1"
        ranges = [[{"subnet": self.subnet(family)}] for family in self.families]
        routes = [{"dst": self.networks[family]} for family in self.families]
        return {"cniVersion": version, "name": "cbr0", "plugins": [
            {"type": "bridge", "bridge": "cni0", "hairpinMode": True, "isDefaultGateway": True, "isGateway": True, "ipMasq": False,
             "mtu": self.lab.mtu - 50, "ipam": {"type": "host-local", "ranges": ranges, "routes": routes}},
            {"type": "portmap", "capabilities": {"portMappings": True}}]}

    def add(self, name, port=None):
        return self.lab.add(self.node, name, port, self.conflist(), GO)


def macs_of(node, lab):
    """Of the devices that stand on a node, as `ip` shows them."""
    devices = {4: "flannel.1", 6: "flannel-v6.1"} if lab.dual else {4: "flannel.1"}
    return {family: node.json(f"ip -j link show {device}")[0]["address"] for family, device in devices.items()}
