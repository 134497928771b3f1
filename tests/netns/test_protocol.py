# SPDX-License-Identifier: GPL-2.0-or-later
"""What surrounds a verb: the journal, the debug switch, closed descriptors, poor environments."""

import json
import os
import socket
import subprocess
from pathlib import Path

from world import eq, main, test

CONF = {"cniVersion": "1.1.0", "name": "net1", "type": "loopback"}


def journal(kind=socket.SOCK_DGRAM):
    """A journal's native socket, of our own."""
    folder = Path("/run/systemd/journal")
    folder.mkdir(parents=True)
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(str(folder / "socket"))
    sock.setblocking(False)
    return sock


def datagrams(sock):
    found = []
    while True:
        try:
            found.append(sock.recv(65536).decode())
        except BlockingIOError:
            return found


def fields(text):
    return dict(line.split("=", 1) for line in text.splitlines())


def raw(w, env, conf=CONF, **popen):
    """Run loopback with exactly this environment."""
    return subprocess.run([f"{w.bin}/loopback"], input=json.dumps(conf), env=env, text=True,
                          capture_output=True, timeout=30, check=False, **popen)


def environment(verb="ADD", netns="/run/netns/p", **more):
    return {"CNI_COMMAND": verb, "CNI_CONTAINERID": "c1", "CNI_NETNS": netns, "CNI_IFNAME": "lo",
            "CNI_PATH": "/x", **more}


@test
def a_failing_verb_tells_the_journal_once(w):
    sock = journal()
    pod = w.pod("p")
    w.call("loopback", "ADD", CONF, pod, id="abc").ok()
    eq(datagrams(sock), [], "success is silent")
    pod.sh("ip link set lo down")
    reply = w.call("loopback", "CHECK", CONF, pod, id="abc").fails(103)
    sent = datagrams(sock)
    eq(len(sent), 1, "datagrams")
    got = fields(sent[0])
    eq(0 <= int(got.pop("DURATION_USEC")) < 10_000_000, True, "duration")
    eq(got, {"SYSLOG_IDENTIFIER": "podwire", "PRIORITY": "3", "CNI_PLUGIN": "loopback",
             "CNI_COMMAND": "CHECK", "CNI_NETWORK": "net1", "CNI_CONTAINERID": "abc",
             "CNI_IFNAME": "eth0", "CODE": "103", "MESSAGE": reply.msg})


@test
def nobody_can_put_fields_into_the_journal(w):
    sock = journal()
    w.call("loopback", "ADD", {**CONF, "name": "a\nCODE=0\nMESSAGE=fine"}, w.pod("p")).fails(7)
    text = datagrams(sock)[0]
    eq(text.count("\nCODE="), 1)
    eq(text.count("\nMESSAGE="), 1)


@test
def a_full_or_strange_journal_delays_nothing(w):
    sock = journal()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            for _ in range(10_000):  # nobody reads: it is full long before
                sender.sendto(b"x", "/run/systemd/journal/socket")
        except BlockingIOError:
            pass
    done = raw(w, environment(), conf="")
    eq(done.returncode, 1)
    sock.close()
    os.unlink("/run/systemd/journal/socket")
    Path("/run/systemd/journal/socket").write_text("no socket")
    eq(raw(w, environment(), conf="").returncode, 1)


@test
def the_debug_switch(w):
    pod = w.pod("p")
    eq(w.call("loopback", "ADD", CONF, pod).ok().err, "", "off")
    Path("/run/podwire").mkdir(exist_ok=True)
    Path("/run/podwire/debug").touch()
    sock = journal()
    reply = w.call("loopback", "ADD", CONF, pod).ok()
    eq("podwire loopback[" in reply.err, True, reply.err)
    eq("\n{" in reply.err or reply.json is None, False, "stdout is the result alone")
    eq(len(datagrams(sock)), len(reply.err.splitlines()), "one line, one datagram")
    Path("/run/podwire/debug").unlink()
    eq(w.call("loopback", "ADD", CONF, pod).ok().err, "", "off again")


def full_pipe():
    """A pipe that nobody reads and that takes no byte more: (read end, write end)."""
    ends = os.pipe()
    os.set_blocking(ends[1], False)
    for chunk in (4096, 1):
        try:
            while os.write(ends[1], b"x" * chunk):
                pass
        except BlockingIOError:
            pass
    os.set_blocking(ends[1], True)
    return ends


@test
def a_debug_line_waits_for_nobody(w):
    w.pod("p")
    Path("/run/podwire").mkdir(exist_ok=True)
    Path("/run/podwire/debug").touch()
    unread, full = full_pipe()
    done = subprocess.run([f"{w.bin}/loopback"], input=json.dumps(CONF), env=environment(), text=True,
                          stdout=subprocess.PIPE, stderr=full, timeout=10, check=False)
    eq(done.returncode, 0, done.stdout)
    os.close(unread)
    os.close(full)


@test
def a_remark_waits_a_second(w):
    unread, full = full_pipe()
    done = subprocess.run([f"{w.bin}/loopback"], input=json.dumps({**CONF, "prevResult": 5}), text=True,
                          env=environment("DEL", ""), stdout=subprocess.PIPE, stderr=full, timeout=10,
                          check=False)
    eq(done.returncode, 0, done.stdout)
    os.close(unread)
    os.close(full)


@test
def out07_a_full_stdout_fails_and_is_taken_back(w):
    pod = w.pod("p")
    with open("/dev/full", "w") as full:
        done = subprocess.run([f"{w.bin}/loopback"], input=json.dumps(CONF), env=environment(), text=True,
                              stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    eq(done.returncode, 1)
    # OUT-04: with nothing on stdout, the runtime shows stderr.
    eq("write the answer to stdout: No space left on device" in done.stderr, True, done.stderr)
    eq("UP" in pod.json("ip -j link show lo")[0]["flags"], False, "lo is down again")


@test
def closed_descriptors(w):
    # A descriptor opened later must not be taken for stdout or stderr: the answer, or the lines that
    # the debug switch asks for, would go into a state file.
    folder = Path("/var/lib/cni/networks/net1")
    Path("/run/podwire").mkdir()
    Path("/run/podwire/debug").touch()
    Path("/run/conf").write_text(json.dumps({**CONF, "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}}))
    for closed, exit_code in (("0<&-", 1), ("1>&-", 1), ("0<&- 1>&-", 1), ("1>&- 2>&-", 1), ("2>&-", 0)):
        done = subprocess.run(["/bin/sh", "-c", f"exec {w.bin}/host-local < /run/conf {closed}"],
                              env=environment(PATH="/usr/bin:/bin"), capture_output=True, timeout=30,
                              check=False)
        eq(done.returncode, exit_code, f"{closed}: {done}")
        files = {f.name: f.read_bytes() for f in folder.glob("*") if f.is_file()}
        eq(len([name for name in files if name[0].isdigit()]), 1 - exit_code, f"{closed}: {files}")
        eq([name for name, text in files.items() if b"{" in text or b"podwire" in text], [], str(files))


@test
def poor_surroundings(w):
    pod = w.pod("p")
    folder = Path("/run/gone")
    folder.mkdir()
    cases = {"no PATH, no HOME": {}, "umask 000": {"umask": 0}, "umask 077": {"umask": 0o077}}
    for what, more in cases.items():
        done = raw(w, environment(), **more)
        eq((done.returncode, done.stderr), (0, ""), what)
    done = w.sh(f"cd {folder} && rmdir {folder} && ulimit -n 12 && exec {w.bin}/loopback",
                input=json.dumps(CONF), env=environment())
    eq(done.returncode, 0, "a deleted working directory and few descriptors")
    eq("UP" in pod.json("ip -j link show lo")[0]["flags"], True)


@test
def in18_big_documents(w):
    pod = w.pod("p")
    blob = {"io.kubernetes.cri.pod-annotations": {"a": "\u00e4<&>" * 250_000}}
    w.call("loopback", "ADD", {**CONF, "runtimeConfig": blob}, pod).ok()
    w.call("loopback", "ADD", json.dumps(CONF)[:-1] + " " * (16 << 20) + "}", pod).fails(5, "more than the 16777216 bytes")
    deep = '{"name":"net1","x":' + "[" * 100 + "]" * 100 + "}"
    w.call("loopback", "ADD", deep, pod).ok()
    bottomless = '{"name":"net1","x":' + "[" * 100_000 + "]" * 100_000 + "}"
    w.call("loopback", "ADD", bottomless, pod).fails(6, "maximum parsing depth reached")


if __name__ == "__main__":
    main()
