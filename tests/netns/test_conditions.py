# SPDX-License-Identifier: GPL-2.0-or-later
"""portmap's lists of conditions: what they may say, and what is left of them."""

import json
import os
import re
import shutil
import time
from pathlib import Path

from world import eq, main, test

LISTS = (["-s", "192.0.2.0/24"], ["ip", "saddr", "!=", "203.0.113.1"], ["-p", "tcp"])


def conflist(name="plain", number=77, **portmap):
    return {"cniVersion": "1.1.0", "name": name, "plugins": [
        {"type": "bridge", "bridge": f"cni{number}", "isGateway": True,
         "ipam": {"type": "host-local", "ranges": [[{"subnet": f"10.{number}.0.0/24"}]]}},
        {"type": "portmap", "capabilities": {"portMappings": True}, **portmap}]}


def with_words(words, name="podnet", number=88):
    return conflist(name, number, conditionsV4=words)


def caps(*ports):
    return {"portMappings": [{"hostPort": p, "containerPort": 80, "protocol": "tcp"} for p in ports]}


def add(w, pod, number, list=None):
    w.chain(list or conflist(), "ADD", pod, id=pod.name, caps=caps(number)).ok()


def delete(w, pod, list=None):
    w.chain(list or conflist(), "DEL", pod, id=pod.name).ok()


def traces(w):
    table = w.sh("nft list table inet podwire", check=False).stdout
    lines = [line.strip() for line in table.splitlines() if re.search(r"host(port|ip)s?[46]?-[0-9a-f]{16}", line)]
    folder = Path("/run/podwire/conditions")
    return lines, sorted(os.listdir(folder)) if folder.exists() else []


@test
def gc_takes_unused_lists(w):
    add(w, w.pod("plain"), 9000)
    before = traces(w)
    eq(before, ([], []))
    lists = [with_words(words, f"net{i}", 80 + i) for i, words in enumerate(LISTS)]
    pods = [w.pod(f"p{i}") for i in range(3)]
    for pod, list_ in zip(pods, lists):
        add(w, pod, 8080 + pods.index(pod), list=list_)
    lines, files = traces(w)
    eq(len(files), 3)
    eq(len([line for line in lines if "jump hostports-" in line]), 12, lines)
    # Nothing goes while it is needed, be it by another network.
    w.chain(lists[0], "GC", valid=[("p0", "eth0")]).ok()
    eq(traces(w), (lines, files))
    for pod, list_ in zip(pods, lists):
        delete(w, pod, list=list_)
    eq(len(traces(w)[1]), 3, "DEL leaves them")
    w.chain(lists[0], "GC", valid=[]).ok()
    eq(traces(w), before)
    w.chain(lists[0], "GC", valid=[]).ok()
    # The others are whole, and a list can come back.
    w.chain(conflist(), "CHECK", w.pods["plain"], id="plain", caps=caps(9000)).ok()
    add(w, pods[0], 8080, list=lists[0])
    eq(len(traces(w)[1]), 1)
    w.chain(lists[0], "CHECK", pods[0], id="p0", caps=caps(8080)).ok()
    # GC releases a pod that nobody knows, and then its list.
    w.chain(lists[0], "GC", valid=[]).ok()
    eq(traces(w), before)


@test
def gc_keeps_the_list_of_a_living_pod_after_a_flush(w):
    list_ = with_words(LISTS[0], "net0", 80)
    add(w, w.pod("a"), 8080, list=list_)
    w.sh("nft flush ruleset")
    other = with_words(LISTS[1], "net1", 81)
    w.chain(other, "GC", valid=[]).ok()
    eq(len(traces(w)[1]), 1)
    add(w, w.pod("b"), 8081)
    w.chain(list_, "CHECK", w.pods["a"], id="a", caps=caps(8080)).ok()
    # Without a pod, a file alone goes too.
    w.sh("nft flush ruleset")
    delete(w, w.pods["a"], list=list_)
    w.chain(other, "GC", valid=[]).ok()
    eq(traces(w)[1], [])


@test
def a_refused_list_leaves_nothing(w):
    a = w.pod("a")
    for words in (["no", "such", "words"], ["ip6", "saddr", "::1"]):
        list_ = with_words(words)
        w.chain(list_, "ADD", a, id="a", caps=caps(8080)).fails(7, "nft refuses them")
        eq(traces(w), ([], []))
        delete(w, a, list=list_)


@test
def conditions_ask_and_do_not_act(w):
    a = w.pod("a")
    for words, name in ((["tcp", "dport", "vmap", "{ 80 : drop }"], "vmap"),
                        (["meta", "mark", "set", "1"], "set"),
                        (["tcp", "dport", "{80:accept}"], "accept"),
                        (["counter"], "counter")):
        w.chain(with_words(words), "ADD", a, id="a", caps=caps(8080)).fails(7, f'"{name}"')
        delete(w, a, list=with_words(words))
    add(w, a, 8080, list=with_words(LISTS[1]))
    chain = w.sh("nft list chain inet podwire prerouting").stdout
    ways = [line for line in chain.splitlines() if "jump hostports-" in line]
    eq(len(ways), 2)
    for line in ways:
        assert line.index("fib daddr type local") < (line + "ip saddr").index("ip saddr"), line


@test
def gc_without_netfilter(w):
    """A kernel whose nfnetlink is missing answers socket() with EPROTONOSUPPORT."""
    list_ = with_words(LISTS[0])
    add(w, w.pod("a"), 8080, list=list_)
    w.sh("nft delete table inet podwire; nft delete table bridge podwire", check=False)
    folder = Path("/run/podwire/attachments")
    eq(len([f for f in os.listdir(folder) if f.startswith("portmap-")]), 1)
    conf = {"cniVersion": "1.1.0", "name": "podnet", "type": "portmap", "cni.dev/valid-attachments": []}
    # The first two sockets of a GC are of netfilter: what is there, and the session.
    done = w.sh(["strace", "-qq", "-o", "/dev/null", "-e", "trace=socket",
                 "-e", "inject=socket:error=EPROTONOSUPPORT", "env", "-i", "CNI_COMMAND=GC", "CNI_PATH=/x",
                 "ASAN_OPTIONS=detect_leaks=0", f"{w.bin}/portmap"], input=json.dumps(conf), check=False)
    eq((done.returncode, done.stdout), (0, ""))
    eq([f for f in os.listdir(folder) if f.startswith("portmap-")], [])


@test
def an_nft_that_hangs_does_not_hold_the_lock_for_long(w):
    """After a flush all lists together have five seconds, whatever the program does."""
    for i, words in enumerate(LISTS):
        add(w, w.pod(f"p{i}"), 8080 + i, list=with_words(words, f"net{i}", 80 + i))
    w.sh("nft flush ruleset")
    Path("/run/world/slow").write_text("#!/bin/sh\nexec sleep 60\n")
    os.chmod("/run/world/slow", 0o755)
    real = os.path.realpath(shutil.which("nft"))
    w.sh(f"mount --bind /run/world/slow {real}")
    start = time.monotonic()
    add(w, w.pod("plain"), 9000)
    took = time.monotonic() - start
    assert 4 < took < 9, took
    # The next ADD of each network lets it in again.
    w.sh(f"umount {real}")
    for i, words in enumerate(LISTS):
        add(w, w.pod(f"q{i}"), 8090 + i, list=with_words(words, f"net{i}", 80 + i))
    eq(len([line for line in traces(w)[0] if "jump hostports-" in line]), 12)


if __name__ == "__main__":
    main()
