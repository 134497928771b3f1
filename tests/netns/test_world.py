# SPDX-License-Identifier: GPL-2.0-or-later
"""The test library itself, with Debian's Go plugins standing in: what it promises, and that it can fail."""

import os
import time
from pathlib import Path

from world import Skip, World, eq, main, test, wait_for

GO = "/usr/lib/cni"
CONF = {"cniVersion": "1.0.0", "name": "wnet", "plugins": [{
    "type": "bridge", "bridge": "wbr0", "isGateway": True, "ipMasq": False,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.99.0.0/24"}], [{"subnet": "fd99::/64"}]]}}]}


@test
def the_world_is_private(w):
    eq([link["ifname"] for link in w.json("ip -j link")], ["lo"], "interfaces")
    eq(os.getpid(), 1, "process 1 of our own")
    eq(os.listdir("/var/lib/cni"), [], "state folder")
    eq(os.listdir("/etc/cni"), [], "configuration folder")
    Path("/var/lib/world-was-here").write_text("x")
    Path("/run/podwire").mkdir()


@test
def nothing_reaches_the_next_world(w):
    assert not os.path.exists("/var/lib/world-was-here")
    assert not os.path.exists("/run/podwire")


@test
def pods_on_a_go_bridge(w):
    before = w.snapshot()
    a, b = w.pod("a"), w.pod("b")
    first = w.chain(CONF, "ADD", a, id="a", path=GO).ok()
    second = w.chain(CONF, "ADD", b, id="b", path=GO).ok()
    assert set(first.ips()).isdisjoint(second.ips())
    eq(a.ips("eth0", 4), [f"{first.ips()[0]}/24"])
    assert a.pings(second.ips()[0])
    assert not a.pings("10.99.0.77", seconds=1)
    w.chain(CONF, "CHECK", a, id="a", path=GO).ok()
    for pod in (a, b):
        w.chain(CONF, "DEL", pod, id=pod.name, path=GO).ok()
    w.sh("ip link del wbr0")
    after = w.snapshot()
    assert "last_reserved_ip" in after, "the reference keeps this file"
    try:
        w.same(before, after)
    except AssertionError as diff:
        assert "last_reserved_ip" in str(diff)
    else:
        raise AssertionError("a difference was not seen")


@test
def check_fails_when_the_address_is_taken_away(w):
    a = w.pod("a")
    w.chain(CONF, "ADD", a, path=GO).ok()
    a.sh("ip addr flush dev eth0")
    w.chain(CONF, "CHECK", a, path=GO).fails()


@test
def servers_see_who_asks(w):
    far = w.neighbour()
    w.serve(80, text="host")
    far.serve(53, "udp", "dns")
    eq(far.ask("192.0.2.1", 80), "host 192.0.2.2")
    eq(far.ask("2001:db8:0:1::1", 80), "host 2001:db8:0:1::2")
    eq(w.ask("192.0.2.2", 53, "udp"), "dns 192.0.2.1")
    eq(w.ask("192.0.2.2", 54, "udp", seconds=0.2), None)
    eq(w.ask("192.0.2.2", 81, seconds=0.5), None)


@test
def a_killed_server_answers_no_more(w):
    server = w.serve(80)
    eq(w.ask("127.0.0.1", 80), "hello 127.0.0.1")
    w.stop(server)
    eq(w.ask("127.0.0.1", 80), None)


@test
def raw_input_and_environment_reach_the_plugin(w):
    reply = w.call("host-local", "ADD", "{ not json", path=GO)
    assert reply.code == 1 and "code" in reply.json
    reply.fails(reply.json["code"])
    assert w.call("host-local", "ADD", CONF, env={"CNI_COMMAND": None}, path=GO).code in (0, 1)


@test
def a_crash_and_a_finding_fail_the_test(w):
    w.tmp.joinpath("crash").write_text("#!/bin/sh\nkill -SEGV $$\n")
    w.tmp.joinpath("finding").write_text("#!/bin/sh\necho runtime error: x >&2; exit 99\n")
    for name in ("crash", "finding"):
        w.tmp.joinpath(name).chmod(0o755)
        try:
            w.call(name, "ADD", "{}", path=str(w.tmp))
        except AssertionError:
            continue
        raise AssertionError(f"{name} went unseen")


@test
def snapshot_sees_rules_links_and_files(w):
    before = w.snapshot()
    w.sh("nft add table inet podwire; nft add table inet other")
    assert "podwire" in w.snapshot() and "table inet other" in w.snapshot(ours=False)
    assert "podwire" not in w.snapshot(ours=False)
    w.sh("nft delete table inet podwire; nft delete table inet other")
    w.same(before, w.snapshot())
    w.sh("ip link add left0 type veth peer name left1")
    assert before != w.snapshot()
    w.sh("ip link del left0")
    Path("/var/lib/cni/x").write_text("1")
    assert before != w.snapshot()


@test
def waiting_ends(w):
    began = time.monotonic()
    try:
        wait_for(lambda: False, "never", seconds=0.1)
    except AssertionError:
        assert time.monotonic() - began < 2
    else:
        raise AssertionError("did not give up")


@test
def skip_is_an_exception(w):
    assert isinstance(w, World)
    try:
        w.skip("reason")
    except Skip as reason:
        eq(str(reason), "reason")


@test
def failing_worlds_are_reported(w):
    """A file of tests that fail in every way, run by itself: the figures and the exit code are right."""
    script = w.tmp / "test_bad.py"
    script.write_text("""
from world import main, test
@test
def good(w): pass
@test
def bad(w):
    shown = 41
    assert shown == 42
@test(timeout=1)
def endless(w): w.sh('read x < /dev/zero; cat /dev/zero > /dev/null', timeout=50)
@test
def gone(w):
    import os, signal
    os._exit(0)
@test
def leaves_processes(w): w.bg('exec tail -f /dev/null'); w.serve(80)
@test
def skipped(w): w.skip('because')
main()
""")
    env = {"PYTHONPATH": str(w.source / "tests/lib"), "CI": "", "CNI_TEST_REQUIRE_ALL": ""}
    done = w.sh(["python3", script], check=False, env=env)
    eq(done.returncode, 1, done.stdout + done.stderr)
    eq(done.stdout.splitlines()[-1], "2 passed, 3 failed, 1 skipped", done.stdout)
    assert "shown = 41" in done.stdout and "no end within 1 s" in done.stdout
    strict = w.sh(["python3", script, "skipped"], check=False, env={**env, "CNI_TEST_REQUIRE_ALL": "1"})
    eq(strict.stdout.splitlines()[-1], "0 passed, 1 failed, 0 skipped", strict.stdout)


if __name__ == "__main__":
    main()
