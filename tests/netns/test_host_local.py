# SPDX-License-Identifier: GPL-2.0-or-later
"""host-local as a runtime sees it: results, files, order, requested addresses, CHECK, GC, STATUS."""

import os
import stat
from pathlib import Path

from world import eq, main, test, wait_for

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
DIR = Path("/var/lib/cni/networks/net")


def conf(version="1.0.0", top=None, **ipam):
    return {"cniVersion": version, "name": "net", "type": "bridge",
            "ipam": {"type": "host-local", **ipam}, **(top or {})}


def one(subnet="10.1.2.0/24", version="1.0.0", **more):
    return conf(version, ranges=[[{"subnet": subnet, **more}]])


def call(w, verb, c, id="c1", ifname="eth0", args="", env=None):
    return w.call("host-local", verb, c, "/run/netns/nowhere", id, ifname, args, env=env)


def add(w, c, id="c1", **more):
    """The addresses that an ADD got."""
    return call(w, "ADD", c, id, **more).ok().ips()


def delete(w, c, id="c1", **more):
    reply = call(w, "DEL", c, id, **more).ok()
    eq(reply.out, "", "DEL's output")


def reserved(folder=DIR):
    """Address files: {name: content}."""
    return {f.name: f.read_bytes() for f in sorted(folder.iterdir())
            if f.is_file() and f.name[0] != "l" and not f.name.startswith(".")}


@test
def results_and_files(w):
    Path("/run/resolv").write_text("nameserver 192.0.2.3\n")
    c = conf(ranges=[[{"subnet": "10.1.2.0/24"}, {"subnet": "10.2.2.0/24"}], [{"subnet": "2001:db8:1::0/64"}]],
             routes=[{"dst": "0.0.0.0/0"}, {"dst": "::/0"}, {"dst": "192.168.0.0/16", "gw": "1.1.1.1"},
                     {"dst": "2001:db8:2::0/64", "gw": "2001:db8:3::1"}], resolvConf="/run/resolv")
    for version in VERSIONS:
        c["cniVersion"] = version
        c["name"] = "net" + version
        r = call(w, "ADD", c).ok()
        if version < "0.3":
            eq(r.json, {
                "cniVersion": version, "dns": {"nameservers": ["192.0.2.3"]},
                "ip4": {"ip": "10.1.2.2/24", "gateway": "10.1.2.1", "routes": [
                    {"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "1.1.1.1"}]},
                "ip6": {"ip": "2001:db8:1::2/64", "gateway": "2001:db8:1::1", "routes": [
                    {"dst": "::/0"}, {"dst": "2001:db8:2::/64", "gw": "2001:db8:3::1"}]}}, version)
        else:
            v = [{"version": "4"}, {"version": "6"}] if version < "1" else [{}, {}]
            eq(r.json, {
                "cniVersion": version, "dns": {"nameservers": ["192.0.2.3"]},
                "ips": [{**v[0], "address": "10.1.2.2/24", "gateway": "10.1.2.1"},
                        {**v[1], "address": "2001:db8:1::2/64", "gateway": "2001:db8:1::1"}],
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}, {"dst": "192.168.0.0/16", "gw": "1.1.1.1"},
                           {"dst": "2001:db8:2::/64", "gw": "2001:db8:3::1"}]}, version)
        folder = DIR.with_name(c["name"])
        eq(reserved(folder), {"10.1.2.2": b"c1\r\neth0", "2001:db8:1::2": b"c1\r\neth0"}, "files")
        eq((folder / "last_reserved_ip.0").read_bytes(), b"10.1.2.2", "hint 0")
        eq((folder / "last_reserved_ip.1").read_bytes(), b"2001:db8:1::2", "hint 1")
        modes = {n: stat.S_IMODE((folder / n).stat().st_mode) for n in (".", "lock", "10.1.2.2", "last_reserved_ip.0")}
        eq(modes, {".": 0o755, "lock": 0o750, "10.1.2.2": 0o600, "last_reserved_ip.0": 0o600}, "modes")
        delete(w, c)
        eq(reserved(folder), {}, "after DEL")
        delete(w, c)


@test
def two_networks_and_two_interfaces(w):
    a, b = one(), one("10.2.2.0/24")
    b["name"] = "other"
    add(w, a), add(w, b, ifname="eth1"), add(w, a, ifname="eth1")
    delete(w, a)
    eq(reserved(), {"10.1.2.3": b"c1\r\neth1"}, "net")
    eq(reserved(DIR.with_name("other")), {"10.2.2.2": b"c1\r\neth1"}, "other")
    delete(w, a, ifname="eth1")
    eq(reserved(), {}, "net")
    eq(len(reserved(DIR.with_name("other"))), 1, "other")


@test
def no_second_allocation(w):
    for version in VERSIONS:
        c = one(version=version)
        c["name"] = "net" + version
        eq(add(w, c), ["10.1.2.2"])
        for _ in range(2):
            call(w, "ADD", c).fails(text="10.1.2.2 has been allocated to c1, duplicate allocation is not allowed")
        eq(add(w, c, "c2"), ["10.1.2.3"])
        call(w, "ADD", c).fails(101, "failed to allocate for range 0: 10.1.2.2 has been allocated to c1")
        delete(w, c)
        delete(w, c, "c2")
        eq(reserved(DIR.with_name(c["name"])), {}, "after DEL")


@test
def old_format_is_released(w):
    c = one()
    for content in ("c1", "c1\n", " c1 \r\n"):
        address, = add(w, c)
        (DIR / address).write_text(content)
        call(w, "ADD", c).fails(text="duplicate allocation")
        call(w, "CHECK", c).ok()
        delete(w, c)
        eq(reserved(), {}, repr(content))


@test
def del_makes_nothing(w):
    for version in VERSIONS:
        delete(w, one(version=version), "unknown")
    eq(os.listdir("/var/lib/cni"), [], "made by DEL")
    add(w, one())
    before = w.files("/var/lib/cni")
    delete(w, one(), "unknown")
    delete(w, one(), ifname="eth9")
    eq(w.files("/var/lib/cni"), before, "changed by DEL of an unknown container")


@test
def requested_addresses(w):
    c = conf(ranges=[[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.3.0/24"}], [{"subnet": "2001:db8:1::/64"}]])

    def asked(env="", args=None, runtime=None, key="runtimeConfig"):
        top = dict(c)
        if args is not None:
            top["args"] = {"cni": {"ips": args}}
        if runtime is not None:
            top[key] = {"ips": runtime}
        r = call(w, "ADD", top, args=env)
        delete(w, c)
        return r

    eq(asked("IP=10.1.2.88").ok().ips(), ["10.1.2.88", "10.1.3.2", "2001:db8:1::2"])
    eq(asked("IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.1.2.11/16").ok().json["ips"][0],
       {"address": "10.1.2.11/24", "gateway": "10.1.2.1"})
    eq(asked("IP=").ok().ips()[0], "10.1.2.12")
    eq(asked(args=["10.1.2.88"]).ok().ips()[0], "10.1.2.88")
    eq(asked(args=["10.1.3.77/24", "10.1.2.66", "2001:db8:1::999"]).ok().ips(), ["10.1.2.66", "10.1.3.77", "2001:db8:1::999"])
    eq(asked("IP=10.1.2.5", ["10.1.3.6"], ["2001:db8:1::7/64"]).ok().ips(), ["10.1.2.5", "10.1.3.6", "2001:db8:1::7"])
    eq(asked(runtime=["2001:DB8:1:0:0:0:0:8"], key="RuntimeConfig").ok().ips()[2], "2001:db8:1::8")
    eq(asked(args=["::ffff:10.1.2.9"]).ok().ips()[0], "10.1.2.9")
    # Asked for twice is asked for once; the first that fits a set is taken, in the order given.
    eq(asked("IP=10.1.2.5", ["10.1.2.5"], ["10.1.2.5/24"]).ok().ips()[0], "10.1.2.5")
    asked(args=["10.1.2.9", "10.1.2.8"]).fails(7, "failed to allocate all requested IPs: 10.1.2.8")
    asked("IP=10.1.2.5", runtime=["10.1.2.6"]).fails(7, "failed to allocate all requested IPs: 10.1.2.6")
    asked(runtime=["192.168.0.1", "192.168.0.5/24", "2001:db8::1/64"]).fails(
        7, "failed to allocate all requested IPs: 192.168.0.1 192.168.0.5 2001:db8::1")
    asked("IP=10.1.2.1").fails(7, "failed to allocate for range 0: requested ip 10.1.2.1 is subnet's gateway")
    asked("IP=10.1.2.255").fails(7, "failed to allocate all requested IPs: 10.1.2.255")
    add(w, c, "other", args="IP=10.1.3.5")
    asked("IP=10.1.3.5").fails(101, "failed to allocate for range 1: requested IP address 10.1.3.5 is not available "
                                    "in range set 10.1.3.1-10.1.3.254")
    # A failed ADD took nothing and moved nothing.
    eq(len(reserved()), 3, "what the other container has")
    eq((DIR / "last_reserved_ip.1").read_text(), "10.1.3.5", "hint")


@test
def requested_in_an_alternative(w):
    c = conf(ranges=[[{"subnet": "10.1.2.0/24"}, {"subnet": "10.1.4.0/23", "gateway": "10.1.4.9"}]])
    r = call(w, "ADD", {**c, "runtimeConfig": {"ips": ["10.1.5.7"]}}).ok()
    eq(r.json["ips"], [{"address": "10.1.5.7/23", "gateway": "10.1.4.9"}])
    eq(add(w, c, "c2"), ["10.1.5.8"], "round robin goes on behind a requested address")


@test
def versions_without_room(w):
    for version in ("0.1.0", "0.2.0"):
        text = f"CNI version {version} does not support more than 1 address per family"
        c = conf(version, ranges=[[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.2.0/24"}]])
        call(w, "ADD", c).fails(7, text)
        call(w, "DEL", c).fails(7, text)
        call(w, "ADD", conf(version, ranges=[[{"subnet": "fd00:1::/64"}], [{"subnet": "fd00:2::/64"}]])).fails(7, text)
        eq(os.listdir("/var/lib/cni"), [], "made by a refused ADD")
        r = call(w, "ADD", conf(version, ranges=[[{"subnet": "fd00:1::/64"}], [{"subnet": "10.1.2.0/24"}]])).ok()
        eq((r.json["ip4"]["ip"], r.json["ip6"]["ip"]), ("10.1.2.2/24", "fd00:1::2/64"))
        w.sh("rm -r /var/lib/cni/networks")


def order(w, c, last=None, n=99, first=0):
    """The addresses that ADDs get, one after the other, until the pool is empty."""
    if last:
        DIR.mkdir(parents=True, exist_ok=True)
        (DIR / "last_reserved_ip.0").write_text(last)
    got = []
    for i in range(first, n):
        r = call(w, "ADD", c, f"c{i}")
        if r.code != 0:
            r.fails(102, "failed to allocate for range 0: no IP addresses available in range set: ")
            break
        got += r.ips()
    return [x.rsplit(".", 1)[1] for x in got]


@test
def order_within_a_range(w):
    for last, want in ((None, "2 3 4 5 6"), ("10.0.0.6", "2 3 4 5 6"), ("10.0.0.3", "4 5 6 2 3"),
                       ("10.0.0.5", "6 2 3 4 5"), ("10.0.0.128", "2 3 4 5 6"), ("rubbish", "2 3 4 5 6"),
                       ("10.0.0.3\n", "4 5 6 2 3")):
        eq(order(w, one("10.0.0.0/29"), last), want.split(), f"after {last}")
        w.sh("rm -rf /var/lib/cni/networks")
    eq(order(w, one("10.0.0.0/30")), ["2"], "a /30")
    w.sh("rm -rf /var/lib/cni/networks")
    eq(order(w, one("192.168.1.0/24", rangeStart="192.168.1.0", rangeEnd="192.168.1.3")), ["0", "2", "3"], "network address")


@test
def order_across_ranges(w):
    c = conf(ranges=[[{"subnet": f"10.0.{i}.0/30"} for i in range(3)]])
    eq(add(w, c, "a") + add(w, c, "b") + add(w, c, "d"), ["10.0.0.2", "10.0.1.2", "10.0.2.2"])
    r = call(w, "ADD", c, "e").fails(102, "no IP addresses available in range set: 10.0.0.1-10.0.0.2,10.0.1.1-10.0.1.2,"
                                          "10.0.2.1-10.0.2.2")
    assert "/var/lib/cni/networks/net" in r.json["details"]
    delete(w, c, "b")
    delete(w, c, "a")
    eq(add(w, c, "e"), ["10.0.0.2"], "the last rolls over to the first")
    eq(add(w, c, "f"), ["10.0.1.2"])


@test
def released_addresses_rest(w):
    c = one("10.0.0.0/29")
    eq(add(w, c), ["10.0.0.2"])
    delete(w, c)
    eq(add(w, c), ["10.0.0.3"])
    for i in range(4):
        add(w, c, f"x{i}")
    delete(w, c)
    eq(add(w, c), ["10.0.0.3"], "the only free one")


@test
def full_but_for_the_last(w):
    c = one("10.0.0.0/24")
    DIR.mkdir(parents=True)
    for i in range(2, 255):
        if i != 77:
            (DIR / f"10.0.0.{i}").write_bytes(b"x%d\r\neth0" % i)
    (DIR / "last_reserved_ip.0").write_text("10.0.0.77")
    eq(add(w, c), ["10.0.0.77"])
    call(w, "ADD", c, "c2").fails(102)
    delete(w, c, "x254")
    eq(add(w, c, "c2"), ["10.0.0.254"])
    (DIR / "10.0.0.100").write_text("")
    eq(add(w, c, "c3"), ["10.0.0.100"], "an empty file among many")


@test
def failed_add_undoes_itself(w):
    c = conf(ranges=[[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}], [{"subnet": "10.0.0.0/30"}]])
    add(w, c, "first")
    before = reserved(), w.sh("head -v -c 99 /var/lib/cni/networks/net/last*; readlink /var/lib/cni/networks/net/.podwire/[0-9a-f]*").stdout
    for i in range(2):
        call(w, "ADD", c, "second").fails(102, "failed to allocate for range 2: no IP addresses available in range set: 10.0.0.1-10.0.0.2")
    after = reserved(), w.sh("head -v -c 99 /var/lib/cni/networks/net/last*; readlink /var/lib/cni/networks/net/.podwire/[0-9a-f]*").stdout
    eq(after, before, "left by a failed ADD")
    call(w, "ADD", {**c, "runtimeConfig": {"ips": ["10.1.2.9", "9.9.9.9"]}}, "third", ifname="eth3").fails(102)
    eq(reserved(), before[0], "left by a failed ADD")


@test
def sources_of_ranges(w):
    top = {"runtimeConfig": {"ipRanges": [[{"subnet": "10.1.1.0/24"}]]}}
    c = conf(top=top, subnet="10.1.2.0/24", rangeStart="10.1.2.9", gateway="10.1.2.254", ranges=[[{"subnet": "10.1.3.0/24"}]])
    eq(call(w, "ADD", c).ok().json["ips"], [{"address": "10.1.1.2/24", "gateway": "10.1.1.1"},
                                            {"address": "10.1.2.9/24", "gateway": "10.1.2.254"},
                                            {"address": "10.1.3.2/24", "gateway": "10.1.3.1"}])
    delete(w, c)
    # Capitalised, as Go callers without tags write it; a flat list, as containerd's library has it.
    flat = {"RuntimeConfig": {"IPRanges": [{"Subnet": "10.1.7.0/24"}, {"Subnet": "fd00::/64", "RangeStart": "fd00::77"}]}}
    eq(add(w, conf(top=flat)), ["10.1.7.2", "fd00::77"])
    eq(add(w, conf(top={"runtimeConfig": {"ipRanges": None}}, ranges=None, subnet="10.1.9.0/24"), "c2"), ["10.1.9.2"])
    eq(add(w, conf(top={"runtimeConfig": None}, subnet="10.1.9.0/24", gateway="", rangeEnd=""), "c3"), ["10.1.9.3"])
    # A gateway may lie outside of the subnet.
    eq(call(w, "ADD", one("10.8.0.0/24", gateway="192.0.2.1"), "c4").ok().json["ips"],
       [{"address": "10.8.0.1/24", "gateway": "192.0.2.1"}])


@test
def resolv_conf(w):
    path = Path("/run/resolv.conf")
    c = one()
    c["ipam"]["resolvConf"] = str(path)
    call(w, "ADD", c).fails(5, str(path))
    eq(os.listdir("/var/lib/cni"), [], "made although resolv.conf is missing")
    path.write_text("""# a comment
      ; another
  nameserver 192.0.2.1
nameserver\t192.0.2.2 ignored
nameserver
domain one.example
domain  two.example
search a.example\tb.example
search c.example
options ndots:5
options edns0 trust-ad
sortlist 1.2.3.4
""")
    eq(call(w, "ADD", c).ok().json["dns"],
       {"nameservers": ["192.0.2.1", "192.0.2.2"], "domain": "two.example",
        "search": ["a.example", "b.example", "c.example"], "options": ["ndots:5", "edns0", "trust-ad"]})
    path.unlink()
    delete(w, c)
    path.write_text("")
    assert "dns" not in call(w, "ADD", c).ok().json
    c["ipam"]["resolvConf"] = ""
    add(w, c, "c2")
    c["ipam"]["resolvConf"] = "/"
    call(w, "ADD", c, "c3").fails(5, "ipam.resolvConf: read /")


@test
def data_dir(w):
    c = one()
    c["ipam"]["dataDir"] = "/run/a/b"
    add(w, c)
    eq(list(reserved(Path("/run/a/b/net"))), ["10.1.2.2"])
    delete(w, c)
    for bad, code, text in (("run/x", 7, 'ipam.dataDir: "run/x" is not an absolute path'), (7, 6, "ipam.dataDir"),
                            ("/run/" + "x/" * 2100, 7, "ipam.dataDir")):
        c["ipam"]["dataDir"] = bad
        for verb in ("ADD", "DEL"):
            call(w, verb, c).fails(code, text)
    c["ipam"]["dataDir"] = ""
    add(w, c)
    eq(list(reserved()), ["10.1.2.2"])


@test
def check(w):
    c = conf(ranges=[[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]])
    r = call(w, "ADD", c).ok()
    call(w, "CHECK", c).ok()
    call(w, "CHECK", {**c, "prevResult": r.json}).ok()
    call(w, "CHECK", {**c, "prevResult": {"cniVersion": "1.0.0"}}).ok()
    call(w, "CHECK", c, "c2").fails(103, "Failed to find address added by container c2")
    call(w, "CHECK", c, ifname="eth1").fails(103, "Failed to find address added by container c1")
    other = {"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.2/24"}, {"address": "fd00::3/64"}]}
    call(w, "CHECK", {**c, "prevResult": other}).fails(103, "fd00::2 is reserved for container c1, but prevResult does not")
    before = w.files("/var/lib/cni")
    (DIR / "fd00::2").unlink()
    call(w, "CHECK", c).fails(103, "Failed to find address added by container c1 in range set fd00::1-fd00::ffff:ffff:ffff:ffff")
    (DIR / "fd00::2").write_text("c9\r\neth0")
    call(w, "CHECK", c).fails(103, "in range set fd00::1-")
    assert before != w.files("/var/lib/cni")
    # Another pool by now: the address is not of it.
    call(w, "CHECK", one("10.1.3.0/24")).fails(103, "in range set 10.1.3.1-10.1.3.254")
    w.sh("rm -r /var/lib/cni/networks")
    call(w, "CHECK", c).fails(103, "Failed to find address added by container c1")
    eq(os.listdir("/var/lib/cni"), [], "made by CHECK")


def gc(w, c, *valid):
    return call(w, "GC", {**c, "cni.dev/valid-attachments": [{"containerID": i, "ifname": n} for i, n in valid]})


@test
def gc_keeps_the_valid(w):
    c = one(version="1.1.0")
    gc(w, c).ok()
    eq(os.listdir("/var/lib/cni"), [], "made by GC")
    other = {**c, "name": "other"}
    for i in range(6):
        add(w, c, f"c{i}")
        add(w, other, f"c{i}")
    add(w, c, "c0", ifname="eth1")
    (DIR / "10.1.2.7").write_text("c5")  # c5's, in the old format
    (DIR / "10.1.2.100").write_text("c2")
    (DIR / "10.1.2.101").write_text("dead")
    (DIR / "10.1.2.102").write_text("")
    (DIR / "10.1.2.103").write_text("# by hand")
    (DIR / "notes.txt").write_text("dead\r\neth0")
    (DIR / "10.1.2.104").mkdir()
    gc(w, c, ("c1", "eth0"), ("c2", "eth0"), ("c5", "eth0"), ("elsewhere", "eth0"), ("c0", "eth1")).ok()
    eq(reserved(), {"10.1.2.3": b"c1\r\neth0", "10.1.2.4": b"c2\r\neth0", "10.1.2.7": b"c5", "10.1.2.100": b"c2",
                    "10.1.2.103": b"# by hand", "10.1.2.8": b"c0\r\neth1", "notes.txt": b"dead\r\neth0"}, "after GC")
    eq((DIR / "last_reserved_ip.0").read_text(), "10.1.2.8", "hint")
    assert (DIR / "lock").exists() and (DIR / "10.1.2.104").is_dir()
    eq(len(reserved(DIR.with_name("other"))), 6, "the other network")
    eq(len(list((DIR / ".podwire").iterdir())), 6, "entries of c1 c2 c5, c2 in the old format, c0's eth1; the stamp")
    gc(w, c, ("c1", "eth0")).ok()
    gc(w, c).ok()
    eq(reserved(), {"10.1.2.103": b"# by hand", "notes.txt": b"dead\r\neth0"}, "after GC of all")
    no_key = call(w, "GC", c).fails(7)
    assert "valid-attachments" in no_key.msg


@test
def wrong_configuration_still_cleans(w):
    good = one(version="1.1.0")
    for bad in ({"ranges": []}, {"ranges": [[{"subnet": "10.1.2.3/24"}]]}, {"subnet": 7}, {"routes": "x"}):
        add(w, good)
        call(w, "DEL", conf("1.1.0", **bad)).fails()
        eq(reserved(), {}, f"after DEL with {bad}")
        add(w, good)
        add(w, good, "c2")
        gc(w, conf("1.1.0", **bad), ("c1", "eth0")).fails()
        eq(list(reserved().values()), [b"c1\r\neth0"], f"after GC with {bad}")
        delete(w, good)
    add(w, good)
    call(w, "DEL", good, args="a;b").fails(4, "CNI_ARGS")
    eq(reserved(), {}, "after DEL with rubbish in CNI_ARGS")


@test
def status(w):
    c = one("10.0.0.0/29", version="1.1.0")
    call(w, "STATUS", c).ok()
    eq(os.listdir("/var/lib/cni"), [], "made by STATUS")
    for i in range(5):
        call(w, "STATUS", c).ok()
        add(w, c, f"c{i}")
    call(w, "STATUS", c).fails(50, "no IP addresses available in range set: 10.0.0.1-10.0.0.6")
    (DIR / "10.0.0.4").write_text("")
    call(w, "STATUS", c).ok()
    eq(add(w, c, "c9"), ["10.0.0.4"], "an empty file is no reservation")
    call(w, "STATUS", c).fails(50)
    delete(w, c, "c0")
    call(w, "STATUS", c).ok()
    w.sh("mount -t tmpfs -o ro,remount /var/lib/cni")
    call(w, "STATUS", c).fails(50, "/var/lib/cni/networks/net")
    call(w, "STATUS", {**c, "name": "new"}).fails(50, "/var/lib/cni/networks/new")
    w.sh("mount -t tmpfs -o rw,remount /var/lib/cni")
    before = w.files("/var/lib/cni")
    c["ipam"]["dataDir"] = "/var/lib/cni/networks/net/lock"
    call(w, "STATUS", c).fails(50, "/var/lib/cni/networks/net/lock/net")
    eq(w.files("/var/lib/cni"), before, "changed by STATUS")


@test
def two_rounds_of_64_at_once(w):
    c = conf(ranges=[[{"subnet": "10.0.0.0/25"}], [{"subnet": "fd00::/64"}]])
    for verb in ("ADD", "DEL", "ADD", "CHECK", "DEL"):
        running = [w.start("host-local", verb, c, "/run/netns/x", f"c{i}") for i in range(64)]
        replies = [w.finish(p, "host-local", verb).ok() for p in running]
        if verb == "ADD":
            for family in (0, 1):
                eq(len({r.ips()[family] for r in replies}), 64, "different addresses")
        eq(len(reserved()), 0 if verb == "DEL" else 128, f"files after {verb}")
    eq([f.name for f in (DIR / ".podwire").iterdir()], ["stamp"], "the index")


@test(timeout=90)
def held_lock_is_named(w):
    c = one()
    add(w, c)
    holder = w.bg(["flock", "--no-fork", str(DIR / "lock"), "sleep", "60"])
    wait_for(lambda: w.sh(f"flock -n {DIR}/lock true", check=False).returncode != 0, "the lock to be taken")
    began = w.sh("cat /proc/uptime").stdout.split()[0]
    running = [w.start("host-local", v, c, "/run/netns/x", i) for v, i in (("ADD", "c2"), ("DEL", "c1"), ("CHECK", "c1"))]
    for p in running:
        w.finish(p, "host-local").fails(11, f"the lock {DIR}/lock was held by process {holder.pid} for")
    took = float(w.sh("cat /proc/uptime").stdout.split()[0]) - float(began)
    assert 9 < took < 20, took
    # STATUS takes no lock.
    call(w, "STATUS", one(version="1.1.0")).ok()
    w.stop(holder)
    delete(w, c)


if __name__ == "__main__":
    main()
