# SPDX-License-Identifier: GPL-2.0-or-later
"""The kubelet's side of containerd: four calls of the Container Runtime Interface.

gRPC by hand, since neither crictl nor a gRPC library is a Debian package: one HTTP/2 connection and
one stream per call, header fields as literals, messages as lists of (field, value) where a value is
a number, a text, or such a list again.
"""

import socket
import struct

DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
ACK, END_STREAM, END_HEADERS = 1, 1, 4
TCP, UDP = 0, 1


def varint(number):
    text = b""
    while number > 0x7F:
        text += bytes([number & 0x7F | 0x80])
        number >>= 7
    return text + bytes([number])


def encode(fields):
    """A message; empty values are left out, as the language asks."""
    text = b""
    for field, value in fields:
        if isinstance(value, int):
            text += varint(field << 3) + varint(value)
        else:
            inner = value.encode() if isinstance(value, str) else encode(value)
            text += varint(field << 3 | 2) + varint(len(inner)) + inner
    return text


def read_varint(text, at):
    number = shift = 0
    while True:
        number |= (text[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if text[at - 1] < 0x80:
            return number, at


def decode(text):
    """A message's fields by number: lists of numbers and of bytes."""
    fields, at = {}, 0
    while at < len(text):
        tag, at = read_varint(text, at)
        value, at = read_varint(text, at)
        if tag & 7 == 2:
            value, at = text[at : at + value], at + value
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def literal(name, value):
    """A header field that neither side has to remember (RFC 7541, section 6.2.2)."""
    return b"\0" + b"".join(varint(len(text)) + text.encode() for text in (name, value))


def frame(kind, flags, stream, payload=b""):
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + payload
    )


def receive(sock, length):
    parts = b""
    while len(parts) < length:
        part = sock.recv(length - len(parts))
        assert part, "containerd closed the connection"
        parts += part
    return parts


class Cri:
    """A pod is a sandbox alone: the image that containerd is told to use for it is our server."""

    def __init__(self, path, cgroup, log):
        self.path, self.cgroup, self.log = path, cgroup, log

    def call(self, method, fields, seconds=30):
        header = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", f"/runtime.v1.RuntimeService/{method}"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        message = encode(fields)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(seconds)
            sock.connect(self.path)
            sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
            sock.sendall(
                frame(HEADERS, END_HEADERS, 1, b"".join(literal(*pair) for pair in header))
            )
            sock.sendall(
                frame(DATA, END_STREAM, 1, b"\0" + struct.pack(">I", len(message)) + message)
            )
            answer = self.answer(sock)
        assert answer is not None, f"{method} failed: {self.log.read_text()[-1500:]}"
        return decode(answer)

    @staticmethod
    def answer(sock):
        """The message of stream 1, or None when the call failed: then there are only trailers."""
        text = b""
        while True:
            head = receive(sock, 9)
            kind, flags = head[3], head[4]
            payload = receive(sock, int.from_bytes(head[:3], "big"))
            if kind in (SETTINGS, PING) and not flags & ACK:
                sock.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
            if kind == DATA:
                text += payload
            if kind == HEADERS and flags & END_STREAM:
                return text[5:] if len(text) >= 5 else None

    def run(self, name, ports=(), annotations=()):
        """ports: (protocol, container port, host port, host address); annotations: (key, value)."""
        mappings = [
            (5, [(1, protocol), (2, inside), (3, outside), (4, address)])
            for protocol, inside, outside, address in ports
        ]
        metadata = [(1, name), (2, f"uid-{name}"), (3, "default")]
        notes = [(7, [(1, key), (2, value)]) for key, value in annotations]
        config = [(1, metadata), (2, name), *mappings, *notes, (8, [(1, self.cgroup)])]
        return self.call("RunPodSandbox", [(1, config)])[1][0].decode()

    def addresses(self, pod):
        network = decode(decode(self.call("PodSandboxStatus", [(1, pod)])[1][0])[5][0])
        return [network[1][0].decode()] + [decode(ip)[1][0].decode() for ip in network.get(2, [])]

    def stop(self, pod):
        self.call("StopPodSandbox", [(1, pod)])

    def remove(self, pod):
        self.call("RemovePodSandbox", [(1, pod)])
