# SPDX-License-Identifier: GPL-2.0-or-later
"""What is compared: whose programs, with which list, and what real pods of theirs leave in the rules."""

import hashlib
import re
import subprocess

import gotools

NETWORK, BRIDGE = "bench", "cni0"
GATEWAY, BITS = "10.89.0.1", 16
CHAINS = {"nat": "bridge + host-local + ipMasq + portmap", "full": "the same + firewall + tuning"}
GO = ("main/bridge", "ipam/host-local", "meta/portmap", "meta/firewall", "meta/tuning")
SYSCTL = {"net.ipv4.conf.IFNAME.arp_filter": "1"}


class Variant:
    def __init__(self, name, folder, backend=None):
        self.name, self.folder, self.backend = name, str(folder), backend

    def conflist(self, chain, network=NETWORK, bridge=BRIDGE, subnet=f"10.89.0.0/{BITS}"):
        main = {"type": "bridge", "bridge": bridge, "isDefaultGateway": True, "ipMasq": True, "hairpinMode": True,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": subnet}]]}}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        if self.backend:
            main["ipMasqBackend"] = ports["backend"] = self.backend
        rest = [{"type": "firewall"}, {"type": "tuning", "sysctl": SYSCTL}] if chain == "full" else []
        return {"cniVersion": "1.0.0", "name": network, "plugins": [main, ports, *rest]}

    def links_only(self):
        """The same attachment without a rule: how filling pods of the reference come into being."""
        conf = self.conflist("nat")
        main = conf["plugins"][0]
        main["ipMasq"] = False
        main.pop("ipMasqBackend", None)
        return {**conf, "plugins": [main]}


def newest_go():
    """The folder of the Go plugins 1.9.1, built when they are not there, and why not, or None."""
    why = gotools.install("plugins-1.9.1", *(f"github.com/containernetworking/plugins/plugins/{p}@v1.9.1" for p in GO))
    return gotools.CACHE / "plugins-1.9.1", why


def mappings(ports):
    return [{"hostPort": port, "containerPort": 80 + at, "protocol": "tcp"} for at, port in enumerate(ports)]


class Pod:
    """Everything about a pod that the reference writes into rules."""

    def __init__(self, id, ip, ports):
        digest = hashlib.sha512((NETWORK + id).encode()).hexdigest()
        attachment = hashlib.sha512(f"eth0:{id}".encode()).hexdigest()
        self.words = [id, ip, f"CNI-{digest[:24]}", f"CNI-DN-{digest[:21]}", attachment[:16], *map(str, ports)]

    def named(self, line):
        return any(re.search(rf"(?<![\w.]){re.escape(word)}(?![\w])", line) for word in self.words)

    def as_other(self, line, other):
        """The line as it would be for another pod."""
        table = dict(zip(self.words, other.words))
        words = "|".join(re.escape(word) for word in table)
        return re.sub(rf"(?<![\w.])({words})(?!\w)", lambda found: table[found.group(1)], line)


def _run(*argv, text=None):
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr[:500]}")
    return done.stdout


def iptables_lines():
    """(table, line) of each chain and rule."""
    lines, table = [], None
    for line in _run("iptables-save").splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith((":", "-")):
            lines.append((table, re.sub(r" \[\d+:\d+\]$", "", line)))
    return lines


def nft_lines():
    """(family table chain, rule) of what the reference's nftables backend wrote."""
    lines, table, chain = [], None, None
    for line in _run("nft", "-s", "list", "ruleset").splitlines():
        word = line.split()
        if word[:1] == ["table"]:
            table = " ".join(word[1:3])
        elif word[:1] == ["chain"]:
            chain = word[1]
        elif table and "cni_" in table and line.startswith("\t\t"):
            lines.append((f"{table} {chain}", line.strip()))
    return lines


class Rules:
    """Rules of pods that were never added, cut after those of one that was."""

    def __init__(self, sample, backend):
        self.sample, self.backend = sample, backend
        self.ipt = [x for x in iptables_lines() if sample.named(x[1])]
        self.nft = [x for x in nft_lines() if sample.named(x[1])] if backend == "nftables" else []

    def of(self, pod, lines):
        return [(place, self.sample.as_other(line, pod)) for place, line in lines]

    def prove(self, real):
        """What is made up for this pod must be what its ADD has really written."""
        for made, there in ((self.ipt, iptables_lines()), (self.nft, nft_lines() if self.nft else [])):
            made, there = sorted(self.of(real, made)), sorted(x for x in there if real.named(x[1]))
            if made != there:
                raise AssertionError(f"made-up rules differ from real ones:\n{made}\n{there}")
        if not self.ipt and not self.nft:
            raise AssertionError("the sample pod left no rules")

    def load(self, pods):
        """All of these pods' rules, behind those that are there, in the order of the pods."""
        if self.ipt:
            tables = {}
            for pod in pods:
                for table, line in self.of(pod, self.ipt):
                    tables.setdefault(table, ([], []))[line.startswith("-")].append(line)
            text = ""
            for table, (chains, rules) in tables.items():
                chains = [f"{chain} [0:0]" for chain in chains]
                text += "\n".join([f"*{table}", *chains, *rules, "COMMIT\n"])
            _run("iptables-restore", "--noflush", text=text)
        if self.nft:
            text = "".join(f"add rule {place} {rule}\n" for pod in pods for place, rule in self.of(pod, self.nft))
            _run("nft", "-f", "-", text=text)
