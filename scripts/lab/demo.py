"""The demo: three apps, one tracker, one ordinary site. `python -m lab.demo DIRECTORY`.

It never claims what it did not look at: each line with a mark compares two records.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from . import muzzle, network, policy, resolver, sensors
from .lab import APPS, BLOCKED, OFF, RECORDED, App, Lab
from .story import Story

PROGRAM = Path(__file__).parent / "apps" / "sensors_app.py"
STORE_SECONDS = 10

BROWSED = {
    BLOCKED: sensors.browsing("https://clinic.example.net/appointments", "back pain at night"),
    RECORDED: sensors.browsing("https://news.example.net/2026/rain", "weather in Jaipur"),
    OFF: sensors.browsing("https://shop.example.net/red-shoes", "red shoes size 42"),
}


# The data kinds that say something about a person, in words.
WORDS = {
    "visited-page": "visited page",
    "search": "search",
    "identifier": "identifiers",
    "device-fact": "the device",
}


class Demo:
    """One run, told as a story."""

    def __init__(self, lab: Lab, database: Path, story: Story) -> None:
        self.lab, self.database, self.story = lab, database, story

    def send(self, app: App) -> dict[str, Any]:
        """Lets an app send what its owner did; says what and how it went from its own view."""
        tracked = BROWSED[app]
        self.story.line(f"The app tries to send, with the Sensors Analytics SDK, to {sensors.URL}:")
        for name, properties in tracked:
            self.story.item(f"{name}: {listed(properties)}")
        self.story.item(f"each with: {listed(sensors.COMMON)}")
        self.lab.collector.forget()
        arguments = [sensors.URL, json.dumps(tracked), "--common", json.dumps(sensors.COMMON)]
        done = self.lab.python(app, PROGRAM, *arguments)
        if done.returncode != 0:
            raise RuntimeError(f"the app itself failed: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def stored(self, app: App, wanted: int) -> list[dict[str, Any]]:
        """The events of an app in Muzzle's database, once as many as wanted are there."""
        deadline = time.monotonic() + STORE_SECONDS
        while True:
            found = [event for event in muzzle.events(self.database) if owner(event) == app.package]
            if len(found) >= wanted or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def collected(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and told properties of the events that the collector received."""
        events = [e for request in self.lab.collector.requests() for e in sensors.events(request)]
        return [(e["event"], told(e["event"], e["properties"])) for e in events]

    def blocked(self) -> None:
        """The blocked app: refused, nothing received, the attempt stored."""
        check = self.story.check
        self.story.title(f"1. {BLOCKED.package}, set to Block")
        outcome = self.send(BLOCKED)
        self.story.line(f"The app's own view: {outcome['error'] or 'delivered'}.")
        check("the app was refused at once", (False, True), (outcome["delivered"], outcome["seconds"] < 3))
        check("the collector got no connection", 0, len(self.lab.collector.connections))
        check("the collector received 0 bytes", 0, self.lab.collector.bytes_received())
        events = self.stored(BLOCKED, 1)
        check("Muzzle wrote the attempt down", True, bool(events))
        rules = sorted({f"rule {e['reason'].get('rule', '?')}" for e in events})
        self.story.item(f"{len(events)} connections stopped by {', '.join(rules)}; nothing was sent")
        seen = {(e.get("host"), e["verdict"], e["state"]) for e in events}
        check("as blocked, with the tracker's name", {(sensors.HOST, "block", "blocked")}, seen)

    def recorded(self) -> None:
        """The recorded app: delivered unchanged, and decoded in words."""
        check = self.story.check
        self.story.title(f"2. {RECORDED.package}, set to Record")
        outcome = self.send(RECORDED)
        self.story.line(f"The app's own view: {outcome['error'] or 'delivered'}.")
        check("the app's request was delivered", True, outcome["delivered"])
        got = [(name, dict(properties)) for name, properties in BROWSED[RECORDED]]
        check(f"the collector received these {len(got)} events, unchanged", got, self.collected())
        events = self.stored(RECORDED, len(got))
        self.story.line("Muzzle read along, and wrote in words:")
        for event in events:
            for line in in_words(event):
                self.story.item(line)
        tracked = dict(BROWSED[RECORDED])
        page = tracked["page_load_event_finish"]["url"]
        check("the visited page was decoded", [page], values(events, "visited-page", "properties.url"))
        words, engine = tracked["search"]["search_word"], tracked["search"]["used_searchengine"]
        check("the search words were decoded", [words], values(events, "search", "properties.search_word"))
        check("with the engine", [engine], values(events, None, "properties.used_searchengine"))
        ids = {i["value"] for event in events for i in event.get("ids", [])}
        check("the device identifier was found", True, sensors.COMMON["$device_id"] in ids)
        states = [(e["verdict"], e["state"], e.get("protocol")) for e in events]
        check("each is stored as decoded", [("record", "decoded", "sensors")] * len(got), states)

    def off(self) -> None:
        """The app that is off: delivered, and not looked at."""
        check = self.story.check
        self.story.title(f"3. {OFF.package}, set to Off")
        outcome = self.send(OFF)
        self.story.line(f"The app's own view: {outcome['error'] or 'delivered'}.")
        check("the app's request was delivered", True, outcome["delivered"])
        got = [(name, dict(properties)) for name, properties in BROWSED[OFF]]
        check(f"the collector received these {len(got)} events", got, self.collected())
        time.sleep(1.5)  # Longer than the store waits, so that an event would be there.
        check("Muzzle wrote nothing down: Off means not looked at", [], self.stored(OFF, 0))

    def ordinary(self) -> None:
        """A site that no list knows: untouched for all."""
        check = self.story.check
        self.story.title("4. Ordinary traffic of all three apps")
        before = len(muzzle.events(self.database))
        for app in (BLOCKED, RECORDED, OFF):
            page = self.lab.curl(app, f"http://{resolver.WEB}/hello")
            check(f"{app.package} reads http://{resolver.WEB}/hello", "GET /hello\n", page.stdout)
        named = self.lab.dig(resolver.WEB, "A").of("A")
        check(f"{resolver.WEB} keeps its real address", [network.WEB4], named)
        time.sleep(1.5)
        check("Muzzle wrote nothing down about it", before, len(muzzle.events(self.database)))

    def export(self, directory: Path) -> None:
        """The export: every event, as JSON Lines."""
        check = self.story.check
        file = directory / "events.jsonl"
        done = muzzle.command(
            "export", "--db", str(self.database), "--format", "jsonl", "--out", str(file)
        )
        check("muzzle export ended well", (0, ""), (done.returncode, done.stderr.strip()[:300]))
        lines = file.read_text().splitlines() if file.exists() else []
        ids = [json.loads(line)["id"] for line in lines]
        check("the export holds every event", [e["id"] for e in muzzle.events(self.database)], ids)


def listed(properties: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in properties.items())


def told(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Of an event's properties those that are of this event, not common to all."""
    wanted = {"search": ["used_searchengine", "search_word", "search_method"]}.get(name, ["url"])
    return {key: properties[key] for key in wanted if key in properties}


def owner(event: dict[str, Any]) -> str | None:
    return event.get("app", {}).get("package")


def values(events: list[dict[str, Any]], kind: str | None, path: str) -> list[Any]:
    """Values of a field of a kind, over events."""
    return [
        field["value"]
        for event in events
        for field in event.get("fields", [])
        if field["path"] == path and kind in (None, field.get("kind"))
    ]


def in_words(event: dict[str, Any]) -> list[str]:
    """What a decoded event tells about its owner: a headline, then a line for each kind."""
    lines = [f"{event['time']}  {event.get('event', '?')}, sent to {event.get('host', 'an address')}"]
    for kind, words in WORDS.items():
        told = [f for f in event.get("fields", []) if f.get("kind") == kind]
        parts = [f"{f['path'].removeprefix('properties.')} = {f['value']}" for f in told]
        if parts:
            lines.append(f"    {words}: " + ", ".join(parts))
    return lines


def fresh(directory: Path) -> Path:
    """Removes what an earlier run left in the demo's directory, and names the database."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in ("muzzle.db", "muzzle.db-wal", "muzzle.db-shm", "events.jsonl", "collector.jsonl"):
        (directory / old).unlink(missing_ok=True)
    return directory / "muzzle.db"


def main() -> int:
    directory = Path(sys.argv[1]).resolve()
    database, story = fresh(directory), Story()
    story.line(
        "This machine now holds a phone with three apps, and an internet with a resolver, a "
        "collector that answers like the vendor's, and an ordinary site. All the phone's "
        "questions for names go to Muzzle. Nothing here reaches your real network."
    )
    with Lab("demo", records=directory) as lab:
        running = lab.start_muzzle(policy.text(APPS[:3]), database)
        demo = Demo(lab, database, story)
        demo.blocked()
        demo.recorded()
        demo.off()
        demo.ordinary()
        story.title("5. The end")
        story.check("muzzle run stopped cleanly", 0, running.stop())
        demo.export(directory)
    story.line()
    story.line(f"Database:             {database}")
    story.line(f"Events as JSON Lines: {directory / 'events.jsonl'}")
    story.line(f"What the collector really received: {directory / 'collector.jsonl'}")
    story.line(f"Look around: {muzzle.program()} events --db {database}")
    story.line()
    verdict = "all of it was so" if story.failed == 0 else f"{story.failed} were NOT so"
    story.line(f"{story.checks} claims checked: {verdict}.")
    return 1 if story.failed else 0


def guarded() -> int:
    try:
        return main()
    except KeyboardInterrupt:
        print("\nstopped; nothing is left running", file=sys.stderr)
        return 130
    except (RuntimeError, TimeoutError, FileNotFoundError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(guarded())
