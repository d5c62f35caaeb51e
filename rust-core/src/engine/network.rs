//! The phone came to another network: flows whose sockets are dead end or begin anew, questions are
//! asked again, and what names resolved to elsewhere is forgotten. All else goes on.

use super::pipe::Peer;
use super::tcp::Phase;
use super::{Effects, Engine, Flow, Now};
use crate::flow::Token;
use std::net::SocketAddr;

impl Engine {
    /// Handles a change of the network. `resolvers` take the place of the upstream resolvers;
    /// where there are none, those before are spoken to anew. [`Engine::flush`] follows.
    pub fn handle_network_change(
        &mut self,
        now: Now,
        resolvers: &[SocketAddr],
        fx: &mut dyn Effects,
    ) {
        if !resolvers.is_empty() {
            self.config.resolvers = resolvers.to_vec();
        }
        fx.network_changed(&self.config.resolvers);
        self.pool.forget_real();
        let tokens = self.flows.tokens();
        // What was asked over TCP is asked by a datagram again, as all that waits.
        for token in &tokens {
            if let Some(Flow::Lookup(_)) = self.flows.get_mut(*token) {
                fx.close(*token, true);
                self.flows.remove(*token);
            }
        }
        self.ask_all_again(now, fx);
        for token in tokens {
            if !fx.is_dead(token) {
                continue;
            }
            match self.flows.get_mut(token) {
                Some(Flow::Tcp(_)) => self.tcp_cut_off(now, token, fx),
                Some(Flow::Udp(_)) => self.udp_cut_off(now, token, fx),
                Some(Flow::Nat(_)) => self.nat_end(token, fx),
                Some(Flow::Rival(rival)) => {
                    let of = rival.of;
                    self.tcp_cut_off(now, of, fx);
                }
                Some(Flow::Quic(_) | Flow::Lookup(_)) | None => {}
            }
        }
    }

    /// Whoever is not connected yet is connected from the new network; the others are told.
    fn tcp_cut_off(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let (slot, to) = (flow.slot, flow.tuple.dst.ip());
        match &flow.phase {
            Phase::Connecting(_) | Phase::Connected { .. } => {
                self.end_race(token, fx);
                self.questions.forget(token);
                match slot {
                    Some(slot) => self.seek(now, token, slot, fx),
                    None => self.connect_to(now, token, to, fx),
                }
            }
            Phase::Open(open) if matches!(open.peer, Peer::Joining { .. }) => {
                fx.close(token, true);
                self.join(now, token, fx);
            }
            Phase::Open(_) => self.tcp_abort(now, token, fx),
            Phase::Owner | Phase::Resolving { .. } => {}
        }
    }

    /// Datagrams go on from the new address: protocols over UDP know how to tell, or begin anew.
    fn udp_cut_off(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        fx.close(token, false);
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        let (proto, server) = (flow.tuple.proto, flow.facts().and_then(|facts| facts.server));
        let connected = server.map(|to| self.connect(now, token, (proto, to), fx));
        if connected.is_none_or(|result| result.is_err()) {
            self.udp_end(now, token, fx);
        }
    }
}
