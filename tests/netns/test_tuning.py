# SPDX-License-Identifier: GPL-2.0-or-later
"""tuning as a runtime sees it (plugins.md §3.3)."""

import json
import os
import re
import shutil
from pathlib import Path

from world import eq, main, test, wait_for

GO = os.environ.get("CNI_REFERENCE_DIR", "/usr/lib/cni")
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
DIR = "/run/cni/tuning"
FILE = Path(DIR) / "c1_eth0.json"
MAC, OTHER = "02:00:00:00:12:34", "02:00:00:00:56:78"
MARTIANS = "net.ipv4.conf.IFNAME.log_martians"
# key, value, what `ip -j link` shows then, and of a fresh veth
LINK_KEYS = {
    "mac": (MAC, lambda link: link["address"] == MAC),
    "promisc": (True, lambda link: "PROMISC" in link["flags"]),
    "mtu": (1400, lambda link: link["mtu"] == 1400),
    "allmulti": (True, lambda link: "ALLMULTI" in link["flags"]),
    "txQLen": (7, lambda link: link["txqlen"] == 7),
}
EVERYTHING = {**{k: v for k, (v, _) in LINK_KEYS.items()}, "mtuBothEnds": True,
              "sysctl": {MARTIANS: "1", "net.ipv4.ip_local_port_range": "20000 30000"}}


def prev(pod, version="1.1.0", ifname="eth0"):
    if version < "0.3":
        return {"cniVersion": version, "ip4": {"ip": "10.7.0.2/24", "gateway": "10.7.0.1"}, "dns": {}}
    result = {"cniVersion": version,
              "interfaces": [{"name": "vh-" + pod.name, "mac": OTHER},
                             {"name": ifname, "mac": OTHER, "sandbox": pod.path}],
              "ips": [{"interface": 1, "address": "10.7.0.2/24", "gateway": "10.7.0.1"},
                      {"interface": 1, "address": "fd00:7::2/64"}]}
    if version < "1":
        result["dns"] = {}
        for ip, number in zip(result["ips"], "46"):
            ip["version"] = number
    return result


def conf(pod, version="1.1.0", **more):
    return {"cniVersion": version, "name": "net", "type": "tuning", "prevResult": prev(pod, version), **more}


def call(w, verb, c, pod, **more):
    return w.call("tuning", verb, c, pod, **more)


def wire(w, name="p", ifname="eth0"):
    """A pod on a bridge, made with ip(8)."""
    pod = w.pod(name)
    w.sh("ip link show br0 || { ip link add br0 address 02:00:00:00:00:01 type bridge; ip link set br0 up;"
         "ip addr add 10.7.0.1/24 dev br0; ip addr add fd00:7::1/64 dev br0 nodad; }")
    w.sh(f"ip link add vh-{name} type veth peer name {ifname} netns {name} address {OTHER};"
         f"ip link set vh-{name} master br0 up")
    pod.sh(f"ip link set lo up; ip addr add 10.7.0.2/24 dev {ifname}; ip addr add fd00:7::2/64 dev {ifname} nodad;"
           f"ip link set {ifname} up; ip route add default via 10.7.0.1;"
           f"ip -6 route add default via fd00:7::1")
    return pod


def link(net, name="eth0"):
    return net.json(f"ip -d -j link show dev {name}")[0]


def state(w, pod, ifname="eth0"):
    """Everything that tuning could change, on both ends; the folders, too."""
    text = pod.sh(f"ip link show dev {ifname}; ip -4 addr show dev {ifname}; ip -4 route show table all;"
                  "ip -6 route show table all | grep -v fe80; ip neigh show nud permanent").stdout
    text += "".join(f"{key} {pod.sysctl(key)}\n" for key in (
        f"net.ipv4.conf.{ifname}.log_martians".replace("eth0.100", "eth0/100"), "net.ipv4.ip_local_port_range",
        f"net/ipv4/conf/{ifname}/arp_notify") if "/" not in ifname and "." not in ifname)
    text += w.sh(f"ip link show vh-{pod.name}").stdout + w.files(DIR)
    return re.sub(r"NO-CARRIER,|,LOWER_UP| linkdown|\bstate (UP|DOWN)", "", text)


def warm(w, pod):
    """The folder of old values stays."""
    call(w, "ADD", conf(pod, mtu=1499), pod).ok()
    call(w, "DEL", conf(pod), pod).ok()


def traced(w, verb, c, pod, inject, kinds, id="c1"):
    """A call under strace with a fault; the reply, and whether the fault was reached."""
    if not shutil.which("strace"):
        w.skip("no strace")
    log = Path("/run/world/strace.log")
    wrapper = Path("/run/world/tuning")
    wrapper.write_text(f"#!/bin/sh\nexec strace -qq -o {log} -e trace={kinds} {inject} {w.bin}/tuning\n")
    wrapper.chmod(0o755)
    log.write_text("")
    process = w.start(str(wrapper), verb, c, pod, id, env={"ASAN_OPTIONS": "detect_leaks=0"})
    out, err = process.communicate(timeout=60)
    assert b"Sanitizer" not in err, err
    text = log.read_text()
    return process.returncode, out.decode(), "INJECTED" in text


# ---- what is set, and put back

@test
def every_key_in_every_version_from_both_places(w):
    for version in VERSIONS:
        pod = wire(w, "p" + version.replace(".", ""))
        warm(w, pod)
        before = state(w, pod)
        for key, (value, shown) in LINK_KEYS.items():
            for more in ({key: value}, {"args": {"cni": {key: value}}}):
                c = conf(pod, version, **more)
                eq(shown(link(pod)), False, f"{key} before")
                reply = call(w, "ADD", c, pod).ok()
                eq(shown(link(pod)), True, f"{key} in {version}")
                eq(reply.err, "", "stderr")
                if version >= "0.4":
                    call(w, "CHECK", {**c, "prevResult": reply.json}, pod).ok()
                for _ in range(2):
                    eq(call(w, "DEL", c, pod).ok().out, "")
                eq(state(w, pod), before, f"{key} after DEL")
        w.sh(f"ip link del vh-{pod.name}")


@test
def everything_at_once(w):
    pod = wire(w)
    warm(w, pod)
    before = state(w, pod)
    c = conf(pod, **EVERYTHING)
    reply = call(w, "ADD", c, pod).ok()
    now = link(pod)
    for key, (_, shown) in LINK_KEYS.items():
        eq(shown(now), True, key)
    eq(link(w, "vh-p")["mtu"], 1400, "the host end")
    eq(pod.sysctl("net.ipv4.conf.eth0.log_martians"), "1")
    eq(pod.sysctl("net.ipv4.ip_local_port_range").split(), ["20000", "30000"])
    want = prev(pod)
    want["interfaces"][1].update(mac=MAC, mtu=1400)
    eq(reply.json, want, "the result")
    call(w, "CHECK", {**c, "prevResult": reply.json}, pod).ok()
    call(w, "DEL", conf(pod), pod).ok()  # by the file, not by the configuration
    eq(state(w, pod), before, "after DEL")


@test
def the_result_is_prevresult(w):
    pod = wire(w)
    for version in VERSIONS:
        c = conf(pod, version, mac=MAC.upper(), mtu=1400)
        if version >= "0.3":  # the same name on the host is another interface
            c["prevResult"]["interfaces"].append({"name": "eth0", "mac": OTHER})
        want = json.loads(json.dumps(c["prevResult"]))
        if version >= "0.3":
            want["interfaces"][1]["mac"] = MAC
        if version == "1.1.0":
            want["interfaces"][1]["mtu"] = 1400
        got = call(w, "ADD", c, pod).ok().json
        if version != "1.1.0" and version >= "0.3":
            got["interfaces"][1].pop("mtu", None)
        eq(got, want, version)
        call(w, "DEL", c, pod).ok()


@test
def a_result_without_sandboxes(w):
    pod = wire(w)
    c = conf(pod, mac=MAC)
    for itf in c["prevResult"]["interfaces"]:
        itf.pop("sandbox", None)
    got = call(w, "ADD", c, pod).ok().json["interfaces"]
    eq([itf["mac"] for itf in got], [OTHER, MAC])


@test
def the_backup_file_is_the_references(w):
    pod = wire(w)
    for folder in (DIR, "/run/elsewhere/deep/"):
        c = conf(pod, dataDir=folder, **EVERYTHING)
        call(w, "ADD", c, pod).ok()
        file = Path(folder) / "c1_eth0.json"
        text = file.read_text()
        saved = json.loads(text)
        eq({k: saved[k] for k in LINK_KEYS}, {"mac": OTHER, "promisc": False, "mtu": 1500, "allmulti": False,
                                              "txQLen": 1000}, "old values")
        eq(text.startswith('{\n "'), True, "indent")
        eq((oct(file.stat().st_mode & 0o7777), oct(Path(folder).stat().st_mode & 0o7777)), ("0o600", "0o700"))
        eq(saved["sysctl"], {"net/ipv4/conf/eth0/log_martians": ["0", "1"],
                              "net/ipv4/ip_local_port_range": ["32768\t60999", "20000 30000"]})
        call(w, "DEL", conf(pod, dataDir=folder), pod).ok()
        eq(list(Path(folder).iterdir()), [], "after DEL")
    Path(DIR).chmod(0o600)
    call(w, "ADD", conf(pod, mtu=1400), pod).ok()
    eq(set(json.loads(FILE.read_text())) & set(LINK_KEYS), {"mtu"}, "only what is set")


@test
def mac_precedence(w):
    pod = wire(w)
    places = [({"mac": "02:00:00:00:00:0a"}, ""), ({}, "MAC=02:00:00:00:00:0b;IgnoreUnknown=1;X=1"),
              ({"RuntimeConfig": {"mac": "02:00:00:00:00:0c"}}, ""),
              ({"args": {"cni": {"mac": "02:00:00:00:00:0d"}}}, "")]
    more, args = {}, ""
    for (keys, env), want in zip(places, "abcd"):
        more, args = {**more, **keys}, args or env
        c = conf(pod, **more)
        call(w, "ADD", c, pod, args=args).ok()
        eq(link(pod)["address"], "02:00:00:00:00:0" + want)
        call(w, "DEL", c, pod).ok()


@test
def explicit_off_and_zero(w):
    pod = wire(w)
    pod.sh("ip link set eth0 promisc on allmulticast on")
    before = state(w, pod)
    c = conf(pod, promisc=False, allmulti=False, txQLen=0, mtu=0)
    call(w, "ADD", c, pod).ok()
    now = link(pod)
    eq(("PROMISC" in now["flags"], "ALLMULTI" in now["flags"], now.get("txqlen", 0)), (False, False, 0))
    call(w, "CHECK", c, pod).ok()
    call(w, "DEL", c, pod).ok()
    eq(state(w, pod).replace(w.files(DIR), ""), before, "after DEL")


@test
def sysctl_names(w):
    pod = wire(w, ifname="eth0.100")
    for key, ifname in ((MARTIANS, "eth0.100"), ("net/ipv4/conf/eth0.100/log_martians", "eth0.100"),
                        ("net/ipv4/conf/IFNAME/log_martians", "eth0.100"), ("net.ipv4.conf.all.log_martians", "all")):
        c = conf(pod, sysctl={key: "1"})
        where = f"net/ipv4/conf/{ifname}/log_martians"
        call(w, "ADD", c, pod, ifname="eth0.100").ok()
        eq(pod.sysctl(where), "1", key)
        eq(w.sysctl("net/ipv4/conf/all/log_martians"), "0", "the host's own")
        call(w, "CHECK", c, pod, ifname="eth0.100").ok()
        call(w, "DEL", c, pod, ifname="eth0.100").ok()
        eq(pod.sysctl(where), "0", key)


@test
def sysctls_merge_and_keep_their_order(w):
    pod = wire(w)
    # Of two spellings of one switch the later wins; args.cni's override and come last.
    for sysctl, args, want in (
            ({"net.ipv4.conf.all.log_martians": "1", "net/ipv4/conf/all/log_martians": "0"}, {}, "0"),
            ({"net/ipv4/conf/all/log_martians": "0", "net.ipv4.conf.all.log_martians": "1"}, {}, "1"),
            ({"net.ipv4.conf.all.log_martians": "1"}, {"net.ipv4.conf.all.log_martians": "0"}, "0"),
            (None, {"net.ipv4.conf.all.log_martians": "1"}, "1")):
        c = conf(pod, sysctl=sysctl, args={"cni": {"sysctl": args}})
        call(w, "ADD", c, pod).ok()
        eq(pod.sysctl("net.ipv4.conf.all.log_martians"), want, str(c["sysctl"]))
        call(w, "DEL", c, pod).ok()
        eq(pod.sysctl("net.ipv4.conf.all.log_martians"), "0")


@test
def sysctl_values(w):
    pod = wire(w)
    pod.sysctl("net.ipv4.ip_local_reserved_ports", "8080")
    c = conf(pod, sysctl={"net.ipv4.ip_local_reserved_ports": "", "net.ipv4.route.flush": "1",
                          "net.ipv6.conf.IFNAME.stable_secret": "fd00::1", "net.ipv4.tcp_rmem": "4096 65536 100000"})
    call(w, "ADD", c, pod).ok()
    eq(pod.sysctl("net.ipv4.ip_local_reserved_ports"), "", "an empty list")
    eq(pod.sysctl("net.ipv4.tcp_rmem"), "4096\t65536\t100000")
    eq(set(json.loads(FILE.read_text())["sysctl"]),
       {"net/ipv4/ip_local_reserved_ports", "net/ipv4/tcp_rmem"}, "what can be read")
    c["sysctl"].pop("net.ipv6.conf.IFNAME.stable_secret")  # it reads back in full length
    call(w, "CHECK", c, pod).ok()
    call(w, "DEL", c, pod).ok()
    eq(pod.sysctl("net.ipv4.ip_local_reserved_ports"), "8080")


@test
def a_switch_is_written_though_it_has_the_value(w):
    """Some pass what is written to them on to every interface, whatever they are themselves."""
    pod = wire(w)
    for name, value in (("net.ipv6.conf.{}.disable_ipv6", "1"), ("net.ipv6.conf.{}.forwarding", "1")):
        pod.sysctl(name.format("all"), 1)
        pod.sysctl(name.format("eth0"), 0)
        call(w, "ADD", conf(pod, sysctl={name.format("all"): value}), pod).ok()
        eq(pod.sysctl(name.format("eth0")), value, name)
        call(w, "DEL", conf(pod), pod).ok()
        eq(pod.sysctl(name.format("eth0")), value, name + " after DEL")


@test
def a_switch_of_others_is_not_put_back(w):
    pod = wire(w)
    pod.sh("ip link add eth1 type ifb")
    spread = {"net.ipv6.conf.all.disable_ipv6": "1", "net.ipv4.ip_forward": "1"}
    for name in spread:
        pod.sysctl(name, 0)
    c = conf(pod, sysctl={**spread, "net.ipv4.ip_local_port_range": "20000 30000", "net.ipv4.tcp_rmem": "4096 65536 100000"})
    rmem = pod.sysctl("net.ipv4.tcp_rmem")
    call(w, "ADD", c, pod).ok()
    pod.sysctl("net.ipv4.ip_local_port_range", "20000 40000")  # by another network of this pod
    eq(call(w, "DEL", conf(pod), pod).ok().err, "")
    eq(pod.sysctl("net.ipv4.ip_local_port_range").split(), ["20000", "40000"])
    eq(pod.sysctl("net.ipv4.tcp_rmem"), rmem, "still ours")
    eq([pod.sysctl(x) for x in (*spread, "net.ipv6.conf.eth1.disable_ipv6", "net.ipv4.conf.eth1.forwarding")], ["1"] * 4)


@test
def a_failing_add_takes_back_switches_that_spread(w):
    pod = wire(w)
    call(w, "ADD", conf(pod, sysctl={"net.ipv4.ip_forward": "1", "net.ipv4.ip_local_port_range": "many"}), pod).fails(100)
    eq(pod.sysctl("net.ipv4.ip_forward"), "0")


@test
def a_missing_switch_names_key_and_path(w):
    pod = wire(w)
    before = state(w, pod)
    r = call(w, "ADD", conf(pod, mtu=1400, sysctl={MARTIANS: "1", "net.ipv4.nonsense": "1"}), pod)
    r.fails(7, "sysctl net.ipv4.nonsense: /proc/sys/net/ipv4/nonsense")
    eq(state(w, pod), before, "nothing was changed")
    r = call(w, "ADD", conf(pod, sysctl={MARTIANS: "1", "net.ipv4.ip_local_port_range": "many"}), pod)
    r.fails(100, 'sysctl net.ipv4.ip_local_port_range (it is "32768\t60999"'.replace("\t", "?"))
    eq(state(w, pod).replace(w.files(DIR), ""), before, "undone")


@test
def a_read_only_proc_sys_that_is_right_already(w):
    pod = wire(w)
    pod.sysctl("net.ipv4.conf.eth0.log_martians", 1)
    w.sh("mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys")
    before = state(w, pod)
    c = conf(pod, sysctl={MARTIANS: " 1 ", "net.ipv4.ip_local_port_range": "32768  60999\n",
                          "net.ipv4.ip_local_reserved_ports": ""})
    call(w, "ADD", c, pod).ok()
    call(w, "CHECK", c, pod).ok()
    eq(FILE.exists(), False, "nothing to be put back")
    call(w, "DEL", c, pod).ok()
    call(w, "ADD", conf(pod, sysctl={MARTIANS: "0"}), pod).fails(100, "sysctl " + MARTIANS)
    eq(state(w, pod).replace(w.files(DIR), ""), before, "as it was")


# ---- the allow-list

@test
def allow_list(w):
    pod = wire(w)
    file = Path("/etc/cni/tuning/allowlist.conf")
    file.parent.mkdir(parents=True)
    key = "net.ipv4.conf.all.log_martians"
    for text, fine in ((r"^net\.ipv4\.conf\.other\.[a-z_]*$", False), (r"^net\.ipv4\.conf\.all\.[a-z_]*$", True),
                       ("\n  martians \n\n", True), ("", False), ("nothing\r\n" + r"net\.ipv4\.\w+\.all", True),
                       (r"^net\.ipv6\.", False)):
        file.write_text(text)
        r = call(w, "ADD", conf(pod, sysctl={key: "1"}), pod)
        if fine:
            r.ok()
        else:
            r.fails(7, f"Sysctl {key} is not allowed. Only the following sysctls are allowed: [")
        eq(pod.sysctl(key), "1" if fine else "0", text)
        call(w, "DEL", conf(pod), pod).ok()
        call(w, "STATUS", conf(pod), None).ok()
    r = call(w, "ADD", conf(pod, args={"cni": {"sysctl": {key: "1"}}}), pod)
    r.fails(7, f"Sysctl {key} is not allowed. Only the following sysctls are allowed: [^net\\.ipv6\\.]")
    for text, words in (("fine\nba(d", "line 2"), (r"a\b", "line 1"), ("(?i)x", "(? other than (?:"), ("x\0", "NUL"),
                        ("x\n" * 1025, "line 1025"), ("y" * 1025, "line 1"), ("z" * 65536, "allowlist.conf")):
        file.write_text(text)
        call(w, "ADD", conf(pod, sysctl={key: "1"}), pod).fails(None, words)
        call(w, "STATUS", conf(pod), None).fails(50, words)
        eq(pod.sysctl(key), "0")
        call(w, "ADD", conf(pod, mtu=1400), pod).ok()  # no sysctl, no question
        call(w, "DEL", conf(pod), pod).ok()


@test
def status_looks_at_the_data_folder(w):
    pod = wire(w)
    Path("/run/cni").mkdir()
    call(w, "STATUS", conf(pod), None).ok()
    Path(DIR).write_text("")
    call(w, "STATUS", conf(pod), None).fails(50, f"{DIR} is no folder")
    call(w, "ADD", conf(pod, mtu=1400), pod).fails(5, DIR)
    eq(link(pod)["mtu"], 1500)
    call(w, "DEL", conf(pod), pod).ok()
    call(w, "GC", conf(pod, **{"cni.dev/valid-attachments": []}), None).ok()


@test
def duplicate_keys(w):
    pod = wire(w)
    text = json.dumps(conf(pod, x={"a": 1}))
    for where, fine in (('"sysctl": {"net.core.a": "1", "net.core.a": "1"}', False),
                        ('"SysCtl": {"net.core.a": "1", "net.core.x": "' + "y" * 3000 + '", "net.core.a": "2"}', False),
                        ('"args": {"cni": {"sysctl": {"net.core.a": "1", "net.core.b": "\\"", "net.core.a": "1"}}}', False),
                        ('"x": {"net.core.a": "1", "net.core.a": "1"}, "mtu": 1500, "mtu": 1400', True),
                        ('"sysctl": {"net.ipv4.conf.all.log_martians": "1", "net.ipv4.conf.eth0.log_martians": "1"}', True)):
        r = call(w, "ADD", text.replace('"x": {"a": 1}', where), pod)
        if fine:
            r.ok()
            call(w, "DEL", conf(pod), pod).ok()
        else:
            r.fails(7, 'duplicated sysctl keys are not allowed: "net.core.a" stands there twice')
    name = "net.core." + "a" * 120
    r = call(w, "ADD", text.replace('"x": {"a": 1}', f'"sysctl": {{"{name}": "1", "{name}": "1"}}'), pod)
    r.fails(7, f'duplicated sysctl keys are not allowed: "{name}" stands there twice')


# ---- a MAC change keeps what hangs on the link

def hang(pod, ifname="eth0", all=True):
    pod.sh(f"ip neigh add 10.7.0.50 lladdr 02:00:00:00:00:50 dev {ifname} nud permanent;"
           f"ip neigh add fd00:7::50 lladdr 02:00:00:00:00:50 dev {ifname} nud permanent;"
           f"ip route add 192.0.2.0/24 via 10.7.0.1 dev {ifname} table 77 metric 5 mtu 1300;"
           f"ip route add 203.0.113.0/24 dev {ifname} scope link;"
           f"ip -6 route add 2001:db8::/32 via fd00:7::1 dev {ifname} metric 9")
    if all:
        pod.sh(f"ip route add 198.51.100.0/24 via 10.7.9.9 dev {ifname} onlink src 10.7.0.2;"
               f"ip -6 route add 2001:db9::/32 via fd00:7::1 dev {ifname} pref high")


@test
def a_new_mac_keeps_routes_and_neighbours_and_is_known_at_once(w):
    pod = wire(w)
    hang(pod)
    eq(pod.pings("10.7.0.1") and pod.pings("fd00:7::1"), True, "before")
    before = state(w, pod)
    down = w.bg("timeout 20 ip -t monitor link > /run/world/monitor")
    call(w, "ADD", conf(pod, mac=MAC), pod).ok()
    # The host's entries are the old MAC's unless somebody told it.
    for address in ("10.7.0.2", "fd00:7::2"):
        eq(w.json(f"ip -j neigh show {address} dev br0")[0]["lladdr"], MAC, address)
    eq((w.pings("10.7.0.2", 1), pod.pings("10.7.0.1", 1), w.pings("fd00:7::2", 1)), (True, True, True), "pings")
    eq(state(w, pod).replace(MAC, OTHER).replace(w.files(DIR), ""), before, "but for the MAC")
    call(w, "DEL", conf(pod), pod).ok()
    eq(state(w, pod).replace(w.files(DIR), ""), before, "after DEL")
    eq(w.pings("10.7.0.2", 1), True, "after DEL")
    w.stop(down)


@test
def arp_notify_stays_as_it_is(w):
    pod = wire(w)
    for value in ("0", "1"):
        c = conf(pod, mac=MAC, sysctl={"net.ipv4.conf.IFNAME.arp_notify": value})
        call(w, "ADD", c, pod).ok()
        call(w, "CHECK", c, pod).ok()
        call(w, "DEL", c, pod).ok()
        eq(pod.sysctl("net.ipv4.conf.eth0.arp_notify"), "0")


def busy(w, c, pod, id="c1"):
    """ADD on a driver that refuses a new MAC while the link is up: the request gets EBUSY (no driver of
    this kernel does that by itself). Yields once per request that may fail so and ADD goes on."""
    for k in range(1, 30):
        code, out, hit = traced(w, "ADD", c, pod, f"-e inject=sendto:error=EBUSY:when={k}", "sendto", id)
        if not hit:
            return
        if code == 0:
            yield k
        else:
            assert "busy" in out, out


@test
def a_driver_that_wants_the_link_down(w):
    pod = wire(w)
    hang(pod, all=False)  # what struct route describes

    def seen():
        return state(w, pod) + pod.sh("ip -6 addr show dev eth0 scope global").stdout
    warm(w, pod)
    before = seen()
    with open("/run/world/monitor", "w") as file:
        monitor = pod.bg("exec ip -o monitor link", stdout=file)
        wait_for(lambda: Path(f"/proc/{monitor.pid}/net/netlink").read_text().count(f" {monitor.pid} "), "monitor")
        rounds = 0
        for _ in busy(w, conf(pod, mac=MAC), pod):
            rounds += 1
            eq(link(pod)["address"], MAC)
            eq("UP" in link(pod)["flags"], True, "up again")
            eq((w.pings("10.7.0.2"), w.pings("fd00:7::2")), (True, True))
            backup = FILE.read_text().replace("\n", "\\n")
            eq(seen().replace(MAC, OTHER).replace(f"\n100600 {FILE} b'{backup}'", ""), before, "but for the MAC")
            call(w, "DEL", conf(pod), pod).ok()
            eq(seen(), before, "after DEL")
    w.stop(monitor)
    went_down = [line for line in Path("/run/world/monitor").read_text().splitlines() if "eth0" in line and "UP" not in line]
    eq((rounds > 0, len(went_down) > 0), (True, True), "it was taken down for it")


@test
def many_neighbours_and_routes(w):
    pod = w.pod("p")
    pod.sh("ip link add eth0 type veth peer name x; ip addr add 10.7.0.2/16 dev eth0; ip link set x up; ip link set eth0 up")
    pod.sh("ip -batch -", input="".join(
        f"neigh add 10.7.1.{i} lladdr 02:00:00:00:01:{i:02x} dev eth0 nud permanent\n"
        f"route add 10.8.{i}.0/24 via 10.7.0.1\n" for i in range(200)))

    def seen():
        return sorted(pod.sh("ip neigh show nud permanent; ip route").stdout.splitlines())
    before = seen()
    eq(len(before), 401)
    call(w, "ADD", conf(pod, mac=MAC), pod).ok()
    eq(link(pod)["address"], MAC)
    eq(seen(), before)
    call(w, "DEL", conf(pod), pod).ok()
    eq(seen(), before)
    for _ in busy(w, conf(pod, mac=MAC), pod):
        eq(seen(), before, "through down")
        call(w, "DEL", conf(pod), pod).ok()


@test
def a_route_that_cannot_be_put_back(w):
    """It costs the others nothing."""
    pod = w.pod("p")
    pod.sh("ip link add eth0 type veth peer name x; ip addr add 10.7.0.2/16 dev eth0; ip link set x up; ip link set eth0 up;"
           "ip route add 10.99.0.1/32 dev eth0; ip route add 10.1.0.0/24 via 10.99.0.1; ip route del 10.99.0.1/32")
    pod.sh("ip -batch -", input="".join(f"route add 10.8.{i}.0/24 via 10.7.0.1\n" for i in range(200)))
    before = pod.sh("ip route").stdout
    c = conf(pod, mac=MAC)
    for k in range(1, 30):
        code, out, hit = traced(w, "ADD", c, pod, f"-e inject=sendto:error=EBUSY:when={k}", "sendto")
        if pod.sh("ip route").stdout != before:
            break
        call(w, "DEL", c, pod).ok()
        assert hit, "never taken down"
    assert code == 1 and "add route 10.1.0.0/24" in out, out
    eq(pod.sh("ip route").stdout.splitlines(), [x for x in before.splitlines() if "10.1.0.0" not in x])
    eq((link(pod)["address"] != MAC, FILE.exists()), (True, False), "undone")


# ---- both ends

@test
def mtu_of_both_ends(w):
    pod = wire(w)
    c = conf(pod, mtu=1400, mtuBothEnds=True)
    call(w, "ADD", c, pod).ok()
    eq((link(pod)["mtu"], link(w, "vh-p")["mtu"]), (1400, 1400))
    call(w, "CHECK", c, pod).ok()
    w.sh("ip link set vh-p mtu 1450")
    call(w, "CHECK", c, pod).fails(103, "Error: Tuning configured MTU of vh-p is 1400, current value is 1450")
    call(w, "CHECK", conf(pod, mtu=1400), pod).ok()
    call(w, "DEL", conf(pod), pod).ok()
    eq((link(pod)["mtu"], link(w, "vh-p")["mtu"]), (1500, 1500))
    # A pair of the host with the pod's number is not touched; an interface without a host end is an error.
    other = w.pod("q")
    other.sh("ip link add eth0 type ifb")
    w.sh("ip link add vh-q type ifb")
    call(w, "ADD", conf(other, mtu=1400, mtuBothEnds=True), other).fails(7, "mtuBothEnds: eth0 is no veth")
    inside = w.pod("r")
    inside.sh("ip link add eth0 type veth peer name x")
    call(w, "ADD", conf(inside, mtu=1400, mtuBothEnds=True), inside).fails(7, "mtuBothEnds: eth0 is no veth")
    # The other end is elsewhere, and the host has another pair's end under its number.
    third, far = w.pod("t"), w.pod("f")
    third.sh("ip link add eth0 index 77 type veth peer name x index 88 netns f")
    w.sh("ip link add hx index 88 type veth peer name hy index 77 netns q")
    call(w, "ADD", conf(third, mtu=1400, mtuBothEnds=True), third).fails(7, "mtuBothEnds: eth0 is no veth")
    w.sh("ip link del hx; ip link add hx index 88 type veth peer name hy index 78")
    call(w, "ADD", conf(third, mtu=1400, mtuBothEnds=True), third).fails(7, "mtuBothEnds: eth0 is no veth")
    eq([link(*x)["mtu"] for x in ((other,), (inside,), (third,), (far, "x"), (w, "hx"))], [1500] * 5)


@test
def an_mtu_that_ipv6_cannot_have(w):
    pod = wire(w)
    call(w, "ADD", conf(pod, mtu=1279), pod).fails(7, "mtu: 1279 is below IPv6's smallest MTU, 1280")
    call(w, "ADD", conf(pod, mtu=1280), pod).ok()
    eq("fd00:7::2/64" in pod.ips("eth0"), True)


# ---- trouble

@test
def check_says_what_differs(w):
    pod = wire(w)
    c = conf(pod, **EVERYTHING)
    call(w, "ADD", c, pod).ok()
    for change, back, words in (
            ("sysctl -w net.ipv4.conf.eth0.log_martians=0", "sysctl -w net.ipv4.conf.eth0.log_martians=1",
             f"Error: Tuning configured value of {MARTIANS} is 1, current value is 0"),
            (f"ip link set eth0 address {OTHER}", f"ip link set eth0 address {MAC}",
             f"Error: Tuning configured Ethernet of eth0 is {MAC}, current value is {OTHER}"),
            ("ip link set eth0 promisc off", "ip link set eth0 promisc on",
             "Error: Tuning configured promiscuous mode of eth0 is true, current value is false"),
            ("ip link set eth0 mtu 1300", "ip link set eth0 mtu 1400",
             "Error: Tuning configured MTU of eth0 is 1400, current value is 1300"),
            ("ip link set eth0 allmulticast off", "ip link set eth0 allmulticast on",
             "Error: Tuning configured all-multicast mode of eth0 is true, current value is false"),
            ("ip link set eth0 txqueuelen 8", "ip link set eth0 txqueuelen 7",
             "Error: Tuning configured transmit queue length of eth0 is 7, current value is 8")):
        pod.sh(change)
        call(w, "CHECK", c, pod).fails(103, words)
        call(w, "CHECK", conf(pod), pod).ok()  # what is not configured is not compared
        pod.sh(back)
        call(w, "CHECK", {**c, "mac": MAC.upper()}, pod).ok()
    pod.sh("ip link del eth0")
    call(w, "CHECK", c, pod).fails(None)


@test
def the_kernel_refuses_a_value(w):
    pod = w.pod("p")
    pod.sh("ip link set lo up; ip link add x type veth peer name y; ip link set x up;"
           "ip link add eth0 link x type macvlan mode bridge; ip addr add 10.7.0.2/24 dev eth0; ip link set eth0 up")
    w.sh("ip link add vh-p type ifb")
    warm_conf = {**conf(pod), "mtu": 1499}
    call(w, "ADD", warm_conf, pod).ok()
    call(w, "DEL", warm_conf, pod).ok()
    before = state(w, pod)
    c = conf(pod, **{**EVERYTHING, "mtu": 9000, "mtuBothEnds": False})
    call(w, "ADD", c, pod).fails(100, "give link eth0 the MTU 9000")
    eq(state(w, pod), before, "undone")


@test
def the_namespace_is_gone(w):
    pod = wire(w)
    call(w, "ADD", conf(pod, **EVERYTHING), pod).ok()
    w.remove(pod)
    wait_for(lambda: w.sh("ip link show vh-p", check=False).returncode, "the host end goes")
    before = w.snapshot()
    for path in (pod.path, ""):
        eq(call(w, "DEL", conf(pod), path).ok().out, "")
        eq(list(Path(DIR).iterdir()), [], "the file goes")
    eq(w.snapshot(), before)


@test
def another_pod_of_the_same_name(w):
    """A container that starts again has its ID, and another namespace: old values are not its own."""
    pod = wire(w)
    call(w, "ADD", conf(pod, mac=MAC, mtu=1400, sysctl={MARTIANS: "1"}), pod).ok()
    w.remove(pod)
    again = wire(w, "q")
    again.sh("ip link set eth0 mtu 1450")
    kept = FILE.read_bytes()
    call(w, "DEL", conf(again), again).ok()
    eq((link(again)["mtu"], FILE.exists()), (1450, False), "DEL restored nothing")
    FILE.write_bytes(kept)
    call(w, "ADD", conf(again, mtu=1400), again).ok()
    eq(json.loads(FILE.read_text())["mtu"], 1450, "ADD replaced it")
    call(w, "DEL", conf(again), again).ok()
    eq(link(again)["mtu"], 1450)


@test
def del_succeeds_though_something_is_refused(w):
    pod = w.pod("p")
    pod.sh("ip link set lo up; ip link add x type veth peer name y; ip link set x up;"
           "ip link add eth0 link x type macvlan mode bridge; ip link set eth0 up")
    mac = link(pod)["address"]
    call(w, "ADD", conf(pod, mtu=1400, mac=MAC, sysctl={MARTIANS: "1"}), pod).ok()
    pod.sh("ip link set x mtu 1450")
    r = call(w, "DEL", conf(pod), pod).ok()
    eq("give link eth0 the MTU 1500" in r.err, True, r.err)
    eq((link(pod)["mtu"], link(pod)["address"], pod.sysctl("net.ipv4.conf.eth0.log_martians")), (1400, mac, "0"))
    eq(FILE.exists(), False)
    call(w, "ADD", conf(pod, sysctl={MARTIANS: "1"}), pod).ok()
    w.sh("mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys")
    r = call(w, "DEL", conf(pod), pod).ok()
    eq(("log_martians" in r.err, FILE.exists()), (True, False), r.err)


@test
def a_file_that_cannot_be_read_now_is_no_damage(w):
    pod = wire(w)
    call(w, "ADD", conf(pod, mtu=1400), pod).ok()
    for k in (1, 2):  # the folder, the file
        code, _, hit = traced(w, "DEL", conf(pod), pod, f"-P {DIR} -e inject=openat:error=EMFILE:when={k}", "openat")
        eq((code, hit, link(pod)["mtu"], FILE.exists()), (0, True, 1400, True), f"openat {k}")
    call(w, "DEL", conf(pod), pod).ok()
    eq((link(pod)["mtu"], FILE.exists()), (1500, False))


@test
def another_namespace_of_the_same_inode(w):
    """Numbers of inodes are given again at once, so a file goes by the namespace's cookie."""
    pod = wire(w)
    c = conf(pod, sysctl={"net.ipv4.ip_local_port_range": "20000 30000"})
    call(w, "ADD", c, pod).ok()
    saved = json.loads(FILE.read_text())
    FILE.write_text(json.dumps({**saved, "netns": os.stat(pod.path).st_ino}))
    call(w, "DEL", conf(pod), pod).ok()
    eq(pod.sysctl("net.ipv4.ip_local_port_range").split(), ["20000", "30000"], "of another namespace")
    FILE.write_text(json.dumps(saved))
    call(w, "DEL", conf(pod), pod).ok()
    eq(pod.sysctl("net.ipv4.ip_local_port_range").split(), ["32768", "60999"], "of this one")


@test
def two_attachments_of_one_file_name(w):
    pods = [wire(w, "a", "b_eth0"), wire(w, "b", "eth0")]
    call(w, "ADD", conf(pods[0], mtu=1400), pods[0], id="a", ifname="b_eth0").ok()
    r = call(w, "ADD", conf(pods[1], mtu=1300), pods[1], id="a_b", ifname="eth0")
    r.fails(101, "a_b_eth0.json holds the old values of container a, interface b_eth0")
    eq(link(pods[1])["mtu"], 1500)
    call(w, "DEL", conf(pods[1]), pods[1], id="a_b", ifname="eth0").ok()
    call(w, "DEL", conf(pods[0]), pods[0], id="a", ifname="b_eth0").ok()
    eq(link(pods[0], "b_eth0")["mtu"], 1500)


@test
def damaged_files(w):
    pod = wire(w)
    Path(DIR).mkdir(parents=True)
    for text in ("", "{", "[]", '{"mac": "x"}', '{"mtu": -1}', '{"sysctl": {"kernel/hostname": "x"}}',
                 '{"sysctl": {"net/../kernel/hostname": "x"}}', "\xff", "{" + " " * (2 << 20) + "}"):
        FILE.write_text(text)
        before = link(pod)
        r = call(w, "DEL", conf(pod), pod).ok()
        eq("old values cannot be read" in r.err, True, r.err)
        eq((FILE.exists(), link(pod)), (False, before), text[:20])
        FILE.write_text(text)
        call(w, "ADD", conf(pod, mtu=1400), pod).ok()
        call(w, "DEL", conf(pod), pod).ok()
        eq(link(pod)["mtu"], 1500)
    FILE.mkdir()
    eq("stays" in call(w, "DEL", conf(pod), pod).ok().err, True)
    FILE.rmdir()
    Path("/run/secret").write_text('{"mtu": 1400}')
    FILE.symlink_to("/run/secret")
    call(w, "DEL", conf(pod), pod).ok()
    eq((link(pod)["mtu"], FILE.is_symlink(), Path("/run/secret").exists()), (1500, False, True), "a link is no file")


@test
def del_needs_no_configuration(w):
    pod = wire(w)
    call(w, "ADD", conf(pod, mtu=1400), pod).ok()
    c = {**conf(pod, mtu="x", mac=7, sysctl=[], promisc="y"), "prevResult": 3}
    call(w, "DEL", c, pod).ok()
    eq(link(pod)["mtu"], 1500)
    for folder in ("relative", "/run/../run/x", 7, None, ""):
        call(w, "ADD", conf(pod, mtu=1400), pod).ok()
        call(w, "DEL", conf(pod, dataDir=folder), pod).ok()
        eq((link(pod)["mtu"], FILE.exists()), (1500, False), str(folder))


@test
def gc(w):
    pods = {name: wire(w, name) for name in ("a", "b", "c")}
    call(w, "ADD", conf(pods["a"], mtu=1400), pods["a"], id="a").ok()
    call(w, "ADD", conf(pods["b"], mtu=1400), pods["b"], id="b_b").ok()
    call(w, "ADD", {**conf(pods["c"], mtu=1400), "name": "othernet"}, pods["c"], id="c").ok()
    Path(DIR, "go_eth0.json").write_text('{\n "mtu": 1500\n}')
    Path(DIR, "notes.txt").write_text("x")
    Path(DIR, "bad_eth0.json").write_text("{")
    Path(DIR, ".tmp-1").write_text("young")
    Path(DIR, ".tmp-2").write_text("old")
    os.utime(Path(DIR, ".tmp-2"), (1, 1))
    valid = [{"containerID": "b_b", "ifname": "eth0"}]
    call(w, "GC", conf(pods["a"], **{"cni.dev/valid-attachments": valid}), None).ok()
    eq(sorted(p.name for p in Path(DIR).iterdir()),
       [".tmp-1", ".tmp-2", "b_b_eth0.json", "bad_eth0.json", "c_eth0.json", "go_eth0.json", "notes.txt"])
    call(w, "GC", conf(pods["a"], **{"cni.dev/valid-attachments": []}), None).ok()
    eq(Path(DIR, "b_b_eth0.json").exists(), False)
    call(w, "GC", conf(pods["a"], dataDir="/run/none", **{"cni.dev/valid-attachments": []}), None).ok()


# ---- beside the Go plugin

@test
def taking_over_and_going_back(w):
    if not os.path.exists(f"{GO}/tuning"):
        w.skip("no reference plugin")
    keys = {k: v for k, (v, _) in LINK_KEYS.items() if k != "txQLen"}  # Debian's does not know it
    for first, second in ((GO, w.bin), (w.bin, GO)):
        pod = wire(w, "p" + first[-3:].strip("/"))
        c = conf(pod, "1.0.0", **keys)
        before = link(pod)
        w.call(f"{first}/tuning", "ADD", c, pod).ok()
        for key in keys:
            eq(LINK_KEYS[key][1](link(pod)), True, f"{key} by {first}")
        if second == GO:  # the reference's CHECK
            w.call(f"{second}/tuning", "CHECK", c, pod).ok()
        else:
            call(w, "CHECK", c, pod).ok()
        eq(FILE.exists(), True)
        w.call(f"{second}/tuning", "DEL", c, pod).ok()
        after = link(pod)
        for key in ("address", "mtu", "txqlen"):
            eq(after[key], before[key], f"{key} put back by {second}")
        eq({"PROMISC", "ALLMULTI"} & set(after["flags"]), set())
        eq(FILE.exists(), False, f"removed by {second}")
        w.sh(f"ip link del vh-{pod.name}")


@test
def without_a_key_nothing_is_opened(w):
    pod = wire(w)
    for verb in ("ADD", "CHECK", "DEL"):
        traced(w, verb, conf(pod), pod, "", "openat,socket,setns,unlinkat,mkdir,renameat")
        calls = Path("/run/world/strace.log").read_text()
        ours = [line for line in calls.splitlines()
                if not re.search(r'\.so|/proc/self/|/run/netns/|ld\.so|podwire|/sys/|journal|AF_UNIX|urandom', line)]
        eq([line for line in ours if "ENOENT" not in line], [], verb)
        eq(verb != "DEL" and "/run/cni" in calls, False, calls)
        eq("setns" in calls or "NETLINK" in calls, False, calls)
    eq(call(w, "ADD", conf(pod), pod).ok().json, prev(pod))
    eq(os.path.exists("/run/cni"), False)


@test
def no_such_interface(w):
    pod = wire(w)
    call(w, "ADD", conf(pod, mtu=1400), pod, ifname="eth7").fails(100, "eth7")
    call(w, "ADD", conf(pod, sysctl={MARTIANS: "1"}), pod, ifname="eth7").fails(7, "eth7/log_martians")
    eq(os.path.exists(DIR), False)
    call(w, "ADD", conf(pod, mtu=1400), pod, id="x" * 250).fails(None, "too long")
    call(w, "DEL", conf(pod, mtu=1400), pod, id="x" * 250).ok()


@test
def many_at_once_in_one_folder(w):
    pods = [wire(w, f"p{i}") for i in range(8)]
    started = [w.start("tuning", "ADD", conf(p, mtu=1400, mac=MAC), p, id=p.name) for p in pods]
    for process in started:
        w.finish(process, "tuning", "ADD").ok()
    eq(len(list(Path(DIR).iterdir())), 8)
    started = [w.start("tuning", "DEL", conf(p), p, id=p.name) for p in pods]
    for process in started:
        w.finish(process, "tuning", "DEL").ok()
    eq([link(p)["mtu"] for p in pods] + list(Path(DIR).iterdir()), [1500] * 8)


if __name__ == "__main__":
    main()
