"""Streams and datagrams through Muzzle arrive as they were sent, and end as they ended.

Each goes to a listed host as a recorded app: all its packets pass through the core.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from helpers import events, tcp
from lab import network, odd, policy, resolver, web
from lab.lab import RECORDED, Lab

POLICY = policy.text()
HOST = resolver.FILES
LARGE = 100_000_000


def families() -> list[str]:
    return ["-4", "-6"] if network.has_ipv6() else ["-4"]


@pytest.mark.parametrize("family", families())
def test_a_large_download_arrives_whole(clean: Lab, family: str) -> None:
    pipe = f"set -o pipefail; curl -sS {family} --max-time 110 http://{HOST}/bytes/{LARGE} | sha256sum"
    done = clean.app(RECORDED, ["bash", "-c", pipe], timeout=120)
    assert (done.returncode, done.stdout.split()[0]) == (0, web.pattern_sha256(LARGE)), done.stderr


@pytest.fixture(scope="module")
def large_file(lab: Lab) -> Path:
    file = lab.directory / "large"
    with file.open("wb") as out:
        for piece in web.pattern(LARGE):
            out.write(piece)
    file.chmod(0o644)
    return file


@pytest.mark.parametrize("family", families())
def test_a_large_upload_arrives_whole(clean: Lab, large_file: Path, family: str) -> None:
    """curl asks with `Expect: 100-continue` first."""
    done = clean.curl(
        RECORDED, family, "-T", str(large_file), f"http://{HOST}/upload", timeout=120
    )
    assert done.stdout == f"{LARGE} {web.pattern_sha256(LARGE)}\n", done


def test_uploads_and_downloads_at_once_arrive_whole(clean: Lab, large_file: Path) -> None:
    script = f"""
      set -e
      for n in 1 2 3; do
        curl -sS --max-time 170 http://{HOST}/bytes/20000000 | sha256sum > /dev/shm/down.$$.$n & downs="$downs $!"
        curl -sS --max-time 170 -T {large_file} http://{HOST}/up > /dev/shm/up.$$.$n & ups="$ups $!"
      done
      for pid in $downs $ups; do wait $pid; done
      cat /dev/shm/down.$$.* /dev/shm/up.$$.*; rm /dev/shm/down.$$.* /dev/shm/up.$$.*
    """
    done = clean.app(RECORDED, ["bash", "-c", script], timeout=180)
    down = f"{web.pattern_sha256(20000000)}  -\n"
    assert done.stdout == down * 3 + f"{LARGE} {web.pattern_sha256(LARGE)}\n" * 3, done.stderr


@pytest.mark.parametrize("size", ["0", "1", "65536", "5000000"])
def test_the_clients_half_close_is_passed_on(clean: Lab, size: str) -> None:
    done = tcp(clean, RECORDED, "half_close", HOST, str(odd.ANSWERS_AFTER_EOF), size)
    assert done["answer"] == f"{size} {done['sent']}\n"


def test_the_servers_half_close_leaves_the_other_half_open(clean: Lab) -> None:
    done = tcp(clean, RECORDED, "after_server_fin", HOST, str(odd.CLOSES_FIRST), "300000")
    assert done["greeting"] == odd.GREETING.decode()
    network.wait_until(lambda: clean.odd.bytes_received() >= 300_000, 5, "the bytes after the FIN")
    assert clean.odd.bytes_received() == 300_000


def test_the_servers_reset_reaches_the_app(clean: Lab) -> None:
    done = tcp(clean, RECORDED, "expects_reset", HOST, str(odd.RESETS))
    assert done["error"] == "ConnectionResetError", done


@pytest.mark.parametrize("family", ["2", "10"])
def test_a_refused_port_is_refused(clean: Lab, ipv6: None, family: str) -> None:
    outcome = tcp(clean, RECORDED, "attempt", HOST, "81", family)
    assert outcome["error"] == "ConnectionRefusedError 111", outcome
    assert outcome["seconds"] < 2


def test_an_unreachable_server_fails_soon(clean: Lab) -> None:
    outcome = tcp(clean, RECORDED, "attempt", resolver.UNREACHABLE, "80", "2")
    assert outcome["error"] is not None and "imeout" not in outcome["error"], outcome
    assert outcome["seconds"] < 5


def test_a_server_that_speaks_first_is_heard(clean: Lab) -> None:
    done = tcp(clean, RECORDED, "greets", HOST, str(odd.GREETS))
    assert done == {"greeting": odd.GREETING.decode(), "echo": "EHLO\r\n"}


def test_a_reader_that_sleeps_loses_nothing(clean: Lab) -> None:
    done = tcp(clean, RECORDED, "slow_reader", HOST, str(odd.FLOODS))
    expected = {"size": odd.FLOOD_BYTES, "sha256": web.pattern_sha256(odd.FLOOD_BYTES)}
    assert done == expected


def test_a_hundred_flows_at_once_keep_apart(clean: Lab) -> None:
    done = tcp(clean, RECORDED, "many", HOST, str(odd.ECHOES), "100")
    assert done == {"wrong": []}


def test_more_quiet_connections_than_keep_their_buffers_go_on(clean: Lab) -> None:
    done = tcp(clean, RECORDED, "resume", HOST, str(odd.ECHOES), "400")
    assert done == {"wrong": []}


def test_datagrams_pass_both_ways_also_empty_ones(clean: Lab) -> None:
    done = tcp(clean, RECORDED, "datagrams", HOST, str(odd.ECHOES), "10", "0", "1", "1400", "10")
    assert done == {"back": [10, 0, 1, 1400, 10], "error": None}
    assert clean.datagrams.sizes == [10, 0, 1, 1400, 10]


def test_a_flow_that_is_not_http_is_noted_as_undecodable(clean: Lab) -> None:
    tcp(clean, RECORDED, "half_close", HOST, str(odd.ANSWERS_AFTER_EOF), "777")
    found = events(clean, 1, lambda e: e.get("bytes", {}).get("up") == 777)
    assert {(e["verdict"], e["state"], e["host"]) for e in found} == {
        ("record", "undecodable", HOST)
    }


def test_the_pattern_is_not_periodic_in_small_steps() -> None:
    """Guards the checks above: a lost or doubled block must change the hash."""
    whole = b"".join(web.pattern(3 << 20))
    assert hashlib.sha256(whole[: 1 << 20] + whole[: 2 << 20]).digest() != hashlib.sha256(whole).digest()


def test_a_name_with_silent_addresses_is_reached_at_the_one_that_answers(clean: Lab) -> None:
    """Alone, the first silent one would take the whole time for a connect."""
    outcome = tcp(clean, RECORDED, "attempt", resolver.MOSTLY_SILENT, "80", "2")
    assert outcome["error"] is None, outcome
