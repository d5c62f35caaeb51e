"""Checks every `*.expected.jsonl` here against its `*.body` without Muzzle.

Form, base64, gzip and JSON are undone by Python's own library. Compared: the number and order of
events, names, times, each field's path and value, identifiers' values, the checksum's outcome,
size and SHA-256 of the body. Kinds are a matter of judgement and were read by eye.
"""

import base64, datetime, gzip, hashlib, json, pathlib, sys, urllib.parse


class Number(str):
    pass


def leaves(path, value):
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        for name, inner in value:
            yield from leaves(f"{path}.{name}" if path else name, inner)
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from leaves(f"{path}.{place}" if path else str(place), inner)
    elif isinstance(value, str):
        yield path, str(value)
    else:
        # With pairs as lists, an empty list and an empty object look alike; only the latter occurs.
        yield path, "{}" if value == [] else {True: "true", False: "false", None: "null"}[value]


def java_hash(text):
    units = text.encode("utf-16-be")
    total = 0
    for i in range(0, len(units), 2):
        total = (31 * total + int.from_bytes(units[i : i + 2], "big")) & 0xFFFFFFFF
    return total - (1 << 32) if total >> 31 else total


def sealed(event):
    """An encrypted record shows its payloads by their sizes."""
    for name, value in event:
        if name == "payloads":
            for place, packed in enumerate(value):
                yield f"payloads.{place}.size", str(len(base64.b64decode(packed)))
        else:
            yield from leaves(name, value)


def check(body, lines):
    raw = body.read_bytes()
    form = dict(urllib.parse.parse_qsl(raw.decode(), strict_parsing=True))
    text = form.get("data_list") or form["data"]
    crc = form.get("crc") or form.get("ext", "").removeprefix("crc=") or None
    outcome = "absent" if crc is None else "ok" if int(crc) == java_hash(text) else "mismatch"
    content = text if text[0] in "[{" else base64.b64decode(text, validate=True)
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    parsed = json.loads(content, object_pairs_hook=list, parse_int=Number, parse_float=Number)
    events = parsed if isinstance(parsed[0], list) else [parsed]
    assert len(events) == len(lines), (len(events), len(lines))
    for event, line in zip(events, lines):
        members = dict(event)
        closed = "ekey" in members
        expected = list(sealed(event) if closed else leaves("", event))
        got = [(f["path"], f["value"]) for f in line["fields"]]
        assert got == expected, [p for p in zip(got, expected) if p[0] != p[1]]
        assert line["state"] == ("encrypted" if closed else "decoded")
        own = str(members.get("type")).startswith("track")
        name = members.get("event") if own else members.get("type")
        assert line.get("event") == name, (line.get("event"), name)
        ms = int(members["flush_time" if closed else "time"])
        moment = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)
        assert line["event_time"] == moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"
        assert all((i["path"], i["value"]) in expected for i in line["ids"])
        assert line["checks"] == {"crc": outcome}
        digest = hashlib.sha256(raw).hexdigest()
        assert line["payload"] == {"sha256": digest, "size": len(raw), "stored": False}
    return len(events)


here = pathlib.Path(__file__).parent
bodies = sorted(here.glob("*.body"))
for body in bodies:
    text = body.with_suffix(".expected.jsonl").read_text(encoding="utf-8")
    print(body.name, check(body, [json.loads(l) for l in text.splitlines()]), "events agree")
sys.exit(0 if bodies else 1)
