#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel without one of the nf_tables modules that our rules need: the error names it, nothing changes.

The modules are there, but the guest's modprobe is told not to load one of them; that is what the
kernel itself runs when a rule asks for it. To be run in a guest where no firewall is loaded yet.
"""

import os
import re

from cluster import rules
from node import add, chain_of, delete, eq, main, network, ports, refusal, test, wait_for

# Opened before any test has its own /etc: the kernel's helper reads the guest's.
MODPROBE_D = os.open("/etc/modprobe.d", os.O_RDONLY | os.O_DIRECTORY)
NFT = ("nft_masq", "nft_nat", "nft_fib_inet", "nft_fib_ipv4", "nft_fib_ipv6", "nft_fib", "nft_chain_nat",
       "nft_ct", "nft_redir", "nft_reject_inet", "nf_nat", "nf_conntrack_netlink", "nf_tables")
WEB = ports((8080, 80, "tcp"))


def without(w, module):
    """Unload what earlier tests have loaded (their namespaces end a little after them) and deny one."""
    def unloaded():
        w.sh(f"rmmod {' '.join(NFT)} 2>/dev/null", check=False)
        return not os.path.exists("/sys/module/nf_tables")

    wait_for(unloaded, "nf_tables to be unloaded", 15)
    fd = os.open("podwire.conf", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=MODPROBE_D)
    with os.fdopen(fd, "w") as file:
        file.write(f"install {module} /bin/false\n")


def everything(w):
    """w.snapshot() would run nft, and so load modules: all but the rules, which are asked for last."""
    text = w.sh("ip -d link; ip addr; ip route show table all; ip -6 route show table all;"
                "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding;"
                "find /var/lib/cni -name '10.*'; grep -rH . /run/podwire", check=False).stdout
    text = re.sub(r" \w+_timer +[\d.]+|NO-CARRIER,|,LOWER_UP| linkdown| state (UP|DOWN|forwarding|disabled)", "", text)
    return "\n".join(line for line in text.splitlines() if "fe80:" not in line and "valid_lft" not in line)


def refused(w, module):
    """Masquerade and host ports are refused by name; what needs no rules works."""
    without(w, module)
    nat, plain = (network("pods", "10.88.0.0/24", isDefaultGateway=True, ipMasq=on, cniVersion="1.1.0")
                  for on in (True, False))
    portmap = {"cniVersion": "1.1.0", "name": "pods", "type": "portmap", "runtimeConfig": WEB}
    pod, before = w.pod("a"), everything(w)
    for conf in (nat, portmap):
        refusal(w.call(conf["type"], "STATUS", conf), module, code=50)
    refusal(w.call("bridge", "ADD", nat, pod, "a"), module)
    w.same(before, everything(w), "the node after a refused ADD")
    eq(sorted(link["ifname"] for link in pod.json("ip -j link")), ["lo"], "links of the pod")
    delete(w, nat, pod, "a")

    w.call("bridge", "STATUS", plain).ok()
    result = add(w, plain, pod, "a")
    other = w.pod("b")
    before = everything(w)
    refusal(w.call("bridge", "ADD", nat, other, "b"), module)
    w.same(before, everything(w), "the node after a refused ADD on a bridge that is there")
    eq(sorted(link["ifname"] for link in other.json("ip -j link")), ["lo"], "links of the other pod")
    refusal(w.call("portmap", "ADD", {**portmap, "prevResult": result}, pod, "a"), module)
    w.same(before, everything(w), "the node after a refused host port")
    w.call("portmap", "ADD", {**portmap, "prevResult": result, "runtimeConfig": {}}, pod, "a").ok()
    assert w.pings(result["ips"][0]["address"].split("/")[0]), "a pod without NAT does not answer"
    w.call("portmap", "DEL", {**portmap, "prevResult": result}, pod, "a").ok()
    delete(w, plain, pod, "a")
    eq(w.sh("nft list tables", check=False).stdout, "", "tables after all")


@test
def without_nft_chain_nat(w):
    refused(w, "nft_chain_nat")


@test
def without_nft_masq(w):
    refused(w, "nft_masq")


@test
def without_nft_nat(w):
    refused(w, "nft_nat")


@test
def without_nft_fib_inet(w):
    refused(w, "nft_fib_inet")


@test
def without_nf_tables(w):
    refused(w, "nf_tables")


@test
def the_overlays_table_needs_the_same(w):
    for module in ("nft_chain_nat", "nft_masq", "nf_tables"):
        without(w, module)
        for verb, code in (("status", 50), ("apply", 100)):
            done = rules(w, verb, "sender=192.0.2.1", check=False, masq=1, port=8472)
            assert done.returncode == 1 and done.stderr.startswith(f"{code} ") and module in done.stderr, f"{module}: {done}"
        eq(rules(w, "probe", masq=1).stdout, "fell\n")
        rules(w, "remove")
        if module != "nf_tables":
            eq(w.sh("nft list tables").stdout, "", f"tables without {module}")
            eq(rules(w, "apply", "sender=192.0.2.1", port=8472).stdout, "changed\n")
            rules(w, "remove")
    without(w, "a_module_that_nobody_asks_for")
    rules(w, "status", masq=1)
    eq(rules(w, "apply", masq=1).stdout, "changed\n")


@test
def gc_and_delete_need_no_rules(w):
    without(w, "nf_tables")
    conflist = chain_of("pods", "10.88.0.0/24")
    w.chain(conflist, "DEL", None, "a", caps=WEB).ok()
    w.chain(conflist, "GC", valid=[]).ok()


@test
def with_every_module(w):
    """The same calls succeed when nothing is denied, so the refusals above came from the module."""
    without(w, "a_module_that_nobody_asks_for")
    conflist, pod = chain_of("pods", "10.88.0.0/24"), w.pod("a")
    for conf in conflist["plugins"]:
        w.call(conf["type"], "STATUS", {**conf, "cniVersion": "1.1.0", "name": "pods"}).ok()
    w.chain(conflist, "ADD", pod, "a", caps=WEB).ok()
    w.chain(conflist, "CHECK", pod, "a", caps=WEB).ok()
    w.chain(conflist, "DEL", pod, "a", caps=WEB).ok()


if __name__ == "__main__":
    main()
