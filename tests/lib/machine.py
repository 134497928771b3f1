# SPDX-License-Identifier: GPL-2.0-or-later
"""More machines than one in a test's world: each has a network, a mount and a UTS namespace, so /run,
/var/lib/cni and /etc/cni are its own as they are a node's. What World can do on the host, a Machine can
do on itself.

    n1 = Machine("n1")
    pod = n1.pod("a")
    n1.chain(conflist, "ADD", pod).ok()
"""

import os
import signal
import socket
import traceback

import world
from world import Net, World

CLONE_NEWUTS = 0x04000000
SPACES = {"mnt": world.CLONE_NEWNS, "net": world.CLONE_NEWNET, "uts": CLONE_NEWUTS}


def _own_folders():
    world._mount("none", "/", None, world.MS_REC | world.MS_PRIVATE)
    world._mount("sysfs", "/sys", "sysfs")
    for folder in ("/run", "/var/lib/cni", "/etc/cni"):
        if os.path.isdir(folder):
            world._mount("tmpfs", folder, "tmpfs", 0, "mode=755")
    for name in ("world", "netns", "lock"):
        os.mkdir(f"/run/{name}", 0o755)


def hold(name):
    """A process that holds the namespaces of a machine until it is killed, or its parent ends."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            world._sys(world._libc.prctl(world.PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
            world.unshare(sum(SPACES.values()))
            _own_folders()
            socket.sethostname(name)
            os.write(writer, b"ready")
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[:4000])
            os._exit(1)
        os.close(writer)
        while True:
            signal.pause()
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    if said != "ready":
        raise AssertionError(f"machine {name}: {said}")
    return pid


class Pod(Net):
    """A namespace on a machine; `path` is where that machine's programs find it."""

    def __init__(self, machine, name):
        super().__init__(machine, name, f"/run/netns/{name}")
        self.machine = machine
        self.seen = machine.path_of(self.path)

    def _under(self):
        return ["nsenter", "-t", str(self.machine.pid), "--mount", "--uts", f"--net={self.seen}"]

    def enter(self):
        world.enter(self.seen)


class Machine(World):
    def __init__(self, name, pid=None):
        """A new one, or the one that this process holds."""
        super().__init__()
        self.name, self.pid = name, pid or hold(name)
        if not pid:
            self.sh("ip link set lo up")

    def _under(self):
        return ["nsenter", "-t", str(self.pid), "--mount", "--net", "--uts"]

    def enter(self):
        files = [(os.open(f"/proc/{self.pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), flag)
                 for name, flag in SPACES.items()]
        for fd, flag in files:
            world._sys(world._libc.setns(fd, flag), f"setns {self.name}")
            os.close(fd)

    def path_of(self, path):
        return f"/proc/{self.pid}/root{path}"

    def pod(self, name):
        self.sh(["ip", "netns", "add", name])
        self.pods[name] = Pod(self, name)
        return self.pods[name]

    def write(self, path, text):
        """A file on this machine, its folder made when it is missing."""
        self.sh('mkdir -p "$(dirname "$FILE")" && cat >"$FILE"', input=text, env={"FILE": str(path)})

    def start(self, plugin, verb, conf, pod=None, id="c1", ifname="eth0", args="", path=None, env=None, under=()):
        return super().start(plugin, verb, conf, pod, id, ifname, args, path, env, (*self._under(), *under))

    def snapshot(self, *args, **more):
        return self.inside(lambda: World.snapshot(self, *args, **more))
