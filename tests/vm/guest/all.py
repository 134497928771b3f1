# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the named test programs of this folder and prints the sum of their counts as the last line."""

import re
import subprocess
import sys
from pathlib import Path


def run(program):
    """The program's output as it comes, and its counts; one that ends without any has failed."""
    print(f"-- {program.name}", flush=True)
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace") as process:
        last = ""
        for last in process.stdout:
            sys.stdout.write(last)
            sys.stdout.flush()
    counts = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped\n", last)
    passed, failed, skipped = map(int, counts.groups()) if counts else (0, 1, 0)
    if process.returncode != 0 and failed == 0:
        print(f"{program.name} ended with {process.returncode}")
        failed = 1
    return passed, failed, skipped


def main():
    folder = Path(__file__).resolve().parent
    total = [sum(column) for column in zip(*(run(folder / name) for name in sys.argv[1:]))]
    print("{} passed, {} failed, {} skipped".format(*total))
    sys.exit(1 if total[1] or not total[0] else 0)


main()
