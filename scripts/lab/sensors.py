"""Reads Sensors Analytics requests the plain way, to check what a collector got.

It never uses Muzzle's decoder: this is the independent second reader.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import parse_qs

from .web import Request

URL = "http://sa.api.intl.miui.com/sa?project=global_browser_mini"
HOST = "sa.api.intl.miui.com"
COMMON = {
    "$device_id": "9774d56d682e549c",
    "$os": "Android",
    "$os_version": "10",
    "$model": "Redmi Note 8",
    "uuid": "0f7c1f0e-92b3-4c42-9a3f-5f8c6f2e7d11",
    "platform": "AndroidApp",
    "miui_version": "V12.0.3.0.QCOINXM",
    "miui_region": "IN",
}


def browsing(url: str, words: str) -> list[tuple[str, dict[str, Any]]]:
    """What Mint Browser reported of a search and a page."""
    search = {"used_searchengine": "duckduckgo", "search_word": words, "search_method": "input"}
    return [("search", search), ("page_load_event_finish", {"url": url})]


def events(request: Request) -> list[dict[str, Any]]:
    """The events of one request."""
    form = parse_qs(request.body.decode("ascii"), strict_parsing=True)
    data = base64.b64decode((form.get("data_list") or form["data"])[0], validate=True)
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    found = json.loads(data)
    return found if isinstance(found, list) else [found]
