//! Where the numbers of a connection stand, as the app knows them: what is left of it while it is
//! parked. smoltcp's own sequence numbers begin anew when it is woken; segments are translated.

use crate::limits::TCP_BUFFER;
use smoltcp::wire::{TcpPacket, TcpSeqNumber};

/// See the module. All arithmetic is modulo 2^32 (RFC 9293 §3.4).
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// How far our numbers are ahead of smoltcp's.
    ahead: u32,
    /// The one behind all that was written to the app.
    next: u32,
    /// The one behind all that came from the app, in order or not.
    heard: u32,
    /// The window that the app said last, as it stands in its segments.
    window: u16,
}

fn is_behind(a: u32, b: u32) -> bool {
    (b.wrapping_sub(a) as i32) > 0
}

impl Numbers {
    /// Those of a connection that begins with this SYN.
    pub(super) fn of(syn: &TcpPacket<&[u8]>) -> Self {
        Self { heard: (syn.seq_number().0 as u32).wrapping_add(1), ..Self::default() }
    }

    /// From now on smoltcp's numbers go on with this one where ours go on.
    pub(super) fn go_on(&mut self, with: u32) {
        self.ahead = self.next.wrapping_sub(with);
    }

    pub(super) fn next(&self) -> u32 {
        self.next
    }

    pub(super) fn window(&self) -> u16 {
        self.window
    }

    /// Notes what a packet of the app says of its side; `acked` is what was acknowledged of it.
    pub(super) fn hear(&mut self, packet: &[u8], acked: u32) {
        let Some(tcp) = super::tcp_of(packet) else { return };
        if tcp.syn() {
            return;
        }
        self.window = tcp.window_len();
        let end = (tcp.seq_number().0 as u32).wrapping_add(tcp.segment_len() as u32);
        // What is further ahead than any window is not kept.
        let kept = (end.wrapping_sub(acked) as usize) <= TCP_BUFFER;
        if kept && is_behind(self.heard, end) {
            self.heard = end;
        }
    }

    /// Whether bytes of the app may wait here for others before them.
    pub(super) fn has_holes(&self, acked: u32) -> bool {
        is_behind(acked, self.heard)
    }

    /// A packet of the app as smoltcp has to see it.
    pub(super) fn for_smoltcp<'a>(&self, packet: &'a [u8], room: &'a mut Vec<u8>) -> &'a [u8] {
        if self.ahead == 0 {
            return packet;
        }
        room.clear();
        room.extend_from_slice(packet);
        if let Some(at) = super::segment_at(room)
            && let Ok(mut tcp) = TcpPacket::new_checked(&mut room[at..])
        {
            let acked = (tcp.ack_number().0 as u32).wrapping_sub(self.ahead);
            tcp.set_ack_number(TcpSeqNumber(acked as i32));
        }
        room
    }

    /// Gives a segment to the app our number. Its sum is filled in afterwards.
    pub(super) fn stamp(&mut self, tcp: &mut TcpPacket<&mut [u8]>) {
        let seq = (tcp.seq_number().0 as u32).wrapping_add(self.ahead);
        tcp.set_seq_number(TcpSeqNumber(seq as i32));
        if tcp.rst() {
            // Its number is the app's word, perhaps a wrong one.
            return;
        }
        let end = seq.wrapping_add(tcp.segment_len() as u32);
        if tcp.syn() || is_behind(self.next, end) {
            self.next = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tcp_of;
    use crate::wire::tests::SYN_V4;

    /// A segment of the app's with this number and so many bytes.
    fn segment(seq: u32, data: usize) -> Vec<u8> {
        let mut packet = SYN_V4.to_vec();
        packet.resize(60 + data, 7);
        packet[2..4].copy_from_slice(&(60 + data as u16).to_be_bytes());
        let mut tcp = TcpPacket::new_unchecked(&mut packet[20..]);
        tcp.set_syn(false);
        tcp.set_ack(true);
        tcp.set_seq_number(TcpSeqNumber(seq as i32));
        tcp.set_ack_number(TcpSeqNumber(500));
        packet
    }

    #[test]
    fn holes_are_known_across_the_end_of_the_numbers() {
        let first = u32::MAX - 10;
        let mut numbers = Numbers { heard: first, ..Numbers::default() };
        assert!(!numbers.has_holes(first));
        numbers.hear(&segment(first.wrapping_add(20), 5), first);
        assert!(numbers.has_holes(first));
        assert!(!numbers.has_holes(first.wrapping_add(25)));
        // One that no window reaches, and one that was there before.
        numbers.hear(&segment(first.wrapping_add(1 << 30), 5), first);
        numbers.hear(&segment(first.wrapping_sub(9), 5), first);
        assert_eq!(numbers.heard, first.wrapping_add(25));
    }

    #[test]
    fn segments_are_translated_both_ways() {
        let mut numbers = Numbers { next: 5, ..Numbers::default() };
        numbers.go_on(u32::MAX);
        let mut room = Vec::new();
        let packet = segment(9, 3);
        let seen = tcp_of(numbers.for_smoltcp(&packet, &mut room)).unwrap().ack_number();
        assert_eq!(seen, TcpSeqNumber(500 - 6));
        let mut back = segment(u32::MAX, 3);
        numbers.stamp(&mut TcpPacket::new_unchecked(&mut back[20..]));
        assert_eq!(tcp_of(&back).unwrap().seq_number(), TcpSeqNumber(5));
        assert_eq!(numbers.next(), 8);
    }
}
