"""The table and docs/benchmarks.md."""

from __future__ import annotations

import platform
import statistics
import subprocess
import time
from pathlib import Path

from .engines import ENGINES
from .figures import FIGURES, Row
from .ground import ROOT

Results = dict[tuple[str, str], list[float]]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def table(results: Results) -> str:
    """Medians of all rounds, one column an engine, and the quotient to the first."""
    names = [engine.name for engine in ENGINES]
    heads = ["figure", "unit", *names, *(f"{name} / {names[0]}" for name in names[1:])]
    lines = [heads, ["---"] + ["---"] + ["---:"] * (len(heads) - 2)]
    for row in (row for figure in FIGURES for row in figure.rows):
        values = [median(results, name, row) for name in names]
        if any(value is not None for value in values):
            cells = [text(value, row.digits) for value in values]
            quotients = [quotient(row, values[0], value) for value in values[1:]]
            lines.append([row.label, row.unit, *cells, *quotients])
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    pad = lambda line: [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))]  # noqa: E731
    return "\n".join("| " + " | ".join(pad(line)) + " |" for line in lines)


def median(results: Results, name: str, row: Row) -> float | None:
    values = results.get((name, row.key))
    return statistics.median(values) if values else None


def text(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def quotient(row: Row, base: float | None, value: float | None) -> str:
    return f"{value / base:.2f}" if row.ratio and base and value is not None else ""


def machine(rounds: int, seconds: float, flows: int) -> str:
    """Where and how it was measured, in one paragraph."""
    model = "an unknown processor"
    cores = 0
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model, cores = line.partition(":")[2].strip(), cores + 1
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    revision = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    return (
        f"{time.strftime('%Y-%m-%d')}, revision {revision or 'unknown'}. {cores} cores of {model}, "
        f"{memory:.0f} GB, Linux {platform.release()}. Median of {rounds} rounds, {seconds:g} s a "
        f"figure after 1 s of warming; {flows} flows held."
    )


def write(found: str) -> None:
    """Puts what was found into the page."""
    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    PAGE.write_text(f"{head}{BEGIN}\n{found}\n{END}{tail}")
