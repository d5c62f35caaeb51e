//! Captures that are cut off, damaged or no captures: exact errors, and what came before is read.

use super::tests::{
    BEGIN, enhanced, exchange, interface, outcome, pcap, pcapng, requests, section, vector,
};
use super::{Capture, CaptureError, Item};
use crate::tls::samples;

/// A small capture in both formats.
fn small() -> [Vec<u8>; 2] {
    let packets = exchange(&vector("tracking.miui.com"), 500);
    [pcap(101, &packets), pcapng(101, &packets)]
}

#[test]
fn a_capture_that_is_cut_anywhere_gives_the_packets_before() {
    let packets = exchange(&vector("tracking.miui.com"), 500);
    for whole in small() {
        let mut whole_packets = 0;
        for len in 0..whole.len() {
            let mut capture = match Capture::new(&whole[..len]) {
                Ok(capture) => capture,
                Err(CaptureError::NotCapture) if len < 4 => continue,
                Err(error) => {
                    assert!(matches!(error, CaptureError::Truncated), "{len}: {error:?}");
                    continue;
                }
            };
            let mut read = 0;
            let error = loop {
                match capture.next_item() {
                    Ok(Some(Item::Packet(packet))) => {
                        assert_eq!(packet.bytes, packets[read]);
                        read += 1;
                    }
                    Ok(Some(other)) => panic!("{other:?}"),
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            assert!(matches!(error, None | Some(CaptureError::Truncated)), "{len}: {error:?}");
            assert!(read >= whole_packets, "{len}");
            whole_packets = read;
            // Without what follows the request nothing of it is lost.
            let (records, counts, _) = outcome(&whole[..len], "default = \"record\"");
            assert_eq!(counts.packets, read as u64);
            let found = requests(&records).iter().any(|request| !request.cut);
            assert_eq!(found, read >= packets.len() - 3, "{len}");
        }
        assert_eq!(whole_packets, packets.len() - 1);
    }
}

#[test]
fn what_is_no_capture_says_what_is_wrong() {
    let error = |bytes: &[u8]| outcome(bytes, "").2.map(|error| error.to_string());
    for none in [&b""[..], b"\xa1", b"GET / HTTP/1.1", &[0; 100]] {
        assert_eq!(error(none).as_deref(), Some("neither pcap nor pcapng"));
    }
    assert_eq!(error(b"BZh91AY").as_deref(), Some("packed with bzip2"));
    assert_eq!(error(&pcap(147, &[])).as_deref(), Some("link type 147 is not read"));
    let mut large = pcap(101, &[vec![0; 8]]);
    large[32..36].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(error(&large).as_deref(), Some("damaged: a packet larger than any is captured"));
    let damaged = |file: &[u8]| error(file).unwrap().strip_prefix("damaged: ").map(str::to_owned);
    let mut order = section();
    order[8] = 0;
    assert_eq!(damaged(&order).as_deref(), Some("a section without a byte order"));
    let mut length = section();
    length[4] = 5;
    assert_eq!(damaged(&length).as_deref(), Some("a block of an impossible length"));
    let orphan = [section(), enhanced(0, BEGIN, b"")].concat();
    assert_eq!(damaged(&orphan).as_deref(), Some("a packet of no interface"));
    let mut long = [section(), interface(1)].concat();
    let at = long.len() + 20;
    long.extend(enhanced(0, BEGIN, b"1234"));
    long[at] = 9;
    assert_eq!(damaged(&long).as_deref(), Some("a packet longer than its block"));
    let mut fine = [section(), interface(1)].concat();
    let at = section().len() + 20;
    fine[at] = 99;
    assert_eq!(damaged(&fine).as_deref(), Some("time stamps too fine"));
}

#[test]
fn any_bytes_are_a_capture_or_an_error() {
    let mut random = samples::Random(7);
    let mut read = 0;
    for round in 0..6000 {
        let mut bytes = small()[round % 2].clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        let (records, counts, _) = outcome(&bytes, "default = \"record\"");
        assert!(records.len() <= 100 && counts.packets <= 100, "{counts:?}");
        read += usize::from(!requests(&records).is_empty());
    }
    // Most flips leave the request readable.
    assert!((3000..6000).contains(&read), "{read}");
}
