"""What was measured, kept in build/bench/results.jsonl so that a run can be taken in slices.

It never changes a measurement: a line is written once, when it was taken.
"""

from __future__ import annotations

import json
import statistics
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .ground import Failed
from .peers import TOOLS

FILE = TOOLS / "results.jsonl"


@dataclass
class Cell:
    """All rounds of one figure of one engine."""

    values: dict[str, list[float]] = field(default_factory=dict)
    # Why it failed, in the first round in which it did.
    failed: str | None = None

    def median(self, key: str) -> float | None:
        """The median of all rounds; nothing where one of them gave no value."""
        values = self.values.get(key)
        return statistics.median(values) if values else None


class Results:
    """Measurements of one revision, with the same lengths."""

    def __init__(self, head: dict[str, Any], resume: bool, file: Path) -> None:
        self.head = head
        self._file = file
        self._lock = threading.Lock()
        self._lines: list[dict[str, Any]] = []
        if resume and file.exists():
            first, *lines = [json.loads(line) for line in file.read_text().splitlines()]
            if {**first, "date": None} != {**head, "date": None}:
                raise Failed(f"{file.name} holds another revision or lengths; run without --resume")
            self.head, self._lines = first, lines
        else:
            file.write_text(json.dumps(head) + "\n")

    def has(self, turn: int, figure: str, engine: str) -> bool:
        """Whether this was measured already."""
        place = {"round": turn, "figure": figure, "engine": engine}
        return any({**line, **place} == line for line in self._lines)

    def add(
        self, turn: int, figure: str, engine: str, found: dict[str, float], failed: str | None
    ) -> None:
        """Keeps one measurement."""
        line = {"round": turn, "figure": figure, "engine": engine, "found": found}
        if failed is not None:
            line["failed"] = failed
        with self._lock, open(self._file, "a") as file:
            self._lines.append(line)
            file.write(json.dumps(line) + "\n")

    def cell(self, figure: str, engine: str) -> Cell:
        """What is known of a figure of an engine."""
        cell = Cell()
        lines = [one for one in self._lines if (one["figure"], one["engine"]) == (figure, engine)]
        for line in lines:
            cell.failed = cell.failed or line.get("failed")
            for key, value in line["found"].items():
                cell.values.setdefault(key, []).append(value)
        # Some rounds do not stand for all.
        cell.values = {key: all_ for key, all_ in cell.values.items() if len(all_) == len(lines)}
        return cell

    def engines(self) -> list[str]:
        """Those that were measured at all."""
        return list(dict.fromkeys(line["engine"] for line in self._lines))

    def rounds(self) -> int:
        """How many rounds were begun."""
        return max((line["round"] for line in self._lines), default=0)
