//! What the engine's windows let each app send, as an app's own TCP would see it.

use super::Segment;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What was offered to one app.
#[derive(Clone, Copy, Debug, Default)]
struct Offer {
    scale: u8,
    ack: i32,
    edge: i32,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Offers {
    by_app: BTreeMap<SocketAddr, Offer>,
    /// Most segments of so many bytes that were offered to all apps at one moment.
    pub mss: i32,
    pub most: i32,
    /// How far an edge was taken back, bytes.
    pub retreat: i32,
}

impl Offers {
    pub(super) fn see(&mut self, segment: &Segment) {
        if segment.rst {
            self.by_app.remove(&segment.dst);
            return;
        }
        let mut offer = Offer { scale: segment.scale.unwrap_or(0), ..Offer::default() };
        let mut shift = 0;
        if !segment.syn {
            offer = self.by_app.get(&segment.dst).copied().unwrap_or_default();
            shift = offer.scale;
        }
        let edge = segment.ack_number.wrapping_add(i32::from(segment.window) << shift);
        if !segment.syn {
            // Up to one unit of the scale may be lost to rounding (RFC 7323 §2.4).
            let retreat = offer.edge.wrapping_sub(edge) - ((1 << shift) - 1);
            self.retreat = self.retreat.max(retreat);
        }
        (offer.ack, offer.edge) = (segment.ack_number, edge);
        self.by_app.insert(segment.dst, offer);
        let segments = |o: &Offer| o.edge.wrapping_sub(o.ack) / self.mss.max(1);
        self.most = self.most.max(self.by_app.values().map(segments).fold(0, i32::saturating_add));
    }

    /// This app will send no more.
    pub(super) fn forget(&mut self, app: SocketAddr) {
        self.by_app.remove(&app);
    }

    /// No app will send any more.
    pub(super) fn forget_all(&mut self) {
        self.by_app.clear();
    }

    /// Bytes that this app may send.
    pub fn open(&self, app: SocketAddr) -> i32 {
        self.by_app.get(&app).map_or(0, |offer| offer.edge.wrapping_sub(offer.ack))
    }
}
