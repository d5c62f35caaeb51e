"""`python3 -m benchmarks`, inside `scripts/in-lab`. People call `scripts/bench`."""

from __future__ import annotations

import argparse
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Sequence

from . import bridge, report, small
from .bars import BRIDGE, SMALL
from .engines import ENGINES, Engine
from .figures import FIGURES, Figure, Run
from .ground import Failed, Ground
from .results import FILE, Results

NAMES = [engine.name for engine in ENGINES]
ALONE = {SMALL: small.measure, BRIDGE: bridge.measure}


def named(text: str) -> list[str]:
    """Engines, with commas between."""
    chosen = text.split(",")
    for name in chosen:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(f"no engine is called {name}: {', '.join(NAMES)}")
    return chosen


def arguments() -> argparse.Namespace:
    keys = [figure.key for figure in FIGURES] + [*ALONE]
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Muzzle beside other engines.")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all engines")
    parser.add_argument("--only", metavar="KEY", action="append", default=[], choices=keys,
                        help="take only this figure: " + ", ".join(keys))  # fmt: skip
    parser.add_argument("--engines", metavar="A,B", type=named, default=NAMES,
                        help="measure only these: " + ", ".join(NAMES))  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with a run that was ended")
    parser.add_argument("--results", metavar="FILE", type=Path, default=FILE,
                        help="where to keep measurements (%(default)s)")  # fmt: skip
    parser.add_argument("--write", action="store_true", help="put it into docs/benchmarks.md, too")
    return parser.parse_args()


def take(run: Run, figure: Figure, engine: Engine, turn: int, results: Results) -> None:
    """One measurement with a fresh process; one that fails is named with the reason."""
    if results.has(turn, figure.key, engine.name):
        return
    found, failed = {}, None
    try:
        engine.start(run.ground, figure.mtu)
        try:
            found = figure.measure(run, engine)
        finally:
            engine.stop()
    except Failed as why:
        found, failed = why.found, str(why)
    except (TimeoutError, OSError, RuntimeError) as why:
        failed = str(why)
    results.add(turn, figure.key, engine.name, found, failed)
    said = [f"{key} {value:.6g}" for key, value in found.items()]
    said += [f"fails: {failed}"] if failed is not None else []
    print(f"  {engine.name}: {', '.join(said)}", file=sys.stderr)


def take_apart(run: Run, figure: Figure, engines: Sequence[Engine], results: Results) -> None:
    """One measurement of all engines at once, each on a ground of its own."""

    def alone(engine: Engine) -> None:
        with Ground(f"{figure.key}-{engine.name}") as ground:
            take(replace(run, ground=ground), figure, engine, 1, results)

    threads = [threading.Thread(target=alone, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def take_alone(part: str, results: Results) -> None:
    """A part in which there is no other engine; it counts as an engine of its own."""
    if results.has(1, part, part):
        return
    found, failed = {}, None
    try:
        found = ALONE[part]()
    except (Failed, OSError) as why:
        failed = str(why)
        print(f"  {part}: {why}", file=sys.stderr)
    results.add(1, part, part, found, failed)


def take_all(run: Run, rounds: int, chosen: argparse.Namespace, results: Results) -> None:
    """Rounds over figures, and in each figure over all engines."""
    engines = [kind() for kind in ENGINES if kind.name in chosen.engines]
    figures = [figure for figure in FIGURES if not chosen.only or figure.key in chosen.only]
    for turn in range(1, rounds + 1):
        for figure in figures:
            fit = [engine for engine in engines if figure.fits(engine)]
            if figure.apart and turn > 1:
                continue
            print(f"round {turn} of {rounds}: {figure.key}", file=sys.stderr)
            if figure.apart:
                take_apart(run, figure, fit, results)
            else:
                for engine in fit:
                    take(run, figure, engine, turn, results)
    for part in ALONE:
        if part in chosen.only or not (chosen.only or chosen.quick):
            take_alone(part, results)


def main() -> int:
    chosen = arguments()
    rounds = 1 if chosen.quick else chosen.rounds
    seconds, idle, flows = (1, 10, 1000) if chosen.quick else (3, 60, 10_000)
    try:
        head = report.head(chosen.quick, seconds, idle, flows)
        results = Results(head, chosen.resume, chosen.results)
    except Failed as why:
        print(f"bench: {why}", file=sys.stderr)
        return 2
    with Ground() as ground:
        run = Run(ground, seconds=seconds, idle_seconds=idle, flows=flows)
        take_all(run, rounds, chosen, results)
    print(report.whole(results))
    if chosen.write:
        report.write(results, " ".join(["scripts/bench", *sys.argv[1:]]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
