# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs built from Go modules, once, outside the tests' worlds, into a folder beside the programs under
test: real callers and peers. A Go of at least 1.21 is needed, and demanded by CNI_TEST_REQUIRE_ALL=1."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from node import ROOT

CACHE = Path(os.environ.get("PODWIRE_BIN", ROOT / "build/dev/bin")).resolve().parent / "e2e-go"


def find_go():
    """The program, or why there is none."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not go:
        return None, "no Go"
    version = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, timeout=30).stdout
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    if not numbers or tuple(map(int, numbers.groups())) < (1, 21):
        return None, f"Go 1.21 is needed and this is {version.strip() or 'of unknown version'}"
    return go, None


def install(folder, *modules):
    """Build the modules' programs into CACHE/folder; why not, or None when they are all there."""
    target = CACHE / folder
    missing = [m for m in modules if not os.access(target / m.split("@")[0].rsplit("/", 1)[1], os.X_OK)]
    if not missing:
        return None
    go, why = find_go()
    if not go:
        return why
    env = dict(os.environ, GOPATH=str(CACHE), GOBIN=str(target), GOCACHE=str(CACHE / "cache"),
               GOFLAGS="-modcacherw -buildvcs=false", CGO_ENABLED="0")
    done = subprocess.run([go, "install", *missing], env=env, capture_output=True, text=True, timeout=400)
    return None if done.returncode == 0 else f"go install {' '.join(missing)}: {done.stderr[-300:]}"
