"""`python3 -m benchmarks`, inside `scripts/in-lab`. People call `scripts/bench`."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict

from . import report
from .engines import ENGINES, Engine
from .figures import FIGURES, Figure, Run
from .ground import Failed, Ground


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Muzzle beside the bare veth.")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all engines")
    parser.add_argument("--only", metavar="KEY", action="append", default=[],
                        choices=[figure.key for figure in FIGURES],
                        help="take only this figure: " + ", ".join(f.key for f in FIGURES))  # fmt: skip
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    return parser.parse_args()


def take(run: Run, figure: Figure, engine: Engine, results: report.Results) -> None:
    """One measurement; one that fails is named and leaves its place empty."""
    try:
        found = figure.measure(run, engine)
    except (Failed, TimeoutError, OSError) as why:
        print(f"  {engine.name}, {figure.key}: {why}", file=sys.stderr)
        return
    for key, value in found.items():
        results[engine.name, key].append(value)
    said = ", ".join(f"{key} {value:.6g}" for key, value in found.items())
    if said:
        print(f"  {engine.name}: {said}", file=sys.stderr)


def main() -> int:
    chosen = arguments()
    rounds = 1 if chosen.quick else chosen.rounds
    figures = [figure for figure in FIGURES if not chosen.only or figure.key in chosen.only]
    results: report.Results = defaultdict(list)
    with Ground() as ground:
        if chosen.quick:
            run = Run(ground, seconds=1, idle_seconds=2, flows=1000)
        else:
            run = Run(ground, seconds=3, idle_seconds=10, flows=10_000)
        engines = [kind() for kind in ENGINES]
        for engine in engines:
            engine.start(ground)
        try:
            for turn in range(rounds):
                print(f"round {turn + 1} of {rounds}", file=sys.stderr)
                for figure in figures:
                    if turn == 0 or not figure.once:
                        for engine in engines:
                            take(run, figure, engine, results)
        finally:
            for engine in engines:
                engine.stop()
    found = f"{report.machine(rounds, run.seconds, run.flows)}\n\n{report.table(results)}"
    print(found)
    if chosen.write:
        report.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
