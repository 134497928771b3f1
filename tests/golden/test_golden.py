# SPDX-License-Identifier: GPL-2.0-or-later
"""Protocol cases as folders: PLUGIN/CASE/{stdin,stdout,env,stderr}; the cases of any/ are run with
every program there is.

env     lines NAME=value on top of the file `env` here; a line NAME alone unsets it
stdin   as sent, byte for byte; absent: empty
stdout  compared as JSON; empty or absent: nothing may be printed
stderr  compared as text; absent: nothing may be printed
stays   one line: what a failing ADD leaves on purpose; its world is then not compared

$BIN (our programs), $POD (a fresh network namespace), $PLUGIN and $CASE (the folder, for files that a case brings)
are replaced in the first four. The exit status must be 1 when an error object is expected, else 0 (OUT-01); whatever fails, and DEL, GC, STATUS
and VERSION here, must leave the world as it was.
"""

import json
import os
import subprocess
from pathlib import Path

from world import SANITIZER, eq, main, test

HERE = Path(__file__).resolve().parent

# Programs that do not speak the first versions: the cases of any/ without them.
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
OLDEST = {"bandwidth": "0.3.0", "firewall": "0.4.0"}


def unspoken(plugin):
    return [v for v in VERSIONS if v < OLDEST.get(plugin, "")]


def text(file, values):
    content = file.read_text() if file.exists() else ""
    for name, value in values.items():
        content = content.replace("$" + name, value)
    if file.parent.parent.name == "any" and file.name != "stdin":
        for version in unspoken(values["PLUGIN"]):
            for listed in (f'"{version}",\n', f'\\"{version}\\" ', f"{version}, "):
                content = content.replace(listed, "")
    return content


def environment(case, values):
    env = {}
    for line in (text(HERE / "env", values) + text(case / "env", values)).splitlines():
        name, has_value, value = line.partition("=")
        env.pop(name, None)
        if has_value:
            env[name] = value
    return env


def run(w, case, plugin):
    values = {"BIN": w.bin, "POD": w.pod("pod").path, "PLUGIN": plugin, "CASE": str(case)}
    env = environment(case, values)
    want = text(case / "stdout", values)
    before = w.snapshot(ours=False)
    done = subprocess.run([f"{w.bin}/{plugin}"], input=text(case / "stdin", values).encode(), env=env,
                          capture_output=True, timeout=60, check=False)
    if done.returncode == SANITIZER:
        raise AssertionError(done.stderr.decode())
    out = done.stdout.decode()
    wanted = json.loads(want) if want.strip() else None
    try:
        got = json.loads(out) if out.strip() else None
    except ValueError:
        raise AssertionError(f"no single JSON document: {out}") from None
    if got != wanted:
        eq(json.dumps(got, indent=1) + "\n", json.dumps(wanted, indent=1) + "\n", "stdout")
    failed = isinstance(wanted, dict) and "code" in wanted
    eq(done.returncode, 1 if failed else 0, "exit status")
    eq(done.stderr.decode(), text(case / "stderr", values), "stderr")
    if (failed or env.get("CNI_COMMAND") != "ADD") and not (case / "stays").exists():
        eq(w.snapshot(ours=False), before, "the world")


def register(case, plugin):
    def one(w):
        run(w, case, plugin)
    one.__name__ = f"{plugin}/{case.parent.name}/{case.name}" if case.parent.name == "any" else \
        f"{plugin}/{case.name}"
    test(one)


def programs():
    folder = Path(os.environ.get("PODWIRE_BIN") or HERE.parents[1] / "build/dev/bin")
    return sorted(f.name for f in folder.iterdir() if os.access(f, os.X_OK))


for name in programs():
    for folder in sorted((HERE / "any").iterdir()) + sorted((HERE / name).glob("*")):
        stdin = (folder / "stdin").read_text(errors="replace") if (folder / "stdin").exists() else ""
        if folder.parent.name != "any" or not any(f'"cniVersion": "{v}"' in stdin for v in unspoken(name)):
            register(folder, name)

if __name__ == "__main__":
    main()
