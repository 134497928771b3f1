# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets between the pods of four nodes, over each way that the overlay has, and as the underlay sees them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from crossing import everything  # noqa: E402
from lab import Lab  # noqa: E402
from world import main, test  # noqa: E402


def of_mode(mode):
    def run(w):
        everything(Lab(w, mode).up("ab"))
    run.__name__ = mode.replace("-", "_")
    return test(run, timeout=100)


for each in ("vxlan", "host-gw", "direct", "dual", "host-gw-dual"):
    of_mode(each)


if __name__ == "__main__":
    main()
