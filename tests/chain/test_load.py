# SPDX-License-Identifier: GPL-2.0-or-later
"""64 chains of six programs at once, and 64 that go while 64 others come: no failure, no address or
rule twice, and nothing left; also while others' rules come and go, and while ours are flushed."""

import contextlib
import os
import re
import threading

from crowd import NODE2, Crowd, eq
from others import DOCKER, KUBE_PROXY
from world import main, test

CROWD = 64


def rounds(crowd, n, shared=True):
    """In each of n rounds half of the pods go while the other half comes; those that run in the end."""
    half = len(crowd.pods) // 2
    come, go = crowd.pods[:half], crowd.pods[half:]
    crowd.add(come)
    for _ in range(n):
        come, go = go, come
        crowd.turn(go, come)
        crowd.running(come, shared)
    return come


def end(crowd, pods):
    crowd.running(pods)
    for pod in (pods[0], pods[-1]):
        pod.serve(80, text=pod.name)
        crowd.traffic(pod)
    for pod in pods[::16]:
        eq(crowd.check(pod), {}, f"CHECK of {pod.name}")
    crowd.delete(pods)
    crowd.left()


@contextlib.contextmanager
def again_and_again(*steps):
    """Run the steps in turn, from another thread, until the body is left; at least once each. The body
    must not fork without exec (serve(), ask()): that child would hold the pipe to a step's program."""
    stop, failed = threading.Event(), []

    def run():
        try:
            turns = 0
            while turns == 0 or not stop.is_set():
                for step in steps:
                    step()
                    stop.wait(0.1)
                turns += 1
        except BaseException as error:  # the body's thread raises it again
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


def comes(w, tool, text):
    return lambda: w.sh(f"{tool}-restore -w 10 --noflush", input=text)


def goes(w, tool, text):
    """What takes such a text back: its rules in the chains that are everybody's, then its own chains."""
    def table(part):
        chains = re.findall(r"^:(\S+)", part, re.M)
        rules = [x for x in part.splitlines() if x.startswith("-A ") and x.split()[1] not in chains]
        return "\n".join([part.split("\n")[0], *("-D" + x[2:] for x in rules), *(f"-F {c}" for c in chains),
                          *(f"-X {c}" for c in chains), "COMMIT", ""])
    taken = "".join(table(part) for part in re.findall(r"^\*.*?^COMMIT$", text, re.M | re.S))
    return comes(w, tool, taken)


def beside(w, flavour, n_pods, n_rounds):
    tool = f"iptables-{flavour}"
    steps = [f(w, tool, text) for text in (DOCKER, KUBE_PROXY) for f in (comes, goes)]
    steps[1], steps[2] = steps[2], steps[1]  # both are there for a while
    for step in steps:  # their tables and chains stay, empty, from here on
        step()
    crowd = Crowd(w, n_pods)
    with again_and_again(*steps):
        pods = rounds(crowd, n_rounds, shared=False)
    end(crowd, pods)


@test(timeout=250)
def twenty_rounds(w):
    crowd = Crowd(w, 2 * CROWD)
    end(crowd, rounds(crowd, 20))


@test(timeout=250)
def rules_of_docker_and_kube_proxy_come_and_go(w):
    beside(w, "nft", 2 * CROWD, 20)


@test(timeout=100, needs=("iptables_legacy",))
def legacy_rules_of_docker_and_kube_proxy_come_and_go(w):
    beside(w, "legacy", *((8, 2) if os.environ.get("PODWIRE_VM") else (CROWD, 5)))


@test(timeout=120)
def flushed_amid_the_load(w):
    """`nft flush ruleset`, again and again: CHECK says what is missing, and the next ADD of any pod brings
    back what all have. FORWARD drops by then, as Docker would have it."""
    def flush():
        w.sh("nft flush ruleset; iptables -P FORWARD DROP; ip6tables -P FORWARD DROP")

    flush()
    crowd = Crowd(w, 36)
    stay, come, go, last = crowd.pods[:3], crowd.pods[3:19], crowd.pods[19:35], crowd.pods[35]
    for pod in stay:
        pod.serve(80, text=pod.name)
    crowd.add(stay)
    crowd.traffic(*stay)
    flush()
    eq(crowd.node2.ask("192.0.2.1", crowd.ports["p0"], seconds=0.5), None, "a host port without rules")
    eq(stay[0].ask(NODE2, 7000, seconds=0.5), None, "the way out without rules")
    for pod in stay:
        said = crowd.check(pod)
        eq([name for name, words in said.items() if words.endswith(crowd.MISSING)], ["bridge", "portmap", "firewall"], said)
        eq(len(said), 3, said)
    with again_and_again(flush):
        crowd.add(come)
        for _ in range(3):
            come, go = go, come
            crowd.turn(go, come)
    flush()
    crowd.call("ADD", last).ok()
    crowd.traffic(*stay)
    for pod in [*stay, *come, last]:
        eq(crowd.check(pod), {}, f"CHECK of {pod.name}")
    crowd.running([*stay, *come, last])
    crowd.delete([*stay, *come, last])
    crowd.left(rebuilt=True)


if __name__ == "__main__":
    main()
