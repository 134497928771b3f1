# SPDX-License-Identifier: GPL-2.0-or-later
"""loopback as a runtime sees it (plugins.md §1.3)."""

import os
from pathlib import Path

from world import eq, main, test

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


def conf(version="1.0.0", **more):
    return {"cniVersion": version, "name": "cni-loopback", "type": "loopback", **more}


def call(w, verb, c, pod, **more):
    # ARG-05: it does not look at CNI_ARGS; ENV-12: CNI_PATH need not exist.
    return w.call("loopback", verb, c, pod, id="dummy", ifname="lo", args="none",
                  env={"CNI_PATH": "/some/test/path"}, **more)


def is_up(net):
    return "UP" in net.json("ip -j link show lo")[0]["flags"]


def expected(version, netns):
    v4, v6 = "127.0.0.1/8", "::1/128"
    if version < "0.3":
        return {"cniVersion": version, "ip4": {"ip": v4}, "ip6": {"ip": v6}, "dns": {}}
    result = {"cniVersion": version,
              "interfaces": [{"name": "lo", "mac": "00:00:00:00:00:00", "sandbox": netns}],
              "ips": [{"address": v4, "interface": 0}, {"address": v6, "interface": 0}]}
    if version < "1":
        result["dns"] = {}
        for ip, number in zip(result["ips"], "46"):
            ip["version"] = number
    return result


@test
def add_check_del_in_every_version(w):
    for version in VERSIONS:
        pod = w.pod("p" + version)
        c = conf(version)
        eq(is_up(pod), False, "before")
        reply = call(w, "ADD", c, pod).ok()
        eq(reply.json, expected(version, pod.path), version)
        eq(reply.err, "", "stderr")
        eq(is_up(pod), True, version)
        eq(pod.pings("127.0.0.1") and pod.pings("::1"), True, "ping")
        if version >= "0.4":
            eq(call(w, "CHECK", {**c, "prevResult": reply.json}, pod).ok().out, "", "CHECK")
        for _ in range(3):  # DEL-01
            eq(call(w, "DEL", c, pod).ok().out, "", "DEL")
            eq(is_up(pod), False, version)


@test
def without_a_version_it_is_0_1_0(w):
    pod = w.pod("p")
    c = conf()
    del c["cniVersion"]
    eq(call(w, "ADD", c, pod).ok().json, expected("0.1.0", pod.path))


@test
def a_second_add_gives_the_same(w):
    pod = w.pod("p")
    first = call(w, "ADD", conf(), pod).ok().json
    eq(call(w, "ADD", conf(), pod).ok().json, first)


@test
def without_ipv6_there_is_one_address(w):
    pod = w.pod("p")
    pod.sysctl("net.ipv6.conf.lo.disable_ipv6", 1)
    for version in VERSIONS:
        want = expected(version, pod.path)
        want.pop("ip6", None)
        want.pop("ips", None) if version < "0.3" else want["ips"].pop()
        eq(call(w, "ADD", conf(version), pod).ok().json, want, version)


@test
def add08_a_previous_result_is_handed_on(w):
    pod = w.pod("p")
    before = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": pod.path}],
              "ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1", "interface": 0}],
              "routes": [{"dst": "0.0.0.0/0"}]}
    eq(call(w, "ADD", conf(prevResult=before), pod).ok().json, before)
    eq(is_up(pod), True)


@test
def another_interface_name_is_still_lo(w):
    pod = w.pod("p")
    reply = w.call("loopback", "ADD", conf(), pod, ifname="eth0").ok()
    eq(reply.json["interfaces"][0]["name"], "lo")


@test
def a_foreign_address_on_lo_fails_and_changes_nothing(w):
    for up in (False, True):
        pod = w.pod(f"p{up}")
        pod.sh("ip addr add 10.9.9.9/32 dev lo" + ("; ip link set lo up" if up else ""))
        call(w, "ADD", conf(), pod).fails(101, 'loopback interface found with non-loopback address "10.9.9.9/32"')
        eq(is_up(pod), up, "as before")


@test
def check_sees_that_lo_is_down(w):
    pod = w.pod("p")
    call(w, "ADD", conf(), pod).ok()
    pod.sh("ip link set lo down")
    call(w, "CHECK", conf(), pod).fails(103, "loopback interface is down")
    eq(is_up(pod), False, "CHK-08: repaired nothing")


@test
def del04_del_without_a_namespace(w):
    pod = w.pod("p")
    call(w, "ADD", conf(), pod).ok()
    w.remove(pod)
    Path("/run/netns/file").write_text("")
    os.symlink("/run/netns/nothing", "/run/netns/dangling")
    for path in ("", pod.path, "/no/such/parent/p", "/run/netns/file", "/run/netns/dangling",
                 "/proc/2147483647/ns/net", "/proc/self/ns/mnt", "/run"):
        eq(call(w, "DEL", conf(), path).ok().out, "", path)
        for verb in ("ADD", "CHECK"):
            call(w, verb, conf(), path).fails(4 if path == "" else 8)


@test
def ns01_the_hosts_own_lo_is_never_touched(w):
    # The accident behind the rule took down the lo of the host (plugins issue 714).
    before = w.snapshot()
    for verb in ("ADD", "DEL", "CHECK"):
        for path in ("/proc/self/ns/net", f"/proc/{os.getpid()}/ns/net"):
            call(w, verb, conf(), path).fails(8, "plugin's netns and netns from CNI_NETNS should not be the same")
    eq(is_up(w), True)
    eq(w.snapshot(), before)


@test
def gc_and_status_have_nothing_to_do(w):
    before = w.snapshot()
    eq(call(w, "STATUS", conf("1.1.0"), None).ok().out, "")
    eq(call(w, "GC", conf("1.1.0", **{"cni.dev/valid-attachments": []}), None).ok().out, "")
    eq(w.snapshot(), before)


@test
def ccy02_eight_at_once_in_one_namespace(w):
    pod = w.pod("p")
    for _ in range(20):
        started = [w.start("loopback", "ADD", conf(), pod) for _ in range(8)]
        for process in started:
            w.finish(process, "loopback", "ADD").ok()
        eq(is_up(pod), True)
        call(w, "DEL", conf(), pod).ok()


@test
def nothing_is_left_on_the_host(w):
    pod = w.pod("p")
    before = w.snapshot()
    call(w, "ADD", conf(), pod).ok()
    call(w, "DEL", conf(), pod).ok()
    eq(w.snapshot(), before)


@test
def a_user_namespace_without_rights_over_the_pod(w):
    # NS-07: the error names what was refused, and nothing crashes.
    pod = w.pod("p")
    script = Path("/run/world-conf")
    script.write_text('{"cniVersion":"1.0.0","name":"n"}')
    done = w.sh("unshare -U -r env CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_IFNAME=lo CNI_PATH=/x "
                f"CNI_NETNS={pod.path} {w.bin}/loopback < {script}", check=False)
    eq(done.returncode, 1)
    eq("not permitted" in done.stdout, True, done.stdout)


if __name__ == "__main__":
    main()
