//! What a change of a neighbour's configuration does to its session, told beforehand.

use super::config::{LocalAs, PeerConfig};

/// What a change of configuration comes to; the greater ones include the lesser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Nothing differs.
    #[default]
    Nothing,
    /// Taken over without the peer noticing; what OPEN says counts from the next session on.
    Applied,
    /// Routes are judged anew in both directions; the peer hears what differs.
    Refreshed,
    /// The session ends and comes back.
    Restarted,
}

impl PeerConfig {
    /// What it takes to go from this configuration to `new`.
    pub fn change_to(&self, new: &Self) -> Change {
        let changes = self.differences(new).into_iter();
        changes.map(|(_, change)| change).max().unwrap_or_default()
    }

    /// Every option that differs in `new`, and what that takes.
    pub fn differences(&self, new: &Self) -> Vec<(&'static str, Change)> {
        let shutdown = shutdown_change(self.shutdown.as_deref(), new.shutdown.as_deref());
        let special = [
            ("local_as", local_as_change(self.local_as, new.local_as)),
            ("shutdown", shutdown),
        ];
        let all = (special.into_iter())
            .chain(differing(self.agreed(new), Change::Restarted))
            .chain(differing(self.judging(new), Change::Refreshed))
            .chain(differing(self.timing(new), Change::Applied));
        all.filter(|(_, change)| *change != Change::Nothing)
            .collect()
    }

    /// What makes the session, or only an OPEN can agree on; with whether it is the same in `new`.
    fn agreed(&self, new: &Self) -> [(&'static str, bool); 8] {
        [
            ("name", self.name == new.name),
            ("address", self.remote_address == new.remote_address),
            ("interface", self.link == new.link),
            ("remote_as", self.remote_as == new.remote_as),
            ("families", self.families == new.families),
            (
                "extended_messages",
                self.extended_messages == new.extended_messages,
            ),
            ("add_path", self.add_path_receive == new.add_path_receive),
            (
                "extended_next_hop",
                self.extended_next_hop == new.extended_next_hop,
            ),
        ]
    }

    /// What judges routes.
    fn judging(&self, new: &Self) -> [(&'static str, bool); 6] {
        [
            ("next_hop_ipv4", self.next_hop_v4 == new.next_hop_v4),
            ("next_hop_ipv6", self.next_hop_v6 == new.next_hop_v6),
            ("import", self.import == new.import),
            ("export", self.export == new.export),
            ("allowas_in", self.allowas_in == new.allowas_in),
            ("accept_as_sets", self.accept_as_sets == new.accept_as_sets),
        ]
    }

    /// What counts when it is next looked at.
    fn timing(&self, new: &Self) -> [(&'static str, bool); 9] {
        [
            ("passive", self.passive == new.passive),
            ("hold_time", self.hold_time == new.hold_time),
            ("keepalive_time", self.keepalive == new.keepalive),
            (
                "connect_retry_time",
                self.connect_retry == new.connect_retry,
            ),
            ("idle_hold_time", self.idle_hold == new.idle_hold),
            ("send_hold_time", self.send_hold == new.send_hold),
            ("max_prefixes", self.max_prefixes == new.max_prefixes),
            (
                "graceful_restart_helper",
                self.graceful_restart_helper == new.graceful_restart_helper,
            ),
            (
                "long_lived_stale_time",
                self.long_lived_stale == new.long_lived_stale,
            ),
        ]
    }
}

fn differing(
    options: impl IntoIterator<Item = (&'static str, bool)>,
    change: Change,
) -> impl Iterator<Item = (&'static str, Change)> {
    let differing = options.into_iter().filter(|(_, same)| !same);
    differing.map(move |(option, _)| (option, change))
}

/// The number is in OPEN; how it shows in paths is not.
fn local_as_change(old: Option<LocalAs>, new: Option<LocalAs>) -> Change {
    if old == new {
        Change::Nothing
    } else if old.map(|old| old.asn) == new.map(|new| new.asn) {
        Change::Refreshed
    } else {
        Change::Restarted
    }
}

/// Other words for a session that is down are for the next time.
fn shutdown_change(old: Option<&str>, new: Option<&str>) -> Change {
    if old == new {
        Change::Nothing
    } else if old.is_some() == new.is_some() {
        Change::Applied
    } else {
        Change::Restarted
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;
    use crate::speaker::RemoteAs;
    use crate::wire::{Asn, Family};

    fn config() -> PeerConfig {
        PeerConfig::new("leaf", IpAddr::V4(Ipv4Addr::LOCALHOST), RemoteAs::External)
    }

    fn change(edit: impl FnOnce(&mut PeerConfig)) -> Change {
        let mut new = config();
        edit(&mut new);
        config().change_to(&new)
    }

    #[test]
    fn the_same_configuration_changes_nothing() {
        assert_eq!(change(|_| {}), Change::Nothing);
    }

    #[test]
    fn timers_and_limits_leave_the_session_alone() {
        assert_eq!(
            change(|new| new.hold_time = Duration::from_secs(9)),
            Change::Applied
        );
        assert_eq!(change(|new| new.max_prefixes.limit = 1), Change::Applied);
        assert_eq!(change(|new| new.passive = true), Change::Applied);
    }

    #[test]
    fn filters_judge_anew_without_a_restart() {
        let open = crate::policy::Filters::default();
        assert_eq!(change(|new| new.export = open.clone()), Change::Refreshed);
        let local_as = |prepend_received| LocalAs {
            asn: Asn(65009),
            prepend_received,
            replace: false,
        };
        let mut old = config();
        old.local_as = Some(local_as(true));
        let mut new = config();
        new.local_as = Some(local_as(false));
        assert_eq!(old.change_to(&new), Change::Refreshed);
        assert_eq!(config().change_to(&new), Change::Restarted);
    }

    #[test]
    fn what_open_says_needs_a_new_session() {
        let families = vec![Family::IPV4_UNICAST];
        assert_eq!(change(|new| new.families = families), Change::Restarted);
        assert_eq!(
            change(|new| new.remote_as = RemoteAs::Auto),
            Change::Restarted
        );
        assert_eq!(
            change(|new| new.shutdown = Some("bye".into())),
            Change::Restarted
        );
    }

    /// A field that is added to the configuration has to be added here: this does not compile otherwise.
    #[test]
    fn no_field_is_forgotten() {
        let PeerConfig {
            name: _,
            remote_address: _,
            link: _,
            remote_as: _,
            local_as: _,
            shutdown: _,
            passive: _,
            hold_time: _,
            keepalive: _,
            connect_retry: _,
            idle_hold: _,
            send_hold: _,
            families: _,
            next_hop_v4: _,
            next_hop_v6: _,
            extended_messages: _,
            add_path_receive: _,
            extended_next_hop: _,
            graceful_restart_helper: _,
            long_lived_stale: _,
            import: _,
            export: _,
            allowas_in: _,
            accept_as_sets: _,
            max_prefixes: _,
        } = config();
        let compared = config().agreed(&config()).len()
            + config().judging(&config()).len()
            + config().timing(&config()).len()
            + 2;
        assert_eq!(compared, 25);
    }

    #[test]
    fn the_greatest_change_counts_and_all_are_named() {
        let mut new = config();
        new.hold_time = Duration::from_secs(9);
        new.extended_messages = false;
        let named = config().differences(&new);
        let expected = [
            ("extended_messages", Change::Restarted),
            ("hold_time", Change::Applied),
        ];
        assert_eq!(named, expected);
        assert_eq!(config().change_to(&new), Change::Restarted);
    }
}
