"""Writes the .hex files beside this one with dnspython. See README.md."""

import dns.flags, dns.message, dns.name, dns.rcode, dns.rrset
import random
from pathlib import Path

random.seed(1)  # dnspython shuffles the records of one set
HERE = Path(__file__).parent
NAME = "TrAcking.MiuI.exAMPle."
LONG = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61]) + "."


def save(name, wire):
    lines = [wire.hex()[i : i + 96] for i in range(0, len(wire.hex()), 96)]
    (HERE / f"{name}.hex").write_text("\n".join(lines) + "\n")


def query(name, rtype, ident, **edns):
    message = dns.message.make_query(name, rtype, **edns)
    message.id = ident
    return message


def answer(question, payload=1232):
    """A response as a recursive resolver flags it; its OPT repeats DO and has our size."""
    response = dns.message.make_response(question, recursion_available=True, our_payload=payload)
    if question.edns >= 0:
        response.use_edns(0, question.ednsflags & dns.flags.DO, payload)
    return response


def rrset(*args):
    return dns.rrset.from_text(*args)


plain = query(NAME, "AAAA", 0x0102)
edns = query(NAME, "A", 0x1234, use_edns=0, payload=4096, want_dnssec=True)
https = query("shop.example.", "HTTPS", 0x0708)
save("query-plain-aaaa", plain.to_wire())
save("query-edns-a", edns.to_wire())
save("query-longest-name", query(LONG, "A", 1).to_wire())
save("query-ours", query("sdk.example.", "HTTPS", 0xBEEF, use_edns=0, payload=1232).to_wire())

message = answer(edns)
message.answer = [rrset(NAME, 60, "IN", "A", "198.18.0.7")]
save("answer-a", message.to_wire())

message = answer(plain)
message.answer = [rrset(NAME, 60, "IN", "AAAA", "fd00::7")]
save("answer-aaaa", message.to_wire())

message = answer(edns)
message.authority = [rrset(NAME, 5, "IN", "SOA", ". . 1 3600 600 86400 5")]
save("answer-nodata", message.to_wire())

message = answer(edns)
message.set_rcode(dns.rcode.REFUSED)
save("answer-refused", message.to_wire())

# A chain of three aliases whose records stand in no useful order, and a record of a stranger.
chain = query("www.shop.example.", "A", 0x4242, use_edns=0, payload=1232)
message = answer(chain)
message.answer = [
    rrset("edge.cdn.example.", 30, "IN", "A", "192.0.2.10", "192.0.2.11"),
    rrset("Tracker.example.", 20, "IN", "CNAME", "edge.cdn.example."),
    rrset("stranger.example.", 10, "IN", "A", "192.0.2.99"),
    rrset("www.shop.example.", 300, "IN", "CNAME", "shop.example."),
    rrset("shop.example.", 120, "IN", "CNAME", "tracker.example."),
]
save("answer-chain", message.to_wire())

message = answer(https)
message.answer = [
    rrset(
        "shop.example.", 300, "IN", "HTTPS",
        '1 . alpn="h3,h2" ipv4hint="192.0.2.1,192.0.2.2" ech="AAT+DQAA" ipv6hint="2001:db8::1"',
        '2 backup.example. port="8443"',
    )
]
save("answer-https", message.to_wire())

message = answer(https)
message.answer = [
    rrset("shop.example.", 300, "IN", "HTTPS", "0 pool.example."),
    rrset("pool.example.", 60, "IN", "HTTPS", '1 . ipv4hint="192.0.2.3"'),
]
save("answer-https-alias", message.to_wire())

large = query("many.example.", "A", 0x5151, use_edns=0, payload=4096)
message = answer(large)
message.answer = [rrset("many.example.", 60, "IN", "A", *[f"192.0.2.{i}" for i in range(1, 61)])]
save("answer-large", message.to_wire())
message.answer = []
message.flags |= dns.flags.TC
save("answer-large-truncated", message.to_wire())

message = answer(query("gone.example.", "A", 0x6161))
message.set_rcode(dns.rcode.NXDOMAIN)
message.authority = [
    rrset("example.", 900, "IN", "SOA", "ns.example. root.example. 7 3600 600 86400 300")
]
save("answer-nxdomain", message.to_wire())

odd = dns.name.Name([b"a.b\\c", b"\x00\xff D", b"example", b""])
message = answer(query(odd, "TXT", 0x7171))
message.answer = [rrset(odd, 60, "IN", "TXT", '"v=1"')]
save("answer-odd-name", message.to_wire())
