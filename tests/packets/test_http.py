"""Requests in every shape that HTTP/1.1 allows are decoded and pass unchanged."""

from __future__ import annotations

import base64
import gzip
import json
from urllib.parse import urlencode

import pytest
from helpers import events, holding, page, received_pages, tcp, visited
from lab import policy, resolver
from lab.lab import RECORDED, Lab

POLICY = policy.text()
HOST = resolver.COLLECTED[0]
URL = f"http://{HOST}/sa?project=x"


def form(token: str) -> bytes:
    """A batch with one visited page, as the SDKs send it."""
    event = {
        "type": "track",
        "event": "page_load_event_finish",
        "distinct_id": "abc",
        "time": 1_763_712_000_000,
        "lib": {"$lib": "python", "$lib_version": "1"},
        "properties": {"url": page(token)},
    }
    packed = base64.b64encode(gzip.compress(json.dumps([event]).encode()))
    return urlencode({"data_list": packed, "gzip": "1"}).encode()


def request(token: str, *headers: str, body: bytes | None = None) -> bytes:
    body = form(token) if body is None else body
    lines = ["POST /sa?project=x HTTP/1.1", f"Host: {HOST}", *headers]
    if not any(line.lower().startswith("transfer-encoding") for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;note=1\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\nTrailer: x\r\n\r\n"


def raw(lab: Lab, data: bytes, mode: str = "whole") -> str:
    """Sends bytes as they are and gives what came back."""
    text = data.decode("latin-1")
    return tcp(lab, RECORDED, "raw", HOST, "80", mode, input=text, encoding="latin-1")["answer"]


def passes(lab: Lab, data: bytes, tokens: list[str], mode: str = "whole") -> None:
    """Sends raw bytes; the collector must get exactly them, and each token must be decoded."""
    answer = raw(lab, data, mode)
    assert answer.count("HTTP/1.1 200 OK") == len(tokens), answer
    assert bytes(lab.collector.connections[0].received) == data
    for token in tokens:
        assert visited(events(lab, 1, holding(token))) == [page(token)]


def test_a_plain_request(clean: Lab) -> None:
    passes(clean, request("plain"), ["plain"])


def test_one_byte_a_segment(clean: Lab) -> None:
    passes(clean, request("bytewise"), ["bytewise"], "bytewise")


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_chunked_bodies(clean: Lab, size: int) -> None:
    token = f"chunked-by-{size}"
    passes(clean, request(token, "Transfer-Encoding: chunked", body=chunked(form(token), size)), [token])


def test_pipelined_requests(clean: Lab) -> None:
    tokens = ["pipe-a", "pipe-b", "pipe-c"]
    data = request("pipe-a") + request(
        "pipe-b", "Transfer-Encoding: chunked", body=chunked(form("pipe-b"), 100)
    )
    passes(clean, data + request("pipe-c"), tokens)


def test_a_request_that_expects_100_continue(clean: Lab) -> None:
    done = clean.curl(
        RECORDED, "-H", "Expect: 100-continue", "--expect100-timeout", "20", "-w", "%{http_code}",
        "--data-binary", form("expects").decode(), URL,
    )  # fmt: skip
    assert done.stdout == "200", done
    assert clean.collector.requests()[0].headers["expect"] == "100-continue"
    assert visited(events(clean, 1, holding("expects"))) == [page("expects")]


def test_two_requests_on_one_kept_connection(clean: Lab) -> None:
    done = clean.curl(
        RECORDED, "--data-binary", form("kept-1").decode(), URL, "--next", "--silent",
        "--data-binary", form("kept-2").decode(), URL,
    )  # fmt: skip
    assert done.returncode == 0, done
    assert [len(one.requests) for one in clean.collector.connections if one.requests] == [2]
    assert received_pages(clean) == [page("kept-1"), page("kept-2")]
    for token in ("kept-1", "kept-2"):
        assert visited(events(clean, 1, holding(token))) == [page(token)]


def test_a_gzip_content_coding(clean: Lab) -> None:
    body = gzip.compress(form("by-gzip"))
    passes(clean, request("by-gzip", "Content-Encoding: gzip", body=body), ["by-gzip"])


def test_a_get_with_its_event_in_the_query(clean: Lab) -> None:
    event = {"type": "track", "event": "x", "distinct_id": "a", "properties": {"url": page("in-query")}}
    query = urlencode({"project": "x", "data": base64.b64encode(json.dumps(event).encode())})
    done = clean.curl(RECORDED, "-o", "/dev/null", "-w", "%{http_code}", f"http://{HOST}/sa.gif?{query}")
    assert done.stdout == "200", done
    assert visited(events(clean, 1, holding("in-query"))) == [page("in-query")]


def test_a_request_that_is_cut_off_is_not_called_decoded(clean: Lab) -> None:
    data = request("cut-off", body=form("cut-off")[:40]).replace(b"Content-Length: 40", b"Content-Length: 4000")
    raw(clean, data)
    found = events(clean, 1, lambda e: e.get("payload", {}).get("size") in (40, 4000) or "truncated" in json.dumps(e))
    assert found and all(e["state"] != "decoded" or e["problems"] for e in found), found


def test_a_broken_payload_passes_and_is_undecodable(clean: Lab) -> None:
    body = b"data_list=%21%21not-base64&gzip=1"
    data = request("broken", body=body)
    raw(clean, data)
    assert bytes(clean.collector.connections[0].received) == data
    found = events(clean, 1, lambda e: e.get("payload", {}).get("size") == len(body))
    assert {e["state"] for e in found} == {"undecodable"}, found
