"""Checks `*.expected.jsonl` of the recorded requests, and of those synthetic ones whose content Python
can read alone, without Muzzle: SLS, Mixpanel and OneTrack. Needs `lz4` and `zstandard` of PyPI for SLS.

Compared: the number and order of events, their names, and each field's path and value. Kinds are a
matter of judgement and were read by eye.
"""

import base64, gzip, json, pathlib, struct, sys, urllib.parse, zlib


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
        yield path, "{}" if value == [] else {True: "true", False: "false", None: "null"}[value]


def parse(text):
    return json.loads(text, object_pairs_hook=list, parse_int=Number, parse_float=Number)


def request(file):
    head, _, body = file.read_bytes().partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, v in (l.split(": ", 1) for l in lines)}
    return line.split(" ")[1], headers, body


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def message(data):
    at, out = 0, []
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 5:
            value, at = struct.unpack_from("<I", data, at)[0], at + 4
        else:
            size, at = varint(data, at)
            value, at = data[at : at + size], at + size
        out.append((tag >> 3, value))
    return out


def said(name, value):
    if value[:1] in ("{", "["):
        return list(leaves(f"log.{name}", parse(value)))
    return [(f"log.{name}", value)]


def sls(file):
    target, headers, body = request(file)
    packing = headers.get("x-log-compresstype")
    if packing == "deflate":
        body = zlib.decompress(body)
    elif packing == "lz4":
        import lz4.block
        body = lz4.block.decompress(body, uncompressed_size=int(headers["x-log-bodyrawsize"]))
    elif packing == "zstd":
        import zstandard
        body = zstandard.ZstdDecompressor().decompress(body)
    if not body:
        query = urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query)
        outer = {"APIVersion", "__topic__"}
        yield dict(query)["__topic__"], sum(([(k, v)] if k in outer else said(k, v) for k, v in query), [])
        return
    if body[:1] == b"{":
        group = dict(parse(body))
        for log in group["__logs__"]:
            yield group["__topic__"], sum((said(k, v) for k, v in log), [])
        return
    group = message(body)
    topic = dict(group)[3].decode()
    for number, log in group:
        if number == 1:
            contents = [dict(message(v)) for n, v in message(log) if n == 2]
            yield topic, sum((said(c[1].decode(), c[2].decode()) for c in contents), [])


def mixpanel(file):
    target, headers, body = request(file)
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    if body[:1] not in (b"[", b"{"):
        source = body.decode() or urllib.parse.urlsplit(target).query
        raw = next(p[5:] for p in source.split("&") if p.startswith("data="))
        body = urllib.parse.unquote_plus(raw).encode()
        if body[:1] not in (b"[", b"{"):
            body = base64.b64decode(urllib.parse.unquote(raw) + "==")
    events = parse(body)
    for event in [events] if isinstance(events[0], tuple) else events:
        yield dict(event).get("event", "$set"), list(leaves("", event))


def onetrack(file):
    for event in parse(request(file)[2]):
        yield dict(dict(event)["H"])["event"], list(leaves("", event))


here = pathlib.Path(__file__).parent
jobs = [(sls, "sls/*.http"), (mixpanel, "mixpanel/*.http"), (onetrack, "onetrack/*plain*.http")]
for reader, pattern in jobs:
    for file in sorted(here.glob(pattern)):
        lines = file.with_suffix(".expected.jsonl").read_text(encoding="utf-8").splitlines()
        expected = list(reader(file))
        assert len(expected) == len(lines), file
        for (name, fields), line in zip(expected, map(json.loads, lines)):
            got = [(f["path"], f["value"]) for f in line["fields"] if not f["path"].endswith(".created")]
            assert line["event"] == name, (file, name)
            assert got[: len(fields)] == fields, (file, [p for p in zip(got, fields) if p[0] != p[1]])
        print(file.relative_to(here), len(expected), "events agree")
sys.exit(0)
