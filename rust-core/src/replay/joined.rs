//! What has to be put together before it is read: packets in fragments, and what a resolver answers
//! over a connection.

use super::tests::{
    ACK, CLIENT, End, FIN, LISTED, SERVER, SYN, answer, exchange, outcome, pcap, requests, tcp,
    udp, vector, with_trailer,
};
use crate::event::Record;

const RAW: u32 = 101;
const RESOLVER: End = ([192, 0, 2, 53], 53);

/// The fragments of an IPv4 packet, of so many bytes of data each but the last.
fn cut(packet: &[u8], id: u16, size: usize) -> Vec<Vec<u8>> {
    let (head, data) = packet.split_at(20);
    let count = data.len().div_ceil(size);
    let cut = |(n, data): (usize, &[u8])| {
        let mut out = [head, data].concat();
        let len = (out.len() as u16).to_be_bytes();
        let place = (n * size / 8) as u16 | u16::from(n + 1 < count) << 13;
        out[2..4].copy_from_slice(&len);
        out[4..6].copy_from_slice(&id.to_be_bytes());
        out[6..8].copy_from_slice(&place.to_be_bytes());
        out
    };
    data.chunks(size).enumerate().map(cut).collect()
}

fn all_cut(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    (1..).zip(packets).flat_map(|(id, packet)| cut(packet, id, 136)).collect()
}

#[test]
fn a_request_in_fragments_is_read_as_if_it_were_in_none() {
    let packets = exchange(&vector("tracking.miui.com"), 500);
    let policy = "default = \"record\"";
    let (mut expected, ..) = outcome(&pcap(RAW, &packets), policy);
    let cut = all_cut(&packets);
    assert!(cut.len() > packets.len() + 3);
    let (mut records, counts, _) = outcome(&pcap(RAW, &cut), policy);
    assert_eq!((counts.packets, counts.unjoined), (cut.len() as u64, 0));
    // Each packet has the time of the fragment that made it whole.
    for record in expected.iter_mut().chain(&mut records) {
        match record {
            Record::Request { time_ms, .. } | Record::Closed { time_ms, .. } => *time_ms = 0,
            _ => {}
        }
    }
    assert_eq!(records, expected);
    assert_eq!(requests(&records).len(), 1);
    // The trailer of a frame tells the app of its fragment, too.
    let (records, ..) = outcome(&pcap(1, &with_trailer(10_123, &cut)), policy);
    let uid = records.iter().find_map(|record| match record {
        Record::Opened(facts) => facts.uid,
        _ => None,
    });
    assert_eq!((uid, requests(&records).len()), (Some(10_123), 1));
}

#[test]
fn a_packet_that_lacks_a_fragment_is_counted_and_lost() {
    let mut cut = all_cut(&exchange(&vector("tracking.miui.com"), 500));
    cut.remove(3);
    let (records, counts, _) = outcome(&pcap(RAW, &cut), "default = \"record\"");
    assert_eq!((counts.unjoined, counts.passed_over), (1, 0));
    assert!(requests(&records).iter().all(|request| request.cut));
}

/// What is told of a flow to an address that a resolver named over a connection before, in segments
/// of this size without those in `lost`.
fn asked(size: usize, lost: &[usize]) -> Option<String> {
    let message = answer(LISTED, b"").split_off(28);
    // Another message stands in front.
    let stream = [&[0, 3, 1, 2, 3, 0, message.len() as u8][..], &message].concat();
    let mut packets =
        vec![tcp(CLIENT, RESOLVER, SYN, 9, b""), tcp(RESOLVER, CLIENT, SYN | ACK, 99, b"")];
    for (n, data) in stream.chunks(size).enumerate().filter(|(n, _)| !lost.contains(n)) {
        packets.push(tcp(RESOLVER, CLIENT, ACK, 100 + (n * size) as u32, data));
    }
    // Captured in another order.
    packets[2..].reverse();
    packets.push(tcp(CLIENT, RESOLVER, FIN | ACK, 10, b""));
    let end = 100 + stream.len() as u32;
    packets.push(tcp(RESOLVER, CLIENT, FIN | ACK, end, b""));
    packets.push(udp(CLIENT, SERVER, b"neither QUIC nor anything"));
    let (records, counts, _) = outcome(&pcap(RAW, &packets), "default = \"record\"");
    assert_eq!(counts.flows, 2);
    // As over UDP nothing is told of the connection to the resolver itself.
    let flows = records.iter().filter_map(|record| match record {
        Record::Passed { facts, .. } => Some(facts),
        Record::Opened(facts) => Some(&**facts),
        _ => None,
    });
    let [facts] = flows.collect::<Vec<_>>()[..] else { panic!("{records:?}") };
    facts.host.clone()
}

#[test]
fn what_a_resolver_answers_over_a_connection_names_addresses() {
    for size in [1, 7, 20, 1000] {
        assert_eq!(asked(size, &[]).as_deref(), Some("tracking.miui.com"), "{size}");
    }
    assert_eq!(asked(20, &[1]), None, "a part is missing");
}
