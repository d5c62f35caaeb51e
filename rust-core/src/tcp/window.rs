//! How much the apps may send before they hear from us again.
//!
//! What all of them may have under way at once fits into the queue of the TUN: the kernel drops
//! what comes on top, and TCP pays for each drop with a pause. smoltcp offers all the room of a
//! connection's own ring; the field is lowered where a segment leaves, and what was offered once
//! is never taken back (RFC 9293 §3.8.6).

use crate::limits::{WINDOW_FLOOR, WINDOWS, WINDOWS_BYTES};
use smoltcp::wire::{TcpOption, TcpPacket};

/// A time in which a connection that sent something counts as one that sends: it, and the next.
const EPOCH_BITS: u32 = 18;
/// The MSS of an app that names none, bytes (RFC 9293 §3.7.1, IPv4).
const DEFAULT_MSS: u32 = 536;

/// What all connections that send have been offered.
#[derive(Debug, Default)]
pub(super) struct Windows {
    epoch: i64,
    /// Of this epoch, and of the one before.
    sums: [Sum; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    flows: u32,
    packets: u32,
}

/// What one connection has been offered.
#[derive(Debug)]
pub(super) struct Window {
    mss: u32,
    shift: u8,
    /// The last number that was acknowledged, and the one up to which the app may send.
    acked: u32,
    edge: Option<u32>,
    /// The last epoch in which it sent.
    epoch: i64,
    /// What stands for it in the sum.
    packets: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { mss: DEFAULT_MSS, shift: 0, acked: 0, edge: None, epoch: i64::MIN, packets: 0 }
    }
}

impl Windows {
    /// The connection sends: from now on its window counts.
    pub(super) fn join(&mut self, now_us: i64, window: &mut Window) {
        self.turn(now_us);
        self.leave(window);
        window.epoch = self.epoch;
        window.packets = window.granted().div_ceil(window.mss);
        self.sums[0].flows += 1;
        self.sums[0].packets += window.packets;
    }

    /// The connection has ended, or starts to count anew.
    pub(super) fn leave(&mut self, window: &mut Window) {
        if let Some(sum) = self.sum_of(window) {
            sum.flows -= 1;
            sum.packets -= window.packets;
        }
        window.epoch = i64::MIN;
    }

    /// Bytes that the connection may be offered now. One that does not send is offered no more
    /// than it was, unless that is next to nothing.
    pub(super) fn allowed(&mut self, now_us: i64, window: &mut Window) -> u32 {
        self.turn(now_us);
        if self.sum_of(window).is_none() {
            if window.granted() >= WINDOW_FLOOR * window.mss {
                return 0;
            }
            self.join(now_us, window);
        }
        let [now, before] = self.sums;
        let others = now.packets + before.packets - window.packets;
        let all = WINDOWS.min(WINDOWS_BYTES / window.mss);
        let share = all / (now.flows + before.flows).max(1);
        share.min(all.saturating_sub(others)).max(WINDOW_FLOOR) * window.mss
    }

    /// Counts what was offered.
    pub(super) fn count(&mut self, window: &mut Window) {
        let packets = window.granted().div_ceil(window.mss);
        if let Some(sum) = self.sum_of(window) {
            sum.packets = sum.packets - window.packets + packets;
            window.packets = packets;
        }
    }

    fn sum_of(&mut self, window: &Window) -> Option<&mut Sum> {
        let age = usize::try_from(self.epoch.checked_sub(window.epoch)?).ok()?;
        self.sums.get_mut(age)
    }

    fn turn(&mut self, now_us: i64) {
        let epoch = now_us >> EPOCH_BITS;
        match epoch - self.epoch {
            0 => return,
            1 => self.sums = [Sum::default(), self.sums[0]],
            _ => self.sums = [Sum::default(); 2],
        }
        self.epoch = epoch;
    }
}

impl Window {
    /// The window of a connection that begins with this SYN.
    pub(super) fn of(syn: &TcpPacket<&[u8]>) -> Self {
        let mss = options(syn.options()).find_map(|option| match option {
            TcpOption::MaxSegmentSize(mss) => Some(u32::from(mss)),
            _ => None,
        });
        Self { mss: mss.unwrap_or(DEFAULT_MSS).max(1), ..Self::default() }
    }

    /// Bytes that the app may send before it hears from us again.
    fn granted(&self) -> u32 {
        self.edge.map_or(0, |edge| self.ahead(edge, self.acked))
    }

    /// The MSS of the app, bytes.
    pub(super) fn mss(&self) -> u32 {
        self.mss
    }

    /// The last number of the app's that was acknowledged.
    pub(super) fn acked(&self) -> u32 {
        self.acked
    }

    fn ahead(&self, edge: u32, of: u32) -> u32 {
        (edge.wrapping_sub(of) as i32).max(0) as u32
    }

    /// Lowers the window of a segment to so many bytes, but never below what was offered before.
    pub(super) fn stamp(&mut self, tcp: &mut TcpPacket<&mut [u8]>, allowed: u32) {
        if tcp.rst() {
            return;
        }
        // The window of a SYN is never scaled (RFC 7323 §2.2).
        let mut shift = self.shift;
        if tcp.syn() {
            self.shift = options(tcp.options_mut()).find_map(scale).unwrap_or(0);
            shift = 0;
        }
        self.acked = tcp.ack_number().0 as u32;
        let granted = self.granted().div_ceil(1 << shift);
        let room = u32::from(tcp.window_len());
        let field = (allowed >> shift).max(granted).min(room);
        self.edge = Some(self.acked.wrapping_add(field << shift));
        tcp.set_window_len(field as u16);
    }
}

fn scale(option: TcpOption<'_>) -> Option<u8> {
    match option {
        TcpOption::WindowScale(shift) => Some(shift.min(14)),
        _ => None,
    }
}

fn options(mut rest: &[u8]) -> impl Iterator<Item = TcpOption<'_>> {
    std::iter::from_fn(move || {
        let (after, option) = TcpOption::parse(rest).ok()?;
        rest = after;
        (option != TcpOption::EndOfList).then_some(option)
    })
}
