"""The natives on a JVM of this machine. `tests/bridge/BridgeBench.java` takes the times."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from .ground import Failed
from .peers import ROOT

sys.path.insert(0, str(ROOT / "tests" / "bridge"))
SECONDS = 300


def measure() -> dict[str, float]:
    """Medians by what was called and its unit. MUZZLE_JNI names the library."""
    import jvm

    tun = jvm.tun()
    try:
        with tempfile.TemporaryDirectory() as classes:
            jvm.compile_all(Path(classes))
            line = jvm.command(Path(classes), Path(os.environ["MUZZLE_JNI"]), "BridgeBench", [tun])
            done = subprocess.run(
                line, pass_fds=[tun], capture_output=True, text=True, check=False, timeout=SECONDS
            )
    except subprocess.SubprocessError as why:
        raise Failed(f"the bridge: {why}") from why
    finally:
        os.close(tun)
    found = re.findall(r"^(\S.*\S) +([0-9.]+) (\S+)$", done.stdout, re.M)
    if done.returncode != 0 or not found:
        raise Failed(f"the bridge gave {done.returncode}: {(done.stderr or done.stdout)[-200:]}")
    return {f"{what}, {unit.replace('us', 'µs')}": float(value) for what, value, unit in found}
