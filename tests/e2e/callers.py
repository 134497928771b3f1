"""Podman and containerd, started inside a test's world, and the image that both run."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

from lib import plain, wait_for

LINKS = ("sh", "httpd", "ip", "sleep", "cat", "echo", "ping", "nc", "ls", "true")
CLIENT = b"#!/bin/sh\nprintf 'Content-type: text/plain\\r\\n\\r\\n%s' \"$REMOTE_ADDR\"\n"
FOLDERS = ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "www", "www/cgi-bin")
WEB = ("httpd", "-f", "-p", "80", "-h", "/www")


def add_file(tar, name, content, mode=0o755):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def root_file_system(path):
    """A tar of busybox, its links and one page that prints the client's address."""
    with tarfile.open(path, "w") as tar:
        for name in FOLDERS:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        add_file(tar, "bin/busybox", Path("/usr/bin/busybox" if os.path.exists("/usr/bin/busybox")
                                          else "/bin/busybox").read_bytes())
        for name in LINKS:
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        add_file(tar, "www/cgi-bin/client", CLIENT)
    return path


def docker_archive(path):
    """The same file system as `docker save` would write it, for `ctr images import`."""
    layer = Path(root_file_system("/run/e2e/layer.tar")).read_bytes()
    config = {"architecture": os.uname().machine.replace("x86_64", "amd64").replace("aarch64", "arm64"),
              "os": "linux", "config": {"Env": ["PATH=/bin"]},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}
    manifest = [{"Config": "config.json", "RepoTags": ["podwire.test/busybox:1"], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        add_file(tar, "layer.tar", layer)
        add_file(tar, "config.json", json.dumps(config).encode())
        add_file(tar, "manifest.json", json.dumps(manifest).encode())
    return path


class Podman:
    """podman with its CNI backend, the given folders of plugins and network files."""

    def __init__(self, world, folders, networks):
        self.world = world
        base = Path("/run/e2e/podman")
        base.mkdir()
        os.makedirs("/etc/cni/net.d", exist_ok=True)
        for number, network in enumerate(networks):
            target = f"/etc/cni/net.d/{87 + number}-network.conflist"
            if isinstance(network, dict):
                Path(target).write_text(json.dumps(network))
            else:
                shutil.copy(network, target)
        (base / "storage.conf").write_text(
            '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\n'
            'graphroot = "/var/lib/containers/storage"\n')
        (base / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=10000:10000", "nproc=10000:10000"]\n'
            'log_driver = "k8s-file"\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
            f'[network]\nnetwork_backend = "cni"\ncni_plugin_dirs = {json.dumps(folders)}\n'
            'network_config_dir = "/etc/cni/net.d"\n')
        self.env = {"CONTAINERS_CONF": str(base / "containers.conf"),
                    "CONTAINERS_STORAGE_CONF": str(base / "storage.conf"),
                    "CONTAINERS_REGISTRIES_CONF": "/dev/null"}
        self("import", root_file_system("/run/e2e/root.tar"), "localhost/busybox:1")

    def try_to(self, *words):
        return self.world.run(["podman", *words], self.env)

    def __call__(self, *words):
        done = self.try_to(*words)
        assert done.returncode == 0, f"podman {' '.join(words)}: {done.returncode} {done.stdout} {done.stderr}"
        return done.stdout.strip()

    def run(self, name, *options, command=WEB):
        """Start a container; its namespace stands in the path of what is given back."""
        self("run", "-d", "--name", name, "--cgroup-parent", f"/{self.world.cgroup}", "--stop-signal", "KILL",
             *options, "localhost/busybox:1", *command)
        return self.inspect(name)

    def inspect(self, name):
        found = json.loads(self("inspect", name))[0]
        state = Container(found["Id"], found["State"]["Pid"])
        state.networks = found["NetworkSettings"]["Networks"]
        return state

    def exec(self, name, *command):
        return self("exec", name, *command)

    def get(self, name, address, port):
        """The page as a process in the container sees it. By nc: a static busybox wget needs NSS."""
        request = f"printf 'GET /cgi-bin/client HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} {port}"
        return plain(self.exec(name, "sh", "-c", request).splitlines()[-1])


class Container:
    def __init__(self, ident, pid):
        self.id, self.pid, self.path, self.networks = ident, pid, f"/proc/{pid}/ns/net", {}


class Containerd:
    """containerd as it is, on folders that are private to the test; it ends with the world."""

    def __init__(self, world, programs, networks):
        self.world, self.socket = world, "/run/containerd/containerd.sock"
        os.makedirs("/etc/cni/net.d", exist_ok=True)
        os.makedirs("/run/containerd")
        for number, network in enumerate(networks):
            Path(f"/etc/cni/net.d/{10 + number}-network.conflist").write_text(json.dumps(network))
        os.makedirs("/opt/cni/bin", exist_ok=True)
        for folder in ("/opt/cni/bin", "/usr/lib/cni"):
            world.sh(f"mount --bind {programs} {folder}")
        self.log = open("/run/e2e/containerd.log", "w")
        self.daemon = subprocess.Popen(["containerd"], stdout=self.log, stderr=self.log)
        wait_for("containerd", self.answers, 20)
        self("images", "import", docker_archive("/run/e2e/image.tar"), limit=30)

    def answers(self):
        assert self.daemon.poll() is None, "containerd ended: " + Path("/run/e2e/containerd.log").read_text()[-600:]
        return os.path.exists(self.socket) and self.world.run(["ctr", "version"]).returncode == 0

    def __call__(self, *words, limit=20):
        done = self.world.run(["ctr", *words], limit=limit)
        assert done.returncode == 0, f"ctr {' '.join(words)}: {done.returncode} {done.stdout} {done.stderr}"
        return done.stdout.strip()

    def run(self, name, *command):
        """ctr takes the network away only when it has waited for the task itself: so it stays."""
        run = subprocess.Popen(["ctr", "run", "--snapshotter", "native", "--cni", "--rm", "--cgroup",
                                f"/{self.world.cgroup}/{name}", "podwire.test/busybox:1", name, *command],
                               stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        pid = wait_for(f"task {name}", lambda: self.pid(run, name), 20)
        container = Container(f"default-{name}", pid)
        container.run = run
        return container

    def pid(self, run, name):
        """The task's process, once its network is there (ctr attaches between create and start)."""
        self.still(run)
        words = [line.split() for line in self("tasks", "ls").splitlines()]
        return next((int(line[1]) for line in words if line[0] == name and line[2] == "RUNNING"), None)

    def still(self, run):
        text = Path("/run/e2e/containerd.log").read_text()[-600:]
        assert run.poll() is None, f"ctr run ended with {run.returncode}: {text}"

    def stop(self, container, name):
        self("tasks", "kill", "-s", "9", name)
        deadline = time.monotonic() + 20
        while container.run.poll() is None:
            assert time.monotonic() < deadline, "ctr run does not end"
            time.sleep(0.05)
