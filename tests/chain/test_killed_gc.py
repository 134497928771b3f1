# SPDX-License-Identifier: GPL-2.0-or-later
"""The chain, with one of its programs killed at a step of ADD, at every one, and the DEL never comes: GC takes it all."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from trials import each_of_the_chain  # noqa: E402
from world import main  # noqa: E402

each_of_the_chain("ADD", "step", after=("GC",))

if __name__ == "__main__":
    main()
