# SPDX-License-Identifier: GPL-2.0-or-later
"""A world per test: every function marked @test runs in a child with its own network, mount and
process namespaces, and everything it made dies with that child.

    from world import test, main

    @test
    def two_pods_ping(w):
        a, b = w.pod("a"), w.pod("b")
        ...

    if __name__ == "__main__":
        main()

Inside, /run is an empty tmpfs, /var/lib/cni and /etc/cni are empty, /proc and /sys belong to the new
namespaces, and what is written elsewhere below /var/lib and /etc goes to an overlay that is thrown
away: the machine's disk stays as it was. `lo` is up; there is no other interface.

A file takes test names as arguments to run only those, and prints one line per test and
`N passed, N failed, N skipped`. CNI_TEST_REQUIRE_ALL=1 (or CI=true) turns a skip into a failure.
"""

import ctypes
import difflib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID = 0x00020000, 0x40000000, 0x20000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG = 1
IPPROTO_SCTP = 132
SANITIZER = 99  # cmake/sanitizers.c

_libc = ctypes.CDLL(None, use_errno=True)
_tests = []


class Skip(Exception):
    pass


def _sys(result, what):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _mount(source, target, kind, flags=0, data=None):
    enc = [x.encode() if isinstance(x, str) else x for x in (source, target, kind, data)]
    _sys(_libc.mount(enc[0], enc[1], enc[2], ctypes.c_ulong(flags), enc[3]), f"mount {kind} on {target}")


def unshare(flags):
    _sys(_libc.unshare(flags), "unshare")


def enter(netns):
    """Move the calling process into a network namespace (path)."""
    fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _sys(_libc.setns(fd, CLONE_NEWNET), f"setns {netns}")
    finally:
        os.close(fd)


def eq(got, want, what=""):
    """Equal, or a failure that shows both (as a diff when they are long texts)."""
    if got == want:
        return
    if isinstance(got, str) and isinstance(want, str) and ("\n" in got or "\n" in want):
        diff = difflib.unified_diff(want.splitlines(), got.splitlines(), "wanted", "got", lineterm="", n=1)
        raise AssertionError(f"{what}\n" + "\n".join(diff))
    raise AssertionError(f"{what}: got {got!r}, wanted {want!r}")


def wait_for(condition, what, seconds=5.0, every=0.02):
    """Poll until condition() is true and return its value; a failure that says `what` after that."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for: {what}")
        select.select([], [], [], every)


class Reply:
    """What a plugin answered."""

    def __init__(self, plugin, verb, code, out, err):
        self.plugin, self.verb, self.code, self.out, self.err = plugin, verb, code, out, err
        self.steps = [self]
        try:
            self.json = json.loads(out) if out.strip() else None
        except ValueError:
            self.json = None

    def ok(self):
        """It must have succeeded; gives the reply back."""
        if self.code != 0:
            raise AssertionError(f"{self} failed: {self.out.strip()} {self.err.strip()}")
        return self

    def fails(self, code=None, text=None):
        """It must have failed with a CNI error (of this code, with this text in msg); the reply."""
        if self.code == 0:
            raise AssertionError(f"{self} succeeded: {self.out.strip()}")
        error = self.json if isinstance(self.json, dict) else {}
        if "code" not in error or "msg" not in error:
            raise AssertionError(f"{self} printed no CNI error: {self.out!r} {self.err!r}")
        if code is not None and error["code"] != code:
            raise AssertionError(f"{self}: wanted code {code}: {self.out.strip()}")
        if text is not None and text not in error["msg"]:
            raise AssertionError(f"{self}: wanted {text!r} in msg: {self.out.strip()}")
        return self

    @property
    def msg(self):
        return self.json.get("msg", "") if isinstance(self.json, dict) else ""

    def ips(self):
        """The addresses of an ADD result, without prefix, whatever its version."""
        found = [ip["address"] for ip in self.json.get("ips", [])]
        found += [self.json[k]["ip"] for k in ("ip4", "ip6") if k in self.json]
        return [x.split("/")[0] for x in found]

    def __str__(self):
        return f"{self.plugin} {self.verb}"

    def __repr__(self):
        return f"<{self} exit {self.code} out {self.out[:400]!r} err {self.err[:400]!r}>"


class Net:
    """A network namespace to work in: the host's (path None) or a pod's."""

    def __init__(self, world, name, path):
        self.world, self.name, self.path = world, name, path

    def _under(self):
        """The program that runs others in this namespace, and its arguments."""
        return ["nsenter", f"--net={self.path}"] if self.path else []

    def _argv(self, cmd):
        return [*self._under(), *(["/bin/sh", "-c", cmd] if isinstance(cmd, str) else map(str, cmd))]

    def enter(self):
        """The calling process goes there for good."""
        if self.path:
            enter(self.path)

    def sh(self, cmd, check=True, timeout=30, input=None, env=None):
        """Run a command (text for the shell, or a list) in this namespace; a CompletedProcess of text."""
        done = subprocess.run(self._argv(cmd), text=True, capture_output=True, timeout=timeout,
                              input=input if input is not None else "",
                              env={**os.environ, **(env or {})})
        if check and done.returncode != 0:
            raise AssertionError(f"[{self.name}] {cmd}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def json(self, cmd):
        return json.loads(self.sh(cmd).stdout or "[]")

    def bg(self, cmd, **popen):
        """Start a command in the background; it dies with the test at the latest."""
        popen.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self._argv(cmd), text=True, **popen)

    def inside(self, function):
        """Run a Python function in this namespace and return what it returns (as JSON)."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            answer = None
            try:
                os.close(reader)
                self.enter()
                answer = {"value": function()}
            except BaseException:  # the parent raises it again
                answer = {"error": traceback.format_exc()}
            finally:
                with os.fdopen(writer, "w") as pipe:
                    json.dump(answer, pipe)
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            text = pipe.read()
        os.waitpid(pid, 0)
        answer = json.loads(text) if text else {"error": "child died"}
        if "error" in answer:
            raise AssertionError(f"in {self.name}: {answer['error']}")
        return answer["value"]

    def sysctl(self, key, value=None):
        """Read net.x.y (dots or slashes), or write it when a value is given."""
        path = "/proc/sys/" + (key if "/" in key else key.replace(".", "/"))

        def run():
            if value is not None:
                Path(path).write_text(str(value))
            return Path(path).read_text().strip()
        return self.inside(run)

    def ips(self, ifname, family=None):
        """Addresses with prefix on an interface, link-local ones left out."""
        links = self.json(f"ip -j addr show dev {ifname}")
        return [f"{a['local']}/{a['prefixlen']}" for link in links for a in link.get("addr_info", [])
                if a["scope"] != "link" and family in (None, {"inet": 4, "inet6": 6}[a["family"]])]

    def pings(self, address, seconds=2, count=1, extra=""):
        """Does a ping come back?"""
        done = self.sh(f"ping -n -q -c {count} -i 0.2 -W {seconds} {extra} {address}", check=False)
        return done.returncode == 0

    def serve(self, port, proto="tcp", text="hello", address=None):
        """Answer every connection or datagram with `TEXT CLIENT-ADDRESS`. Listens when it returns;
        returns the server's process id (World.stop() ends it; so does the end of the test)."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reader)
                self.enter()
                _serve(port, proto, text, address, writer)
            except BaseException:
                os.write(writer, traceback.format_exc().encode()[:4000])
            os._exit(1)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read().decode()
        if said != "ready":
            raise AssertionError(f"server {proto}/{port} in {self.name}: {said}")
        return pid

    def ask(self, address, port, proto="tcp", seconds=2, source=None, source_port=0):
        """Connect and return the answer, or None when nobody answered in time."""
        return self.inside(lambda: _ask(address, port, proto, seconds, source, source_port))


def _socket(proto, family):
    if proto == "udp":
        return socket.socket(family, socket.SOCK_DGRAM)
    return socket.socket(family, socket.SOCK_STREAM, IPPROTO_SCTP if proto == "sctp" else 0)


def _serve(port, proto, text, address, ready):
    v6 = address is None and os.path.exists("/proc/net/if_inet6") or address is not None and ":" in address
    sock = _socket(proto, socket.AF_INET6 if v6 else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if v6 and address is None:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((address or ("::" if v6 else "0.0.0.0"), port))
    if proto != "udp":
        sock.listen(64)
    os.write(ready, b"ready")
    os.close(ready)
    while True:
        if proto == "udp":
            _, peer = sock.recvfrom(2048)
        else:
            conn, peer = sock.accept()
        answer = f"{text} {peer[0].removeprefix('::ffff:')}".encode()
        if proto == "udp":
            sock.sendto(answer, peer)
            continue
        try:
            conn.sendall(answer)
        except OSError:
            pass
        conn.close()


def _ask(address, port, proto, seconds, source, source_port):
    with _socket(proto, socket.AF_INET6 if ":" in address else socket.AF_INET) as sock:
        sock.settimeout(seconds)
        if source or source_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((source or ("::" if ":" in address else "0.0.0.0"), source_port))
        try:
            sock.connect((address, port))
            if proto == "udp":
                sock.send(b"?")
            return sock.recv(4096).decode() or None
        except OSError:
            return None


class World(Net):
    """The host of one test, and the tools to act as a container runtime on it."""

    def __init__(self):
        super().__init__(self, "host", None)
        self.source = Path(__file__).resolve().parents[2]
        self.bin = os.environ.get("PODWIRE_BIN") or str(self.source / "build/dev/bin")
        self.tmp = Path("/run/world")  # a scratch folder, gone with the test
        self.pods = {}
        self.results = {}

    def pod(self, name):
        """A fresh network namespace at /run/netns/NAME, its lo down as a runtime leaves it."""
        self.sh(["ip", "netns", "add", name])
        self.pods[name] = Net(self, name, f"/run/netns/{name}")
        return self.pods[name]

    def path_of(self, path):
        """Where the test itself finds a file of this host."""
        return path

    def remove(self, pod):
        """The pod's namespace dies, as after a crash or a reboot of the container."""
        self.sh(["ip", "netns", "del", pod.name])
        self.pods.pop(pod.name, None)

    def neighbour(self, name="node2", link="eth0", v4=("192.0.2.1/24", "192.0.2.2/24"),
                  v6=("2001:db8:0:1::1/64", "2001:db8:0:1::2/64"), default=True):
        """Another machine on the host's interface LINK: a namespace joined by a veth, addresses
        (host's, its own), and the host's default routes through it."""
        pod = self.pod(name)
        self.sh(f"ip link add {link} type veth peer name eth0 netns {name}")
        for net, dev, at in ((self, link, 0), (pod, "eth0", 1)):
            for pair in (v4, v6):
                if pair:
                    net.sh(f"ip addr add {pair[at]} dev {dev}" + (" nodad" if ":" in pair[at] else ""))
            net.sh(f"ip link set lo up; ip link set {dev} up")
        if default:
            for pair in (v4, v6):
                if pair:
                    family = 6 if ":" in pair[1] else 4
                    self.sh(f"ip -{family} route add default via {pair[1].split('/')[0]} dev {link}")
        return pod

    def stop(self, pid):
        """End a process that serve() or bg() started."""
        pid = getattr(pid, "pid", pid)
        os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass

    def skip(self, reason):
        raise Skip(reason)

    # ---- one plugin, called as a runtime calls it

    def start(self, plugin, verb, conf, pod=None, id="c1", ifname="eth0", args="", path=None, env=None, under=()):
        """Start one call and return its process (stdin is closed already); call() waits for it. `under`:
        a program that runs it (strace, say), and its arguments."""
        path = path or self.bin
        where = plugin if "/" in plugin else shutil.which(plugin, path=path)
        if not where:
            raise AssertionError(f"no program {plugin} in {path}")
        attach = verb in ("ADD", "DEL", "CHECK")
        environ = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": id if attach else "",
            "CNI_NETNS": (getattr(pod, "path", pod) or "") if attach else "",
            "CNI_IFNAME": ifname if attach else "",
            "CNI_ARGS": args,
            "CNI_PATH": path,
            **(env or {}),
        }
        text = conf if isinstance(conf, (str, bytes)) else json.dumps(conf)
        # Through a file: a plugin that never reads must not block us on a full pipe.
        fd = os.memfd_create("stdin")
        with os.fdopen(fd, "w+b") as stdin:
            stdin.write(text if isinstance(text, bytes) else text.encode())
            stdin.seek(0)
            return subprocess.Popen([*map(str, under), where], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    env={k: str(v) for k, v in environ.items() if v is not None})

    def finish(self, process, plugin="plugin", verb="", timeout=90):
        out, err = process.communicate(timeout=timeout)
        reply = Reply(plugin, verb, process.returncode, out.decode("utf-8", "replace"),
                      err.decode("utf-8", "replace"))
        if reply.code == SANITIZER or "runtime error:" in reply.err or "AddressSanitizer" in reply.err:
            raise AssertionError(f"{reply}: sanitizer finding\n{reply.err}")
        return reply

    def call(self, plugin, verb, conf, pod=None, id="c1", ifname="eth0", args="", path=None, env=None,
             timeout=90, under=()):
        """One call. `verb` None leaves CNI_COMMAND unset, a value None in `env` unsets that one;
        `conf` is a dict, or the raw text; `plugin` with a slash is a path. Exit codes other than 0
        and 1 (a crash, a sanitizer's finding) fail the test, unless it is run `under` another program."""
        process = self.start(plugin, verb, conf, pod, id, ifname, args, path, env, under)
        reply = self.finish(process, os.path.basename(plugin), verb, timeout)
        if reply.code not in (0, 1) and not under:
            raise AssertionError(f"{reply} ended with {reply.code}: {reply.out} {reply.err}")
        return reply

    # ---- a list of plugins, called as libcni does

    def chain(self, conflist, verb, pod=None, id="c1", ifname="eth0", caps=None, args="", path=None,
              valid=None, env=None, under=None):
        """Run a list (dict, or a file's path) as libcni does: name and cniVersion put in, runtimeConfig
        by declared capability, prevResult handed on, the last result kept for CHECK and DEL, DEL in
        reverse. GC takes `valid` = [(id, ifname), …]. `under` has, by a plugin's type, what
        runs it. Stops at the first failure, GC excepted, and returns that reply, else the last one;
        .steps has them all."""
        if not isinstance(conflist, dict):
            conflist = json.loads(Path(conflist).read_text())
        version = conflist.get("cniVersion", "0.1.0")
        kept_from = tuple(int(x) for x in version.split(".")) >= (0, 4, 0)
        key = (conflist["name"], id, ifname)
        result = self.results.get(key) if verb in ("CHECK", "DEL") and kept_from else None
        plugins = conflist["plugins"][::-1] if verb == "DEL" else conflist["plugins"]
        steps = []
        for plugin in plugins:
            conf = {**plugin, "name": conflist["name"], "cniVersion": version}
            wanted = {c: caps[c] for c, on in plugin.get("capabilities", {}).items() if on and c in (caps or {})}
            if wanted:
                conf["runtimeConfig"] = wanted
            if result is not None:
                conf["prevResult"] = result
            if verb == "GC":
                conf["cni.dev/valid-attachments"] = [
                    {"containerID": c, "ifname": i} for c, i in valid or []]
            reply = self.call(plugin["type"], verb, conf, pod, id, ifname, args, path, env,
                              under=(under or {}).get(plugin["type"], ()))
            steps.append(reply)
            if reply.code != 0 and verb != "GC":
                break
            if verb == "ADD":
                result = reply.json
        last = next((s for s in steps if s.code != 0), steps[-1])
        last.steps = steps
        if last.code == 0 and verb == "ADD":
            self.results[key] = result
        if last.code == 0 and verb == "DEL":
            self.results.pop(key, None)
        return last

    # ---- everything that a plugin could have left behind

    def snapshot(self, ours=True, pods=(), folders=("/var/lib/cni", "/run/podwire", "/etc/cni")):
        """nftables, legacy iptables, links, addresses, routes, rules, forwarding sysctls and the state
        folders' files as one text, for comparison before and after. ours=False leaves out what is
        allowed to stay for good: table inet podwire and /run/podwire."""
        parts = ["# nft", self._ruleset(ours)]
        for tool in ("iptables-legacy-save", "ip6tables-legacy-save"):
            name = f"/proc/net/{'ip6' if '6' in tool else 'ip'}_tables_names"
            # Asking the tool would load the tables; the kernel says whether there are any.
            if os.path.exists(name) and Path(name).read_text().strip():
                parts += ["# " + tool, re.sub(r"^#.*\n|\[\d+:\d+\]", "", self.sh(tool).stdout, flags=re.M)]
        for net in (self, *pods):
            parts += [f"# {net.name}", net.sh(
                "ip -d link; ip addr; ip -4 route show table all; ip -6 route show table all; ip rule;"
                "ip -6 rule; bridge vlan; cat /proc/sys/net/ipv4/ip_forward"
                " /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv4/conf/*/route_localnet",
                check=False).stdout]
        for folder in folders:
            if ours or folder != "/run/podwire":
                parts += [f"# {folder}", self.files(folder)]
        text = "\n".join(parts)
        # Carrier is the kernel's link watch, which lags behind; timers and expiry run by themselves.
        text = re.sub(r"NO-CARRIER,|,LOWER_UP| linkdown|\bstate (UP|DOWN)", "", text)
        return re.sub(r" expires \d+sec| tentative\b| \w+_timer +[\d.]+", "", text)

    def _ruleset(self, ours):
        text = self.sh("nft -s list ruleset").stdout
        return text if ours else re.sub(r"^table inet podwire \{\n(?:.*\n)*?\}\n", "", text, flags=re.M)

    def files(self, folder):
        """Every file below a folder: mode, path and contents, sorted."""
        lines = []
        for path in sorted([Path(folder), *Path(folder).rglob("*")]) if os.path.exists(folder) else []:
            stat = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            lines.append(f"{stat.st_mode:06o} {path} {content!r}")
        return "\n".join(lines)

    def same(self, before, after, what="left behind"):
        eq(after, before, what)


# ---- features of the running kernel, by name

def _probe(command):
    return lambda w: w.sh(f"{command} && ip link del probe0", check=False).returncode == 0


PROBES = {
    "vlan_filtering": _probe("ip link add probe0 type bridge vlan_filtering 1"),
    "dummy": _probe("ip link add probe0 type dummy"),
    "vlan": _probe("ip link add probe1 type veth peer name probe2; ip link add probe0 link probe1 type vlan id 7"),
    "ipip": _probe("ip link add probe0 type ipip local 192.0.2.1 remote 192.0.2.2"),
    "fq_codel": _probe("ip link add probe0 type ifb && tc qdisc add dev probe0 root fq_codel"),
    "sctp": lambda w: w.sh(["python3", "-c", "import socket; socket.socket(2, 1, 132)"], check=False).returncode == 0,
    "br_netfilter": lambda w: os.path.exists("/proc/sys/net/bridge/bridge-nf-call-iptables"),
    "iptables_legacy": lambda w: w.sh("iptables-legacy -t nat -S", check=False).returncode == 0,
}


def test(function=None, *, timeout=60, needs=()):
    """Mark a test. `needs` names features (PROBES) that this kernel may lack: then the test is left to
    tests/vm, which runs the same file under a kernel that has them, and counts it there."""
    def mark(f):
        _tests.append((f, timeout, needs))
        return f
    return mark(function) if function else mark


# ---- running

def _private_world():
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc")
    _mount("sysfs", "/sys", "sysfs")
    _mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
    for name in ("world", "world.over", "netns", "lock"):
        os.mkdir(f"/run/{name}", 0o755)
    # State folders may be missing here, and must not appear on the machine's disk.
    for folder in ("/var/lib", "/etc"):
        over = "/run/world.over" + folder.replace("/", "_")
        os.mkdir(over)
        _mount("tmpfs", over, "tmpfs")
        os.mkdir(f"{over}/up")
        os.mkdir(f"{over}/work")
        _mount("overlay", folder, "overlay", 0, f"lowerdir={folder},upperdir={over}/up,workdir={over}/work")
        os.makedirs(f"{folder}/cni", 0o755, exist_ok=True)
        _mount("tmpfs", f"{folder}/cni", "tmpfs", 0, "mode=755")


def _child(function, needs, report):
    """Process 1 of the test's own world."""
    _sys(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
    try:
        _private_world()
        w = World()
        w.sh("ip link set lo up")
        missing = [name for name in needs if not PROBES[name](w)]
        if missing:
            status, text = "elsewhere", "this kernel lacks " + ", ".join(missing)
        else:
            function(w)
            status, text = "ok", ""
    except Skip as reason:
        status, text = "skip", str(reason)
    except BaseException as error:
        status, text = "FAIL", _explain(error)
    os.write(report, json.dumps([status, text]).encode())
    sys.stdout.flush()
    os._exit(0)


def _explain(error):
    """The traceback, and the test's own variables: an assert alone does not show its values."""
    text = "".join(traceback.format_exception(error))
    frames = [f for f, _ in traceback.walk_tb(error.__traceback__) if f.f_code.co_filename != __file__]
    for name, value in frames[-1].f_locals.items() if frames else ():
        text += f"    {name} = {repr(value)[:600]}\n"
    return text


def _keeper(function, timeout, needs, report):
    """Stands between: makes the namespaces, starts process 1 in them, and ends it in time."""
    _sys(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
    unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        _child(function, needs, report)
    poll = select.poll()
    poll.register(os.pidfd_open(pid), select.POLLIN)
    if not poll.poll(timeout * 1000):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.write(report, json.dumps(["FAIL", f"no end within {timeout} s"]).encode())
    os._exit(0)


def _run(function, timeout, needs):
    reader, writer = os.pipe()
    output = os.memfd_create("output")
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            for fd in (1, 2):
                os.dup2(output, fd)
            null = os.open("/dev/null", os.O_RDONLY)
            os.dup2(null, 0)
            _keeper(function, timeout, needs, writer)
        except BaseException:
            os.write(writer, json.dumps(["FAIL", traceback.format_exc()]).encode())
        os._exit(1)
    os.close(writer)
    # Ends when the last holder of the pipe is gone; children of the test die with its process 1.
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    with os.fdopen(output, "rb") as file:
        file.seek(0)
        printed = file.read().decode("utf-8", "replace")
    status, text = json.JSONDecoder().raw_decode(said)[0] if said else ("FAIL", "died without a word")
    return status, text, printed


def main():
    if os.geteuid() != 0:
        print("these tests make namespaces and need root")
        print(f"0 passed, {len(_tests)} failed, 0 skipped")
        sys.exit(1)
    chosen = [t for t in _tests if len(sys.argv) < 2 or t[0].__name__ in sys.argv[1:]]
    here = os.environ.get("PODWIRE_VM") == "1"
    there = Path(sys.argv[0]).resolve().parent.name in ("chain", "netns")  # guest/elsewhere.py
    strict = os.environ.get("CNI_TEST_REQUIRE_ALL") == "1" or os.environ.get("CI") == "true"
    count = {"ok": 0, "FAIL": 0, "skip": 0, "elsewhere": 0}
    for function, timeout, needs in chosen:
        began = time.monotonic()
        status, text, printed = _run(function, timeout, needs)
        if (status == "skip" and strict) or (status == "elsewhere" and (here or strict and not there)):
            status, text = "FAIL", "must not be skipped here: " + text
        count[status] += 1
        print(f"{status:9} {function.__name__} ({time.monotonic() - began:.2f} s)"
              + (f": {text}" if status in ("skip", "elsewhere") else ""))
        if status == "FAIL":
            print("\n".join("    " + line for line in (printed + text).splitlines()))
        sys.stdout.flush()
    if count["elsewhere"]:
        print(f"{count['elsewhere']} left to tests/vm")
    print(f"{count['ok']} passed, {count['FAIL']} failed, {count['skip']} skipped")
    sys.exit(1 if count["FAIL"] or not chosen else 0)
