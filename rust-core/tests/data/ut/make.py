"""Makes the synthetic UT requests of this folder, with Python's library alone."""

import base64, gzip, hashlib, hmac, pathlib, struct, urllib.parse

here = pathlib.Path(__file__).parent


def java_hash(text):
    value = 0
    for letter in text:
        value = (31 * value + ord(letter)) % 2**32
    return value


marked = struct.pack(">iiBBi", 1600000000, 0x1234567, 3, 0, 0x7BEEF00)
key = b"d6fc3a4a06adbde89223bvefedc24fecde188aaa9161"
check = java_hash(base64.b64encode(hmac.new(key, marked, hashlib.sha1).digest()).decode())
utdid = base64.b64encode(marked + struct.pack(">I", check)).decode()
assert len(utdid) == 24


def save(name, target, headers, body):
    lines = [f"POST {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
    (here / f"synthetic-{name}.http").write_bytes(head.encode() + body)


noise = hashlib.sha512(b"closed under a key that is not here").digest()
parts = b"".join(
    b"--7d4a6d158c9\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"file\"\r\n"
    b"Content-Type: application/octet-stream\r\n\r\n" % name + data + b"\r\n"
    for name, data in [(b"stm_p", noise), (b"stm_c", noise[:40])]) + b"--7d4a6d158c9--\r\n"
query = {"ak": "12087020", "av": "9.1.0", "c": "600000", "v": "3.0", "s": hashlib.md5(b"s").hexdigest(),
         "d": utdid, "sv": "2.5.1", "p": "a", "t": "1795248000123", "u": "", "is": "1"}
save("rest-sur", "/rest/sur?" + urllib.parse.urlencode(query), {
    "Host": "adash.m.taobao.com", "Content-Type": "multipart/form-data; boundary=7d4a6d158c9"}, parts)


def frame(common, events):
    out = struct.pack(">H", len(common)) + common
    for event, records in events:
        joined = b"\x01".join(records)
        out += struct.pack(">II", event, len(joined)) + joined
    packed = gzip.compress(out, mtime=0)
    body = b"\x01" + struct.pack(">I", len(packed))[1:] + b"\x01\x04\0\0" + packed
    return body[:12] + bytes(6) + body[18:]


common = f"{utdid}||com.example.shop||Redmi Note 8||Xiaomi||11||wifi".encode()
body = frame(common, [
    (2001, ["Page_Home||1795248000123||-".encode(), "Page_Detail||1795248001123||https://example.org/item?id=9".encode()]),
    (19999, ["登录||1795248002123||asha@example.org".encode()])])
save("upload", "/upload", {"Host": "h-adashx.ut.taobao.com", "x-k": "12087020", "x-s": "0d1c2b3a", "x-t": "1795248003123"}, body)
