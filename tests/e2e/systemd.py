# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's systemd as the first process of namespaces on a node of the lab, with the units that it is given and
no others: nothing of the machine's is started. Of /proc/sys only the node's network may be written, of /sys only
control groups of the test's own, and /dev is another."""

import os
from pathlib import Path

from node import CGROUP
from world import wait_for

UNITS, GROUPS = "/run/units", "/run/groups"
TARGET = "[Unit]\nDefaultDependencies=no\n"
OURS = {
    **{f"{name}.target": TARGET for name in ("sysinit", "basic", "shutdown", "network-online", "timers", "paths")},
    "multi-user.target": TARGET + "Requires=basic.target timers.target\nAfter=basic.target timers.target\n",
}
ENVIRONMENT = f"SYSTEMD_UNIT_PATH=/etc/systemd/system:{UNITS}"
FIRST = f"""set -e
mount --make-rprivate /
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,ro /proc/sys
mount -o remount,bind,ro /sys
mount -t tmpfs tmpfs /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/urandom c 1 9
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i container=podwire PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_GENERATOR_PATH=/nowhere {ENVIRONMENT} \\
	/lib/systemd/systemd --unit=multi-user.target --show-status=no
"""


class Systemd:
    """`units`: {file name: text}, besides the targets that every machine has."""

    def __init__(self, node, units):
        self.node = node
        node.sh(f"mount -t tmpfs tmpfs /etc/systemd; mkdir /etc/systemd/system {GROUPS};"
                f"mount -t cgroup2 cgroup2 {GROUPS}; mkdir -p {GROUPS}/{CGROUP}/{node.name}")
        node.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")  # else all units are enabled
        for name, text in {**OURS, **units}.items():
            node.write(f"{UNITS}/{name}", text)

    def boot(self):
        join = f"echo $$ >{GROUPS}/{CGROUP}/{self.node.name}/cgroup.procs"
        self.process = self.node.bg(f'{join} && exec unshare -pfmiC sh -c "$FIRST"', env={**os.environ, "FIRST": FIRST})
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.pid = wait_for(children.read_text, "the first process").strip()
        wait_for(lambda: self.state() in ("running", "degraded"), "systemd to have booted", 20, 0.05)

    def state(self):
        return self("is-system-running", check=False).stdout.strip()

    def verified(self, *units):
        """What `systemd-analyze verify` has to say."""
        done = self.node.sh(["env", ENVIRONMENT, "systemd-analyze", "verify", "--man=no", *units], check=False)
        return done.stdout + done.stderr

    def __call__(self, *words, check=True):
        """systemctl, in the node before it boots, then among systemd's processes."""
        under = ["nsenter", "-t", self.pid, "-a"] if hasattr(self, "pid") else []
        return self.node.sh([*under, "env", ENVIRONMENT, "systemctl", *words], check=check)

    def shown(self, unit, key):
        return self("show", "-P", key, unit).stdout.strip()
