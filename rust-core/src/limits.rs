//! Every size, count and timeout of the core, in one place.
//!
//! Nothing here is a setting. What a peer, a file or an app can make us hold is bounded by a name
//! on this page.

use std::time::Duration;

/// Largest IP packet that is read from or written to the TUN, bytes.
pub const PACKET: usize = 65_535;
/// MTU of the TUN: apps send segments of this size, so a read carries more (data-plane rule 4).
pub const TUN_MTU: u16 = 9000;
/// Packets read from the TUN, or answers from a resolver, before upstream sockets get a turn.
pub const TUN_BATCH: usize = 256;
/// The same in bytes. A bound by count alone would cut what each of many uploads has in the queue
/// into small pieces where the MTU is small.
pub const TUN_BATCH_BYTES: usize = 64 * TUN_MTU as usize;
/// Bytes one flow may move in one turn, each way, before other flows get theirs.
pub const PUMP_BUDGET: usize = 64 * 1024;
/// Bytes that all flows which move much may move before the others are looked at again: what an
/// exchange of a few bytes waits for beside them.
pub const TURN_BUDGET: u64 = 256 * 1024;
/// A flow that moved more than this in its turn is one that moves much, bytes.
pub const SMALL_TURN: u64 = 16 * 1024;

/// Receive and send buffer of one TCP flow, bytes each. Pages are touched only by data. The
/// largest window that two bits of scale can say: [`crate::tcp`] says why not four bytes more.
pub const TCP_BUFFER: usize = 65_535 << 2;
/// Blocks of memory of this size and more lie in pages of their own ([`crate::io::Pages`]).
pub const LARGE_BLOCK: usize = 128 * 1024;
/// Buffers that all TCP flows together have touched, bytes. Quiet flows give theirs back from half
/// of it on; above it, those that hold bytes and were not used for longest are closed.
pub const TOUCHED: usize = 32 * 1024 * 1024;
/// One flow may have this part of what is left of [`TOUCHED`] under way each way.
pub const TOUCHED_SHARES: usize = 16;
/// What one flow may have under way however little is left, bytes.
pub const TOUCHED_FLOOR: usize = 8 * 1024;
/// Quiet TCP flows that keep their buffers, two pages each at least; of further ones those that
/// are quiet longest are parked.
pub const AWAKE: usize = 256;
/// A flow that said something this short a time ago is not parked: an exchange goes on.
pub const PARK_AFTER: Duration = Duration::from_millis(10);
/// Packets that the TUN queues for us (its `txqueuelen`); the kernel drops what comes on top.
pub const TUN_QUEUE: u32 = 500;
/// Segments that the apps may send in all before they hear from us again; what is no data needs
/// room in the queue, too.
pub const WINDOWS: u32 = TUN_QUEUE * 3 / 4;
/// The same in bytes: a packet waits for all that is before it in the queue.
pub const WINDOWS_BYTES: u32 = 1024 * 1024;
/// Segments that one connection may send however many there are; one would wait for a timer.
pub const WINDOW_FLOOR: u32 = 2;
/// Connections that are over and whose buffers wait for the next ones.
pub const SPARE_SOCKETS: usize = 16;
/// Most bytes that such buffers have touched.
pub const SPARE_BYTES: usize = 64 * 1024;
/// TCP and UDP flows held at once; above it the one that was idle longest is closed.
pub const FLOWS: usize = 16_384;
/// Look-ups of owners that wait; above it an owner is unknown.
pub const OWNER_QUEUE: usize = 1024;
/// Bytes read of one table of the system's sockets, where those are read.
pub const OWNER_TABLE: u64 = 16 * 1024 * 1024;
/// How long a flow waits for its owner before it goes on as one of an unknown app: far longer than
/// a look-up takes, and no longer than apps have patience.
pub const OWNER_TIMEOUT: Duration = Duration::from_secs(5);
/// Descriptors that flows leave to the rest of the process: the store, exports, the app.
pub const RESERVED_DESCRIPTORS: u64 = 64;
/// Flows that are closed for one that finds no descriptor free, before it is given up.
pub const DESCRIPTOR_TRIES: usize = 4;
/// How long an upstream connect may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long one address of a name may keep the next from being tried, too (RFC 8305 §8).
pub const CONNECT_STAGGER: Duration = Duration::from_millis(250);
/// How long an app's first bytes are awaited before an unnamed connection is made all the same:
/// some servers speak first.
pub const FIRST_BYTES: Duration = Duration::from_secs(1);
/// Bytes of an app that are looked at for a host name before the connection is made all the same.
pub const GATE: usize = 64 * 1024;
/// Unacknowledged data toward the app for this long ends the flow.
pub const TCP_TIMEOUT: Duration = Duration::from_secs(120);
/// A UDP flow without a datagram for this long is closed (RFC 4787, REQ-5: at least two minutes).
pub const UDP_IDLE: Duration = Duration::from_secs(120);
/// Datagrams of one socket that leave, or come, by one system call.
pub const DATAGRAM_BATCH: usize = 32;
/// How long the owner of a refused flow of datagrams is remembered: retries come within seconds.
pub const REFUSAL: Duration = Duration::from_secs(10);
/// Refused flows of datagrams that are remembered.
pub const REFUSALS: usize = 256;
/// Largest packet of a datagram that is never cut on its way: the app is told where the path takes
/// less. Who sends more than Ethernet carries counts on fragments.
pub const UNCUT: usize = 1500;
/// An echo flow without a request or a reply for this long is closed (RFC 5508, REQ-2: at least
/// one minute).
pub const ECHO_IDLE: Duration = Duration::from_secs(60);
/// Echo flows held at once; above it the one that began first is closed.
pub const ECHOES: usize = 256;

/// Largest DNS message over UDP that we answer or forward, bytes (RFC 6891 §6.2.5).
pub const DNS_UDP: usize = 4096;
/// Largest DNS message over TCP, bytes (RFC 1035 §4.2.2).
pub const DNS_TCP: usize = 65_535;
/// Questions waiting for the upstream resolver.
pub const DNS_PENDING: usize = 4096;
/// Askers who get one answer to a question that all of them asked.
pub const DNS_SHARED: usize = 64;
/// How long the upstream resolver may take for one try.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(3);
/// Tries over UDP before the app is told of the failure.
pub const DNS_TRIES: u8 = 2;
/// CNAME steps followed in one answer.
pub const CNAME_CHAIN: usize = 16;
/// TTL of a fake address, seconds.
pub const FAKE_TTL: u32 = 60;
/// Negative TTL of a name that is refused, seconds.
pub const BLOCKED_TTL: u32 = 5;
/// Names that hold a fake address at once.
pub const FAKE_NAMES: usize = 32_768;
/// A fake address stays its name's own for this long after the last answer: apps and their
/// libraries keep addresses longer than the TTL says.
pub const FAKE_HOLD: Duration = Duration::from_secs(600);
/// Real addresses kept of one name.
pub const REAL_ADDRESSES: usize = 8;
/// Shortest and longest time for which a name's real addresses are kept, seconds.
pub const REAL_TTL: std::ops::RangeInclusive<u32> = 5..=300;

/// Largest ClientHello, bytes; over TCP with its record headers. Post-quantum ones take 2 KiB.
pub const CLIENT_HELLO: usize = 64 * 1024;
/// Protocols kept of one ALPN list.
pub const ALPN: usize = 16;
/// Datagrams of one UDP flow that are read for a QUIC ClientHello.
pub const QUIC_DATAGRAMS: u8 = 16;
/// Separate pieces of a QUIC ClientHello held at once: clients cut and mix it on purpose.
pub const QUIC_PIECES: usize = 64;

/// Largest head of an HTTP request, bytes.
pub const HTTP_HEAD: usize = 64 * 1024;
/// Most header lines of an HTTP request.
pub const HTTP_HEADERS: usize = 128;
/// Bytes of one HTTP request body that are kept; the rest is counted.
pub const HTTP_BODY: usize = 1024 * 1024;
/// Bytes that one unpacking step (gzip, deflate, base64) may produce.
pub const UNPACKED: usize = 8 * 1024 * 1024;
/// Depth to which JSON is read.
pub const JSON_DEPTH: usize = 64;
/// Values of one JSON text that are told apart at once.
pub const JSON_NODES: usize = 65_536;
/// Events taken from one request.
pub const EVENTS_PER_REQUEST: usize = 1000;
/// Fields taken from one event.
pub const FIELDS_PER_EVENT: usize = 512;
/// Longest value of one field, bytes; a longer one is cut at a character and marked `too-large`.
pub const FIELD_VALUE: usize = 16 * 1024;
/// Longest path of one field, bytes; cut in the same way.
pub const FIELD_PATH: usize = 1024;
/// Places of names that are remembered while the events of one request are read beside each other.
pub const NAME_PLACES: usize = 4096;
/// Bytes of paths and values that all events of one request may take together.
pub const DECODED: usize = 16 * 1024 * 1024;
/// Bytes of JSON read for one request, each level of nesting counted anew.
pub const JSON_WORK: usize = 64 * 1024 * 1024;
/// Packings undone one inside the other where the format is not known.
pub const NESTING: usize = 8;
/// Bytes of all packings together that are undone where the format is not known.
pub const NESTED: usize = 16 * 1024 * 1024;
/// Window of zstd data, bytes; senders of telemetry use 8 MiB at most (RFC 8878 §3.1.1.1.2).
pub const ZSTD_WINDOW: u64 = 8 * 1024 * 1024;
/// Depth to which protobuf and Thrift are read.
pub const WIRE_DEPTH: usize = 16;
/// Values kept of one Thrift struct, those nested in it included.
pub const WIRE_VALUES: usize = 4096;
/// Digests worked out for one request, to find what an identifier is the digest of.
pub const DIGESTS: usize = 256;
/// Parts taken from one multipart body.
pub const PARTS: usize = 64;
/// Pairs taken from one form or query string.
pub const FORM_PAIRS: usize = 512;
/// Longest first name of a body that is read as a form, bytes.
pub const FORM_NAME: usize = 256;
/// Members of gzip, or frames of Zstandard, unpacked in a row.
pub const PACKED_PARTS: usize = 1024;
/// Content codings undone on one body.
pub const CONTENT_CODINGS: usize = 4;

/// Records waiting for the store.
pub const STORE_QUEUE: usize = 4096;
/// Bytes of request bodies waiting for the store.
pub const STORE_QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// How often the store is told what was dropped, at most.
pub const TELL_DROPS: Duration = Duration::from_secs(1);
/// Records in one transaction.
pub const STORE_BATCH: usize = 256;
/// Longest time a record waits for its transaction.
pub const STORE_DELAY: Duration = Duration::from_secs(1);
/// Largest stored payload, bytes, compressed.
pub const STORE_PAYLOAD: usize = 256 * 1024;

/// Characters of a value in a list of events.
pub const BRIEF_VALUE: usize = 200;
/// Events, hosts, identifiers or rules in one answer to a screen.
pub const PAGE: u32 = 1000;
/// Bars of one chart.
pub const BARS: usize = 400;

/// Handles that an app may hold at once.
pub const HANDLES: usize = 16;
/// Longest question of an app, bytes; a policy may be as long as [`POLICY_TEXT`].
pub const ASKED: usize = 64 * 1024;
/// Longest policy that an app sends, bytes.
pub const POLICY_TEXT: usize = 4 * 1024 * 1024;
/// Upstream resolvers.
pub const RESOLVERS: usize = 8;
/// Lists of the owner's own.
pub const OWN_LISTS: usize = 16;
/// Longest wait for new events, milliseconds.
pub const WAIT_MS: u32 = 60_000;

/// Longest line of a list that is imported, bytes.
pub const LIST_LINE: usize = 4096;
/// Names of one imported list.
pub const LIST_NAMES: usize = 2_000_000;
/// Lines of such a list, comments among them.
pub const LIST_LINES: u32 = 10_000_000;
/// Bytes of the table of names; the number of an entry is one of 28 bits.
pub const LIST_TABLE: usize = 1 << 28;
/// Exceptions without a host of one imported list: all are asked about a host that it blocks.
pub const LIST_PATTERNS: usize = 2000;
/// Those of them that are regular expressions, which take longer.
pub const LIST_REGEXES: usize = 100;
/// Expressions that are tried; some are of no kind that takes time in proportion to its text.
pub const LIST_REGEX_TRIES: usize = 1000;
/// Bytes of such an exception.
pub const LIST_PATTERN: usize = 250;
/// Bytes of an expression that was made ready.
pub const LIST_REGEX_SIZE: usize = 64 * 1024;
/// Rules of one imported list that take others back.
pub const LIST_TAKEN_BACK: usize = 100_000;
/// Bytes of a list that is imported.
pub const LIST_BYTES: u64 = 512 * 1024 * 1024;
/// Lines of a list that are shown for one reason.
pub const LIST_SAMPLES: usize = 5;
/// Imported lists that are in force together.
pub const LISTS: usize = 15;

/// Policy and signature files, bytes.
pub const CONFIG_FILE: u64 = 16 * 1024 * 1024;

/// Largest packet or block that is taken from a capture, bytes: twice the largest packet that
/// capturing tools keep, for remarks.
pub const CAPTURE_BLOCK: usize = 512 * 1024;
/// Bytes of a capture that are read at once.
pub const CAPTURE_READ: usize = 256 * 1024;
/// Interfaces of one section of a capture.
pub const CAPTURE_INTERFACES: usize = 4096;
/// VLAN tags of one frame that are passed over.
pub const VLAN_TAGS: usize = 2;
/// Extension headers of one IPv6 packet that are passed over.
pub const IPV6_HEADERS: usize = 8;
/// Largest window that TCP knows, bytes (RFC 7323 §2.3).
pub const TCP_WINDOW: u32 = 1 << 30;
/// Bytes of one captured connection that wait for a missing segment.
pub const REPLAY_STREAM: usize = 256 * 1024;
/// Packets of a capture whose fragments wait for others.
pub const FRAGMENTED: usize = 256;
/// Bytes of such fragments, those of a datagram of the largest size sixteen times.
pub const FRAGMENTED_BYTES: usize = 1024 * 1024;
/// How long they wait, milliseconds (RFC 8200 §4.5).
pub const FRAGMENTED_MS: u64 = 60_000;
/// What a fragment counts beside its bytes, so that small ones are bounded too.
pub const FRAGMENT: usize = 64;
/// What a waiting segment counts beside its bytes, so that small ones are bounded too.
pub const REPLAY_SEGMENT: usize = 64;
/// Bytes of heads, bodies and waiting segments that all captured flows hold together.
pub const REPLAY_HELD: usize = 64 * 1024 * 1024;
