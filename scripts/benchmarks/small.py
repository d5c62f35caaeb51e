"""The small parts, measured by criterion. It never measures itself: it runs `cargo bench`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from .ground import Failed
from .peers import ROOT

BENCHES = ["sni", "lookup"]
SECONDS = 600


def measure() -> dict[str, float]:
    """Medians in nanoseconds by the bench's name."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "criterion"
    names = [word for bench in BENCHES for word in ("--bench", bench)]
    before = {file: file.stat().st_mtime for file in target.rglob("new/estimates.json")}
    done = subprocess.run(
        ["cargo", "bench", "--quiet", "--offline", "--locked", *names, "--"]
        + ["--warm-up-time", "1", "--measurement-time", "2", "--noplot"],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=SECONDS,
    )  # fmt: skip
    if done.returncode != 0:
        raise Failed(f"cargo bench gave {done.returncode}: {done.stderr[-200:]}")
    found = {}
    for file in sorted(target.rglob("new/estimates.json")):
        if before.get(file) != file.stat().st_mtime:
            name = json.loads((file.parent / "benchmark.json").read_text())["full_id"]
            found[name] = json.loads(file.read_text())["median"]["point_estimate"]
    if not found:
        raise Failed("cargo bench left no figures")
    return found
