"""What several test files need: waiting for events, sending as an app."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

from lab import demo, muzzle, sensors
from lab.lab import App, Lab

STORED_WITHIN = 10
# Longer than the store waits with a record, so that one that is to come is there.
SETTLED_AFTER = 1.5
CLIENT = Path(__file__).parent / "tcp_client.py"

# Options of `muzzle run` for everything that the phone sends.
DEEP = ("--reach", "deep")

Event = dict[str, Any]


def database(lab: Lab) -> Path:
    return lab.directory / "muzzle.db"


def certificate(lab: Lab) -> tuple[Path, Path]:
    """A key and a certificate of its own for a server of the lab."""
    key, chain = lab.directory / "key.pem", lab.directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
        + ["-keyout", str(key), "-out", str(chain)],
        check=True,
        capture_output=True,
    )
    return key, chain


def events(lab: Lab, wanted: int, match: Callable[[Event], bool], file: Path | None = None) -> list[Event]:
    """Events that match, as soon as there are as many as wanted; fewer when they do not come.

    With 0 wanted it waits until a late one would be there.
    """
    deadline = time.monotonic() + (STORED_WITHIN if wanted else SETTLED_AFTER)
    while True:
        found = [event for event in muzzle.events(file or database(lab)) if match(event)]
        if (wanted and len(found) >= wanted) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def of_app(app: App) -> Callable[[Event], bool]:
    return lambda event: demo.owner(event) == app.package


def holding(text: str) -> Callable[[Event], bool]:
    """Events that hold a text anywhere."""
    return lambda event: text in json.dumps(event, ensure_ascii=False)


def sdk(lab: Lab, app: App, token: str, url: str = sensors.URL, **options: str) -> dict[str, Any]:
    """Tracks one visited page, which holds the token, with the real SDK."""
    tracked = [("page_load_event_finish", {"url": page(token)})]
    arguments = [url, json.dumps(tracked), "--common", json.dumps(sensors.COMMON)]
    for name, value in options.items():
        arguments += [f"--{name}", value]
    done = lab.python(app, demo.PROGRAM, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def page(token: str) -> str:
    return f"https://news.example.net/{token}"


def visited(found: list[Event]) -> list[str]:
    """Visited pages that events tell."""
    return demo.values(found, "visited-page", "properties.url")


def received_pages(lab: Lab) -> list[str]:
    """Pages in what the collector received, read without Muzzle."""
    return [
        event["properties"]["url"]
        for request in lab.collector.requests()
        if request.body
        for event in sensors.events(request)
    ]


def tcp(lab: Lab, app: App, *arguments: str, timeout: float = 60, **options: Any) -> dict[str, Any]:
    """Runs the TCP client of these tests as an app."""
    done = lab.python(app, CLIENT, *arguments, timeout=timeout, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
