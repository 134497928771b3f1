#!/usr/bin/env python3
"""cnitool, built from its newest release, over each file in conf-examples/: add, check, del, gc, status.

It is built once, outside the tests' worlds, into a folder beside the programs under test; a Go of at
least 1.21 is needed, and demanded by CNI_TEST_REQUIRE_ALL=1.
"""

import json
import os
import re
import subprocess
from pathlib import Path

from lib import NODE4, ROOT, ask, build_folder, equal, main, refused, test
from traffic import PORTS, Traffic, has_vlan_filtering, plugin

MODULE = "github.com/containernetworking/cni/cnitool@latest"
CACHE = build_folder() / "e2e-go"
TOOL = CACHE / "bin" / "cnitool"
EXAMPLES = Path(os.environ.get("PODWIRE_EXAMPLES", ROOT / "conf-examples"))
VLAN_KEYS = {"vlan", "vlanTrunk"}


def build():
    """Why there is no cnitool, or None when there is one."""
    if os.access(TOOL, os.X_OK):
        return None
    try:
        version = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, timeout=30).stdout
    except FileNotFoundError:
        return "no Go: cnitool cannot be built"
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    if not numbers or tuple(map(int, numbers.groups())) < (1, 21):
        return f"cnitool needs Go 1.21 and this is {version.strip() or 'of unknown version'}"
    env = dict(os.environ, GOPATH=str(CACHE), GOBIN=str(CACHE / "bin"), GOCACHE=str(CACHE / "cache"),
               GOFLAGS="-modcacherw -buildvcs=false", CGO_ENABLED="0")
    done = subprocess.run(["go", "install", MODULE], env=env, capture_output=True, text=True, timeout=300)
    return None if done.returncode == 0 else f"go install {MODULE}: {done.stderr[-300:]}"


WHY_NOT = build()


class Cnitool:
    """cnitool on one network file; its container ID is a hash of the namespace's path."""

    def __init__(self, w, conflist):
        if WHY_NOT:
            w.skip(WHY_NOT)
        self.w, self.name = w, conflist["name"]
        os.makedirs("/etc/cni/net.d", exist_ok=True)
        Path("/etc/cni/net.d/10-test.conflist").write_text(json.dumps(conflist))
        w.sh(f"cp {TOOL} /run/e2e/cnitool")

    def __call__(self, verb, pod, caps=None):
        env = {"NETCONFPATH": "/etc/cni/net.d", "CNI_PATH": self.w.bin,
               "CAP_ARGS": json.dumps(caps) if caps else ""}
        return self.w.run(["/run/e2e/cnitool", verb, self.name, pod.path], env)

    def ok(self, verb, pod, caps=None):
        done = self(verb, pod, caps)
        assert done.returncode == 0, f"cnitool {verb}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None


def examples():
    """Each file as a conflist; a plain configuration becomes a list of one, as libcni does it."""
    for path in sorted(EXAMPLES.glob("*.conf*")):
        conf = json.loads(path.read_text())
        if "plugins" not in conf:
            conf = {"cniVersion": conf.get("cniVersion"), "name": conf["name"], "plugins": [conf]}
        yield path, conf


def example_test(path, conflist):
    def run(w):
        if VLAN_KEYS & set(plugin(conflist, "bridge")) and not has_vlan_filtering(w):
            return refuses_vlan(w, conflist)
        life(w, conflist)

    run.__name__ = "example_" + re.sub(r"\W", "_", path.stem)
    return run


def refuses_vlan(w, conflist):
    """This kernel has no bridge VLAN filtering: the error says so, and all is as before."""
    tool, pod = Cnitool(w, conflist), w.pod("a")
    done = tool("add", pod)
    message = (done.stdout + done.stderr).lower()
    assert done.returncode != 0 and "vlan" in message, f"no word about VLANs: {message}"
    w.promise(list(pod.links()) == ["lo"], f"links in the pod: {list(pod.links())}")
    w.promise_nothing_left()
    tool.ok("del", pod)


def life(w, conflist):
    tool, states = Cnitool(w, conflist), []
    new = conflist.get("cniVersion") == "1.1.0"
    for turn in ("one", "two"):
        a, b = w.pod(f"a{turn}"), w.pod(f"b{turn}")
        tool.ok("status", a)
        result_a, result_b = tool.ok("add", a, PORTS), tool.ok("add", b)
        if plugin(conflist, "bridge"):
            Traffic(w, conflist).check(a, b, result_a, result_b)
        elif plugin(conflist, "loopback"):
            assert a.pings("127.0.0.1"), "loopback is not up"
        if conflist["cniVersion"] >= "0.4.0":
            done = tool("check", a, PORTS)
            w.promise(done.returncode == 0, f"CHECK: {done.stderr}{done.stdout}")
            broken_is_seen(w, tool, conflist, a)
        if turn == "one":
            for pod in (a, b, a):
                tool.ok("del", pod, PORTS)
        else:
            collect(w, tool, a, new)
        w.promise_nothing_left(("cnitool-",))
        a.remove()
        b.remove()
        states.append(w.everything())
    w.promise_equal(states[1], states[0], "the node after the second round")
    if plugin(conflist, "portmap"):
        assert refused(ask, w.lan.path, NODE4, 8080), "the host port is still open"
    w.promise_others_unchanged()


def broken_is_seen(w, tool, conflist, pod):
    """CHECK must miss an address that was taken off the pod; DEL comes after all the same."""
    entries = pod.links()["eth0"]["addr_info"] if plugin(conflist, "bridge").get("ipam") else []
    for entry in [entry for entry in entries if entry["scope"] == "global"][:1]:
        text = f"{entry['local']}/{entry['prefixlen']}"
        pod.sh(f"ip addr del {text} dev eth0")
        assert tool("check", pod, PORTS).returncode != 0, f"CHECK does not see that {text} is gone"


def collect(w, tool, pod, new):
    """cnitool gc deletes each attachment in libcni's cache, then sends GC without an attachments key:
    code 7 by our decision, since a wrong guess would delete live pods."""
    done = tool("gc", pod, PORTS)
    if new and w.own:
        assert done.returncode != 0 and "attachments" in done.stderr + done.stdout, f"GC: {done}"
    else:
        equal(done.returncode, 0, f"exit of gc ({done.stderr})")


for _path, _conflist in examples():
    test(example_test(_path, _conflist))


@test
def there_are_examples(w):
    """The list of the issue: no kind may be missing."""
    texts = {path.name: json.dumps(conflist) for path, conflist in examples()}
    for need, word in {"podman-like": "cni-podman", "containerd-like": "promiscMode", "spoof check": "macspoofchk",
                       "VLAN": '"vlan"', "dual stack": "::/", "several ranges": '"rangeStart"'}.items():
        assert any(word in text for text in texts.values()), f"no example for {need} among {sorted(texts)}"


if __name__ == "__main__":
    main()
