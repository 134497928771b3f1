# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's firewalld, in a world of its own or on a machine in it: unpacked, never installed, since an installed one would be
started and shut the machine. Its bus is private, and everything it writes is in the test's namespaces."""

import os
import shutil
import subprocess
from pathlib import Path

from world import wait_for

ROOT = Path(__file__).resolve().parents[2]
NAME, PATH = "org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1"
SOCKET = "/run/dbus/system_bus_socket"
# Nothing is activated, and who is on this bus may do all.
BUS = f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={SOCKET}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/></policy></busconfig>
"""


def unpacked():
    """The folder with the package's files; downloaded once. Call it outside of a test: no network inside."""
    folder = ROOT / "build" / "firewalld"
    done = folder / "root"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        os.chmod(folder, 0o777)  # apt's own user downloads
        download = ["apt-get", "-q", "download", "firewalld"]
        if subprocess.run(download, cwd=folder, capture_output=True).returncode != 0:
            subprocess.run(["apt-get", "-q", "update"], check=True, capture_output=True)
            subprocess.run(download, cwd=folder, check=True, capture_output=True)
        package = next(folder.glob("firewalld_*.deb"))
        subprocess.run(["dpkg", "-x", package, folder / "new"], check=True)
        (folder / "new").rename(done)
    return done


class Firewalld:
    """The daemon on its bus, running when the constructor returns."""

    def __init__(self, w, root):
        self.w, self.root = w, root
        shutil.copytree(root / "etc/firewalld", "/etc/firewalld", dirs_exist_ok=True)
        w.sh(f"mkdir -p /run/dbus; mount -t overlay overlay -o lowerdir={root}/usr:/usr /usr")
        Path(w.path_of("/run/bus.conf")).write_text(BUS)
        w.bg(["dbus-daemon", "--config-file=/run/bus.conf", "--nofork"], stdout=subprocess.DEVNULL,
             stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(w.path_of(SOCKET)), "the bus")
        self.start()

    def start(self):
        log = open("/run/firewalld.log", "a")
        self.process = self.w.bg(["/usr/bin/python3", "/usr/sbin/firewalld", "--nofork", "--nopid"], stdout=log,
                                 stderr=log)
        wait_for(lambda: "true" in self.bus("org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner",
                                            f"string:{NAME}"), "firewalld: " + Path("/run/firewalld.log").read_text(),
                 30, 0.1)
        self.sources()  # it answers only when its rules are set

    def stop(self):
        """As its service's stop: its rules go with it."""
        self.process.terminate()
        self.process.wait(20)

    def bus(self, name, path, method, *args):
        done = self.w.sh(["dbus-send", "--system", "--print-reply", f"--dest={name}", path, method, *args], check=False)
        return done.stdout + done.stderr

    def call(self, method, *args):
        return self.bus(NAME, PATH, f"{NAME}.{method}", *(f"string:{a}" for a in args))

    def sources(self, zone="trusted"):
        """The addresses that belong to a zone."""
        text = self.call("zone.getSources", zone)
        if "array" not in text:
            raise AssertionError(text)
        return sorted(line.split('"')[1] for line in text.splitlines() if 'string "' in line)

    def reload(self):
        self.call("reload")
