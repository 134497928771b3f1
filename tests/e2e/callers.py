# SPDX-License-Identifier: GPL-2.0-or-later
"""Podman and containerd, started inside a test's world or on a machine in it, and the image that both run."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from cri import Cri
from node import CGROUP, Net, plain, wait_for, world

SCRATCH = Path("/run/world")
STORES = ("/dev/shm", "/var/lib/containers", "/var/lib/containerd")
LINKS = ("sh", "httpd", "nc", "ping", "printf", "sleep")
FOLDERS = ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "www", "www/cgi-bin")
CLIENT = b"#!/bin/sh\nprintf 'Content-type: text/plain\\r\\n\\r\\n%s' \"$REMOTE_ADDR\"\n"
WEB = ("httpd", "-f", "-p", "80", "-h", "/www")


def add(tar, name, content=b"", kind=tarfile.REGTYPE, target=""):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.type, entry.linkname = len(content), 0o755, kind, target
    tar.addfile(entry, io.BytesIO(content))


def root_file_system():
    """A tar of a static busybox, its links, and one page that names the client."""
    path = SCRATCH / "root.tar"
    with tarfile.open(path, "w") as tar:
        for name in FOLDERS:
            add(tar, name, kind=tarfile.DIRTYPE)
        add(tar, "bin/busybox", Path(shutil.which("busybox")).read_bytes())
        for name in LINKS:
            add(tar, f"bin/{name}", kind=tarfile.SYMTYPE, target="busybox")
        add(tar, "www/cgi-bin/client", CLIENT)
    return str(path)


def docker_archive(name):
    """The same file system in the form that `ctr images import` takes."""
    layer, path = Path(root_file_system()).read_bytes(), SCRATCH / "image.tar"
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    config = {
        "architecture": machine,
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Entrypoint": list(WEB)},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        add(tar, "layer.tar", layer)
        add(tar, "config.json", json.dumps(config).encode())
        add(tar, "manifest.json", json.dumps(manifest).encode())
    return str(path)


def show_control_groups():
    """tests/lib mounts a fresh /sys, on a machine of its own once more; the real one, with its control
    groups, is still below."""
    while not os.listdir("/sys/fs/cgroup"):
        world._sys(world._libc.umount2(b"/sys", 2), "umount /sys")


def own_folders():
    """On a machine beside others, which would share these folders."""
    for folder in STORES:
        os.makedirs(folder, exist_ok=True)
        world._mount("tmpfs", folder, "tmpfs")


def network_files(networks, first):
    folder = Path("/etc/cni/net.d")
    folder.mkdir(exist_ok=True)
    for number, network in enumerate(networks, first):
        (folder / f"{number}-network.conflist").write_text(json.dumps(network))


def run(w, argv, env=None, limit=30):
    """A command whose daemons may keep its output open: so that goes to files, not pipes."""
    with open(SCRATCH / "out", "w+") as out, open(SCRATCH / "err", "w+") as err:
        done = subprocess.run(
            w._argv(argv),
            env={**os.environ, **(env or {})},
            timeout=limit,
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(
            argv, done.returncode, out.read().strip(), err.read().strip()
        )


def must(done):
    assert (
        done.returncode == 0
    ), f"{' '.join(done.args)}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stdout


class Container(Net):
    """A running container: a namespace to send packets from, its ID, what its engine knows."""

    def __init__(self, w, ident, pid, networks=None):
        super().__init__(w, ident[:12], f"/proc/{pid}/ns/net")
        self.id, self.networks = ident, networks or {}

    def address(self, family=4):
        return self.ips("eth0", family)[0].split("/")[0]


class Podman:
    """podman with its CNI backend, the given folders of plugins, and the given networks."""

    def __init__(self, w, folders, *networks):
        self.w, base = w, SCRATCH / "podman"
        w.inside(lambda: self.prepare(base, folders, networks))
        self.env = {
            "CONTAINERS_CONF": str(base / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(base / "storage.conf"),
        }
        self("import", str(SCRATCH / "root.tar"), "localhost/busybox:1")

    @staticmethod
    def prepare(base, folders, networks):
        show_control_groups()
        network_files(networks, 87)
        root_file_system()
        base.mkdir()
        (base / "storage.conf").write_text(
            '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\n'
            'graphroot = "/var/lib/containers/storage"\n'
        )
        (base / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=10000:10000", "nproc=10000:10000"]\n'
            'log_driver = "k8s-file"\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
            f'[network]\nnetwork_backend = "cni"\ncni_plugin_dirs = {json.dumps(folders)}\n'
            'network_config_dir = "/etc/cni/net.d"\n'
        )

    def __call__(self, *words):
        return must(self.attempt(*words))

    def attempt(self, *words):
        return run(self.w, ["podman", *words], self.env)

    def begin(self, *words):
        """A call that goes on beside others."""
        env = {**os.environ, **self.env}
        return self.w.bg(["podman", *words], env=env, stdout=subprocess.DEVNULL)

    def start(self, name, *options):
        """How a container with the web server is started, to call or to attempt."""
        return (
            "run",
            "-d",
            "--name",
            name,
            "--cgroup-parent",
            f"/{CGROUP}",
            "--stop-signal",
            "KILL",
            *options,
            "localhost/busybox:1",
            *WEB,
        )

    def run(self, name, *options):
        self(*self.start(name, *options))
        return self.inspect(name)

    def inspect(self, name):
        found = json.loads(self("inspect", name))[0]
        return Container(
            self.w, found["Id"], found["State"]["Pid"], found["NetworkSettings"]["Networks"]
        )

    def remove(self, *names):
        self("rm", "-f", "-i", "-t", "0", *names)

    def page(self, name, address, port):
        """The page as seen in the container. By nc: a static busybox wget needs NSS."""
        request = f"printf 'GET /cgi-bin/client HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} {port}"
        return plain(self("exec", name, "sh", "-c", request).splitlines()[-1])


class Containerd:
    """containerd; our programs lie over both folders that its builds look into.

    The configuration is what an operator sets too, but for the image of a pod's sandbox and for
    machines on which even root may not lower an OOM score.
    """

    IMAGE, SOCKET = "podwire.test/busybox:1", "/run/containerd/containerd.sock"
    CONFIG = f"""version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{IMAGE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
"""

    def __init__(self, w, *networks):
        self.w, self.log = w, SCRATCH / f"containerd-{w.name}.log"
        w.inside(lambda: self.prepare(networks))
        self.daemon = self.background("containerd", "--config", str(SCRATCH / "containerd.toml"))
        wait_for(self.answers, "containerd to answer", 20)
        for namespace in ("default", "k8s.io"):
            self("--namespace", namespace, "images", "import", str(SCRATCH / "image.tar"))
        self.cri = Cri(w.path_of(self.SOCKET), f"/{CGROUP}", self.log)

    def prepare(self, networks):
        show_control_groups()
        network_files(networks, 10)
        world._mount("tmpfs", "/opt", "tmpfs")
        os.makedirs("/opt/cni/bin")
        for folder in ("/opt/cni/bin", "/usr/lib/cni"):
            if os.path.isdir(folder):
                world._mount(self.w.bin, folder, None, world.MS_BIND)
        (SCRATCH / "containerd.toml").write_text(self.CONFIG)
        docker_archive(self.IMAGE)

    def background(self, *argv):
        with open(self.log, "a") as log:
            return self.w.bg(argv, stdout=log, stderr=log)

    def alive(self, process):
        assert process.poll() is None, f"{process.args[:2]} ended: {self.log.read_text()[-900:]}"

    def answers(self):
        self.alive(self.daemon)
        return run(self.w, ["ctr", "version"]).returncode == 0

    def __call__(self, *words):
        return must(run(self.w, ["ctr", *words]))

    def begin(self, name):
        """`ctr run` detaches only when it has waited for the task itself: so it stays."""
        options = "--snapshotter native --cni --rm".split()
        cgroup = f"/{CGROUP}/{name}"
        return self.background("ctr", "run", *options, "--cgroup", cgroup, self.IMAGE, name, *WEB)

    def attached(self, process, name):
        pid = wait_for(lambda: self.running(process, name), f"task {name}", 20)
        container = Container(self.w, f"default-{name}", pid)
        container.process = process
        return container

    def run(self, name):
        return self.attached(self.begin(name), name)

    def running(self, process, name):
        """The task's process once it runs; ctr attaches it before."""
        self.alive(process)
        return self.tasks().get(name)

    def tasks(self, namespace="default"):
        """The processes of what runs, by name."""
        lines = [line.split() for line in self("--namespace", namespace, "tasks", "ls").splitlines()]
        return {task: int(pid) for task, pid, state in lines if state == "RUNNING"}

    def stop(self, container, name):
        self("tasks", "kill", "-s", "9", name)
        container.process.wait(20)

    def pod(self, name, ports=()):
        """A pod of the kubelet's, as a namespace to send packets from."""
        ident = self.cri.run(name, ports)
        return Container(self.w, ident, self.tasks("k8s.io")[ident])
