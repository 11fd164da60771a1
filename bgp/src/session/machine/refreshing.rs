//! ROUTE-REFRESH in both directions (RFC 2918, RFC 7313).

use super::{Action, Env, Session, encoded};
use crate::session::state::State;
use crate::wire::{Family, Message, RefreshSubtype, RouteRefresh};

impl Session {
    /// What a family we did not agree on, or a bracket that we did not offer, says is ignored (RFC 7313 §5).
    pub(super) fn handle_refresh(&self, refresh: RouteRefresh, env: &mut Env<'_>) {
        let Some(negotiated) = self.negotiated() else {
            return;
        };
        let RouteRefresh { family, subtype } = refresh;
        if !negotiated.families.contains(&family) {
            return;
        }
        let brackets = negotiated.enhanced_refresh;
        match subtype {
            RefreshSubtype::Request => env.actions.push(Action::Refresh(family)),
            RefreshSubtype::Begin if brackets => env.actions.push(Action::RefreshBegins(family)),
            RefreshSubtype::End if brackets => env.actions.push(Action::RefreshEnds(family)),
            _ => {}
        }
    }

    /// Ask for every family again; false when the peer never said that it would answer.
    pub(crate) fn request_refresh(&mut self, env: &mut Env<'_>) -> bool {
        let Some(negotiated) = self.negotiated().filter(|n| n.route_refresh).cloned() else {
            return false;
        };
        for family in &negotiated.families {
            self.send_refresh(*family, RefreshSubtype::Request, env);
        }
        true
    }

    pub(crate) fn send_refresh(
        &mut self,
        family: Family,
        subtype: RefreshSubtype,
        env: &mut Env<'_>,
    ) {
        let send_hold = self.config.send_hold;
        let mut connections = self.connections.iter_mut();
        if let Some(connection) = connections.find(|c| c.state == State::Established) {
            let bytes = encoded(&Message::RouteRefresh(RouteRefresh { family, subtype }));
            connection.count_sent(bytes.len(), send_hold, env.now);
            self.counters.sent.route_refreshes += 1;
            env.actions.push(Action::Send(connection.id, bytes));
        }
    }
}
