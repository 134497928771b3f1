# SPDX-License-Identifier: GPL-2.0-or-later
"""host-local when things go wrong: killed or refused at every system call, full disks, damaged folders."""

import os
import shutil
from pathlib import Path

from world import eq, main, test

DIR = Path("/var/lib/cni/networks/net")
INDEX = DIR / ".podwire"
CONF = {"cniVersion": "1.1.0", "name": "net", "type": "bridge", "ipam": {
    "type": "host-local", "ranges": [[{"subnet": "10.0.0.0/28"}], [{"subnet": "fd00::/64"}]]}}
# Every call that touches the folder, and those that change something.
CALLS = ("openat", "mkdir", "mkdirat", "flock", "fstat", "newfstatat", "readlinkat", "read", "write", "renameat",
         "renameat2", "linkat", "symlinkat", "unlinkat", "utimensat", "getdents64", "close")
CHANGES = ("openat", "mkdir", "mkdirat", "write", "renameat", "renameat2", "symlinkat", "unlinkat", "utimensat")
TRACE = Path("/run/world/trace")


def call(w, verb, id="c1", c=CONF, program="host-local"):
    return w.call(program, verb, c, "/run/netns/nowhere", id)


def reserved():
    return {f.name: f.read_bytes().decode() for f in sorted(DIR.iterdir())
            if f.is_file() and not f.is_symlink() and f.name[0] != "l"}


def index_says():
    """What the index holds: every address, sorted."""
    return sorted(a for f in INDEX.iterdir() if f.name != "stamp" for a in os.readlink(f).split(","))


def consistent():
    """After one call of ours the index holds exactly the address files, and no debris is left."""
    eq(index_says(), sorted(reserved()), "index against address files")


def traced(w, verb, id, c=CONF, inject=""):
    """Run a call under strace, with a fault if asked for; TRACE has the calls of CALLS."""
    if not shutil.which("strace"):
        w.skip("no strace")
    wrapper = Path("/run/world/traced")
    wrapper.write_text(f"#!/bin/sh\nexec strace -qq -o {TRACE} -e trace={','.join(CALLS)} {inject} {w.bin}/host-local\n")
    wrapper.chmod(0o755)
    process = w.start(str(wrapper), verb, c, "/run/netns/nowhere", id,
                      env={"ASAN_OPTIONS": "detect_leaks=0"})  # LeakSanitizer cannot run under strace
    return w.finish(process, "host-local", verb)


def at_every(w, verb, calls, fault, prepare=lambda: None):
    """Yield (what, reply) of a call of c1 with a fault at each system call behind the first that names
    the folder: the one before is start-up and reading stdin."""
    prepare()
    traced(w, verb, "c1").ok()
    lines = TRACE.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if "/var/lib/cni" in line)
    yield "nothing", None
    for name in calls:
        def number(part):
            return sum(line.startswith(name + "(") for line in part)

        for k in range(number(lines[:start]) + 1, number(lines) + 3):
            prepare()
            r = traced(w, verb, "c1", inject=f"-e inject={name}:{fault}:when={k}")
            hit = r.code == -9 if "KILL" in fault else "(INJECTED)" in TRACE.read_text()
            if hit:
                yield f"{fault} at {name} {k}", r


def clean_up_and_compare(w, before, what):
    """What a runtime does behind a failed ADD leaves nothing, and nobody is blocked."""
    call(w, "DEL").ok()
    eq(reserved(), before, what + ": reserved after DEL")
    r = call(w, "ADD", "next").ok()
    consistent()
    assert not (INDEX / "new").exists() and not (INDEX / "tmp").exists(), what
    call(w, "CHECK", "next").ok()
    call(w, "DEL", "next").ok()
    eq(reserved(), before, what)
    return r


def wipe():
    shutil.rmtree("/var/lib/cni/networks", ignore_errors=True)


@test(timeout=240)
def killed_at_every_call_of_the_first_add(w):
    n = 0
    for what, _ in at_every(w, "ADD", CALLS, "signal=KILL", wipe):
        clean_up_and_compare(w, {}, what) if DIR.exists() else call(w, "DEL").ok()
        n += 1
    assert n > 30, n


@test(timeout=240)
def killed_while_rebuilding(w):
    """The index is being written anew, behind a change by somebody else."""
    def prepare():
        wipe()
        for i in range(3):
            call(w, "ADD", f"x{i}").ok()
        (DIR / "10.0.0.3").unlink()
        for name, content in (("10.0.0.9", "old"), ("10.0.0.8", "c1\r\neth0"), ("fd00::8", "c1\r\neth0")):
            (DIR / name).write_bytes(content.encode())

    n = 0
    for what, _ in at_every(w, "CHECK", ("symlinkat", "renameat", "unlinkat", "utimensat", "close"), "signal=KILL", prepare):
        call(w, "CHECK").ok()
        consistent()
        n += 1
    assert n > 5, n


@test(timeout=240)
def refused_at_every_change_of_add(w):
    """ENOSPC wherever it can come: ADD succeeds all the same or leaves nothing at all."""
    call(w, "ADD", "other").ok()
    before, failed = reserved(), 0
    for what, r in at_every(w, "ADD", CHANGES, "error=ENOSPC", lambda: call(w, "DEL").ok()):
        if r is not None and r.code != 0:
            r.fails(5, "No space left on device")
            eq(reserved(), before, f"left by an ADD, {what}: {r.out}")
            failed += 1
        clean_up_and_compare(w, before, what)
    assert failed >= 8, failed


@test(timeout=240)
def refused_at_every_change_of_del(w):
    call(w, "ADD", "other").ok()
    before, failed = reserved(), 0
    for what, r in at_every(w, "DEL", CHANGES, "error=EIO", lambda: call(w, "ADD").ok()):
        if r is not None and r.code == 0:
            eq(reserved(), before, f"left by a DEL that succeeded, {what}")
        failed += r is not None and r.code != 0
        clean_up_and_compare(w, before, what)
    assert failed >= 4, failed


@test
def full_disks(w):
    """A file system with room for N inodes or pages: whatever N is, nothing is left and DEL works."""
    for option in ("nr_inodes", "nr_blocks"):
        ok = 0
        for n in range(1, 16):
            w.sh(f"mount -t tmpfs -o {option}={n} tmpfs /var/lib/cni")
            r = call(w, "ADD")
            if r.code == 0:
                eq(len(reserved()), 2, f"{option}={n}")
                ok += 1
            else:
                r.fails(5, "No space left on device")
                eq(reserved() if DIR.exists() else {}, {}, f"{option}={n}: left by a failed ADD")
            if (option, n) == ("nr_inodes", 1):
                call(w, "STATUS").fails(50, "No space left on device")
            call(w, "DEL").ok()
            eq(reserved() if DIR.exists() else {}, {}, f"{option}={n}: left by DEL")
            w.sh("umount /var/lib/cni")
        assert 2 < ok < 14, f"{option}: {ok}"


@test
def read_only(w):
    call(w, "ADD").ok()
    w.sh("mount -t tmpfs -o ro,remount /var/lib/cni")
    call(w, "ADD", "c2").fails(5, "Read-only file system")
    call(w, "CHECK").ok()
    call(w, "CHECK", "c2").fails(103)
    call(w, "DEL").fails(5, "Read-only file system")
    call(w, "DEL", "unknown").ok()
    (w.sh("mount -t tmpfs -o rw,remount /var/lib/cni"))
    shutil.rmtree(INDEX)
    w.sh("mount -t tmpfs -o ro,remount /var/lib/cni")
    call(w, "CHECK").ok()
    call(w, "DEL", "unknown").ok()
    w.sh("mount -t tmpfs -o rw,remount /var/lib/cni")
    call(w, "DEL").ok()
    eq(reserved(), {}, "after DEL")


@test
def damaged_folder(w):
    for name in ("10.0.0.2", "10.0.0.4"):
        DIR.mkdir(parents=True, exist_ok=True)
        (DIR / name).write_bytes(b"")  # a crash of the reference, issue 498
    (DIR / "10.0.0.3").mkdir()
    (DIR / "10.0.0.5").write_bytes(b"\0" * 20)
    (DIR / "10.0.0.6").write_bytes(b"\xff\xfe binary \x00")
    (DIR / "10.0.0.7").symlink_to("/nowhere")
    os.mkfifo(DIR / "10.0.0.8")
    (DIR / "fd00::2").write_bytes(b" \r\n")
    (DIR / "fd00::3").write_bytes(b"x" * 100000)
    (DIR / "README").write_text("c1\r\neth0")
    (DIR / "last_reserved_ip.0").mkdir()
    eq(call(w, "STATUS").ok().out, "")
    got = [call(w, "ADD", f"c{i}") for i in range(2)]
    # last_reserved_ip.0 is a folder: an ADD cannot write it, and says so.
    got[0].fails(5, "last_reserved_ip.0")
    (DIR / "last_reserved_ip.0").rmdir()
    got = [call(w, "ADD", f"c{i}").ok().ips() for i in range(4)]
    eq(got, [["10.0.0.2", "fd00::2"], ["10.0.0.4", "fd00::4"], ["10.0.0.5", "fd00::5"], ["10.0.0.9", "fd00::6"]])
    for i in range(4):
        call(w, "CHECK", f"c{i}").ok()
        call(w, "DEL", f"c{i}").ok()
    eq(sorted(f.name for f in DIR.iterdir() if f.name[0] in "1fR"),
       ["10.0.0.3", "10.0.0.6", "10.0.0.7", "10.0.0.8", "README", "fd00::3"], "what is not ours")
    w.call("host-local", "GC", {**CONF, "cni.dev/valid-attachments": []}).ok()
    eq(len([f for f in DIR.iterdir() if f.name[0] in "1fR"]), 6, "what is not ours, after GC")


@test
def damaged_index(w):
    for i in range(5):
        call(w, "ADD", f"c{i}").ok()
    before = reserved()

    def stale_stamp():
        (INDEX / "stamp").unlink()
        (INDEX / "stamp").symlink_to("1.0 1.0")

    def no_stamp():
        (INDEX / "stamp").unlink()

    def deleted():
        shutil.rmtree(INDEX, ignore_errors=True)

    def emptied():
        for f in INDEX.iterdir():
            f.unlink()

    def entries_gone():
        for f in INDEX.iterdir():
            if f.name != "stamp":
                f.unlink()
        os.utime(DIR)  # whoever deletes entries by hand must not have the stamp believed

    def entries_wrong():
        for f in INDEX.iterdir():
            if f.name != "stamp":
                f.unlink()
                f.symlink_to("10.0.0.14,rubbish,10.0.0.2")
        os.utime(DIR)

    def rubbish():
        (INDEX / "0123456789abcdef").symlink_to("10.0.0.2")
        (INDEX / "tmp").symlink_to("x")
        (INDEX / "new").write_text("c9\r\neth0")
        os.utime(DIR)

    def copied():
        shutil.copytree(DIR, "/var/lib/cni/copy", symlinks=True)
        shutil.rmtree(DIR)
        w.sh(f"cp -a /var/lib/cni/copy {DIR} && rm -r /var/lib/cni/copy")

    for damage in (stale_stamp, no_stamp, deleted, emptied, entries_gone, entries_wrong, rubbish, copied):
        damage()
        for i in range(5):
            call(w, "CHECK", f"c{i}").ok()
            call(w, "ADD", f"c{i}").fails(101, "duplicate allocation")
        consistent()
        damage()
        call(w, "DEL", "c3").ok()
        assert len(reserved()) == 8, damage.__name__
        damage()
        call(w, "CHECK", "c3").fails(103)
        call(w, "ADD", "c3").ok()
        consistent()
        eq(sorted(reserved().values()), sorted(before.values()), damage.__name__)


@test
def index_in_the_way(w):
    DIR.mkdir(parents=True)
    INDEX.write_text("a file")
    (DIR / "10.0.0.9").write_text("c9\r\neth0")
    call(w, "ADD").fails(5, str(INDEX))
    call(w, "CHECK", "c9").fails(103, "in range set fd00::")
    call(w, "DEL", "c9").ok()
    eq(reserved(), {".podwire": "a file"}, "after DEL")


@test
def folder_wiped_under_us(w):
    """What cleaners at boot do."""
    call(w, "ADD").ok()
    w.sh(f"rm -rf {DIR}/*")
    call(w, "CHECK").fails(103)
    eq(call(w, "ADD").ok().ips(), ["10.0.0.2", "fd00::2"])
    consistent()
    w.sh("rm -rf /var/lib/cni/networks")
    call(w, "DEL").ok()
    eq(call(w, "ADD").ok().ips(), ["10.0.0.2", "fd00::2"])
    w.sh(f"rm {DIR}/lock")
    call(w, "CHECK").ok()
    call(w, "DEL").ok()
    eq(reserved(), {}, "after DEL")


@test
def lesser_file_systems(w):
    """No RENAME_NOREPLACE (NFS), no symbolic links (FAT), times that we may not set: slower, as right."""
    for inject in ("renameat2:error=EINVAL", "symlinkat:error=EPERM", "utimensat:error=EPERM", "mkdirat:error=EEXIST"):
        wipe()
        if inject.startswith("mkdirat"):
            INDEX.mkdir(parents=True)

        def run(verb, id):
            return traced(w, verb, id, inject=f"-e inject={inject}")

        eq(run("ADD", "c1").ok().ips(), ["10.0.0.2", "fd00::2"], inject)
        (DIR / "10.0.0.3").write_bytes(b"")
        eq(run("ADD", "c2").ok().ips(), ["10.0.0.3", "fd00::3"], inject)
        run("ADD", "c1").fails(101, "10.0.0.2 has been allocated to c1")
        run("CHECK", "c2").ok()
        run("CHECK", "c3").fails(103)
        call(w, "CHECK", "c1").ok()
        run("DEL", "c1").ok()
        run("CHECK", "c1").fails(103)
        eq(reserved(), {"10.0.0.3": "c2\r\neth0", "fd00::3": "c2\r\neth0"}, inject)
        assert not (INDEX / "new").exists(), inject
        traced(w, "GC", "", {**CONF, "cni.dev/valid-attachments": []}, f"-e inject={inject}").ok()
        eq(reserved(), {}, inject)


@test(timeout=240)
def killed_where_links_place_files(w):
    """Between link and unlink a file has two names: the next ADD must not write through the other."""
    call(w, "ADD", "other").ok()
    before = reserved()
    for k in (1, 2, 3, 4):
        traced(w, "ADD", "c1", inject=f"-e inject=renameat2:error=EINVAL -e inject=unlinkat:signal=KILL:when={k}")
        call(w, "ADD", "c2").ok()
        assert all(c.split()[0] in ("c1", "c2", "other") for c in reserved().values()), reserved()
        eq(list(reserved().values()).count("c2\r\neth0"), 2, f"c2's files behind a kill at {k}")
        call(w, "DEL", "c2").ok()
        clean_up_and_compare(w, before, f"killed at unlink {k}")


@test
def constant_cost(w):
    """The number of system calls does not depend on the number of reservations."""
    conf = dict(CONF, ipam={"type": "host-local", "subnet": "10.0.0.0/16"})
    costs = {}
    for n in (10, 5000):
        wipe()
        DIR.mkdir(parents=True)
        for i in range(n):
            (DIR / f"10.0.{i // 250}.{i % 250 + 2}").write_bytes(b"x%d\r\neth0" % i)
        (DIR / "last_reserved_ip.0").write_text(f"10.0.{(n - 1) // 250}.{(n - 1) % 250 + 2}")
        call(w, "ADD", "first", conf).ok()  # builds the index
        for id, verb in (("new", "ADD"), ("new", "CHECK"), ("new", "DEL"), ("new", "DEL"), ("new", "CHECK"),
                         ("x3", "ADD"), ("x3", "CHECK"), ("x3", "DEL"), ("", "STATUS")):
            traced(w, verb, id, conf)
            costs.setdefault(n, []).append((verb, id, len(TRACE.read_text().splitlines())))
    # Where round robin has lost its place, names are read and not each address tried.
    (DIR / "last_reserved_ip.0").unlink()
    (DIR / "10.0.0.5").write_bytes(b"x3\r\neth0")
    call(w, "CHECK", "x3", conf).ok()
    traced(w, "ADD", "lost", conf).ok()
    costs["lost"] = len(TRACE.read_text().splitlines())
    assert costs["lost"] < 400, costs
    eq(costs[5000], costs[10], "calls")
    assert max(n for _, _, n in costs[5000]) < 200, costs


if __name__ == "__main__":
    main()
