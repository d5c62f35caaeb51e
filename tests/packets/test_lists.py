"""Lists of others, taken in by `muzzle lists` and obeyed by a running Muzzle."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import events
from lab import muzzle, network, policy, resolver
from lab.lab import BLOCKED, Lab

POLICY = policy.text()
OFF = POLICY + '\n[lists]\nmine = "off"\n'


@pytest.fixture(scope="module")
def lists(bare_lab: Lab) -> Path:
    source = bare_lab.directory / "hosts.txt"
    source.write_text(f"# mine\n0.0.0.0 {resolver.WEB}\n||account.xiaomi.com^\nno host\n")
    folder = bare_lab.directory / "lists"
    done = muzzle.command("lists", "import", str(source), "--dir", str(folder), "--name", "mine")
    assert done.returncode == 0, done.stderr
    assert "4 lines: 2 names, 0 exceptions, 1 line not taken" in done.stdout
    assert "    line 3: .account.xiaomi.com\n" in done.stdout
    assert "    line 4: no host\n" in done.stdout
    return folder


@pytest.fixture(scope="module")
def running(bare_lab: Lab, lists: Path) -> muzzle.Muzzle:
    return bare_lab.start_muzzle(POLICY, extra=("--lists", str(lists)))


def test_what_an_imported_list_names_is_stopped(bare_lab: Lab, running: muzzle.Muzzle) -> None:
    done = bare_lab.curl(BLOCKED, f"http://{resolver.WEB}/")
    assert done.returncode == 7, done
    found = events(bare_lab, 1, lambda event: event.get("host") == resolver.WEB)
    assert {event["reason"]["list"].split("@")[0] for event in found} == {"mine"}


def addresses(lab: Lab, name: str) -> list[str]:
    return lab.dig(name).of("A")


def test_what_is_never_blocked_stays_reachable(bare_lab: Lab, running: muzzle.Muzzle) -> None:
    assert addresses(bare_lab, resolver.NEVER_BLOCKED) == [network.WEB4]


def test_a_list_is_switched_off_while_muzzle_runs(
    bare_lab: Lab, running: muzzle.Muzzle, lists: Path
) -> None:
    assert addresses(bare_lab, resolver.WEB) != [network.WEB4]
    file = bare_lab.policy_file(OFF)
    shown = muzzle.command("lists", "--dir", str(lists), "--policy", str(file)).stdout
    [mine] = [line for line in shown.splitlines() if line.startswith("mine ")]
    assert mine.endswith("off by your policy")
    assert "read again" in running.reload()
    network.wait_until(
        lambda: addresses(bare_lab, resolver.WEB) == [network.WEB4], 10, "the list to be off"
    )


def test_a_damaged_list_leaves_the_old_rules_in_force(
    bare_lab: Lab, running: muzzle.Muzzle, lists: Path
) -> None:
    bare_lab.policy_file(POLICY)
    assert "read again" in running.reload()
    network.wait_until(
        lambda: addresses(bare_lab, resolver.WEB) != [network.WEB4], 10, "the list to be on"
    )
    (lists / "mine.list").write_bytes(b"MUZLIST\x01 damaged")
    assert "the old policy stays in force" in running.reload()
    done = muzzle.command("lookup", "--lists", str(lists), resolver.WEB)
    assert done.returncode == 2 and "mine.list: damaged; import the list again" in done.stderr
    assert addresses(bare_lab, resolver.WEB) != [network.WEB4]
