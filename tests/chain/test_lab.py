# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/lab as people use it: the README's commands as they stand there, refusals that say what to do, and
nothing left behind."""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))
import world  # noqa: E402
from world import eq, main, test  # noqa: E402

LAB = str(ROOT / "scripts/lab")


def lab(w, *words):
    return w.sh([LAB, *words], check=False, env={"PODWIRE_BIN": w.bin})


def refused(done, text):
    assert done.returncode != 0 and text in done.stderr, f"no {text!r} in {done.stderr!r}, exit {done.returncode}"
    eq("Traceback" in done.stderr, False, done.stderr)


def processes():
    """How many are alive."""
    fields = [path.read_text().rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")]
    return sum(state != "Z" for state, *_ in fields)


def traces(w):
    """What the machine shows: rules, links, addresses, routes, files, and how many processes."""
    return f"{w.snapshot(folders=('/run', '/var/lib/cni', '/etc/cni'))}\n{processes()} processes"


@test(timeout=60)
def the_commands_of_the_readme(w):
    block = next(b for b in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S) if "scripts/lab" in b)
    before = traces(w)
    commands = block.splitlines()
    done = w.sh(f"cd {ROOT}\nset -e\nsudo() {{ \"$@\"; }}\n{block}", env={"PODWIRE_BIN": w.bin})
    for text in ("the lab is up: vxlan", "3 received, 0% packet loss", "differs   nothing", "the lab is gone"):
        assert text in done.stdout, f"no {text!r} in what {commands} say: {done.stdout}"
    eq(traces(w), before, "left behind")


@test(timeout=60)
def one_lab_at_a_time(w):
    before = traces(w)
    refused(lab(w, "exec", "n1", "true"), "scripts/lab up MODE")
    refused(lab(w, "status"), "scripts/lab up MODE")
    assert "the lab is up: host-gw" in lab(w, "up", "host-gw").stdout
    refused(lab(w, "up", "vxlan"), "up already (host-gw)")
    for name in ("n4", "p3b", "outside", "switch"):
        eq(lab(w, "exec", name, "sh", "-c", "exit 7").returncode, 7, f"status of a command in {name}")
    eq(lab(w, "exec", "n2", "hostname").stdout, "n2\n", "host name of n2")
    refused(lab(w, "exec", "n9", "true"), "no n9 here: n1 n2")
    refused(lab(w, "exec", "n1"), "what is to run in n1?")
    assert "the lab is gone" in lab(w, "down").stdout
    assert "there was none" in lab(w, "down").stdout
    eq(traces(w), before, "left behind")


@test(timeout=60)
def after_its_process_was_killed(w):
    assert lab(w, "up", "host-gw").returncode == 0
    w.stop(int(Path("/run/podwire-lab/process").read_text().split()[0]))
    refused(lab(w, "status"), "there is none")
    assert "the lab is up: direct" in lab(w, "up", "direct").stdout
    assert lab(w, "down").returncode == 0


@test(timeout=60)
def what_cannot_be_made_leaves_nothing(w):
    before = traces(w)
    refused(lab(w, "up", "vxlan", "--bin", "/usr/bin"), "no program overlay")
    refused(lab(w, "up", "vxlan", "--bin", str(w.tmp)), "its own /run")
    world._mount("tmpfs", "/mnt", "tmpfs")
    broken = Path("/mnt/broken")
    broken.mkdir()
    for name in os.listdir(w.bin):
        (broken / name).symlink_to(f"{w.bin}/{name}")
    (broken / "portmap").unlink()
    (broken / "portmap").symlink_to("/bin/false")
    refused(lab(w, "up", "vxlan", "--bin", str(broken)), "not made, and nothing is left of it: portmap ADD failed")
    eq(traces(w), before, "left behind")


if __name__ == "__main__":
    main()
