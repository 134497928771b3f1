# SPDX-License-Identifier: GPL-2.0-or-later
"""What crosses a wire: a raw socket's eyes on it, packets of full size, and streams that go on while
something else happens."""

import ipaddress
import json
import os
import select
import signal
import socket
import struct
import time
from dataclasses import dataclass

ETH_P_ALL, SO_RCVBUFFORCE, PACKET_OUTGOING = 3, 33, 4
IPIP, TCP, UDP = 4, 6, 17


@dataclass(frozen=True)
class Packet:
    source: str
    target: str
    protocol: int
    port: int  # of the target, of TCP and UDP
    fragment: bool
    vni: int | None  # of VXLAN on the port that was named
    inner: "Packet | None"  # what a tunnel carries


def _vxlan(data, tunnel):
    """The VNI and the frame in a UDP packet to the tunnel's port; flags: the I bit alone."""
    flags, _, vni = struct.unpack_from("!B3sI", data, 8)
    return (vni >> 8, frame(data[16:], tunnel)) if flags & 0x08 else (None, None)


def packet(data, tunnel=8472):
    """A Packet from an IP header on, or None."""
    if len(data) < 20:
        return None
    if data[0] >> 4 == 4:
        size, protocol = (data[0] & 15) * 4, data[9]
        fragment = bool(struct.unpack_from("!H", data, 6)[0] & 0x3fff)
        ends = data[12:16], data[16:20]
    else:
        size, protocol, fragment, ends = 40, data[6], data[6] == 44, (data[8:24], data[24:40])
    rest, port, vni, inner = data[size:], 0, None, None
    if protocol in (TCP, UDP) and len(rest) >= 16 and not fragment:
        port = struct.unpack_from("!H", rest, 2)[0]
        if protocol == UDP and port == tunnel:
            vni, inner = _vxlan(rest, tunnel)
    if protocol == IPIP:
        inner = packet(rest, tunnel)
    source, target = (str(ipaddress.ip_address(end)) for end in ends)
    return Packet(source, target, protocol, port, fragment, vni, inner)


def frame(data, tunnel=8472):
    return packet(data[14:], tunnel) if data[12:14] in (b"\x08\x00", b"\x86\xdd") else None


class Wire:
    """The IP packets on an interface of this namespace from now on.

        with Wire("n1") as wire:
            ...
        wire.packets()
    """

    def __init__(self, interface, tunnel=8472):
        self.tunnel = tunnel
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind((interface, ETH_P_ALL))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def packets(self):
        """All since the last call; the socket held them."""
        found = []
        while True:
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return [p for p in found if p]
            found.append(frame(data, self.tunnel))


# ---- packets of full size

HEADERS = {4: 28, 6: 48}


def family_of(address):
    return ipaddress.ip_address(address).version


def pings_all(net, addresses, size=0, seconds=3):
    """The addresses that do not answer an echo request in one packet of `size` bytes that nobody may
    fragment (0: a small one)."""
    command = "".join(
        f"{{ ping -n -q -c 1 -W {seconds} {f'-M do -s {size - HEADERS[family_of(a)]}' if size else ''} {a}"
        f" >/dev/null 2>&1 || echo {a}; }} & " for a in addresses)
    return net.sh(command + "wait").stdout.split()


def _sink(address, writer):
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as server:
        os.write(writer, str(server.getsockname()[1]).encode())
        os.close(writer)
        connection, _ = server.accept()
        with connection:
            total = 0
            while data := connection.recv(1 << 16):
                total += len(data)
            connection.sendall(str(total).encode())


def transfer(source, target, address, size=2_000_000):
    """So many bytes over one TCP connection; how many the other end says it got."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            target.enter()
            _sink(address, writer)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        port = int(pipe.read() or 0)

    def send():
        with socket.create_connection((address, port), timeout=10) as connection:
            connection.sendall(bytes(size))
            connection.shutdown(socket.SHUT_WR)
            return int(connection.recv(64) or 0)
    try:
        return source.inside(send)
    finally:
        target.world.stop(pid)


# ---- streams that go on

ASK = struct.Struct("!Q")


def _echo(address, writer):
    """One TCP connection and any datagrams, sent back as they come."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.create_server((address, 0), family=family)
    port = server.getsockname()[1]
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    datagrams.bind((address, port))
    os.write(writer, str(port).encode())
    os.close(writer)
    connection, _ = server.accept()
    poll = select.poll()
    for each in (connection, datagrams):
        poll.register(each, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == datagrams.fileno():
                datagrams.sendto(*datagrams.recvfrom(2048))
            elif data := connection.recv(1 << 16):
                connection.sendall(data)
            else:
                return


def _flow(address, port, report, pause):
    """Number after number in both ways until SIGTERM; then what came back of them."""
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    connection = socket.create_connection((address, port), timeout=30)
    datagrams = socket.socket(connection.family, socket.SOCK_DGRAM)
    datagrams.connect((address, port))
    number, back = 0, set()
    os.write(report, b"+")
    while not ended:
        number += 1
        datagrams.send(ASK.pack(number))
        connection.sendall(ASK.pack(number))
        got = b""
        while len(got) < ASK.size:
            part = connection.recv(ASK.size - len(got))
            if not part:
                raise ConnectionError("the other end closed the connection")
            got += part
        if ASK.unpack(got)[0] != number:
            raise ConnectionError(f"{ASK.unpack(got)[0]} came back instead of {number}")
        _collect(datagrams, back, pause)
        os.write(report, b".")
    _collect(datagrams, back, 0.3)
    return {"sent": number, "lost": sorted(set(range(1, number + 1)) - back)}


def _collect(datagrams, back, seconds):
    """What comes back within the time that lies between two numbers."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([datagrams], [], [], left)[0]:
            back.add(ASK.unpack(datagrams.recv(64))[0])


class Stream:
    """A TCP connection and a row of datagrams between two namespaces, with a number to and fro on both every
    few milliseconds. `advance()` waits until some more have passed; `end()` gives {sent, lost}: datagrams
    that did not come back. A connection that breaks, or stands still for 30 s, fails `end()`."""

    def __init__(self, source, target, address, pause=0.005):
        self.name = f"{source.name} to {target.name} at {address}"
        reader, writer = os.pipe()
        self.server = os.fork()
        if self.server == 0:
            try:
                os.close(reader)
                target.enter()
                _echo(address, writer)
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            port = int(pipe.read() or 0)
        self.progress, report = os.pipe()
        self.answer = os.memfd_create("answer")
        self.client = os.fork()
        if self.client == 0:
            try:
                os.close(self.progress)
                source.enter()
                said = _flow(address, port, report, pause)
            except BaseException as error:
                said = {"error": repr(error)}
            os.write(self.answer, json.dumps(said).encode())
            os._exit(0)
        os.close(report)
        self.advance(1)

    def advance(self, count=20, seconds=35):
        """So many more numbers come back."""
        deadline = time.monotonic() + seconds
        while count > 0:
            if not select.select([self.progress], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"stream {self.name} stands still")
            got = len(os.read(self.progress, 4096))
            if not got:
                raise AssertionError(f"stream {self.name}: {self._said()}")
            count -= got

    def fresh(self, count=20):
        """So many, from now on: what had passed before does not count."""
        while select.select([self.progress], [], [], 0)[0] and os.read(self.progress, 4096):
            pass
        self.advance(count)

    def _said(self):
        os.waitpid(self.client, 0)
        return json.loads(os.pread(self.answer, 1 << 20, 0) or b'{"error": "died"}')

    def end(self):
        os.kill(self.client, signal.SIGTERM)
        said = self._said()
        os.kill(self.server, signal.SIGKILL)
        os.waitpid(self.server, 0)
        os.close(self.progress)
        os.close(self.answer)
        if "error" in said:
            raise AssertionError(f"stream {self.name}: {said['error']}")
        return said
