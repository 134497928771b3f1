# SPDX-License-Identifier: GPL-2.0-or-later
"""Each gate in tools/ passes on a small clean tree and objects to each breach put into it."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LICENCE = "/* SPDX-License-Identifier: GPL-2.0-or-later */\n"
PAGE = ".Dd January 1, 2026\n.Dt CNI-X 8\n.Os\n" + "".join(
    f".Sh {name}\n{body}\n" for name, body in (
        ("NAME", ".Nm cni-x\n.Nd an example"), ("SYNOPSIS", ".Nm"), ("DESCRIPTION", "It is."),
        ("CONFIGURATION", "mtu: a number."), ("RESULT", "None."), ("ERRORS", "None."), ("FILES", "None."),
        ("EXAMPLES", "None."), ("SEE ALSO", ".Xr nft 8")))
CLEAN = {
    "CMakeLists.txt": "set(edges_base)\nset(edges_net base)\nset(edges_conf base)\nset(edges_netlink base net)\n"
                      "set(edges_cni base net conf)\n",
    "pkg/base/num.h": LICENCE + "#pragma once\n\nint num(const char *text);\n",
    "pkg/base/num.c": LICENCE + '#include "base/num.h"\n\nint num(const char *text)\n{\n\treturn text[0];\n}\n',
    "pkg/netlink/link.h": LICENCE + '#pragma once\n\n#include "net/ip.h"\n',
    "pkg/net/ip.h": LICENCE + "#pragma once\n\nint ip(void);\n",
    "plugins/x/conf.c": LICENCE + "#include <jansson.h>\n\nstatic const struct field fields[] = {\n"
                                  "\t{ \"mtu\", J_INT },\n};\n",
    "plugins/x/attach.c": LICENCE + '#include "netlink/link.h"\n',
    "plugins/x/main.c": LICENCE + '#include "cni/skel.h"\n#include "conf.h"\n',
    "docs/man/cni-x.8": PAGE,
}
# gate, file, its contents or an edit of them (old, new), words of the complaint
BREACHES = [
    ("layers", "pkg/base/num.c", LICENCE + '#include "net/ip.h"\n', "pkg/base must not include"),
    ("layers", "pkg/net/ip.h", LICENCE + '#include "netlink/link.h"\n', "pkg/net must not include"),
    ("layers", "pkg/net/ip.h", LICENCE + '#include "ip2.h"\n', "carry the folder"),
    ("layers", "pkg/netlink/link.h", LICENCE + "#include <libmnl/libmnl.h>\n", "is for pkg/netlink/sock.c"),
    ("layers", "pkg/netlink/sock.c", LICENCE + "#include <libnftnl/set.h>\n", "is for pkg/nft"),
    ("layers", "plugins/x/attach.c", LICENCE + "#include <jansson.h>\n", "and conf.c files"),
    ("layers", "plugins/x/attach.c", LICENCE + '#include "conf/jconf.h"\n', "know the document"),
    ("layers", "plugins/x/attach.c", LICENCE + '#include "../y/attach.h"\n', "its own folder"),
    ("layers", "plugins/x/conf.c", LICENCE + '#include "netlink/link.h"\n', "knows no kernel"),
    ("layers", "pkg/base/num.c", LICENCE + '#include "tests/lib/sandbox.h"\n', "nothing includes tests/"),
    ("layers", "CMakeLists.txt", "set(edges_base net)\nset(edges_net base)\nset(edges_netlink base net)\n",
     "does not stand above"),
    ("sizes", "pkg/base/num.c", "int num(void)\n{\n" + "\n" * 58 + "\treturn 0;\n}\n", "function num has 62 lines"),
    ("sizes", "pkg/base/num.c", LICENCE + "\n" * 600, "601 lines, at most 600"),
    ("sizes", "pkg/base/num.h", LICENCE + "\n" * 120, "121 lines, at most 120"),
    ("sizes", "plugins/x/main.c", LICENCE + "\n" * 100, "101 lines, at most 100"),
    ("headers", "pkg/base/num.h", LICENCE + "#pragma once\n\nint num(uint8_t n);\n", "does not compile alone"),
    ("man", "docs/man/cni-x.8", None, "has no page"),
    ("man", "docs/man/cni-x.8", (".Sh ERRORS", ".Sh TROUBLE"), "no section ERRORS"),
    ("man", "docs/man/cni-x.8", ("mtu", "m t u"), "does not tell of the key mtu"),
    ("man", "docs/man/cni-x.8", ("It is.", ".Xx It is."), "cni-x.8"),
    ("banned", "pkg/base/num.c", LICENCE + "int f(void)\n{\n\treturn atoi(0);\n}\n", "num.c:4: atoi is banned"),
    ("banned", "pkg/base/num.c", LICENCE + "void f(void)\n{\n\twhile (1) {\n\t}\n}\n", "write for (;;)"),
    ("banned", "pkg/base/num.c", "int n;\n", "names the licence"),
    ("banned", "pkg/base/utils.c", LICENCE, "named after what is in it"),
    ("banned", "pkg/base/num.c", LICENCE + "void f(void)\n{\n\tgoto b;\na:\n\tg();\nb:\n\th();\n}\n", "one at most"),
]
# What must not be taken for a breach.
INNOCENT = [
    ("banned", "pkg/base/num.c", LICENCE + '/* atoi() is bad */\nconst char *s = "system(1)";\nint xsleep(int n);\n'),
    ("sizes", "pkg/base/num.c", "int num(void)\n{\n" + "\n" * 56 + "\treturn 0;\n}\n"),
    ("layers", "plugins/x/attach.c", LICENCE + '#include "attach.h"\n#include "base/num.h"\n'),
]


def write(tree, name, content):
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def run(gate, tree):
    env = {k: v for k, v in os.environ.items() if k != "PODWIRE_BUILD"}
    done = subprocess.run([ROOT / "tools" / f"check-{gate}", tree], capture_output=True, text=True, env=env)
    return done.returncode, done.stdout + done.stderr


def breach(tree, name, content):
    if content is None:
        (tree / name).unlink()
    elif isinstance(content, tuple):
        write(tree, name, (tree / name).read_text().replace(*content))
    else:
        write(tree, name, content)


def case(gate, name, content, words):
    """What went wrong, or None. No words: the gate must be content."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for file, text in CLEAN.items():
            write(tree, file, text)
        if name:
            breach(tree, name, content)
        code, output = run(gate, tree)
    if words is None:
        return None if code == 0 else f"complained: {output}"
    return None if code != 0 and words in output else f"exit {code}, wanted {words!r}: {output}"


def formatter(content, wanted):
    """check-format works on its own tree, so it gets a copy of itself."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        write(tree, "pkg/base/num.c", content)
        (tree / "tools").mkdir()
        for file in ("tools/check-format", ".clang-format"):
            shutil.copy(ROOT / file, tree / file)
        done = subprocess.run([tree / "tools/check-format"], capture_output=True, text=True)
    return None if (done.returncode == 0) == wanted else f"exit {done.returncode}: {done.stderr}"


def main():
    results = [(f"{gate}: clean tree", case(gate, None, None, None))
               for gate in ("layers", "sizes", "headers", "man", "banned")]
    results += [(f"{gate}: {words}", case(gate, name, content, words)) for gate, name, content, words in BREACHES]
    results += [(f"{gate}: innocent {name}", case(gate, name, content, None)) for gate, name, content in INNOCENT]
    results.append(("format: clean", formatter("int f(void)\n{\n\treturn 0;\n}\n", True)))
    results.append(("format: spaces", formatter("int f(void)\n{\n    return 0;\n}\n", False)))
    for name, wrong in results:
        print(f"{'FAIL' if wrong else 'ok'}    {name}" + (f": {wrong}" if wrong else ""))
    failed = sum(1 for _, wrong in results if wrong)
    print(f"{len(results) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
