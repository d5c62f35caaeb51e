"""The harness of `scripts/bench`: that its table has its shape. Never how fast anything is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import report
from benchmarks.engines import ENGINES
from benchmarks.figures import FIGURES
from benchmarks.peers import PEERS_BY_NAME, ROOT, TOOLS
from benchmarks.results import Results
from lab.lab import Lab

ENGINE_NAMES = ["veth", "deep", "light"]
HEAD = {
    "date": "2026-01-01", "revision": "synthetic", "machine": "none", "quick": True, "seconds": 1,
    "idle": 1, "flows": 1,
}  # fmt: skip


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def row(table: str, label: str) -> list[str]:
    """The cells of the line with this label."""
    return next(cells(line) for line in table.splitlines() if cells(line)[0] == label)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(HEAD, False, tmp_path / "results.jsonl")


def test_a_short_run_fills_its_rows_and_light_leaves_the_unlisted_alone(
    bare_lab: Lab, tmp_path: Path
) -> None:
    TOOLS.mkdir(parents=True, exist_ok=True)
    for name in ("tcp", "udp", "dns", "socks"):
        source = ROOT / "scripts" / "benchmarks" / f"{name}.c"
        subprocess.run(["cc", "-O2", "-pthread", "-o", str(TOOLS / name), str(source)], check=True)
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "rr", "--only", "reach"]
    command += ["--engines", ",".join(ENGINE_NAMES), "--results", str(tmp_path / "results.jsonl")]
    done = subprocess.run(
        command, cwd=ROOT / "scripts", capture_output=True, text=True, timeout=60, check=True
    )
    heads = ["figure", "unit", *ENGINE_NAMES, "deep / veth"]
    assert cells(done.stdout.splitlines()[2]) == heads, done.stderr
    times = row(done.stdout, "request-response, p50")
    assert [float(times[i]) > 0 for i in (2, 3, 5)] == [True] * 3, done.stderr
    beside = row(done.stdout, "traffic that is not listed, through the core")
    assert beside[2:] == ["–", "–", "0", ""], done.stderr


def test_a_failed_figure_shows_the_reason_and_no_number(results: Results) -> None:
    results.add(1, "crr1", "veth", {"crr1": 10.0, "crr1-p99": 1.0}, None)
    results.add(1, "crr1", "hev", {"crr1": 9.0, "crr1-p99": 1.0}, None)
    results.add(2, "crr1", "hev", {}, "3 exchanges failed")
    shown = report.table(results)
    label = "connect-request-close, 1 thread"
    assert row(shown, label) == [label, "1/s", "10", "fails: 3 exchanges failed"]
    assert row(shown, f"{label}, p99")[2:] == ["1.00", "fails"]


def test_the_median_of_all_rounds_is_shown_against_its_bar(results: Results) -> None:
    for turn, value in enumerate((40.0, 80.0, 70.0), 1):
        results.add(turn, "rr", "veth", {"rr-p50": 60.0, "rr-p99": 90.0}, None)
        results.add(turn, "rr", "deep", {"rr-p50": value, "rr-p99": 90.0}, None)
    found = row(report.bars(results), "request-response, added p50")
    assert found[1:] == ["<= 18 µs", "10", "reached"]
    assert row(report.bars(results), "memory after they closed")[2:] == ["–", "not measured"]


def test_an_ended_run_goes_on_where_it_was(results: Results, tmp_path: Path) -> None:
    results.add(1, "rr", "deep", {"rr-p50": 1.0}, None)
    again = Results(HEAD, True, tmp_path / "results.jsonl")
    assert again.has(1, "rr", "deep")
    assert not again.has(2, "rr", "deep")
    assert not again.has(1, "rr", "veth")


def test_each_bar_names_rows_and_engines_that_exist() -> None:
    rows = {one.key for figure in FIGURES for one in figure.rows}
    names = {engine.name for engine in ENGINES}
    assert set(PEERS_BY_NAME) <= names
    for bar in report.BARS:
        if bar.engine not in (report.SMALL, report.BRIDGE):
            assert bar.row in rows
            assert {bar.engine, bar.than or bar.engine} <= names
