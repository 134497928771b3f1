# SPDX-License-Identifier: GPL-2.0-or-later
"""The default networks of nerdctl, Nomad and k3s as they write them, behind a FORWARD that drops, by our
programs alone (podman's and containerd's are in tests/e2e)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from flannel import subnet_env  # noqa: E402
from world import eq, main, test  # noqa: E402

PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
RATES = {"bandwidth": {"ingressRate": 100000000, "ingressBurst": 8000000, "egressRate": 100000000, "egressBurst": 8000000}}

NERDCTL = {"cniVersion": "1.0.0", "name": "bridge", "nerdctlID": "17f29b073143d8cd97b5bbe492bdeffe", "nerdctlLabels": {
    "nerdctl/default-network": "true"}, "plugins": [
        {"type": "bridge", "bridge": "nerdctl0", "isGateway": True, "ipMasq": True, "hairpinMode": True, "ipam": {
            "ranges": [[{"gateway": "10.4.0.1", "subnet": "10.4.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}],
            "type": "host-local"}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
        {"type": "firewall", "ingressPolicy": "same-bridge"},
        {"type": "tuning"}]}
NOMAD = {"cniVersion": "0.4.0", "name": "nomad", "plugins": [
    {"type": "loopback"},
    {"type": "bridge", "bridge": "nomad", "ipMasq": True, "isGateway": True, "forceAddress": True, "hairpinMode": False,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "172.26.64.0/20"}]], "routes": [{"dst": "0.0.0.0/0"}],
              "dataDir": "/var/run/cni"}},
    {"type": "firewall", "backend": "iptables", "iptablesAdminChainName": "NOMAD-ADMIN"},
    {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}]}
K3S = {"cniVersion": "1.0.0", "name": "cbr0", "plugins": [
    {"type": "flannel", "delegate": {"hairpinMode": True, "forceAddress": True, "isDefaultGateway": True}},
    {"type": "portmap", "capabilities": {"portMappings": True}},
    {"type": "bandwidth", "capabilities": {"bandwidth": True}},
    {"type": "firewall"}]}


def steady(w):
    return "\n".join(x for x in w.snapshot().splitlines() if "last_reserved_ip" not in x and "/.podwire" not in x
                     and "fe80" not in x and "ff00::/8" not in x and "/run/podwire" not in x)


def life(w, conflist, caps):
    """Two pods through their life, twice; both rounds end alike."""
    w.sh("iptables -P FORWARD DROP; ip6tables -P FORWARD DROP")
    other = w.neighbour(v6=None)
    ends = []
    for _ in range(2):
        pods = {name: w.pod(name) for name in ("a", "b")}
        for name, pod in pods.items():
            w.chain(conflist, "ADD", pod, id=name, caps={**RATES, **(caps if name == "a" else {"portMappings": []})}).ok()
        a, b = pods["a"], pods["b"]
        a.serve(80)
        eq(other.ask("192.0.2.1", 8080), "hello 192.0.2.2", "another machine at the host port")
        eq([a.pings("192.0.2.2"), b.pings("192.0.2.2")], [True, True], "the way out")
        eq(a.pings(b.ips("eth0", 4)[0].split("/")[0]), True, "pod to pod")
        for name, pod in pods.items():
            w.chain(conflist, "CHECK", pod, id=name, caps={**RATES, **(caps if name == "a" else {})}).ok()
        w.remove(b)
        w.chain(conflist, "DEL", None, id="b").ok()
        eq(other.ask("192.0.2.1", 8080), "hello 192.0.2.2", "the host port without the other pod")
        w.chain(conflist, "DEL", a, id="a", caps=caps).ok()
        w.remove(a)
        ends.append(steady(w))
    w.same(*ends, "after the second round")


@test
def nerdctl(w):
    life(w, NERDCTL, PORTS)


@test
def nomad(w):
    """Nomad makes its chain, and one rule in it, before its first allocation."""
    w.sh("iptables -N NOMAD-ADMIN; iptables -A NOMAD-ADMIN -o nomad -d 172.26.64.0/20 -j ACCEPT")
    life(w, NOMAD, PORTS)
    eq(w.sh("iptables -S NOMAD-ADMIN").stdout.splitlines(),
       ["-N NOMAD-ADMIN", "-A NOMAD-ADMIN -d 172.26.64.0/20 -o nomad -j ACCEPT"], "Nomad's own rule")


@test
def k3s(w):
    """Its server writes the file; here it does not masquerade itself, so the bridge has to."""
    subnet_env("NETWORK=10.42.0.0/16", "SUBNET=10.42.0.1/24", "MTU=1450", "IPMASQ=false")
    life(w, K3S, PORTS)


if __name__ == "__main__":
    main()
