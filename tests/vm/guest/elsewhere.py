# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests of tests/chain and tests/netns that the development kernel cannot run (`needs=` in their
@test mark): the same files, by name, under this kernel, where a missing feature is a failure."""

import importlib.util
import os
import re
import subprocess
import sys

from node import TESTS

import world


def named(file):
    """The names of the file's tests that need something."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    del world._tests[:]
    sys.path.insert(0, str(file.parent))  # where it finds what it shares with its neighbours
    spec.loader.exec_module(module)
    return [function.__name__ for function, _, needs in world._tests if needs]


def main():
    # Built into the kernel that those files were written on, and loaded on every Kubernetes node.
    subprocess.run(["modprobe", "-a", "br_netfilter", "sctp"], check=True)
    os.environ["PYTHONPATH"] = str(TESTS / "lib")
    total = [0, 0, 0]
    for file in sorted([*TESTS.glob("chain/test_*.py"), *TESTS.glob("netns/test_*.py")]):
        names = named(file) if "needs=" in file.read_text() else []
        if not names:
            continue
        print(f"-- {file.relative_to(TESTS)}", flush=True)
        done = subprocess.run([sys.executable, str(file), *names], stdout=subprocess.PIPE, text=True)
        print(done.stdout, end="", flush=True)
        counts = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", done.stdout, re.M)
        total = [a + int(b) for a, b in zip(total, counts[-1] if counts else (0, 1, 0))]
    print("{} passed, {} failed, {} skipped".format(*total))
    sys.exit(1 if total[1] else 0)


main()
