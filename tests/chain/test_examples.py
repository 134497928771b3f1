# SPDX-License-Identifier: GPL-2.0-or-later
"""Every file of conf-examples through the built programs, as it is: ADD, CHECK, GC, DEL, and its idea seen
from outside. Files with "vlan" in their name need a kernel with bridge VLAN filtering, those with "ipip" one
with IPIP tunnels."""

import ipaddress
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lib"))
from flannel import of_the_example  # noqa: E402
from world import eq, main, test  # noqa: E402

FOLDER = ROOT / "conf-examples"
FILES = sorted(FOLDER.glob("*.conflist"))
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
MAC = "02:00:00:00:12:34"


def bridge_of(conf):
    """The bridge's part, that of a delegate included."""
    first = conf["plugins"][0]
    return first["delegate"] if first["type"] in ("flannel", "overlay") else first if first["type"] == "bridge" else {}


def link(net, name):
    return net.json(f"ip -d -j link show dev {name}")[0]


def steady(w):
    """All of the node but the counter of addresses given, and link-local addresses, which come when they like."""
    return "\n".join(line for line in w.snapshot().splitlines() if not re.search("last_reserved_ip|fe80:|ff00::/8", line))


# ---- what is special about a file: (w, conf, pod a with address list, pod b with address list)

def loopback(w, conf, a, b):
    eq(a[0].pings("127.0.0.1"), True, "lo answers")


def layer_two(w, conf, a, b):
    eq(a[1], [], "addresses")
    for pod, host in ((a[0], 1), (b[0], 2)):
        pod.sh(f"ip addr add 10.99.0.{host}/24 dev eth0")
    eq(a[0].pings("10.99.0.2"), True, "ping over the bare wire")


def ranges(w, conf, a, b):
    for address in a[1]:
        assert re.fullmatch(r"10\.63\.0\.[1-9]\d|fd63::1[0-9a-f]{3}", address), f"{address} is in no range"
    eq(len(a[1]), 2, "addresses")


def routes(w, conf, a, b):
    found = a[0].json("ip -j route show 192.0.2.0/24")[0]
    eq((found["gateway"], found["metric"]), ("10.64.0.1", 100), "gateway and priority")
    eq((found["metrics"][0]["mtu"], found["metrics"][0]["advmss"]), (1400, 1360), "mtu and advmss")
    eq(w.added["dns"]["nameservers"], ["10.64.0.1"], "name servers")


def spoof(w, conf, a, b):
    a[0].sh("ip link set eth0 address 02:00:00:00:be:ef")
    eq(a[0].pings(b[1][0], 1), False, "a foreign MAC passes")


def fixed(w, conf, a, b):
    pod = w.pod("fixed")
    w.chain(conf, "ADD", pod, id="fixed", caps={"mac": MAC, "ips": ["10.67.0.77"]}).ok()
    eq((link(pod, "eth0")["address"], pod.ips("eth0", 4)), (MAC, ["10.67.0.77/24"]), "what the runtime chose")
    w.chain(conf, "DEL", pod, id="fixed").ok()
    w.remove(pod)


def mtu_auto(w, conf, a, b):
    eq((link(a[0], "eth0")["mtu"], link(w, bridge_of(conf)["bridge"])["mtu"]), (1390, 1390), "MTU of pod and bridge")


def tuned(w, conf, a, b):
    host_end = w.added["interfaces"][1]["name"]
    eq((link(a[0], "eth0")["mtu"], link(w, host_end)["mtu"], link(a[0], "eth0")["txqlen"]), (1400, 1400, 500), "the link")
    eq(a[0].sysctl("net.ipv4.ip_local_port_range").split(), ["20000", "60999"], "switches")
    pod = w.pod("fixed")
    eq(w.chain(conf, "ADD", pod, id="fixed", caps={"mac": MAC}).ok().json["interfaces"][2]["mac"], MAC, "in the result")
    eq((link(pod, "eth0")["address"], pod.pings(b[1][0])), (MAC, True), "what the runtime chose")
    w.chain(conf, "DEL", pod, id="fixed").ok()
    w.remove(pod)


def kubelet(w, conf, a, b):
    eq(link(a[0], "eth0")["mtu"], 1450, "MTU in the pod")


def host_port(w, conf, a, b):
    a[0].serve(80)
    for address in a[1]:
        family = ipaddress.ip_address(address).version
        assert w.node2.ask({4: "192.0.2.1", 6: "2001:db8:0:1::1"}[family], 8080), f"IPv{family} host port"


def docker_host(w, conf, a, b):
    """Also where FORWARD drops, in and out."""
    w.sh("iptables -P FORWARD DROP; ip6tables -P FORWARD DROP")
    host_port(w, conf, a, b)
    eq([b[0].pings("192.0.2.2"), b[0].pings("2001:db8:0:1::2")], [True, True], "the way out")
    w.sh("iptables -P FORWARD ACCEPT; ip6tables -P FORWARD ACCEPT")


def refused_client(w, conf, a, b):
    """Also: the condition's own network gets no answer at the port."""
    host_port(w, conf, a, b)
    w.sh("ip route replace 203.0.113.0/24 dev eth0")
    w.node2.sh("ip addr replace 203.0.113.9/32 dev lo")
    eq(w.node2.ask("192.0.2.1", 8080, seconds=0.5, source="203.0.113.9"), None, "a client that is shut out")


def flannel(w, conf, a, b):
    eq(a[1][0].rsplit(".", 1)[0] + a[1][1].rsplit(":", 1)[0], "10.34.7fd34:0:0:7:", "subnets")
    eq([link(net, dev)["mtu"] for net, dev in ((a[0], "eth0"), (w, bridge_of(conf)["bridge"]))], [1340, 1340], "MTU")
    host_port(w, conf, a, b)


def overlay(w, conf, a, b):
    """Routes to the other nodes, and what the way there leaves of the underlay's MTU."""
    first = conf["plugins"][0]
    mtu = 1390 - {"vxlan": 70 if "networkV6" in first else 50, "ipip": 20, "host-gw": 0}[first["backend"]["type"]]
    eq([link(net, dev)["mtu"] for net, dev in ((a[0], "eth0"), (w, bridge_of(conf)["bridge"]))], [mtu, mtu], "MTU")
    for node in first["nodes"][1:]:
        for key in ("subnet", "subnetV6"):
            if key in node:
                eq(len(w.json(f"ip -j {'-6' if key[6:] else '-4'} route show {node[key]}")), 1, f"routes to {node[key]}")
    host_port(w, conf, a, b)


def vlan(w, conf, a, b):
    port = link(w, bridge_of(conf)["bridge"])
    eq(port["linkinfo"]["info_data"]["vlan_filtering"], 1, "VLAN filtering")
    found = {p["ifname"]: {v["vlan"] for v in p["vlans"]} for p in w.json("bridge -j vlan show")}
    wanted = {100, 200, *range(300, 310)} if "vlanTrunk" in bridge_of(conf) else {100}
    pod_port = w.added["interfaces"][1]["name"]
    eq(found[pod_port], wanted, f"VLANs of {pod_port}")


MEGABYTE = """
import socket, sys
s = socket.create_server((sys.argv[1], 5001), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("ready", flush=True)
c, n = s.accept()[0], 0
while n < 10 ** 6:
    n += len(c.recv(1 << 16))
c.send(b"!")
"""


def seconds_for_a_megabyte(source, target, address):
    receiver = target.bg([sys.executable, "-c", MEGABYTE, address], stdout=subprocess.PIPE)
    eq(receiver.stdout.readline(), "ready\n", "receiver")

    def send():
        with socket.create_connection((address, 5001), timeout=20) as s:
            began = time.monotonic()
            s.sendall(bytes(10 ** 6))
            s.recv(1)
            return time.monotonic() - began
    took = source.inside(send)
    receiver.communicate(timeout=20)
    return took


def rates(w, conf, a, b):
    """A megabyte takes the time that the rate says, but for the burst; on the bare wire it takes a millisecond."""
    shaper = conf["plugins"][1]
    gateways = {4: "10.87.0.1", 6: "fd87::1"}
    for address in a[1]:
        gateway = gateways[ipaddress.ip_address(address).version]
        for way, took in (("ingress", seconds_for_a_megabyte(w, a[0], address)),
                          ("egress", seconds_for_a_megabyte(a[0], w, gateway))):
            least = (8e6 - shaper[way + "Burst"]) / shaper[way + "Rate"]
            assert took > 0.95 * least, f"{way} {address}: {took} s, wanted {least}"


IDEAS = {"10-loopback": loopback, "30-podman": host_port, "31-containerd": host_port, "32-kubelet": kubelet,
         "33-docker-host": docker_host, "34-flannel": flannel, "35-overlay-vxlan": overlay, "36-overlay-ipip": overlay, "37-overlay-host-gw": overlay, "38-overlay-dual-stack": overlay,
         "40-dual-stack": host_port, "41-ipv6-only": host_port, "42-l2-only": layer_two,
         "50-several-ranges": ranges, "51-routes-and-dns": routes, "60-spoof-check": spoof,
         "62-mac-and-address": fixed, "70-mtu-auto": mtu_auto, "80-host-port-conditions": refused_client,
         "81-host-port-conditions-nft": refused_client, "82-host-port-masq-all": host_port,
         "86-tuning": tuned,
         "87-bandwidth": rates,
         "90-vlan": vlan, "91-vlan-trunk": vlan}


NEEDS = {"34-flannel": of_the_example}  # what other programs of the node have to provide


# ---- the life of two pods

def attach(w, conf, names):
    pods = []
    for name in names:
        pod = w.pod(name)
        ifname = "lo" if not bridge_of(conf) else "eth0"
        reply = w.chain(conf, "ADD", pod, id=name, ifname=ifname, caps=PORTS if name == "a" else None).ok()
        if name == "a":
            w.added = reply.json
        pods.append((pod, reply.ips() if bridge_of(conf) else []))
    return pods


def reach(conf, a, b):
    """Pod to pod; through the gateway for isolated ports, which must not meet."""
    isolated = bool(bridge_of(conf).get("portIsolation"))
    for address in b[1]:
        eq(a[0].pings(address, 1 if isolated else 2), not isolated, f"ping to {address}")


def verify(w, conf, name, pod, ifname):
    if conf["cniVersion"] < "0.4.0":
        w.chain(conf, "CHECK", pod, id=name, ifname=ifname).fails(1)
    else:
        w.chain(conf, "CHECK", pod, id=name, ifname=ifname, caps=PORTS if name == "a" else None).ok()


def life(w, path):
    conf = json.loads(path.read_text())
    ifname = "eth0" if bridge_of(conf) else "lo"
    w.node2 = w.neighbour()
    for net in (w, w.node2):
        net.sh("ip link set eth0 mtu 1390")
    w.node2.sh("ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8:0:1::1")
    NEEDS.get(path.stem, lambda _: None)(w)
    rounds = []
    for _ in range(2):
        a, b = attach(w, conf, "ab")
        reach(conf, a, b)
        for name, pod in (("a", a), ("b", b)):
            verify(w, conf, name, pod[0], ifname)
        IDEAS.get(path.stem, lambda *_: None)(w, conf, a, b)
        if conf["cniVersion"] == "1.1.0":
            w.chain(conf, "STATUS").ok()
            w.chain(conf, "GC", valid=[("b", ifname)]).ok()
            verify(w, conf, "b", b[0], ifname)
        for name, pod in (("a", a), ("b", b)):
            w.chain(conf, "DEL", pod[0], id=name, ifname=ifname).ok()
            w.remove(pod[0])
        rounds.append(steady(w))
    w.same(rounds[0], rounds[1], "after the second round")


def example(path):
    def run(w):
        life(w, path)
    run.__name__ = "example_" + re.sub(r"\W", "_", path.stem)
    features = {"vlan": "vlan_filtering", "ipip": "ipip"}
    test(run, needs=tuple(feature for word, feature in features.items() if re.search(rf"\b{word}\b", path.stem)))


for _path in FILES:
    example(_path)


@test
def all_may_stand_on_one_node(w):
    """No two files share a name, a bridge or a subnet; the table of the README has them all."""
    seen = {}
    for path in FILES:
        conf = json.loads(path.read_text())
        text = json.dumps(conf)
        keys = {conf["name"], bridge_of(conf).get("bridge"), *re.findall(r'"subnet": "([^"]+)"', text)} - {None}
        for key in keys:
            assert key not in seen, f"{path.name} and {seen[key]} both have {key}"
            seen[key] = path.name
    table = re.findall(r"^\| (\d\d-\S+) \|", (FOLDER / "README.md").read_text(), re.M)
    eq(table, [path.stem for path in FILES], "conf-examples/README.md")


if __name__ == "__main__":
    main()
