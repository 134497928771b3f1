#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""flannel as a runtime sees it (overlay.md §4): before our bridge, host-local and portmap, and before a delegate
that writes down what it was given."""

import json
import os
import signal
from pathlib import Path

from world import eq, main, test, wait_for

GO = os.environ.get("CNI_REFERENCE_DIR", "/usr/lib/cni")
ENV, DIR = Path("/run/flannel/subnet.env"), Path("/var/lib/cni/flannel")
V4 = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n"
V6 = "FLANNEL_IPV6_NETWORK=fd00:10::/48\nFLANNEL_IPV6_SUBNET=fd00:10:0:1::1/64\n"
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
RANGES = [[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00:10:0:1::/64"}]]
ROUTES = [{"dst": "10.244.0.0/16"}, {"dst": "fd00:10::/48"}]
KEPT = {"cniVersion": "1.1.0", "hairpinMode": True, "ipMasq": False, "isDefaultGateway": True, "isGateway": True,
        "ipam": {"type": "host-local", "ranges": RANGES, "routes": ROUTES}, "mtu": 1400, "name": "cbr0", "type": "bridge"}


def daemon(text=V4 + V6, mtu=1400, masq="true"):
    """What the flannel daemon writes; None takes its file away."""
    ENV.parent.mkdir(exist_ok=True)
    if text is None:
        ENV.unlink(missing_ok=True)
    else:
        ENV.write_text(f"{text}FLANNEL_MTU={mtu}\nFLANNEL_IPMASQ={masq}\n")


def conf(version="1.1.0", **more):
    return {"cniVersion": version, "name": "cbr0", "type": "flannel",
            "delegate": {"isDefaultGateway": True, "hairpinMode": True}, **more}


def call(w, verb, pod=None, c=None, **more):
    if "id" not in more and pod is not None:
        more["id"] = pod.name
    return w.call("flannel", verb, c or conf(), pod, **more)


def state(name="a"):
    return json.loads((DIR / name).read_text())


def reserved(network="cbr0"):
    folder = Path("/var/lib/cni/networks") / network
    return sorted(p.name for p in folder.iterdir() if p.name[0] in "1f") if folder.exists() else []


def veths(w):
    return [link["ifname"] for link in w.json("ip -j link show type veth")]


def left(w):
    return veths(w), reserved(), sorted(p.name for p in DIR.iterdir())


NOTHING = ([], [], [])

# ---- a delegate that tells

RECORDER = """#!/bin/sh
D=/run/world/record
cat > $D/$CNI_COMMAND.stdin
env | grep ^CNI_ | sort > $D/$CNI_COMMAND.env
echo $CNI_COMMAND >> $D/log
[ -e $D/$CNI_COMMAND.do ] && . $D/$CNI_COMMAND.do
[ $CNI_COMMAND != ADD ] || echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.244.1.9/24"}]}'
"""


class Recorder:
    def __init__(self, w, name="recorder"):
        self.folder = Path("/run/world/record")
        self.folder.mkdir()
        program = Path("/run/world/delegates") / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(RECORDER)
        program.chmod(0o755)
        self.path = f"{program.parent}:{w.bin}"
        self.conf = conf(delegate={"type": name})

    def got(self, verb):
        return json.loads((self.folder / f"{verb}.stdin").read_text())

    def env(self, verb):
        return dict(line.split("=", 1) for line in (self.folder / f"{verb}.env").read_text().splitlines())

    def log(self):
        """The verbs so far; forgotten then."""
        file = self.folder / "log"
        lines = file.read_text().split() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def does(self, verb, script):
        (self.folder / f"{verb}.do").write_text(script)

    def fails(self, verb, code=100, msg="no"):
        self.does(verb, f"echo '{{\"code\": {code}, \"msg\": \"{msg} '$CNI_COMMAND'\"}}'; exit 1")

    def works(self, verb):
        (self.folder / f"{verb}.do").unlink()


# ---- pods

@test
def two_pods_as_the_daemon_says(w):
    """Addresses of both subnets, packets, the MTU in the pod; nothing stays."""
    daemon()
    a, b = w.pod("a"), w.pod("b")
    first, second = call(w, "ADD", a).ok(), call(w, "ADD", b).ok()
    eq([ip["address"] for ip in first.json["ips"]], ["10.244.1.2/24", "fd00:10:0:1::2/64"], "addresses")
    for address in second.ips():
        assert a.pings(address), f"{address} does not answer"
    eq([a.json("ip -j link show dev eth0")[0]["mtu"], w.json("ip -j link show dev cni0")[0]["mtu"]], [1400, 1400], "MTU")
    eq([a.json(f"ip -j route show {net}")[0]["gateway"] for net in ("10.244.0.0/16", "default")], ["10.244.1.1"] * 2, "routes")
    for pod in (a, b):
        call(w, "DEL", pod).ok()
        call(w, "DEL", pod).ok()
    eq(left(w), NOTHING, "left behind")


def seen_by_a_neighbour(w, masq, **keys):
    daemon(masq=masq)
    node2 = w.neighbour()
    node2.sh("ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8:0:1::1")
    node2.serve(7000)
    for net in (w, node2):  # until then the kernel asks for no neighbour there
        wait_for(lambda: "tentative" not in net.sh("ip -6 addr show dev eth0").stdout, "eth0's link-local address")  # noqa: B023
    a = w.pod("a")
    call(w, "ADD", a, conf(delegate={"isDefaultGateway": True, **keys})).ok()
    return [a.ask(address, 7000).split()[1] for address in ("192.0.2.2", "2001:db8:0:1::2")]


@test
def the_daemon_masquerades(w):
    eq(seen_by_a_neighbour(w, "true"), ["10.244.1.2", "fd00:10:0:1::2"], "ours too")


@test
def the_daemon_does_not_masquerade(w):
    eq(seen_by_a_neighbour(w, "false"), ["192.0.2.1", "2001:db8:0:1::1"], "and we neither")


@test
def the_delegate_may_decide_for_itself(w):
    eq(seen_by_a_neighbour(w, "true", ipMasq=True), ["192.0.2.1", "2001:db8:0:1::1"], "ipMasq of the delegate")


@test
def every_version_prints_its_layout(w):
    daemon()
    for version in (*VERSIONS, None):
        pod = w.pod("v" + (version or "none").replace(".", ""))
        c = conf(version)
        if version is None:
            del c["cniVersion"]
        reply = call(w, "ADD", pod, c).ok()
        eq((reply.json["cniVersion"], len(reply.ips())), (version or "0.1.0", 2), "version and addresses")
        eq(state(pod.name).get("cniVersion"), version, "the delegate's version")
        call(w, "DEL", pod, c).ok()
    eq(left(w), NOTHING, "left behind")


@test
def what_the_runtime_chose_reaches_the_delegate(w):
    daemon()
    pod = w.pod("a")
    given = {"mac": "02:00:00:00:12:34", "ips": ["10.244.1.77/24"]}
    call(w, "ADD", pod, conf(capabilities={"mac": True, "ips": True}, runtimeConfig=given)).ok()
    eq((pod.json("ip -j link show dev eth0")[0]["address"], pod.ips("eth0", 4)), (given["mac"], ["10.244.1.77/24"]), "in the pod")
    eq(state()["runtimeConfig"], given, "kept")


@test
def twelve_at_once(w):
    daemon()
    pods = [w.pod(f"p{i}") for i in range(12)]
    for verb in ("ADD", "DEL"):
        running = [w.start("flannel", verb, conf(), pod, id=pod.name) for pod in pods]
        replies = [w.finish(process).ok() for process in running]
        if verb == "ADD":
            eq(len({r.ips()[0] for r in replies}), 12, "addresses")
            eq(sorted(p.name for p in DIR.iterdir()), sorted(p.name for p in pods), "state files")
    eq(left(w), NOTHING, "left behind")


@test
def before_the_references_plugins(w):
    """Debian's bridge and host-local do as they are told; a pod of theirs is deleted by ours, and one of ours by theirs."""
    daemon(V4)
    theirs = Path("/run/world/theirs")
    theirs.mkdir()
    for name, folder in (("flannel", w.bin), ("bridge", GO), ("host-local", GO), ("portmap", GO)):
        (theirs / name).symlink_to(Path(folder, name).resolve())
    c, (a, b) = conf("1.0.0"), (w.pod("a"), w.pod("b"))
    call(w, "ADD", a, c, path=str(theirs)).ok()
    call(w, "ADD", b, c).ok()
    assert a.pings("10.244.1.3"), "no ping between theirs and ours"
    eq(a.json("ip -j link show dev eth0")[0]["mtu"], 1400, "MTU")
    daemon(None)
    call(w, "DEL", a, c).ok()
    call(w, "DEL", b, c, path=str(theirs)).ok()
    eq(left(w), NOTHING, "left behind")


# ---- what the delegate is given

@test
def the_delegate_gets_what_was_kept(w):
    """Its stdin is the state file in ADD and DEL, with additions of the verb in CHECK and GC; the environment is ours."""
    daemon()
    recorder, pod = Recorder(w), w.pod("a")
    c = recorder.conf
    want = {"cniVersion": "1.1.0", "ipMasq": False, "ipam": KEPT["ipam"], "mtu": 1400, "name": "cbr0", "type": "recorder"}
    added = call(w, "ADD", pod, {**c, "prevResult": {"cniVersion": "1.1.0"}}, args="IgnoreUnknown=1", path=recorder.path).ok()
    eq((recorder.got("ADD"), state()), (want, want), "ADD")
    eq(added.ips(), ["10.244.1.9"], "its result")
    call(w, "CHECK", pod, {**c, "prevResult": added.json}, path=recorder.path).ok()
    eq(recorder.got("CHECK"), {**want, "prevResult": added.json}, "CHECK")
    call(w, "STATUS", c=c, path=recorder.path).ok()
    eq(recorder.got("STATUS"), want, "STATUS")
    valid = [{"containerID": "a", "ifname": "eth0"}, {"containerID": "other", "ifname": "net1"}]
    call(w, "GC", c={**c, "cni.dev/valid-attachments": valid}, path=recorder.path).ok()
    eq(recorder.got("GC"), {**want, "cni.dev/valid-attachments": valid, "cni.dev/attachments": valid}, "GC")
    daemon(mtu=1300)
    call(w, "DEL", pod, {**c, "prevResult": added.json}, path=recorder.path).ok()
    eq(recorder.got("DEL"), want, "DEL: what was kept, not what is")
    eq(recorder.log(), ["ADD", "CHECK", "STATUS", "GC", "DEL"], "verbs")
    eq(recorder.env("ADD"), {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "a", "CNI_NETNS": pod.path, "CNI_IFNAME": "eth0",
                             "CNI_ARGS": "IgnoreUnknown=1", "CNI_PATH": recorder.path}, "environment")


@test
def the_state_file_is_the_references(w):
    """Its path, modes and content: what the reference left we delete, and it finds what it would have written."""
    daemon()
    a, b = w.pod("a"), w.pod("b")
    call(w, "ADD", a).ok()
    eq(state(), KEPT, "the state file")
    eq([oct(p.stat().st_mode) for p in (DIR, DIR / "a")], ["0o40700", "0o100600"], "modes")
    # One of its own: keys in another order, another IPAM folder; then a reboot of the daemon's world.
    call(w, "ADD", b, conf(ipam={"dataDir": "/run/elsewhere"})).ok()
    text = json.dumps(dict(reversed(state("b").items())), indent=2)
    (DIR / "b").write_text(text)
    daemon(None)
    for pod in (a, b):
        call(w, "DEL", pod, conf("0.3.1")).ok()
    eq(left(w), NOTHING, "left behind")
    eq([p.name for p in Path("/run/elsewhere/cbr0").iterdir() if p.name[0] == "1"], [], "in the other IPAM folder")


@test
def two_networks_of_one_container(w):
    """As multus has them: each has its own file, and each DEL takes its own things."""
    daemon(V4)
    pod = w.pod("a")
    second = conf(name="second", delegate={"bridge": "cni1", "isGateway": False})
    call(w, "ADD", pod).ok()
    call(w, "ADD", pod, second, ifname="net1").ok()
    eq((state("a")["name"], state("a:net1")["name"]), ("cbr0", "second"), "state files")
    eq((reserved(), reserved("second")), (["10.244.1.2"], ["10.244.1.2"]), "reservations")
    call(w, "DEL", pod).ok()
    eq((reserved(), reserved("second"), [p.name for p in DIR.iterdir()]), ([], ["10.244.1.2"], ["a:net1"]), "after the first DEL")
    assert pod.ips("net1"), "the second network's interface is gone"
    call(w, "ADD", pod).ok()
    daemon(None)  # what is kept must do
    call(w, "DEL", pod, second, ifname="net1").ok()
    eq((state("a")["name"], reserved("second")), ("cbr0", []), "after the second's DEL")
    call(w, "DEL", pod).ok()
    eq((left(w), reserved("second")), (NOTHING, []), "left behind")


@test
def the_same_network_twice(w):
    """They share a file; the second DEL does without."""
    daemon(V4)
    pod = w.pod("a")
    for ifname in ("eth0", "net1"):
        call(w, "ADD", pod, conf(delegate={"isGateway": False}), ifname=ifname).ok()
    for ifname in ("eth0", "net1"):
        call(w, "DEL", pod, conf(delegate={"isGateway": False}), ifname=ifname).ok()
    eq(left(w), NOTHING, "left behind")


# ---- state that is gone or damaged

def damage(file, how):
    file.unlink()
    if how == "link":
        other = Path("/run/world/other")
        other.write_text('{"name": "cbr0", "type": "no-such-program"}')
        file.symlink_to(other)
    elif how != "missing":
        file.write_bytes(how)


@test
def del_heals_missing_and_damaged_files(w):
    daemon()
    pod = w.pod("a")
    for how in ("missing", b"", b"{", b"[]", b'{"name": "cbr0"}', b"\0" * 64, b"{" * 4096, "link"):
        call(w, "ADD", pod).ok()
        damage(DIR / "a", how)
        call(w, "DEL", pod).ok()
        eq(left(w), NOTHING, f"left behind after {how}")


@test
def add_heals_a_damaged_file(w):
    daemon()
    pod = w.pod("a")
    DIR.mkdir()
    for how in (b"", "link"):
        (DIR / "a").touch()
        damage(DIR / "a", how)
        call(w, "ADD", pod).ok()
        eq((state(), (DIR / "a").is_symlink()), (KEPT, False), "state file")
        call(w, "DEL", pod).ok()
    eq(left(w), NOTHING, "left behind")
    assert "no-such-program" in Path("/run/world/other").read_text(), "what the link names was written to"


@test
def a_damaged_file_waits_for_the_daemon(w):
    """After a power cut: files may be empty, and /run is. Nothing may get lost, and pods must go."""
    daemon()
    a, b = w.pod("a"), w.pod("b")
    for pod in (a, b):
        call(w, "ADD", pod).ok()
    (DIR / "a").write_bytes(b"")
    (DIR / "b").unlink()
    daemon(None)
    reply = call(w, "DEL", a).fails(11, "the state file /var/lib/cni/flannel/a is damaged: failed to load flannel")
    assert "open /run/flannel/subnet.env: no such file" in reply.msg, reply.msg
    eq((reserved(), (DIR / "a").exists()), (["10.244.1.2", "10.244.1.3", "fd00:10:0:1::2", "fd00:10:0:1::3"], True), "kept")
    call(w, "DEL", b).ok()  # no trace of it: it counts as deleted
    daemon()
    for pod in (a, b):
        call(w, "DEL", pod).ok()
    eq(left(w), NOTHING, "left behind")


@test
def a_failing_del_can_be_tried_again(w):
    """The reference removes its file at once: the second try finds nothing, and the address is lost."""
    daemon()
    pod = w.pod("a")
    call(w, "ADD", pod).ok()
    path = Path("/run/world/few")
    path.mkdir()
    for name in ("flannel", "bridge"):
        (path / name).symlink_to(Path(w.bin, name).resolve())
    for _ in range(2):
        call(w, "DEL", pod, path=str(path)).fails(104, 'failed to find plugin "host-local"')
        eq((state(), reserved()), (KEPT, ["10.244.1.2", "fd00:10:0:1::2"]), "kept")
    call(w, "DEL", pod).ok()
    eq(left(w), NOTHING, "left behind")


# ---- ADD that fails

@test
def a_failing_add_leaves_nothing(w):
    daemon()
    recorder, pod = Recorder(w), w.pod("a")
    failures = {"echo '{\"code\": 11, \"msg\": \"busy\"}'; exit 1": (11, "failed to delegate add: busy"),
                "echo rubbish; exit 0": (104, "failed to delegate add: plugin recorder"),
                "exit 0": (104, "printed no valid result"),
                "kill -KILL $$": (104, "ended by signal 9"),
                "exit 3": (104, "exit status 3")}
    for script, (code, text) in failures.items():
        recorder.does("ADD", script)
        call(w, "ADD", pod, recorder.conf, path=recorder.path).fails(code, text)
        eq((recorder.log(), recorder.got("DEL")["type"], list(DIR.iterdir())), (["ADD", "DEL"], "recorder", []), script)


@test
def what_could_not_be_taken_back_is_remembered(w):
    daemon()
    recorder, pod = Recorder(w), w.pod("a")
    for verb in ("ADD", "DEL"):
        recorder.fails(verb)
    reply = call(w, "ADD", pod, recorder.conf, path=recorder.path).fails(100, "failed to delegate add: no ADD")
    assert "no DEL" in reply.json["details"], reply.out
    eq((recorder.log(), state()["type"]), (["ADD", "DEL"], "recorder"), "kept")
    call(w, "DEL", pod, recorder.conf, path=recorder.path).fails(100, "no DEL")
    recorder.works("DEL")
    call(w, "DEL", pod, recorder.conf, path=recorder.path).ok()
    eq((recorder.log(), list(DIR.iterdir())), (["DEL", "DEL"], []), "after the DEL that worked")


@test
def a_second_add_does_not_harm_a_living_pod(w):
    daemon()
    pod, other = w.pod("a"), w.pod("b")
    call(w, "ADD", pod).ok()
    found = call(w, "ADD", other).ok().ips()
    before = w.files(DIR)
    daemon(mtu=1300)
    call(w, "ADD", pod).fails(101, "failed to delegate add: bridge: interface eth0 already exists")
    eq(w.files(DIR), before, "state files")
    assert pod.pings(found[0]), "the pod has lost its network"
    eq(len(reserved()), 4, "reservations")


@test
def one_container_twice_at_once(w):
    """A runtime that lost its answer tries again while the first try still runs: one of them is it, and stays."""
    daemon()
    pod = w.pod("a")
    for _ in range(8):
        running = [w.start("flannel", "ADD", conf(), pod, id="a") for _ in range(3)]
        won = [r for r in [w.finish(process) for process in running] if r.code == 0]
        assert len(won) == 1, f"{len(won)} have won"
        eq((pod.ips("eth0", 4), reserved(), state()), ([won[0].json["ips"][0]["address"]], sorted(won[0].ips()), KEPT), "pod and node")
        eq(pod.pings("10.244.1.1"), True, "the way out")
        call(w, "DEL", pod).ok()
        eq(left(w), NOTHING, "left behind")


@test
def what_is_alive_is_not_taken_back(w):
    """Nor with delegates of others, which say so in their own words; DEL finds it all the same."""
    daemon()
    recorder, pod = Recorder(w), w.pod("a")
    for code, msg in ((101, "mine"), (999, 'container veth name (\\"eth0\\") already exists'), (999, "duplicate allocation is not allowed")):
        recorder.fails("ADD", code, msg)
        call(w, "ADD", pod, recorder.conf, path=recorder.path).fails(code, "failed to delegate add: ")
        eq((recorder.log(), state()["type"]), (["ADD"], "recorder"), "no DEL, and what a DEL needs")
        call(w, "DEL", pod, recorder.conf, path=recorder.path).ok()
        eq((recorder.log(), list(DIR.iterdir())), (["DEL"], []), "after DEL")


@test
def killed_while_the_delegate_works(w):
    """The file is there before the delegate runs, so the next DEL finds everything."""
    daemon()
    recorder, pod = Recorder(w), w.pod("a")
    recorder.does("ADD", "echo $$ > $D/pid; exec sleep 30")
    process = w.start("flannel", "ADD", recorder.conf, pod, id="a", path=recorder.path)
    pid = wait_for(lambda: (recorder.folder / "pid").exists() and (recorder.folder / "pid").read_text().strip(), "the delegate")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    wait_for(lambda: "State:\tZ" in Path("/proc", pid, "status").read_text(), "the delegate dies with us")
    eq(state()["type"], "recorder", "kept")
    call(w, "DEL", pod, recorder.conf, path=recorder.path).ok()
    eq((recorder.log(), list(DIR.iterdir())), (["ADD", "DEL"], []), "after DEL")


@test
def nothing_is_run_before_the_daemon_is_ready(w):
    recorder, pod = Recorder(w), w.pod("a")
    before = w.snapshot(pods=[pod])
    for text, found in ((None, "open /run/flannel/subnet.env: no such file or directory"), ("", "is missing FLANNEL_NETWORK,")):
        daemon(text)
        reply = call(w, "ADD", pod, recorder.conf, path=recorder.path).fails(11, "failed to load flannel 'subnet.env' file: ")
        assert found in reply.msg and reply.msg.endswith(". Check the flannel pod log for this node."), reply.msg
    eq((recorder.log(), w.snapshot(pods=[pod])), ([], before), "the node")
    eq(call(w, "STATUS", c=recorder.conf, path=recorder.path).fails(50).msg, reply.msg, "STATUS says the same")


@test
def a_full_disk(w):
    """No file, no pod."""
    daemon()
    recorder, pod = Recorder(w), w.pod("a")
    w.sh(f"mkdir {DIR} && mount -t tmpfs -o size=4k tmpfs {DIR} && head -c 4096 /dev/zero > {DIR}/full")
    call(w, "ADD", pod, recorder.conf, path=recorder.path).fails(5, f"write {DIR}/a: No space left on device")
    eq((recorder.log(), [p.name for p in DIR.iterdir()]), ([], ["full"]), "left")


@test
def a_read_only_folder(w):
    """Nor where there is no inode or nothing may be written; DEL takes all but the file, says so, and the next finishes."""
    daemon()
    a, b = w.pod("a"), w.pod("b")
    w.sh(f"mkdir {DIR} && mount -t tmpfs -o nr_inodes=2 tmpfs {DIR}")
    call(w, "ADD", a).ok()
    call(w, "ADD", b).fails(5, "No space left on device")
    eq((len(veths(w)), len(reserved()), [p.name for p in DIR.iterdir()]), (1, 2, ["a"]), "left, without an inode")
    w.sh(f"mount -o remount,ro {DIR}")
    call(w, "ADD", b).fails(5, f"{DIR}/b: Read-only file system")
    eq((len(veths(w)), len(reserved()), [p.name for p in DIR.iterdir()]), (1, 2, ["a"]), "left, read-only")
    for _ in range(2):
        call(w, "DEL", a).fails(5, f"{DIR}/a: Read-only file system")
        eq(left(w), ([], [], ["a"]), "left by DEL")
    w.sh(f"mount -o remount,rw {DIR}")
    call(w, "DEL", a).ok()
    eq(left(w), NOTHING, "left behind")


@test
def a_broken_folder(w):
    """No access to it works: DEL takes what today's configuration finds and says what it could not read."""
    daemon()
    a = w.pod("a")
    call(w, "ADD", a).ok()
    plain, broken = w.bin, Path("/run/world/broken")
    broken.mkdir()
    for program in Path(plain).iterdir():
        (broken / program.name).symlink_to(program)
    (broken / "flannel").unlink()
    (broken / "flannel").write_text(f"#!/bin/sh\nexec env ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -P {DIR} -P {DIR}/a"
                                    f" -e inject=openat,read,unlinkat,renameat2:error=EIO {plain}/flannel\n")
    (broken / "flannel").chmod(0o755)
    w.bin = str(broken)
    call(w, "ADD", w.pod("b")).fails(5, f"{DIR}: Input/output error")
    for _ in range(2):
        call(w, "DEL", a).fails(5, f"{DIR}: Input/output error")
        eq(left(w), ([], [], ["a"]), "left by DEL")
    w.bin = plain
    call(w, "DEL", a).ok()
    eq(left(w), NOTHING, "left behind")


# ---- CHECK, GC, STATUS

@test
def check_sees_what_is_wrong(w):
    daemon()
    pod = w.pod("a")
    prev = {"prevResult": call(w, "ADD", pod).ok().json}
    check = lambda: call(w, "CHECK", pod, conf(**prev))  # noqa: E731
    check().ok()
    for text, mtu, masq, found in ((V4 + V6, 1300, "true", "mtu was 1400 and is 1300"), (V4 + V6, 1400, "false", "ipMasq was false"),
                                   (V6, 1400, "true", "ipam.ranges was"),
                                   (V4.replace("10.244.1", "10.244.2") + V6, 1400, "true", "10.244.2.0/24")):
        daemon(text, mtu, masq)
        check().fails(103, found)
    daemon()
    check().ok()
    pod.sh("ip addr del 10.244.1.2/24 dev eth0")
    eq(check().fails(103).msg[:8], "bridge: ", "the delegate's own words")
    kept = (DIR / "a").read_text()
    (DIR / "a").write_text("")
    check().fails(103, "/var/lib/cni/flannel/a is damaged")
    (DIR / "a").unlink()
    check().fails(103, "/var/lib/cni/flannel/a is missing")
    (DIR / "a").write_text(kept)
    daemon(None)
    check().fails(11)


def gc(w, *valid, c=None, **more):
    pairs = [{"containerID": i, "ifname": f} for i, f in valid]
    return call(w, "GC", c={**(c or conf()), "cni.dev/valid-attachments": pairs}, **more)


@test
def gc_takes_what_nobody_names(w):
    daemon()
    pods = {name: w.pod(name) for name in "abc"}
    for pod in pods.values():
        call(w, "ADD", pod).ok()
    second = conf(name="second", delegate={"bridge": "cni1", "isGateway": False})
    call(w, "ADD", pods["a"], second, ifname="net1").ok()
    call(w, "ADD", pods["c"], second, ifname="net1").ok()
    (DIR / "damaged").write_bytes(b"")
    w.remove(pods.pop("c"))
    gc(w, ("a", "eth0"), ("b", "eth0"), ("elsewhere", "net7")).ok()
    eq(sorted(p.name for p in DIR.iterdir()), ["a", "a:net1", "b", "c:net1", "damaged"], "this network's, of pods that are gone")
    eq([len(reserved()), len(reserved("second"))], [4, 4], "reservations")
    assert pods["a"].pings("10.244.1.3"), "the living lost their network"
    gc(w, ("a", "net1"), c=second).ok()
    eq(sorted(p.name for p in DIR.iterdir()), ["a", "a:net1", "b", "damaged"], "after the second network's GC")
    gc(w, ("a", "eth0"), c=second).ok()  # another interface of a does not count
    gc(w).ok()
    eq([p.name for p in DIR.iterdir()], ["damaged"], "after all")
    eq((veths(w), reserved(), reserved("second")), ([], [], []), "left behind")


@test
def gc_of_the_references_files(w):
    """They do not name the interface: one that lives keeps the container's file."""
    daemon()
    recorder = Recorder(w)
    DIR.mkdir()
    for name in ("a", "b"):
        (DIR / name).write_text(json.dumps({**KEPT, "name": "cbr0", "type": "recorder"}))
    gc(w, ("a", "net1"), ("0", "eth0"), ("z", "eth0"), c=recorder.conf, path=recorder.path).ok()
    eq([p.name for p in DIR.iterdir()], ["a"], "files")


@test
def gc_removes_what_killed_writers_left(w):
    daemon()
    recorder = Recorder(w)
    DIR.mkdir()
    for name in (".tmp-1", ".tmp-2", ".other"):
        (DIR / name).write_text("{")
        if name != ".tmp-2":
            os.utime(DIR / name, (1, 1))
    (DIR / "a").write_text(json.dumps({**KEPT, "type": "recorder"}))
    (DIR / ".tmp-a").touch()  # that of a file which goes now is nobody's
    gc(w, c=recorder.conf, path=recorder.path).ok()
    eq(sorted(p.name for p in DIR.iterdir()), [".other", ".tmp-2"], "old ones go, what is being written stays")


@test
def del_takes_what_a_killed_writer_left(w):
    """Where a file is replaced, its new text has a name of its own before it is whole."""
    daemon()
    recorder, pod = Recorder(w), w.pod("a")
    call(w, "ADD", pod, recorder.conf, path=recorder.path).ok()
    (DIR / ".tmp-a").write_text("{")
    call(w, "DEL", pod, recorder.conf, path=recorder.path).ok()
    eq(list(DIR.iterdir()), [], "files")


@test
def gc_keeps_files_while_the_delegate_fails(w):
    daemon()
    recorder, pod = Recorder(w), w.pod("a")
    call(w, "ADD", pod, recorder.conf, path=recorder.path).ok()
    recorder.fails("GC")
    gc(w, c=recorder.conf, path=recorder.path).fails(100, "no GC")
    eq(state()["type"], "recorder", "kept")
    recorder.works("GC")
    gc(w, c=recorder.conf, path=recorder.path).ok()
    eq(list(DIR.iterdir()), [], "files")


@test
def status_is_the_delegates_too(w):
    daemon()
    recorder = Recorder(w)
    call(w, "STATUS").ok()
    recorder.fails("STATUS", 51)
    call(w, "STATUS", c=recorder.conf, path=recorder.path).fails(51, "no STATUS")
    DIR.parent.mkdir(exist_ok=True)
    DIR.write_text("")
    call(w, "STATUS").fails(50, "dataDir: /var/lib/cni/flannel is no folder")


# ---- names

@test
def long_names(w):
    """NAME_MAX holds for both: the file of a second network needs room for the interface too."""
    daemon(V4)
    recorder, pod = Recorder(w), w.pod("a")
    long, longer = "x" * 255, "x" * 256
    second = {**recorder.conf, "name": "second"}
    call(w, "ADD", pod, recorder.conf, id=long, path=recorder.path).ok()
    call(w, "ADD", pod, second, id=long, ifname="net1", path=recorder.path).fails(7, "ID is too long for the name of a file")
    call(w, "ADD", pod, recorder.conf, id=longer, path=recorder.path).fails(7, "ID is too long")
    for c, name in ((second, long), (recorder.conf, longer), (recorder.conf, long)):
        call(w, "DEL", pod, c, id=name, path=recorder.path).ok()
    eq((recorder.log(), list(DIR.iterdir())), (["ADD", "DEL", "DEL", "DEL"], []), "left")


if __name__ == "__main__":
    main()
