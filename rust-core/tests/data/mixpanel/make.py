"""Makes the synthetic JSON bodies of this folder, with Python's library alone."""

import gzip, json, pathlib

here = pathlib.Path(__file__).parent
events = [
    {"event": "search", "properties": {"token": "0123456789abcdef0123456789abcdef",
     "distinct_id": "user-1001", "time": 1795248000123, "$insert_id": "i-1", "query": "monsoon"}},
    {"event": "open", "properties": {"token": "0123456789abcdef0123456789abcdef",
     "distinct_id": "$device:1f2e", "$device_id": "1f2e", "time": 1795248001, "$os": "Android"}},
]


def save(name, headers, body):
    head = "\r\n".join(["POST /track?verbose=1&ip=1 HTTP/1.1", "Host: api.mixpanel.com",
                        "Content-Type: application/json", *headers,
                        f"Content-Length: {len(body)}", "", ""])
    (here / f"synthetic-{name}.http").write_bytes(head.encode() + body)


text = json.dumps(events).encode()
save("json", [], text)
save("json-gzip", ["Content-Encoding: gzip"], gzip.compress(text, mtime=0))
