# SPDX-License-Identifier: GPL-2.0-or-later
"""The chain, with one of its programs killed at a system call of ADD, at every one, alone and with its delegate:
then a DEL of the chain leaves the node as it was."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from trials import each_of_the_chain  # noqa: E402
from world import main  # noqa: E402

each_of_the_chain("ADD", tree=True)

if __name__ == "__main__":
    main()
