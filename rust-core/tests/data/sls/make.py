"""Makes the synthetic web tracking requests of this folder, with Python's library alone."""

import json, pathlib, urllib.parse, zlib

here = pathlib.Path(__file__).parent
host = "Host: demo-project.cn-hangzhou.log.aliyuncs.com"


def save(name, line, headers=(), body=b""):
    size = [f"Content-Length: {len(body)}"] if body else []
    head = "\r\n".join([f"{line} HTTP/1.1", host, *headers, *size, "", ""])
    (here / f"synthetic-{name}.http").write_bytes(head.encode() + body)


query = urllib.parse.urlencode({
    "APIVersion": "0.6.0", "__topic__": "behaviour", "page": "home", "url": "https://example.org/a?b=c",
    "detail": json.dumps({"search_word": "monsoon"}), "utdid": "X14QAAEjRWcDAAe+7wAB6nvu"})
save("web-get", f"GET /logstores/app-log/track?{query}")
logs = {"__topic__": "behaviour", "__source__": "phone", "__tags__": {"app": "com.example.browser"},
        "__logs__": [{"page": "home", "android_id": "9113946abd821d52"},
                     {"page": "video", "video_id": "v-17", "n": "2"}]}
body = json.dumps(logs).encode()
version = ["x-log-apiversion: 0.6.0", f"x-log-bodyrawsize: {len(body)}"]
save("web-post", "POST /logstores/app-log/track", [*version, "Content-Type: text/plain"], body)
save("web-post-deflate", "POST /logstores/app-log/track", [*version, "x-log-compresstype: deflate"],
     zlib.compress(body))
