#!/usr/bin/env python3
"""The chain in a user namespace of a user without any right, as rootless podman and nerdctl run it.

`nobody` becomes root of a namespace of its own, over a /run of its own: sysctls of the machine answer
EPERM, no other user ID exists, /var/lib/cni cannot be written (state goes to dataDir).
"""

import json
import os
import textwrap

from lib import BIN, ROOT, equal, main, test

HERE = ROOT / "tests" / "e2e"

# What runs inside: a node without a neighbour. It uses the same chain runner and traffic checks.
INSIDE = textwrap.dedent("""
    import json, os, sys
    sys.path.insert(0, "/run/e2e/code")
    import lib
    from lib import *

    class Rootless(World):
        def __init__(self):
            self.notes, self.bin = [], BIN
            self.own = "podwire" in self.sh(f"env -u CNI_COMMAND {BIN}/bridge </dev/null 2>&1", check=False)
            self.sh("ip link set lo up")

    for folder in ("/run/netns", "/run/e2e/tmp", "/run/state"):
        os.makedirs(folder, exist_ok=True)
    w = Rootless()
    conflist = json.loads(sys.argv[1])
    ports = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
    states = []
    for turn in ("one", "two"):
        chain, a, b = Chain(w, conflist), w.pod("a" + turn), w.pod("b" + turn)
        result, second = chain.add(a, "rootless-a-" + turn, caps=ports), chain.add(b, "rootless-b-" + turn)
        assert a.pings("127.0.0.1"), "loopback is not up"
        Server(a.path, 80)
        for address in addresses(result):
            assert b.pings(address), f"{address} does not answer the other pod"
            if not w.pings(address):
                w.promise(False, f"{address} does not answer the node when ADD is done")
        equal(ask(b.path, addresses(result)[0], 80), addresses(second)[0], "client's address, pod to pod")
        gateway = "10.60.0.1"
        equal(ask(None, "127.0.0.1", 8080), gateway, "client's address through 127.0.0.1")
        seen = ask(b.path, gateway, 8080)
        w.promise(seen == gateway, f"client of the same subnet through the host port is seen as {seen}")
        equal(ask(a.path, gateway, 8080), gateway, "client's address of the pod itself")
        chain.check(a, "rootless-a-" + turn)
        for pod, ident in ((a, "rootless-a-" + turn), (b, "rootless-b-" + turn)):
            chain.delete(pod, ident)
            chain.delete("", ident)
        found = w.leftovers(("rootless-",), ("/run/state", "/run/podwire"))
        w.promise(not found, f"left behind: {found}")
        w.sh(f"ip netns del {a.name}; ip netns del {b.name}")
        states.append(w.everything())
    w.promise_equal(states[1], states[0], "the node after the second round")
    assert refused(ask, None, "127.0.0.1", 8080), "the host port is still open"
    print(json.dumps(w.notes))
""")

NETWORK = {
    "cniVersion": "1.0.0",
    "name": "rootless",
    "plugins": [
        {"type": "loopback"},
        {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True,
         "ipam": {"type": "host-local", "dataDir": "/run/state",
                  "ranges": [[{"subnet": "10.60.0.0/24"}], [{"subnet": "fd60::/64"}]],
                  "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


@test
def chain_in_a_user_namespace(w):
    """As nobody: unshare makes the user, network, mount and process namespaces."""
    code = f"{HERE}/lib.py {HERE}/traffic.py"
    setup = ("set -e; mount -t tmpfs tmpfs /var/tmp; cp -r /run/e2e/bin /run/e2e/code /var/tmp; "
             "mount -t tmpfs tmpfs /run; mkdir /run/e2e; cp -r /var/tmp/bin /var/tmp/code /run/e2e; "
             "exec python3 /run/e2e/code/inside.py \"$CONF\"")
    w.sh(f"mkdir /run/e2e/code; cp {code} /run/e2e/code; chmod -R a+rX /run/e2e")
    with open("/run/e2e/code/inside.py", "w") as script:
        script.write(INSIDE)
    os.chmod("/run/e2e/code/inside.py", 0o644)
    env = {"CONF": json.dumps(NETWORK), "HOME": "/var/tmp"}
    done = w.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
                  "unshare", "-Urnmpf", "--mount-proc", "sh", "-c", setup], env, limit=60)
    assert done.returncode == 0, f"exit {done.returncode}: {done.stdout[-400:]} {done.stderr[-900:]}"
    for note in json.loads(done.stdout.splitlines()[-1]):
        w.promise(False, note)
    w.promise_nothing_left(("rootless-",))
    w.promise_others_unchanged()
    equal(sorted(w.links()), ["eth0", "lo"], "links of the node outside")


if __name__ == "__main__":
    main()
