"""Makes the packed bytes of this folder: each holds lines of "event N", N from 0 on, as its name says.

Wants Python 3 and zstandard 0.23.0.
"""

import gzip, pathlib, struct, zlib

import zstandard

here = pathlib.Path(__file__).parent
text = b"".join(b"event %d\n" % n for n in range(400))
half = text.index(b"event 200\n")
first, second = text[:half], text[half:]
gz = lambda data: gzip.compress(data, mtime=0)
zst = lambda data, **how: zstandard.ZstdCompressor(**how).compress(data)
skip = lambda nibble, data: struct.pack("<II", 0x184D2A50 + nibble, len(data)) + data
stream = zstandard.ZstdCompressor(write_checksum=True).compressobj()
blocks = stream.compress(first) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) + stream.compress(second)
blocks += stream.flush()
trained = zstandard.train_dictionary(1024, [b"event %d is here\n" % n for n in range(2000)])
for name, data in {
    "one.zst": zst(text),
    "two.zst": zst(first) + zst(second, write_checksum=True),
    "blocks.zst": blocks,
    "skipped.zst": skip(0, b"head") + zst(first) + skip(15, b"") + zst(second) + skip(7, bytes(300)),
    "dictionary.zst": zst(text, dict_data=trained),
    "one.gz": gz(text),
    "two.gz": gz(first) + gz(second),
    "one.zlib": zlib.compress(text),
    "bomb.zst": zst(bytes(9 << 20)),
    "bombs.zst": zst(bytes(3 << 20)) * 3,
    "gzip-in-zstd.bin": zst(gz(text)),
    "zstd-in-gzip.bin": gz(zst(text)),
}.items():
    (here / name).write_bytes(data)
