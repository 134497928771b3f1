# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that a plugin could leave behind on a node, read fast enough for thousands of trials: netlink
dumps, kernel switches and files. World.snapshot() tells much the same to people, thirty times slower.

    state = NodeState([pod])
    before = state.take()
    ...
    state.same(before, "after DEL")
"""

import os
import re
import socket
import struct
from pathlib import Path

from world import enter

NLM_F_REQUEST, NLM_F_DUMP, NLMSG_ERROR, NLMSG_DONE = 1, 0x300, 2, 3
NFT = 10 << 8
GET_TABLES, GET_CHAINS, GET_RULES, GET_SETS, GET_ELEMENTS = NFT | 1, NFT | 4, NFT | 7, NFT | 10, NFT | 13
# name: (request, its header, length of an answer's header, attributes that hold attributes)
ROUTE_DUMPS = {
    "link": (18, bytes(16), 16, {(18,), (18, 2), (18, 5), (26,), (26, 2), (26, 10)}),
    "addr": (22, bytes(8), 8, ()),
    "route4": (26, bytes([2]) + bytes(11), 12, ()),
    "route6": (26, bytes([10]) + bytes(11), 12, ()),
    "rule": (34, bytes(12), 12, ()),
    "qdisc": (38, bytes(20), 20, ()),
}
# What the kernel changes by itself: counters, timers, carrier, what it has learnt.
MOVING = {
    "link": {(7,), (16,), (23,), (33,), (35,), (47,), (48,), (18, 3),
             (26, 10, 1), (26, 10, 3), (26, 10, 4), (26, 10, 5), (26, 10, 6), *((18, 2, i) for i in range(14, 20)), *((18, 5, i) for i in range(20, 23))},
    "addr": {(6,)},
    "route4": {(12,)},
    "route6": {(12,)},
    "qdisc": {(3,), (4,), (7,)},
}
IFF_MOVING = 0x10000 | 0x40  # IFF_LOWER_UP, IFF_RUNNING
NFT_MOVING = re.compile(rb"(?<=counter\0\x1c\0\x02\0).{24}", re.S)  # packets and bytes
FOLDERS = ("/var/lib/cni", "/run/podwire", "/run/cni", "/etc/cni")
SWITCHES = ("net/ipv4/conf/all", "net/ipv4/conf/default", "net/ipv6/conf/all", "net/ipv6/conf/default")
FORWARD = "net/ipv4/ip_forward"


def attributes(data):
    """(type, value) of each attribute."""
    at = 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        yield kind & 0x3fff, data[at + 4:at + size]
        at += (size + 3) & ~3


def flatten(data, nested, moving, path=()):
    """{path of types: bytes} of all attributes that stay."""
    flat = {}
    for i, (kind, value) in enumerate(attributes(data)):
        here = (*path, kind)
        if here in moving:
            continue
        if here in nested:
            flat.update(flatten(value, nested, moving, here))
        else:
            flat[here if here not in flat else (*here, i)] = value
    return flat


def dump(sock, kind, payload):
    """The answers, without the header of netlink."""
    sock.send(struct.pack("=IHHII", 16 + len(payload), kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + payload)
    answers = []
    while True:
        data = sock.recv(1 << 18)
        at = 0
        while at < len(data):
            size, answer = struct.unpack_from("=IH", data, at)
            if answer == NLMSG_DONE:
                return answers
            if answer == NLMSG_ERROR:
                raise OSError(-struct.unpack_from("=i", data, at + 16)[0], f"dump {kind:#x}")
            answers.append(data[at + 16:at + size])
            at += (size + 3) & ~3


class Namespace:
    """Sockets and switches of one network namespace (path None: ours)."""

    def __init__(self, name, path, switches):
        self.name, self.home = name, os.open("/proc/self/ns/net", os.O_RDONLY)
        self.path = path or f"/proc/self/fd/{self.home}"
        self.inside(self._open)
        self.switches = [FORWARD, *switches]
        for folder in SWITCHES:
            self.switches += self.inside(lambda f=folder: [f"{f}/{x}" for x in sorted(os.listdir(f"/proc/sys/{f}"))])

    def inside(self, function):
        enter(self.path)
        try:
            return function()
        finally:
            enter(f"/proc/self/fd/{self.home}")

    def _open(self):
        self.route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.nft = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)

    def take(self):
        state = {}
        for name, (kind, request, header, nested) in ROUTE_DUMPS.items():
            for n, answer in enumerate(dump(self.route, kind, request)):
                head = answer[:header]
                if name == "link":
                    flags = struct.unpack_from("=I", head, 8)[0] & ~IFF_MOVING
                    head = head[:8] + struct.pack("=I", flags)
                if name == "qdisc":
                    head = head[:16]  # its references are counted in the last word
                state[f"{self.name} {name} {n}"] = (head, flatten(answer[header:], nested, MOVING.get(name, ())))
        self._take_nft(state)
        state.update(self.inside(self._take_switches))
        return state

    def _take_nft(self, state):
        head = bytes(4)
        for kind in (GET_TABLES, GET_CHAINS, GET_RULES):
            for n, answer in enumerate(dump(self.nft, kind, head)):
                state[f"{self.name} nft {kind & 15} {n}"] = answer[:1] + NFT_MOVING.sub(b"", answer[4:])
        for n, answer in enumerate(dump(self.nft, GET_SETS, head)):
            a = dict(attributes(answer[4:]))
            state[f"{self.name} nft set {n}"] = answer[:1] + answer[4:]  # without the generation
            want = b"".join(struct.pack("=HH", 4 + len(v), k) + v + bytes(-len(v) % 4) for k, v in ((1, a[1]), (2, a[2])))
            for i, elements in enumerate(dump(self.nft, GET_ELEMENTS, answer[:4] + want)):
                state[f"{self.name} nft set {a[2][:-1].decode()} {i}"] = elements[4:]

    def _take_switches(self):
        state = {}
        for path in self.switches:
            try:
                with open(f"/proc/sys/{path}", "rb", buffering=0) as file:
                    state[f"{self.name} {path}"] = file.read()
            except OSError as error:
                state[f"{self.name} {path}"] = error.errno
        return state


def files(folder, state):
    """Mode and contents of all below a folder."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        mode = entry.stat(follow_symlinks=False).st_mode
        if entry.is_symlink():
            state[entry.path] = (mode, os.readlink(entry.path))
        elif entry.is_dir():
            state[entry.path] = mode
            files(entry.path, state)
        else:
            state[entry.path] = (mode, Path(entry.path).read_bytes() if entry.is_file() else None)


class NodeState:
    """The host and the pods given. `switches`: more of them, in the pods (below /proc/sys). What moves
    on by design is left out: the round robin's memory and the stamp of host-local's index."""

    def __init__(self, pods=(), switches=(), folders=FOLDERS):
        self.folders = folders
        self.spaces = [Namespace("host", None, ()), *(Namespace(p.name, p.path, switches) for p in pods)]

    def take(self):
        state = {}
        for space in self.spaces:
            state.update(space.take())
        for folder in self.folders:
            files(folder, state)
        return {k: v for k, v in state.items() if "/last_reserved_ip." not in k and not k.endswith("/.podwire/stamp")}

    def changed(self, before):
        """{what: "this became that"}"""
        after = self.take()
        return {k: f"{before.get(k)!r:.600} became {after.get(k)!r:.600}"
                for k in sorted({*before, *after}) if before.get(k) != after.get(k)}

    def same(self, before, what):
        lines = [f"{k}: {text}" for k, text in self.changed(before).items()]
        if not lines:
            return
        raise AssertionError(f"{what}: the node is not as it was\n" + "\n".join(lines[:40]))
