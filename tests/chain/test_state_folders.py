# SPDX-License-Identifier: GPL-2.0-or-later
"""State folders on a disk that is full, without inodes, read-only or broken, for the whole chain. ADD
fails with the file and the reason, and leaves nothing. DEL and GC of each program take away all but what
is on that disk, and say what they could not; once it is well again DEL succeeds and nothing is left."""

import os
from pathlib import Path

from crowd import NETWORK, Crowd, eq
from world import main, test

NETWORKS, SCRATCH, BACKUPS = "/var/lib/cni/networks", "/run/podwire", "/run/cni"
NO_SPACE, READ_ONLY, BROKEN = "No space left on device", "Read-only file system", "Input/output error"
# Whose DEL, and whose GC, cannot do all when a disk takes no change at all; tuning's DEL never fails for
# a pod that goes (its file is left to GC).
STUCK = {NETWORKS: (["bridge"], ["bridge"]), BACKUPS: ([], ["tuning"]),
         SCRATCH: (["firewall", "portmap", "bridge"], ["bridge", "portmap", "firewall"])}


def onto_its_own(w, folder, options):
    """The folder's files, on a file system with these options."""
    w.sh(f"cp -a {folder} /run/world/copy; mount -t tmpfs -o mode=700,{options} tmpfs {folder};"
         f" cp -a /run/world/copy/. {folder}; rm -r /run/world/copy")


def fill_blocks(w, folder):
    w.sh(f"dd if=/dev/zero of={folder}/fill bs=4k", check=False)


def fill_inodes(w, folder):
    w.sh(f"i=0; while : > {folder}/fill$i; do i=$((i + 1)); done 2>/dev/null", check=False)


def free(w, folder):
    w.sh(f"rm {folder}/fill*")


def each(w, crowd, verb, pod):
    """The verb by each program alone, as DEL goes; what failed, by program."""
    plugins = NETWORK["plugins"] if verb == "GC" else NETWORK["plugins"][::-1]
    failed = {}
    for plugin in plugins:
        conf = {**plugin, "name": "crowd", "cniVersion": "1.1.0", "prevResult": w.results[("crowd", pod.name, "eth0")],
                "cni.dev/valid-attachments": []}
        reply = w.call(plugin["type"], verb, conf, pod, id=pod.name)
        if reply.code != 0:
            failed[plugin["type"]] = reply.fails(5).msg
    return failed


def there(w, pod):
    """What is left of the pod, on the node and on disk."""
    tables = w.sh("nft list ruleset").stdout
    files = [f for f in Path(NETWORKS).rglob("[1-9f]*") if f.is_file() and f.read_bytes() == f"{pod.name}\r\neth0".encode()]
    return {"elements": f"crowd {pod.name} " in tables, "addresses": len(files),
            "links": [link["ifname"] for link in w.json("ip -j link") if link.get("ifalias", "").endswith(f" {pod.name} eth0")],
            "backup": os.path.exists(f"{BACKUPS}/tuning/{pod.name}_eth0.json")}


def crowd_of(w):
    crowd = Crowd(w, 2)
    well_again(w, crowd, crowd.pods[0])
    crowd.empty = crowd.snapshot()
    return (crowd, *crowd.pods)


def well_again(w, crowd, pod):
    """DEL by the runtime's next try, and the GC that tuning leaves its file to."""
    crowd.call("DEL", pod).ok()
    w.chain(NETWORK, "GC", valid=[]).ok()


def fails_and_leaves_nothing(w, crowd, folder, reason, pod):
    before = crowd.snapshot()
    reply = crowd.call("ADD", pod).fails(5, reason)
    assert folder in reply.msg, reply.msg
    if folder == BACKUPS:  # what the plugins before tuning did
        crowd.call("DEL", pod).ok()
    w.same(before, crowd.snapshot(), f"left by a failed ADD, {folder}: {reason}")


def full(w, options, fill):
    crowd, a, b = crowd_of(w)
    for folder in STUCK:
        onto_its_own(w, folder, options)
        crowd.call("ADD", a).ok()
        fill(w, folder)
        fails_and_leaves_nothing(w, crowd, folder, NO_SPACE, b)
        eq(crowd.check(a), {}, f"CHECK, {folder} full")
        for verb in ("DEL", "GC"):
            eq(each(w, crowd, verb, a), {}, f"{verb}, {folder} full")
        free(w, folder)
        crowd.left()
        w.sh(f"umount {folder}")


@test
def no_blocks(w):
    full(w, "size=200k", fill_blocks)


@test
def no_inodes(w):
    full(w, "nr_inodes=60", fill_inodes)


def stuck(w, crowd, folder, reason, pod, elements=False):
    """DEL and GC while the folder takes no change: all else goes, by DEL already."""
    for verb, names in zip(("DEL", "GC"), STUCK[folder]):
        said = each(w, crowd, verb, pod)
        eq(list(said), names, f"{verb}, {folder}: {said}")
        for name, words in said.items():
            assert folder in words and reason in words, f"{verb} of {name}: {words}"
        eq(there(w, pod), {"elements": elements, "addresses": 2 if folder == NETWORKS else 0, "links": [],
                           "backup": folder == BACKUPS}, f"what stays, {folder}: {reason}")


@test
def read_only(w):
    crowd, a, b = crowd_of(w)
    for folder in STUCK:
        onto_its_own(w, folder, "size=1m")
        crowd.call("ADD", a).ok()
        w.sh(f"mount -o remount,ro {folder}")
        fails_and_leaves_nothing(w, crowd, folder, READ_ONLY, b)
        eq(crowd.check(a), {}, f"CHECK, {folder} read-only")
        stuck(w, crowd, folder, READ_ONLY, a)
        w.sh(f"mount -o remount,rw {folder}")
        well_again(w, crowd, a)
        crowd.left()
        w.sh(f"umount {folder}")


@test
def broken(w):
    """Every access to the folder and to what is in it is an error of the disk's."""
    crowd, a, b = crowd_of(w)
    plain, wrapped = w.bin, Path("/run/world/broken")
    wrapped.mkdir()
    for folder in STUCK:
        crowd.call("ADD", a).ok()
        paths = " ".join(f"-P {x}" for x in [folder, *(x for x in Path(folder).rglob("*") if "\n" not in str(x))])
        for program in os.listdir(plain):
            (wrapped / program).write_text(
                "#!/bin/sh\nexec env ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null "
                f"-e inject=openat,mkdir,mkdirat,read,write,getdents64,flock,linkat,renameat,renameat2,unlink,unlinkat:error=EIO"
                f" {paths} {plain}/{program}\n")
            (wrapped / program).chmod(0o755)
        w.bin = str(wrapped)
        fails_and_leaves_nothing(w, crowd, folder, BROKEN, b)
        stuck(w, crowd, folder, BROKEN, a, elements=folder == SCRATCH)  # not without the lock
        w.bin = plain
        well_again(w, crowd, a)
        crowd.left()


if __name__ == "__main__":
    main()
