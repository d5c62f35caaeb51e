"""`muzzle run` from start to end: good ends, bad ends, and what the database then holds."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import pytest
from helpers import CLIENT, events, holding, page, sdk, tcp, visited
from lab import demo, muzzle, network, odd, policy, resolver, sensors
from lab.lab import BLOCKED, RECORDED, App, Lab
from lab.muzzle import Muzzle

LISTED = resolver.COLLECTED[0]
POLICY = policy.text()


@pytest.fixture
def file(bare_lab: Lab, request: pytest.FixtureRequest) -> Path:
    """A database path of this test's own."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return bare_lab.directory / f"{name[:80]}.db"


@contextmanager
def running(lab: Lab, file: Path, text: str = POLICY) -> Iterator[Muzzle]:
    process = lab.start_muzzle(text, file)
    try:
        yield process
    finally:
        process.close()


def track_many(lab: Lab, count: int) -> None:
    """Events in batches of fifty; returns when the collector has answered for all."""
    tracked = [("page_load_event_finish", {"url": page(f"many-{n}")}) for n in range(count)]
    done = lab.python(RECORDED, demo.PROGRAM, sensors.URL, json.dumps(tracked))
    assert json.loads(done.stdout)["delivered"], done


def integrity(file: Path) -> str:
    connection = sqlite3.connect(file)
    try:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        connection.close()


@pytest.mark.parametrize("number", [15, 2], ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_it_cleanly_and_all_is_stored(bare_lab: Lab, file: Path, number: int) -> None:
    with running(bare_lab, file) as process:
        track_many(bare_lab, 200)
        assert process.stop(number) == 0, process.said()
    assert sorted(visited(muzzle.events(file))) == sorted(page(f"many-{n}") for n in range(200))
    assert integrity(file) == "ok"


def test_the_tun_goes_with_it(bare_lab: Lab, file: Path) -> None:
    with running(bare_lab, file):
        assert "muzzle0" in bare_lab.phone.run(["ip", "-o", "link"]).stdout
    assert "muzzle0" not in bare_lab.phone.run(["ip", "-o", "link"]).stdout


def test_the_tun_is_set_up_as_documented(bare_lab: Lab, file: Path) -> None:
    with running(bare_lab, file):
        told = bare_lab.phone.run(["ip", "addr", "show", "muzzle0"]).stdout
    assert "198.18.0.1/15" in told and "mtu 9000" in told
    assert "fd6d:757a:7a6c::1/48" in told or not network.has_ipv6()


def test_a_killed_run_leaves_a_sound_database(bare_lab: Lab, file: Path) -> None:
    with running(bare_lab, file) as process:
        sdk(bare_lab, RECORDED, "before-kill")
        assert events(bare_lab, 1, holding("before-kill"), file)
        track_many(bare_lab, 100)
        process.stop(9)
    assert integrity(file) == "ok"
    assert page("before-kill") in visited(muzzle.events(file))


def test_a_killed_run_can_be_started_again(bare_lab: Lab, file: Path) -> None:
    with running(bare_lab, file) as process:
        sdk(bare_lab, RECORDED, "first-life")
        assert events(bare_lab, 1, holding("first-life"), file)
        process.stop(9)
    with running(bare_lab, file):
        sdk(bare_lab, RECORDED, "second-life")
        assert events(bare_lab, 1, holding("second-life"), file)
    assert sorted(visited(muzzle.events(file))) == [page("first-life"), page("second-life")]


def ends_with_one_line(process: Muzzle) -> str:
    """Waits for a failed start; gives its one line of error."""
    code = process.wait_end()
    assert code not in (0, -9, 101), process.said()
    lines = [line for line in process.lines if line.strip()]
    assert len(lines) == 1, process.said()
    assert "panicked" not in lines[0]
    return lines[0]


def gaps(file: Path) -> list[str]:
    """Why nothing ran, for gaps that ended."""
    return [gap["reason"] for gap in muzzle.stats(file)["gaps"] if gap["end"] >= gap["start"]]


def test_a_killed_run_is_a_gap_when_the_next_one_starts(bare_lab: Lab, file: Path) -> None:
    with running(bare_lab, file) as process:
        process.stop(9)
    assert gaps(file) == []
    with running(bare_lab, file) as process:
        assert gaps(file) == ["killed"]
        assert process.stop() == 0
    with running(bare_lab, file):
        assert gaps(file) == ["killed"], "a run that was stopped in order leaves none"


def test_what_was_dropped_is_shown_by_its_reason(bare_lab: Lab, file: Path) -> None:
    with running(bare_lab, file) as process:
        outcome = tcp(bare_lab, RECORDED, "attempt", "198.18.200.1", "80")
        assert outcome["error"] == "ConnectionRefusedError 111"
        assert process.stop() == 0
    assert muzzle.stats(file)["dropped"]["no-name"] == 1
    shown = muzzle.command("stats", "--db", str(file)).stdout
    assert "Dropped" in shown and "no-name" in shown


@pytest.mark.parametrize("text", ["version = 1\ndefault = \"perhaps\"\n", "[[app", "version = 99\n"])
def test_a_bad_policy_at_the_start_is_one_line(bare_lab: Lab, file: Path, text: str) -> None:
    process = bare_lab.start_muzzle(text, file, wait=False)
    assert "policy.toml" in ends_with_one_line(process)


def test_a_missing_policy_is_one_line(bare_lab: Lab, file: Path) -> None:
    missing = bare_lab.directory / "no-such-policy.toml"
    process = Muzzle(bare_lab.phone, file, missing, wait=False)
    assert "no-such-policy.toml" in ends_with_one_line(process)


def test_missing_rights_are_one_line(bare_lab: Lab, file: Path) -> None:
    open_file = bare_lab.directory / "open"
    open_file.mkdir(exist_ok=True)
    open_file.chmod(0o777)
    policy_file = bare_lab.policy_file(POLICY)
    process = Muzzle(bare_lab.phone, open_file / "db", policy_file, wait=False, uid=10111)
    line = ends_with_one_line(process)
    assert "root" in line or "CAP_NET_ADMIN" in line, line


@pytest.mark.parametrize("content", [b"only text " * 150, b"SQLite format 3\0" + b"x" * 4096])
def test_a_broken_database_is_one_line_and_stays(bare_lab: Lab, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    process = bare_lab.start_muzzle(POLICY, file, wait=False)
    assert file.name in ends_with_one_line(process)
    assert file.read_bytes() == content


def test_a_missing_tun_device_is_one_line(bare_lab: Lab, file: Path) -> None:
    policy_file = bare_lab.policy_file(POLICY)
    script = 'mount -t tmpfs none /dev/net && exec "$@"'
    command = [str(muzzle.program()), "run", "--db", str(file), "--policy", str(policy_file)]
    done = bare_lab.phone.run(
        ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", script, "sh", *command]
        + ["--upstream", network.RESOLVER4],
        timeout=20,
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("muzzle:")]
    assert done.returncode == 1 and len(said) == 1, done
    assert "/dev/net/tun is missing" in said[0]


def test_a_list_with_an_error_is_one_line_with_its_place(bare_lab: Lab, file: Path) -> None:
    own = bare_lab.directory / "own.csv"
    own.write_text("# list: own\n# version: 1\nhost,perhaps\n")
    process = bare_lab.start_muzzle(POLICY, file, wait=False, extra=("--signatures", str(own)))
    assert "own.csv:3:" in ends_with_one_line(process)


def test_a_database_in_use_is_one_line(bare_lab: Lab, file: Path) -> None:
    with running(bare_lab, file):
        second = bare_lab.start_muzzle(POLICY, file, tun="muzzle1", wait=False)
        assert file.name in ends_with_one_line(second)
        sdk(bare_lab, RECORDED, "still-stored")
        assert events(bare_lab, 1, holding("still-stored"), file)


def test_a_new_policy_comes_into_force_by_sighup(bare_lab: Lab, file: Path) -> None:
    with running(bare_lab, file) as process:
        assert not sdk(bare_lab, BLOCKED, "under-the-old")["delivered"]
        freed = App(BLOCKED.uid, BLOCKED.package, "record")
        bare_lab.policy_file(policy.text(apps=[freed, RECORDED]))
        process.reload()
        assert sdk(bare_lab, BLOCKED, "under-the-new")["delivered"]
        assert visited(events(bare_lab, 1, holding("under-the-new"), file)) == [page("under-the-new")]


def test_a_bad_new_policy_leaves_the_old_in_force(bare_lab: Lab, file: Path) -> None:
    with running(bare_lab, file) as process:
        bare_lab.policy_file("default = ")
        assert "policy.toml" in process.reload()
        assert process.process.poll() is None
        assert not sdk(bare_lab, BLOCKED, "kept-blocked")["delivered"]
        assert sdk(bare_lab, RECORDED, "kept-recorded")["delivered"]


def test_a_new_policy_also_ends_flows_that_it_blocks(bare_lab: Lab, file: Path) -> None:
    with running(bare_lab, file) as process:
        client = bare_lab.start_python(RECORDED, CLIENT, "held", resolver.FILES, str(odd.ECHOES), "15")
        assert client.stderr.readline() == "held\n"
        bare_lab.policy_file(policy.text(apps=[App(RECORDED.uid, RECORDED.package, "block")]))
        process.reload()
        told, _ = client.communicate(timeout=20)
        assert json.loads(told)["ended"] is not None


def test_names_and_flows_work_again_after_a_restart(bare_lab: Lab, file: Path) -> None:
    """Apps hold addresses of the run before: they must fail fast or work, never hang."""
    with running(bare_lab, file):
        (old,) = bare_lab.dig(LISTED, "A").of("A")
    with running(bare_lab, file):
        outcome = tcp(bare_lab, RECORDED, "attempt", old, "80")
        assert outcome["error"] in (None, "ConnectionRefusedError 111") and outcome["seconds"] < 5
        assert sdk(bare_lab, RECORDED, "restarted")["delivered"]
