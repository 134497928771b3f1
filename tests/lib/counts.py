# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls of a chain's programs, counted by strace: what a verb costs, told by a figure that is the same
on every machine that has these libraries and this kernel.

    folder = traced_folder(w, w.plain, ("bridge", "portmap"))
    w.chain(conflist, "ADD", pod, path=folder)
    costs = read_counts()        # {"bridge": Cost(calls=…, sends=…, setns=…, starts=…), "host-local": …}
"""

import re
from collections import namedtuple
from pathlib import Path

TRACES = Path("/run/world/counts")

# calls: from the program's first own call on, the loader's are left out. sends: messages to netlink, each a round trip.
# setns: switches of the network namespace. starts: programs that it started. switches: files below the machine's
# /proc/sys/net, of which the kernel looks through those of all namespaces. waits: pauses, after each of which the kernel
# is asked again.
Cost = namedtuple("Cost", "calls sends setns starts switches waits")

FIRST_OWN_CALL = re.compile(r"poll\(\[\{fd=0")
NETLINK_SEND = re.compile(r"send(to|msg)\(\d+, .*nlmsg_len=")


def traced_folder(w, programs, names):
    """A folder with these programs behind strace, the others as they are; every start leaves a trace."""
    folder = Path("/run/world/traced")
    folder.mkdir(exist_ok=True)
    TRACES.mkdir(exist_ok=True)
    for program in Path(programs).iterdir():
        entry = folder / program.name
        entry.unlink(missing_ok=True)
        if program.name in names:
            entry.write_text(f"#!/bin/sh\nexec strace -f -qq -v -o {TRACES}/$$ {program}\n")
            entry.chmod(0o755)
        else:
            entry.symlink_to(program)
    return str(folder)


def _names(lines):
    """Which program each process number is: the last that it executed."""
    names = {}
    for line in lines:
        found = re.match(r'(\d+) +execve\("[^"]*/([^"/]+)"', line)
        if found:
            names[found[1]] = found[2]
    return names


def _cost(calls):
    first = next((i for i, call in enumerate(calls) if FIRST_OWN_CALL.match(call)), 0)
    own = [call for call in calls[first:] if re.match(r"\w+\(", call)]
    return Cost(calls=len(own), sends=sum(bool(NETLINK_SEND.match(c)) for c in own),
                setns=sum(c.startswith("setns(") for c in own), starts=sum(bool(re.match(r"v?fork\(|clone3?\(", c)) for c in own),
                switches=sum('"/proc/sys/net' in c for c in own), waits=sum(bool(re.match(r"p?poll\(NULL, 0, ", c)) for c in own))


def read_counts():
    """The cost of each program since the last call of this, by name; a program that ran twice is an error."""
    costs = {}
    for file in sorted(TRACES.iterdir()):
        lines = file.read_text().splitlines()
        file.unlink()
        for process, name in _names(lines).items():
            if name in costs:
                raise AssertionError(f"{name} ran twice")
            costs[name] = _cost([line.split(None, 1)[1] for line in lines if line.split(None, 1)[0] == process])
    return costs
