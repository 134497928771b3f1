# SPDX-License-Identifier: GPL-2.0-or-later
"""The world of tests/lib/world.py, furnished as a node for real callers.

eth0 of the node (192.168.50.11, fd50::11) leads to `w.lan`, a neighbour (192.168.50.2, fd50::2)
whose default routes lead back to the node: a pod's own address is reachable from there unless it
was masqueraded, so the address that a server sees tells the two apart. A server on w.lan's port
LAN_PORT names its client.

What callers write outside namespaces is control groups: they are told to use folders named
CGROUP, and these are removed when the test is over. Reports of sanitizers, which a caller would
swallow, go to files and fail the test.

With other CNI programs in $PODWIRE_BIN (the Go plugins) the same tests run against those; what
only Podwire promises is then not asserted (Node.promise). That is how these tests were proven.
"""

import contextlib
import functools
import ipaddress
import json
import os
import re
import socket
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import world  # noqa: E402
from world import Net, World, eq, main, wait_for  # noqa: E402,F401

DEBIAN = "/usr/lib/cni"
NODE4, NODE6, LAN4, LAN6 = "192.168.50.11", "fd50::11", "192.168.50.2", "fd50::2"
LAN_PORT = 7000
PROGRAMS = ("bandwidth", "bridge", "firewall", "flannel", "host-local", "loopback", "macvlan", "portmap", "ptp", "tuning")
STATE = ("/var/lib/cni", "/run/podwire")
REPORTS = "/run/world/sanitizer"
CGROUP = f"podwire-e2e-{os.getpid()}"
TEST_LIMIT = 100
GREETING = "client"
# What the firewall plugin leaves in a table of others on purpose (docs/decisions/004).
STAYS = (
    r"(?m)^[ \t]*(counter.*jump CNI-ADMIN comment .*|mark .* accept comment \"podwire: .*"
    r"|chain CNI-ADMIN \{\n[ \t]*\}\n?)\n"
)


def test(function, needs=()):
    """As world.test, with a Node; the control groups go when the test's processes are gone."""

    @functools.wraps(function)
    def run(_):
        node = Node()
        node.furnish()
        function(node)
        node.no_reports()

    world.test(run, timeout=TEST_LIMIT, needs=needs)
    return function


def environment():
    """For callers: folders of the test's own, and reports of sanitizers in files."""
    os.environ.update(
        HOME="/run/world",
        TMPDIR="/run/world",
        LC_ALL="C.UTF-8",
        ASAN_OPTIONS=f"{os.environ.get('ASAN_OPTIONS', '')}:log_path={REPORTS}",
        UBSAN_OPTIONS=f"{os.environ.get('UBSAN_OPTIONS', '')}:log_path={REPORTS}",
    )
    for key in [key for key in os.environ if key.startswith("XDG_")]:
        del os.environ[key]


def client(net, address, port, proto="tcp", seconds=2):
    """The client's address as the server at address:port sees it, or None when nobody answers."""
    answer = net.ask(address, port, proto, seconds)
    return answer.removeprefix(GREETING).strip() if answer is not None else None


def closed(net, address, port, proto="tcp"):
    """Nobody takes a connection there; for a datagram, nobody answers."""
    if proto == "udp":
        return net.ask(address, port, proto, seconds=0.5) is None
    return not net.inside(lambda: connects(address, port))


def connects(address, port):
    try:
        socket.create_connection((address, port), timeout=0.5).close()
        return True
    except OSError:
        return False


def page(net, address, port, seconds=2):
    """The body of a web server's page, which names the client; None when nobody answers.

    A connection is no answer yet: podman itself holds the ports that it published.
    """
    request = r"printf 'GET /cgi-bin/client HTTP/1.0\r\n\r\n'"
    fetch = f"{request} | timeout {seconds} busybox nc {address} {port}"
    lines = net.sh(fetch, check=False).stdout.splitlines()
    return plain(lines[-1]) if lines and " 200 " in lines[0] else None


def plain(address):
    """An address without brackets and without the prefix of IPv4 in IPv6."""
    return address.strip().strip("[]").removeprefix("::ffff:")


def links(net):
    return {link["ifname"]: link for link in net.json("ip -d -j addr")}


def serve(net, port, protocols=("tcp", "udp")):
    for proto in protocols:
        net.serve(port, proto, GREETING)


def mix(w, *ours):
    """These programs from us and all others from Debian in one folder: a node half way over."""
    if not os.path.isdir(DEBIAN):
        w.skip(f"no {DEBIAN}: install containernetworking-plugins")
    folder = w.tmp / ("mix-" + "-".join(ours or ["none"]))
    if not folder.exists():
        folder.mkdir()
        for name in PROGRAMS:
            (folder / name).symlink_to(f"{w.bin if name in ours else DEBIAN}/{name}")
    return str(folder)


class Node(World):
    def furnish(self):
        world._mount("tmpfs", "/dev/shm", "tmpfs")
        environment()
        self.bin = self.copy_programs()
        self.settle()

    def settle(self):
        """The neighbour, and what the node looks like before anything happens."""
        self.own = (
            "podwire" in self.sh(f"env -u CNI_COMMAND {self.bin}/bridge 2>&1", check=False).stdout
        )
        self.lan = self.neighbour(
            "lan", v4=(f"{NODE4}/24", f"{LAN4}/24"), v6=(f"{NODE6}/64", f"{LAN6}/64")
        )
        self.lan.sh(f"ip route add default via {NODE4}; ip -6 route add default via {NODE6}")
        self.sh("iptables -P FORWARD ACCEPT; ip6tables -P FORWARD ACCEPT")
        serve(self.lan, LAN_PORT)
        self.before = self.others()

    def copy_programs(self):
        """Copies, so that they can be bound over other folders and run by users without rights."""
        folder = Path("/run/world/bin")
        folder.mkdir()
        self.sh(f"cp -L {self.bin}/* {folder}/; chmod -R a+rX /run/world")
        return str(folder)

    def no_reports(self):
        no_reports(self)

    # What only Podwire promises.

    def promise(self, holds, what):
        assert holds or not self.own, what

    def promise_eq(self, found, wanted, what):
        if self.own:
            eq(found, wanted, what)

    def at_once(self, condition, what):
        """It holds by now with Podwire, and soon with anybody: IPv6 of the Go plugins is late."""
        self.promise(condition(), f"not at once: {what}")
        wait_for(condition, what)

    def promise_nothing_left(self, ids=()):
        self.promise_eq(self.leftovers(ids), [], "left behind")

    def addresses_free(self, folders=STATE):
        eq(
            [found for found in self.leftovers((), folders) if found.startswith("address")],
            [],
            "address files",
        )

    def promise_others_unchanged(self):
        self.promise_eq(self.others(), self.before, "what belongs to others")

    # What others see of the node.

    def others(self):
        """The rulesets of everybody else, and the node's own links and routes, as text."""
        tables = sorted(line.split()[1:3] for line in self.sh("nft list tables").stdout.splitlines())
        commands = [
            f"nft -s list table {family} {name}" for family, name in tables if name != "podwire"
        ]
        commands += [f"ip -d addr show dev {name}" for name in ("lo", "eth0")]
        commands += [
            f"ip -{family} route show {which}"
            for family in (4, 6)
            for which in ("default", "dev eth0")
        ]
        commands += ["ip rule", "ip -6 rule"]
        text = "\n".join(self.sh(command).stdout for command in commands)
        return steady(re.sub(STAYS, "", text) if self.own else text)

    def everything(self):
        return everything(self)

    def elements(self):
        """Every element of our tables, as `MAP: ELEMENT`, but those of bridges' policies, which GC collects."""
        listing = json.loads(self.sh("nft -j list ruleset").stdout)["nftables"]
        return [
            f"{item[kind]['name']}: {json.dumps(element)}"
            for item in listing
            for kind in ("map", "set")
            if item.get(kind, {}).get("table") == "podwire"
            and item[kind]["name"] not in ("bridges", "own", "isolated")
            for element in item[kind].get("elem", [])
        ]

    def leftovers(self, ids=(), folders=STATE):
        """What an attachment would leave: links, elements, address files, its ID in a file."""
        found = [
            f"link {name}"
            for name, link in links(self).items()
            if name not in ("lo", "eth0") and link.get("linkinfo", {}).get("info_kind") != "bridge"
        ]
        found += [f"element {element}" for element in self.elements()]
        for path in [
            path for folder in folders for path in Path(folder).rglob("*") if path.is_file()
        ]:
            found += leftover_file(path, ids)
        rules = self.sh("iptables-save; ip6tables-save").stdout
        return found + [f"iptables names {name}" for name in ids if name in rules]


def leftover_file(path, ids):
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(path.name)
        return [f"address file {path}"]
    text = path.read_bytes().decode(errors="replace") + str(path)
    return [f"{path} names {name}" for name in ids if name in text]


def steady(text):
    """The text without what moves by itself: counters, carrier, timers, link-local addresses."""
    text = re.sub(
        r"packets \d+ bytes \d+|\b(linkdown|tentative|NO-CARRIER|LOWER_UP|UP|DOWN|UNKNOWN)\b",
        "",
        text,
    )
    text = re.sub(r"(expires|valid_lft|preferred_lft) \S+|\b[a-z_]+timer +[\d.]+|[<>,]", "", text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return "\n".join(
        line for line in lines if line and not re.search("fe80|ff00::/8|anycast", line)
    )


def everything(w):
    """All that may change on a node, as text; the counter of addresses given left out."""
    lines = steady(w.snapshot()).splitlines()
    return "\n".join(line for line in lines if "last_reserved_ip" not in line)


def no_reports(w):
    found = [path.read_text() for path in Path(w.path_of(REPORTS)).parent.glob(Path(REPORTS).name + ".*")]
    assert not found, "sanitizer: " + "\n".join(found)


def removed(folder):
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def remove_control_groups():
    """Deepest first. A process that is dead holds its folder for a moment; one that does not die, for good: that
    folder stays for the next run's eyes."""
    top = Path("/sys/fs/cgroup")
    for root in (top, *(path for path in top.glob("*") if path.is_dir())):
        folders = [path for path in (root / CGROUP).rglob("*") if path.is_dir()]
        for folder in (*sorted(folders, reverse=True), root / CGROUP):
            with contextlib.suppress(AssertionError):
                wait_for(lambda: removed(folder), f"the control group {folder}", 1)  # noqa: B023


def run():
    try:
        main()
    finally:
        remove_control_groups()
