"""The tables and docs/benchmarks.md."""

from __future__ import annotations

import platform
import subprocess
import time
from pathlib import Path
from typing import Any, Sequence

from .bars import BARS, BRIDGE, SMALL
from .engines import ENGINES
from .figures import FIGURES, Figure, Row
from .peers import PEERS_BY_NAME, ROOT
from .results import Results

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
# Columns of quotients: whose value to whose.
QUOTIENTS = [("deep", "veth"), ("deep", "hev")]


def lines_of(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A Markdown table; the columns from `left` on hold numbers."""
    rule = ["---" if i < left else "---:" for i in range(len(heads))]
    lines = [list(heads), rule, *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    padded = (
        [cell.ljust(w) if i < left else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))]
        for line in lines
    )
    return "\n".join("| " + " | ".join(line) + " |" for line in padded)


def table(results: Results) -> str:
    """Medians of all rounds, one column an engine that was measured."""
    measured = results.engines()
    names = [engine.name for engine in ENGINES if engine.name in measured]
    quotients = [pair for pair in QUOTIENTS if set(pair) <= set(names)]
    heads = ["figure", "unit", *names, *(f"{a} / {b}" for a, b in quotients)]
    rows = []
    for figure in FIGURES:
        cells = {name: results.cell(figure.key, name) for name in names}
        for row in figure.rows:
            values = {name: cell.median(row.key) for name, cell in cells.items()}
            if all(v is None for v in values.values()) and not any(c.failed for c in cells.values()):
                continue
            shown = [text(values[name], cells[name].failed, figure, row) for name in names]
            rows.append([row.label, row.unit, *shown, *(share(row, values, *q) for q in quotients)])
    return lines_of(heads, rows, 2) if rows else ""


def text(value: float | None, failed: str | None, figure: Figure, row: Row) -> str:
    """A cell; the reason of a failure stands in the figure's first row, and beside no number."""
    if failed is not None and (value is None or row is figure.rows[0]):
        return f"fails: {failed}" if row is figure.rows[0] and value is None else "fails"
    return "–" if value is None else f"{value:.{row.digits}f}"


def share(row: Row, values: dict[str, float | None], own: str, other: str) -> str:
    mine, base = values[own], values[other]
    return f"{mine / base:.2f}" if row.ratio and base and mine is not None else ""


def bars(results: Results) -> str:
    """Each bar, what was found, and whether that is enough."""
    figures = {row.key: figure.key for figure in FIGURES for row in figure.rows}

    def ask(row: str, engine: str) -> float | None:
        return results.cell(figures.get(row, engine), engine).median(row)

    rows = []
    for bar in BARS:
        value = bar.value(ask)
        found = "–" if value is None else f"{value:.4g}" if value < 10_000 else f"{value:.0f}"
        verdict = "not measured" if value is None else "reached" if bar.reached(value) else "not reached"
        rows.append([bar.label, bar.needed(), found, verdict])
    return lines_of(["bar", "needed", "found", ""], rows, 2)


def small(results: Results) -> str:
    """What criterion found."""
    found = results.cell(SMALL, SMALL)
    if found.failed:
        return f"fails: {found.failed}"
    rows = [[name.replace("|", "/"), f"{values[-1]:.0f}"] for name, values in found.values.items()]
    return lines_of(["`cargo bench`", "ns"], rows, 1) if rows else ""


def bridge(results: Results) -> str:
    """What the natives took."""
    found = results.cell(BRIDGE, BRIDGE)
    if found.failed:
        return f"fails: {found.failed}"
    named = [name.rpartition(", ") for name in found.values]
    rows = [[what, unit, f"{found.values[f'{what}, {unit}'][-1]:.3g}"] for what, _, unit in named]
    return lines_of(["bridge", "unit", ""], rows, 2) if rows else ""


def head(quick: bool, seconds: float, idle: float, flows: int) -> dict[str, Any]:
    """Where and how it is measured."""
    model, cores = "an unknown processor", 0
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model, cores = line.partition(":")[2].strip(), cores + 1
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    revision = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "revision": revision or "unknown",
        "machine": f"{cores} cores of {model}, {memory:.0f} GB, Linux {platform.release()}",
        "quick": quick, "seconds": seconds, "idle": idle, "flows": flows,
    }  # fmt: skip


def words(results: Results) -> str:
    """The same in sentences."""
    h = results.head
    return (
        f"{h['date']}, revision {h['revision']}. {h['machine']}. Median of {results.rounds()} rounds, "
        f"{h['seconds']:g} s a figure after 1 s of warming; {h['flows']} flows held, 3000 at most by "
        f"the peers; wakeups counted for {h['idle']:g} s."
    )


def peers() -> str:
    """What the peers are."""
    lines = []
    for engine in ENGINES:
        line = f"- `{engine.name}`: {engine.about}"
        if peer := PEERS_BY_NAME.get(engine.name):
            line += f"; `{peer.package}` {peer.version} of {peer.registry}"
        lines.append(line + ".")
    return "\n".join(lines)


def whole(results: Results) -> str:
    """All of it, as it is printed and written."""
    parts = [words(results), table(results), bars(results), small(results), bridge(results)]
    return "\n\n".join(part for part in parts if part)


def write(results: Results, command: str) -> None:
    """Puts it into the page."""
    page = PAGE.read_text()
    top, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    found = f"`{command}`. {words(results)}\n\n{peers()}\n\n{table(results)}\n\n"
    found += f"### The bars\n\n{bars(results)}\n"
    if parts := small(results):
        found += f"\n### The small ones\n\n{parts}\n"
    if parts := bridge(results):
        found += f"\n### The bridge\n\n{parts}\n"
    PAGE.write_text(f"{top}{BEGIN}\n{found}{END}{tail}")
