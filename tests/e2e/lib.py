"""A world of its own for each test with a real caller.

Theory of operation. main() forks one child per @test function. The child enters new network, mount,
process, IPC and host name namespaces and forks again, so that process 1 of the new process namespace
is a small reaper and the test runs below it. When the test is over, or its time is, process 1 ends
and the kernel takes every container, shim and server with it: no test can leave a process behind.
tmpfs lies over each folder that a caller or a plugin writes to (PRIVATE), so the machine's own state
is never seen. What lies outside namespaces is control groups: callers are told to put theirs under
one folder of ours (World.cgroup), which the parent removes.

The test's network namespace is `the node`: eth0 (192.168.50.11, fd50::11) leads to a namespace `lan`,
a neighbour on the node's network (192.168.50.2, fd50::2). The node's default routes lead there, and
the neighbour's lead back, so that a pod's address is reachable unless it was masqueraded: the address
that a server sees tells the two apart.

The programs under test come from $PODWIRE_BIN. With other CNI plugins in that folder the same tests
run against those; what only Podwire promises then becomes a note (World.promise).
"""

import contextlib
import ctypes
import difflib
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DEBIAN = "/usr/lib/cni"
BIN = "/run/e2e/bin"
NODE4, NODE6, LAN4, LAN6 = "192.168.50.11", "fd50::11", "192.168.50.2", "fd50::2"
PRIVATE = ("/dev/shm", "/var/tmp", "/mnt")
HIDDEN = {"/etc": ("cni", "containerd"), "/opt": ("cni", "containerd"),
          "/var/lib": ("cni", "containers", "containerd")}
LAN_PORT = 7000
STATE = ("/var/lib/cni", "/run/podwire", "/run/cni")
COMMAND_LIMIT = 30
TEST_LIMIT = 100

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE, MS_BIND = 2, 4, 0x4000, 1 << 18, 4096
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)
REQUIRE_ALL = os.environ.get("CNI_TEST_REQUIRE_ALL") == "1"
TESTS = []


class Skip(Exception):
    pass


class Unreachable(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def check_call(value, what):
    if value < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source, target, kind, flags=0, data=None):
    encode = lambda text: text.encode() if text else None
    check_call(libc.mount(encode(source), encode(str(target)), encode(kind), flags, encode(data)),
               f"mount {target}")


@contextlib.contextmanager
def netns(path):
    """Run the body's socket() calls in the namespace at path; this thread alone moves, and returns."""
    if path is None:
        yield
        return
    with open("/proc/thread-self/ns/net") as home, open(path) as away:
        check_call(libc.setns(away.fileno(), CLONE_NEWNET), f"setns {path}")
        try:
            yield
        finally:
            check_call(libc.setns(home.fileno(), CLONE_NEWNET), "setns back")


def wait_for(what, probe, seconds=10.0):
    """Poll probe until it answers something true; a bound on every wait for another program."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


def equal(found, wanted, what):
    if isinstance(found, str) and "\n" in found + str(wanted):
        found_lines, wanted_lines = found.splitlines(), str(wanted).splitlines()
        changes = [line for line in difflib.unified_diff(wanted_lines, found_lines, n=0, lineterm="")
                   if not line.startswith(("---", "+++", "@@"))]
        assert not changes, f"{what} changed: " + " | ".join(changes[:20])
    assert found == wanted, f"{what}: found {found!r}, wanted {wanted!r}"


def plain(address):
    """An address as servers print it, without brackets, zone and the v4-in-v6 prefix."""
    text = address.strip().strip("[]").split("%")[0]
    return text[7:] if text.startswith("::ffff:") and "." in text else text


def steady(text):
    """The text without what moves by itself: counters, carrier, timers and link-local addresses."""
    text = re.sub(r"packets \d+ bytes \d+|\b(linkdown|tentative|UP|DOWN|UNKNOWN)\b|<[A-Z_,-]*>", "", text)
    text = re.sub(r"state +mode|expires \d+sec|valid_lft \S+|preferred_lft \S+|fe80::[0-9a-f:]+/64", "", text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return "\n".join(line for line in lines if line and not re.search("fe80|ff00::/8|anycast", line))


class Server:
    """Answers each TCP connection and each UDP datagram with the client's address as it sees it."""

    def __init__(self, where, port, protocols=("tcp", "udp"), address="::"):
        self.sockets = []
        for protocol in protocols:
            kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with netns(where):
                sock = socket.socket(family, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind((address, port))
            self.sockets.append(sock)
            if protocol == "tcp":
                sock.listen(64)
            serve = self.streams if protocol == "tcp" else self.datagrams
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    @staticmethod
    def streams(sock):
        """Reads before it answers: closing with unread bytes would reset the connection."""
        while True:
            client, peer = sock.accept()
            with client, contextlib.suppress(OSError):
                client.settimeout(2)
                client.recv(1000)
                client.sendall(plain(peer[0]).encode())

    @staticmethod
    def datagrams(sock):
        with contextlib.suppress(OSError):
            while True:
                _, peer = sock.recvfrom(100)
                sock.sendto(plain(peer[0]).encode(), peer)


def ask(where, address, port, protocol="tcp", limit=3.0, say=b"hello\n"):
    """Send to address:port from the namespace `where`; give all that the server answers."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with netns(where):
        sock = socket.socket(family, kind)
    with sock:
        try:
            if protocol == "udp":
                return ask_datagram(sock, (address, port), limit)
            sock.settimeout(limit)
            sock.connect((address, port))
            sock.sendall(say)
            return read_all(sock).decode()
        except OSError as error:
            raise Unreachable(f"{protocol} {address}:{port}: {error}") from error


def ask_datagram(sock, target, limit):
    """UDP may lose the first datagram while a neighbour is looked up: three tries share the limit."""
    sock.connect(target)
    sock.settimeout(limit / 3)
    for left in (2, 1, 0):
        sock.send(b"hello\n")
        try:
            return sock.recv(200).decode()
        except TimeoutError:
            if left == 0:
                raise


def read_all(sock):
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def http(where, address, port, path="/cgi-bin/client", limit=3.0):
    """The body of a page; a busybox httpd answers the client's address at the default path."""
    request = f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode()
    answer = ask(where, address, port, "tcp", limit, request)
    head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
    assert " 200 " in head.split("\n")[0], f"{address}:{port} answered {answer!r}"
    return plain(body)


def refused(function, *args, **keys):
    """True when nobody answers; the tests' word for `this must not be open`."""
    try:
        function(*args, limit=0.6, **keys)
    except Unreachable:
        return True
    return False


class Pod:
    """A named network namespace that stands for a pod, or for a neighbour of the node."""

    def __init__(self, world, name):
        self.world, self.name, self.path = world, name, f"/run/netns/{name}"
        world.sh(f"ip netns add {name}")
        self.sh("ip link set lo up")

    def sh(self, command, check=True):
        return self.world.sh(f"nsenter --net={self.path} {command}", check)

    def links(self):
        return {link["ifname"]: link for link in json.loads(self.sh("ip -d -j addr"))}

    def pings(self, address, wait=2):
        return self.world.pings(address, self.path, wait)

    def remove(self):
        self.world.sh(f"ip netns del {self.name}")


class World:
    def __init__(self, name, cgroup):
        self.name, self.cgroup, self.notes, self.bin = name, cgroup, [], BIN
        banner = self.sh(f"env -u CNI_COMMAND {BIN}/bridge </dev/null 2>&1", check=False)
        self.own = "podwire" in banner
        self.build_node()
        self.before = self.others()

    def build_node(self):
        self.sh("ip link set lo up")
        self.lan = Pod(self, "lan")
        self.sh(f"ip link add eth0 type veth peer name eth0 netns lan")
        for where, v4, v6, to4, to6 in ((self, NODE4, NODE6, LAN4, LAN6),
                                        (self.lan, LAN4, LAN6, NODE4, NODE6)):
            where.sh(f"ip addr add {v4}/24 dev eth0")
            where.sh(f"ip addr add {v6}/64 dev eth0 nodad")
            where.sh("ip link set eth0 up")
            where.sh(f"ip route add default via {to4}")
            where.sh(f"ip -6 route add default via {to6}")
        Server(self.lan.path, LAN_PORT)

    def sh(self, command, check=True, env=None, limit=COMMAND_LIMIT, stdin=None):
        done = self.run(["sh", "-c", command], env, limit, stdin)
        if check:
            assert done.returncode == 0, f"`{command}` gave {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def run(self, argv, env=None, limit=COMMAND_LIMIT, stdin=None):
        """A command without a shell, bounded, on pipes that its own daemons may keep open."""
        environment = dict(os.environ, **(env or {}))
        with open("/run/e2e/out", "w+") as out, open("/run/e2e/err", "w+") as err:
            done = subprocess.run(argv, env=environment, timeout=limit, text=True, stdout=out,
                                  stderr=err, input=stdin, check=False)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(argv, done.returncode, out.read(), err.read())

    def pod(self, name):
        return Pod(self, name)

    def pings(self, address, where=None, wait=2):
        enter = f"nsenter --net={where} " if where else ""
        version = "-6" if ":" in address else "-4"
        command = f"{enter}busybox ping {version} -q -c 1 -W {wait} {address}"
        return self.run(["sh", "-c", command]).returncode == 0

    def promise(self, holds, what):
        """Assert what only Podwire promises: with other programs under test it becomes a note."""
        if self.own:
            assert holds, what
        elif not holds:
            self.notes.append(what)

    def promise_equal(self, found, wanted, what):
        try:
            equal(found, wanted, what)
        except AssertionError as error:
            self.promise(False, str(error))

    def promise_nothing_left(self, ids=()):
        found = self.leftovers(ids)
        self.promise(not found, "left behind: " + "; ".join(found))

    def promise_others_unchanged(self):
        self.promise_equal(self.others(), self.before, "what belongs to others")

    def skip(self, why):
        raise Skip(why)

    # What others see of the node.

    def links(self):
        return {link["ifname"]: link for link in json.loads(self.sh("ip -d -j addr"))}

    def others(self):
        """The ruleset of everybody else and the node's own links and routes, as text."""
        tables = [line.split()[1:3] for line in self.sh("nft list tables").splitlines()]
        rules = [self.sh(f"nft list table {family} {name}") for family, name in tables
                 if name != "podwire"]
        state = [self.sh(f"ip -d addr show dev {name}") for name in ("lo", "eth0")]
        routes = [self.sh(f"ip -{family} route show {which}") for family in (4, 6)
                  for which in ("default", "dev eth0")]
        return steady("\n".join(rules + state + routes + [self.sh("ip rule; ip -6 rule")]))

    def everything(self):
        """All that may change on the node, as text."""
        parts = [self.sh(command) for command in (
            "nft list ruleset", "ip -br link", "ip -br addr", "ip rule", "ip -6 rule",
            "ip route show table all", "ip -6 route show table all",
            "sysctl -e net.ipv4.ip_forward net.ipv6.conf.all.forwarding",
            "sysctl -a 2>/dev/null | grep -E 'route_localnet|accept_ra |bridge-nf' | grep -v veth")]
        return steady("\n".join(parts + self.state_files()))

    def state_files(self):
        files = [str(path) for folder in STATE for path in Path(folder).rglob("*") if path.is_file()]
        return sorted(file for file in files if "last_reserved_ip" not in file)

    def elements(self):
        """Every element of our tables, as (map, element as JSON)."""
        listing = json.loads(self.sh("nft -j list ruleset"))["nftables"]
        return [(item[kind]["name"], json.dumps(element)) for item in listing
                for kind in ("map", "set") if kind in item and item[kind]["table"] == "podwire"
                for element in item[kind].get("elem", [])]

    def leftovers(self, ids=(), folders=STATE):
        """What an attachment would leave: links, nft elements, address files, files naming its ID."""
        found = []
        for name, link in self.links().items():
            kind = link.get("linkinfo", {}).get("info_kind")
            if name not in ("lo", "eth0") and kind != "bridge":
                found.append(f"link {name}")
        found += [f"element {element} of {where}" for where, element in self.elements()]
        for folder in folders:
            for path in Path(folder).rglob("*"):
                found += self.leftover_file(path, ids)
        rules = self.sh("iptables-save; ip6tables-save")
        found += [f"iptables names {name}" for name in ids if name in rules]
        return found

    @staticmethod
    def leftover_file(path, ids):
        if not path.is_file():
            return []
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(path.name)
            return [f"address file {path}"]
        text = path.read_bytes().decode(errors="replace")
        return [f"{path} names {name}" for name in ids if name in text or name in str(path)]


class Reply:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        try:
            self.json = json.loads(self.out) if self.out.strip() else None
        except ValueError:
            self.json = None

    def __str__(self):
        return f"exit {self.code}, stdout {self.out!r}, stderr {self.err!r}"

    def error(self):
        assert self.code != 0 and isinstance(self.json, dict), f"an error was wanted: {self}"
        return self.json["code"], self.json["msg"] + " " + self.json.get("details", "")


class Chain:
    """Does with a list of plugins what libcni does: order, injected keys, prevResult, cache."""

    def __init__(self, world, conflist, path=None):
        self.world, self.path = world, path or [world.bin]
        self.list = conflist if isinstance(conflist, dict) else json.loads(Path(conflist).read_text())
        self.cache = {}

    def call(self, plugin, verb, pod="", ident="first-id", ifname="eth0", caps=None, previous=None, extra=None):
        conf = dict(plugin, name=self.list["name"])
        if "cniVersion" in self.list:
            conf["cniVersion"] = self.list["cniVersion"]
        wanted = {key: value for key, value in (caps or {}).items()
                  if plugin.get("capabilities", {}).get(key)}
        conf.update({"runtimeConfig": wanted} if wanted else {})
        conf.update({"prevResult": previous} if previous else {})
        conf.update(extra or {})
        env = {"CNI_COMMAND": verb, "CNI_PATH": ":".join(self.path)}
        if verb not in ("GC", "STATUS"):
            env.update(CNI_CONTAINERID=ident, CNI_NETNS=getattr(pod, "path", pod), CNI_IFNAME=ifname)
        return Reply(self.world.run([self.find(plugin["type"])], env, stdin=json.dumps(conf)))

    def find(self, name):
        for folder in self.path:
            if os.access(f"{folder}/{name}", os.X_OK):
                return f"{folder}/{name}"
        raise AssertionError(f"no plugin {name} in {self.path}")

    def old(self):
        return self.list.get("cniVersion", "0.1.0") < "0.4.0"

    def add(self, pod, ident="first-id", ifname="eth0", caps=None):
        result = None
        for plugin in self.list["plugins"]:
            reply = self.call(plugin, "ADD", pod, ident, ifname, caps, result)
            assert reply.code == 0, f"ADD {plugin['type']}: {reply}"
            assert isinstance(reply.json, dict), f"ADD {plugin['type']} printed no result: {reply}"
            result = reply.json
        self.cache[ident, ifname] = (result, caps)
        return result

    def check(self, pod, ident="first-id", ifname="eth0"):
        result, caps = self.cache[ident, ifname]
        for plugin in self.list["plugins"] if not self.old() else []:
            reply = self.call(plugin, "CHECK", pod, ident, ifname, caps, result)
            assert reply.code == 0, f"CHECK {plugin['type']}: {reply}"

    def delete(self, pod, ident="first-id", ifname="eth0"):
        result, caps = self.cache.get((ident, ifname), (None, None))
        for plugin in reversed(self.list["plugins"]):
            reply = self.call(plugin, "DEL", pod, ident, ifname, caps, None if self.old() else result)
            assert reply.code == 0, f"DEL {plugin['type']}: {reply}"
        self.cache.pop((ident, ifname), None)

    def gc(self, valid):
        attachments = [{"containerID": ident, "ifname": ifname} for ident, ifname in valid]
        for plugin in self.list["plugins"]:
            reply = self.call(plugin, "GC", extra={"cni.dev/valid-attachments": attachments,
                                                   "cni.dev/attachments": attachments})
            assert reply.code == 0, f"GC {plugin['type']}: {reply}"


def addresses(result, ifname=None):
    """The pod's addresses in a result of any version, without prefix length."""
    if "ips" in result:
        return [ip["address"].split("/")[0] for ip in result["ips"]]
    return [result[key]["ip"].split("/")[0] for key in ("ip4", "ip6") if key in result]


# Running.

def enter_world():
    check_call(libc.unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS),
               "unshare")
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def private_folders(programs):
    tmpfs("/run")
    for folder in ("/run/netns", "/run/e2e/home", "/run/e2e/tmp", "/run/lock", "/run/user"):
        os.makedirs(folder)
    os.chmod("/run/e2e/tmp", 0o1777)
    copy_programs(programs)
    for folder in PRIVATE:
        tmpfs(folder)
    for folder, names in HIDDEN.items():
        hide(folder, names)
    mount("proc", "/proc", "proc")
    for key in [key for key in os.environ if key.startswith(("XDG_", "CNI_", "CONTAINER"))]:
        if key != "CNI_TEST_REQUIRE_ALL":
            del os.environ[key]
    os.environ.update(HOME="/run/e2e/home", TMPDIR="/run/e2e/tmp", LC_ALL="C.UTF-8")


def tmpfs(folder):
    mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")


def copy_programs(programs):
    """Copies, so that a user without rights on the build folder can run them, from any folder."""
    os.makedirs(BIN)
    for program in Path(programs).iterdir():
        if program.is_file() and os.access(program, os.X_OK):
            shutil.copy(program, BIN)


def hide(folder, names):
    """Empty folders in the place of names inside folder; its other entries stay, as links."""
    real = f"/mnt/real{folder}"
    os.makedirs(real)
    mount(folder, real, None, MS_BIND | MS_REC)
    tmpfs(folder)
    for entry in os.listdir(real):
        if entry not in names:
            os.symlink(f"{real}/{entry}", f"{folder}/{entry}")
    for name in names:
        os.makedirs(f"{folder}/{name}")


def run_in_world(function, programs, cgroup):
    """In the child below process 1: 0 passed, 1 failed, 77 skipped."""
    world = None
    try:
        private_folders(programs)
        world = World(function.__name__, cgroup)
        function(world)
        code = 0
    except Skip as why:
        print(f"  {why}", flush=True)
        code = 77
    except Exception as error:
        trace = traceback.extract_tb(error.__traceback__)
        places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(trace))
        print(f"  {type(error).__name__}: {error}\n  at {places}", flush=True)
        code = 1
    for note in world.notes if world else []:
        print(f"  note, not Podwire: {note[:240]}", flush=True)
    return code


def reap(child):
    """Process 1: collect orphans until the test itself ends."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def middle(function, programs, cgroup):
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    enter_world()
    first = os.fork()
    if first == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        child = os.fork()
        os._exit(run_in_world(function, programs, cgroup) if child == 0 else reap(child))
    _, status = os.waitpid(first, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 1


def run_one(function, programs):
    cgroup = f"podwire-e2e-{os.getpid()}"
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            os._exit(middle(function, programs, cgroup))
        except BaseException as error:
            print(f"  {error}", flush=True)
            os._exit(1)
    code = wait_bounded(child)
    remove_cgroups(cgroup)
    return code


def wait_bounded(child):
    deadline = time.monotonic() + TEST_LIMIT
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    print(f"  not done after {TEST_LIMIT} s", flush=True)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 1


def remove_cgroups(name):
    for root in [path for path in Path("/sys/fs/cgroup").glob("*") if path.is_dir()] + [Path("/sys/fs/cgroup")]:
        top = root / name
        if not top.is_dir():
            continue
        for folder in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            top.rmdir()


def programs_folder():
    folder = os.environ.get("PODWIRE_BIN")
    if not folder or not os.access(f"{folder}/bridge", os.X_OK):
        sys.exit("set PODWIRE_BIN to the folder of the built programs")
    return os.path.abspath(folder)


def build_folder():
    """Where things may be kept between runs: beside the programs under test."""
    return Path(programs_folder()).parent


def main():
    if os.geteuid() != 0:
        sys.exit("these tests need root, for namespaces in which nothing of the machine is touched")
    programs = programs_folder()
    wanted = sys.argv[1:]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for function in TESTS:
        if wanted and function.__name__ not in wanted:
            continue
        start = time.monotonic()
        code = run_one(function, programs)
        word = {0: "passed", 77: "skipped"}.get(code, "failed")
        if word == "skipped" and REQUIRE_ALL:
            word = "failed"
        counts[word] += 1
        mark = {"passed": "ok", "failed": "FAIL", "skipped": "skip"}[word]
        print(f"{mark} {function.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
    print(", ".join(f"{number} {word}" for word, number in counts.items()), flush=True)
    sys.exit(1 if counts["failed"] or not sum(counts.values()) else 0)
