# SPDX-License-Identifier: GPL-2.0-or-later
"""From the JSON of bench/run to tables, pictures and the README's section."""

import json
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from variants import CHAINS

LABELS = {"podwire": "Podwire", "floor": "bare netlink (floor)", "go-iptables": "Go 1.9.1, iptables",
          "go-nft": "Go 1.9.1, nftables", "debian": "Go 1.1.1, iptables"}
CURVES = list(LABELS)
PACKETS = ["podwire", "go-iptables", "go-nft"]
BEGIN, END = "<!-- bench/run --readme: begin -->", "<!-- bench/run --readme: end -->"
MISSING = "–"


class Data:
    """Rows by what they are about; whatever was not measured is None."""

    def __init__(self, data):
        self.raw = data
        self.rows = [row for case in data["cases"].values() for row in case["rows"]]

    def all(self, **key):
        return [row for row in self.rows if all(row.get(k) == v for k, v in key.items())]

    def one(self, **key):
        found = self.all(**key)
        return found[-1] if found else None

    def levels(self, **key):
        return sorted({row["pods"] for row in self.all(kind="chain", **key) if "chain" in row and "bridges" not in row
                       and "node" not in row})

    def curve(self, chain, variant, verb, pods, kind="chain"):
        return next((row for row in self.all(kind=kind, chain=chain, variant=variant, verb=verb, pods=pods)
                     if "bridges" not in row), None)


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ms(row, spread=True):
    """Median and, in brackets, quartiles, in milliseconds."""
    if not row:
        return MISSING
    median, low, high = (number(row[k] / 1e6) for k in ("median", "q1", "q3"))
    return f"{median} ({low}–{high})" if spread else median


def pods_of(n):
    return f"{n:,} pod{'' if n == 1 else 's'}"


def ends(sizes):
    return sorted({sizes[0], sizes[-1]}) if sizes else []


def line(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def chains(data):
    levels = data.levels()
    chosen = sorted({1, 100, max(levels)} & set(levels) | {max(levels)}) if levels else []
    out = [line("median (quartiles), ms", *(f"{verb}, {pods_of(n)}" for verb in ("ADD", "DEL") for n in chosen)),
           line(*["---"] * (1 + 2 * len(chosen)))]
    for chain, what in CHAINS.items():
        out.append(line(f"*{what}*", *[""] * (2 * len(chosen))))
        for variant in CURVES:
            cells = [ms(data.curve(chain, variant, verb, n)) for verb in ("ADD", "DEL") for n in chosen]
            out.append(line(LABELS[variant], *cells))
    return out


def ratio(above, below):
    return f"{number(above['median'] / below['median'])}" if above and below else MISSING


WITH = {"nat": "", "full": ", with firewall and tuning"}


def ratios(data):
    """What a chain costs others, as multiples of what it costs us."""
    out = []
    for chain, pods in ((chain, pods) for chain in CHAINS for pods in ends(data.levels(chain=chain))):
        at = {v: data.curve(chain, v, "ADD", pods) for v in CURVES}
        what = f"ADD with {pods_of(pods)}{WITH[chain]}"
        out.append(line(f"{what}: Go 1.9.1 iptables / nftables to Podwire",
                        f"{ratio(at['go-iptables'], at['podwire'])} / {ratio(at['go-nft'], at['podwire'])} times"))
        out.append(line(f"{what}: Podwire to the floor", f"{ratio(at['podwire'], at['floor'])} times"))
    return out


def extras(data):
    """What our programs add to the floor, by the state of the node."""
    found = []
    for chain in CHAINS:
        for pods in ends(data.levels(chain=chain, variant="podwire")):
            found.append((f"with {pods_of(pods)}{WITH[chain]}",
                          *(data.curve(chain, "podwire", verb, pods, "extra") for verb in ("ADD", "DEL"))))
    for node in ("empty", "reserved", "ports"):
        rows = [data.one(kind="extra", node=node, verb=verb) for verb in ("ADD", "DEL")]
        size = rows[0].get("size") if rows[0] else 0
        found.append(({"empty": "on an empty node", "reserved": f"with {size:,} reserved addresses",
                       "ports": f"with {size:,} host ports"}[node], *rows))
    sizes = sorted({row["pods"] for row in data.all(bridges=5)})
    for pods in sizes:
        found.append((f"with {pods_of(pods)} over five bridges",
                      *(data.one(kind="extra", bridges=5, pods=pods, verb=verb) for verb in ("ADD", "DEL"))))
    return [line(f"Podwire beyond the floor {what}, ADD; DEL", f"{ms(add)}; {ms(delete)} ms")
            for what, add, delete in found if add]


def contention(data):
    return [line(f"ADD while another pod is deleted, {LABELS[row['variant']]}: alone; during; worst",
                 f"{ms(row['alone'])}; {ms(row['during'])}; {number(row['worst'] / 1e6)} ms")
            for row in data.all(kind="contention")]


def memory(data):
    rows = data.all(kind="memory", variant="podwire")
    if not rows:
        return []
    most = max(rows, key=lambda row: row["kib"])
    limit = "" if most["kib"] > most["driver"] else "at most "
    return [line("peak memory of any program", f"{limit}{most['kib'] / 1024:.1f} MiB")]


def nodes(data):
    """All nodes of an overlay programmed, and what a pod pays for them."""
    out = []
    for count in sorted({row["nodes"] for row in data.all(kind="nodes")}):
        of = {(row["way"], row["figure"]): row for row in data.all(kind="nodes", nodes=count)}
        ours = "; ".join(ms(of["podwire", figure]) for figure in ("first", "again", "more", "less"))
        theirs = "; ".join(ms(of["flannel", figure]) for figure in ("first", "again"))
        grown = of["podwire", "peak"]["median"] - of["podwire", "before"]["median"]
        out += [line(f"{count:,} nodes of an overlay: all; again; one more; one less", f"{ours} ms; {grown / 1024:.1f} MiB more memory"),
                line(f"{count:,} nodes by flannel's way: all; at a restart", f"{theirs} ms")]
    found = sorted(data.all(kind="standing"), key=lambda row: row["nodes"])
    if found:
        out.append(line(f"overlay + bridge + host-local, ADD with {' and with '.join(format(row['nodes'], ',') for row in found)} nodes standing",
                        "; ".join(ms(row) for row in found) + " ms"))
    return out


def calls(data):
    rows = data.all(kind="calls")
    if not rows:
        return []
    out = [line("one pod", "system calls", "netlink sends", "receives", "namespace switches", "processes started"),
           line(*["---"] * 6)]
    keys = ("calls", "sends", "receives", "setns", "starts")
    for verb in ("ADD", "DEL"):
        for variant in ("podwire", "floor"):
            these = [row for row in rows if row["verb"] == verb and row["variant"] == variant]
            total = Counter()
            for row in these:
                total.update({k: row.get(k, 0) for k in keys})
                if variant != "floor":
                    out.append(line(f"{verb} {row['program']}", *(row.get(k, 0) for k in keys)))
            if these:
                out.append(line(f"{verb} {'by the floor' if variant == 'floor' else 'in all'}",
                                *(total[k] for k in keys)))
    return out


def packets(data):
    rows = data.all(kind="hostport") + data.all(kind="firewall")
    if not rows:
        return []
    out = [line("median (quartiles)", *(LABELS[v] for v in PACKETS)), line(*["---"] * (1 + len(PACKETS)))]
    for kind, figure, unit, scale in (("hostport", "connections", "new connections/s", 1),
                                      ("hostport", "throughput", "Gbit/s", 1e9),
                                      ("firewall", "connections", "new connections/s", 1),
                                      ("firewall", "throughput", "Gbit/s", 1e9)):
        sizes = sorted({r["pods"] for r in data.all(kind=kind, figure=figure)})
        for pods in ends(sizes):
            found = [data.one(kind=kind, figure=figure, variant=v, pods=pods) for v in PACKETS]
            size = next(r for r in found if r)["mappings"] if kind == "hostport" else pods
            where = f"through a host port, {size:,} of them" if kind == "hostport" else f"through firewall, {pods_of(pods)}"
            out.append(line(f"{unit} {where}", *(
                f"{number(r['median'] / scale)} ({number(r['q1'] / scale)}–{number(r['q3'] / scale)})" if r else MISSING
                for r in found)))
    return out


PATHS = {"host-gw": "host-gw", "vxlan": "vxlan", "vxlan-outer-off": "vxlan, no outer checksum",
         "vxlan-off": "vxlan, checksums by software", "vxlan-ipv6": "vxlan over IPv6", "ipip": "ipip"}
FIGURES = (("throughput", "Gbit/s", 1e9), ("roundtrip", "round trip, µs", 1e3))


def path_cell(data, backend, mtu, figure, scale):
    """The figure, and how many times host-gw's in the same run."""
    row, base = (data.one(kind="datapath", backend=b, mtu=mtu, figure=figure) for b in (backend, "host-gw"))
    if not row or "missing" in row:
        return row["missing"] if row else MISSING
    return (f"{number(row['median'] / scale)} ({number(row['q1'] / scale)}–{number(row['q3'] / scale)});"
            f" {row['median'] / base['median']:.2f}")


def datapath(data):
    mtus = sorted({row["mtu"] for row in data.all(kind="datapath")})
    if not mtus:
        return []
    columns = [(mtu, *figure) for mtu in mtus for figure in FIGURES]
    return [line("pod to pod on another node: median (quartiles); times host-gw",
                 *(f"{unit}, underlay MTU {mtu}" for mtu, _, unit, _ in columns)), line(*["---"] * (1 + len(columns))),
            *(line(label, *(path_cell(data, backend, mtu, figure, scale) for mtu, figure, _, scale in columns))
              for backend, label in PATHS.items())]


def failures(data):
    return [f"**{name}: {case['status']}**" for name, case in data.raw["cases"].items() if case["status"] != "ok"]


def about(data):
    m = data.raw["machine"]
    return (f"{m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, Linux {m['kernel']}, {m['iptables']}, {m['nft']}, "
            f"{m['iperf3']}; Podwire {m['podwire']}, Go plugins {m['go_plugins']} and {m['debian']} (Debian); {m['date']}.")


NOTES = (
    "ADD and DEL are whole chains, run as libcni does by a small C program, until the last program is gone. "
    "The floor is one process that makes the same kernel objects, reservation and announcement, and does not parse, look, "
    "check or undo; it and Podwire take turns in one namespace. Of the Go plugins' pods, those that are measured and the first two are "
    "added by them; the others have a link and an address by their bridge, and rules written after those of a real pod, "
    "whose sameness is checked, because adding all of them takes too long; so of ours few pods map the many host ports that packets meet, "
    "but all pods behind firewall are real. Their firewall knows only iptables. "
    "A figure with N pods counts the one that is measured, and is taken when the node has gone quiet.")


def promises(data):
    """One figure a line."""
    found = ratios(data) + extras(data) + contention(data) + memory(data) + nodes(data)
    return [line("what", "figure"), line("---", "---"), *found] if found else []


def table(raw):
    data = Data(raw)
    parts = [about(data), NOTES, *failures(data)]
    for part in (chains(data), promises(data), packets(data), datapath(data), calls(data)):
        if len(part) > 2:
            parts.append("\n".join(part))
    return "\n\n".join(parts)


# ---- pictures

def write_columns(path, levels, columns):
    """A line per level; for each column median and quartiles, or `?`. The highest figure, which gnuplot
    needs where a panel has none."""
    rows = [[column(level) for column in columns] for level in levels]
    text = ""
    for level, cells in zip(levels, rows):
        figures = (" ".join(str(row[k]) for k in ("median", "q1", "q3")) if row else "? ? ?" for row in cells)
        text += f"{level} {' '.join(figures)}\n"
    path.write_text(text)
    return max((row["q3"] for cells in rows for row in cells if row), default=1)


def gnuplot(script, **values):
    settings = "; ".join(f"{k}={v}" if isinstance(v, int) else f'{k}="{v}"' for k, v in values.items())
    done = subprocess.run(["gnuplot", "-e", settings, Path(__file__).parent / script], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"gnuplot {script}: {done.stderr[-500:]}")


def draw_curves(data, work, folder):
    levels = data.levels()
    for verb in ("ADD", "DEL") if levels else ():
        files, top = {}, 0
        for chain in CHAINS:
            files[chain] = work / f"{verb}-{chain}.dat"
            top = max(top, write_columns(files[chain], levels, [
                lambda n, v=v, c=chain: data.curve(c, v, verb, n) for v in CURVES]))
        gnuplot("curve.gp", out=folder / f"bench-{verb.lower()}.svg", verb=verb, pods=max(levels), top=int(top / 1e6) + 1,
                labels=" ".join(f"'{LABELS[v]}'" for v in CURVES), **files)


def draw_packets(data, work, folder):
    values = {}
    for kind, figure, size in (("hostport", "connections", "mappings"), ("firewall", "throughput", "pods")):
        levels = sorted({r[size] for r in data.all(kind=kind)})
        if not levels:
            return
        values[kind] = work / f"{kind}.dat"
        values[f"{kind}_top"] = int(write_columns(values[kind], levels, [
            lambda n, v=v: data.one(kind=kind, figure=figure, variant=v, **{size: n}) for v in PACKETS]))
        values[f"{kind}_from"], values[f"{kind}_to"] = levels[0], levels[-1]
    gnuplot("packets.gp", out=folder / "bench-packets.svg", labels=" ".join(f"'{LABELS[v]}'" for v in PACKETS), **values)


def draw(raw, folder):
    """bench-add.svg, bench-del.svg and bench-packets.svg, of what was measured."""
    with tempfile.TemporaryDirectory() as work:
        for part in (draw_curves, draw_packets):
            part(Data(raw), Path(work), folder)


def readme(root):
    """docs/bench.json → docs/bench-*.svg and README.md between the two marks."""
    raw = json.loads((root / "docs/bench.json").read_text())
    draw(raw, root / "docs")
    data = Data(raw)
    pictures = "\n".join(f"![{what}](docs/bench-{name}.svg)" for name, what in (
        ("add", "ADD against the number of pods"), ("del", "DEL against the number of pods"),
        ("packets", "packets against the number of host ports and pods")))
    text = "\n\n".join([pictures, about(data), *failures(data), "\n".join(chains(data)), "\n".join(promises(data)),
                        "\n".join(packets(data)), *(["\n".join(datapath(data))] if datapath(data) else [])])
    path = root / "README.md"
    new, n = re.subn(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{text}\n{END}", path.read_text(),
                     flags=re.S)
    if n != 1:
        raise SystemExit(f"README.md needs one pair of {BEGIN} and {END}")
    path.write_text(new)
