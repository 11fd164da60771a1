//! One database that is followed: its connection, and which of its rows are asked for.
//!
//! The rows of interest change as rows lead to rows: [`Database::ask`] tells the server, and until it
//! has answered the database is not [complete](Database::is_complete).

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::inputs::InputError;
use crate::config::{Config, OvnDatabase};
use crate::ovsdb::{Client, ClientConfig, Condition, Event, Handle, Monitor, Remote, TlsFiles};

/// The longest that one attempt to connect may take, whatever `ovsdb_connection_timeout` allows: a
/// server that is silent for so long must not keep the next one of the list waiting.
const CONNECT_AT_MOST: Duration = Duration::from_secs(10);

/// The rows asked for, by table.
pub(super) type Interest = BTreeMap<String, Condition>;

/// Which database, and which options say how to reach it.
#[derive(Clone, Copy)]
pub(super) struct Source {
    /// As the server knows it.
    pub name: &'static str,
    /// The option that names its remotes.
    option: &'static str,
    tls: fn(&Config) -> &OvnDatabase,
}

impl Source {
    /// The local database takes the Northbound's certificates, as python-ovs shares them.
    pub(super) const VSWITCH: Self = Self {
        name: "Open_vSwitch",
        option: "ovsdb_connection",
        tls: |config| &config.ovn.northbound,
    };
    pub(super) const NORTHBOUND: Self = Self {
        name: "OVN_Northbound",
        option: "ovn_nb_connection",
        tls: |config| &config.ovn.northbound,
    };
    pub(super) const SOUTHBOUND: Self = Self {
        name: "OVN_Southbound",
        option: "ovn_sb_connection",
        tls: |config| &config.ovn.southbound,
    };
}

/// A database that is being followed.
pub(super) struct Database {
    handle: Handle,
    events: mpsc::Receiver<Event>,
    /// As configured.
    pub remotes: String,
    asked: Asked,
    /// Since when it has not been connected, if it ever was.
    lost_at: Option<Instant>,
}

/// Which rows have been asked for, and which of these the server has delivered.
struct Asked {
    interest: Interest,
    /// That of `interest`, as [`Event::Synced`] will say it.
    number: u64,
    /// The last that was delivered completely.
    delivered: Option<u64>,
}

impl Database {
    /// Connects to `remotes`, to see what `monitor` asks for.
    ///
    /// # Errors
    /// The remotes do not parse.
    pub(super) fn follow(
        source: Source,
        remotes: &str,
        config: &Config,
        monitor: Monitor,
    ) -> Result<Self, InputError> {
        let parsed = Remote::parse_list(remotes).map_err(|error| InputError::Remote {
            option: source.option,
            error,
        })?;
        let mut client = ClientConfig::new(source.name, parsed);
        let tls = &(source.tls)(config).tls;
        client.tls = Some(TlsFiles {
            certificate: tls.certificate.clone(),
            private_key: tls.private_key.clone(),
            ca_certificate: tls.ca_cert.clone(),
        });
        client.transact_timeout = config.ovn.ovsdb_connection_timeout;
        client.connect_timeout = client.transact_timeout.min(CONNECT_AT_MOST);
        let asked = Asked::first(&monitor);
        let (handle, events) = Client::spawn(client, monitor);
        Ok(Self {
            handle,
            events,
            remotes: remotes.to_owned(),
            asked,
            lost_at: None,
        })
    }

    /// Since when what was read may be out of date: the connection is lost.
    pub(super) fn lost_at(&self) -> Option<Instant> {
        self.lost_at
    }

    /// Asks for these rows from now on, if they are not what was asked for last; tables not named keep
    /// theirs. Rows that are asked for no more go as if they were deleted.
    pub(super) fn ask(&mut self, interest: Interest) {
        if let Some(tables) = self.asked.change(interest) {
            self.asked.number = self.handle.change_conditions(tables);
        }
    }

    /// To run transactions.
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// True once the server has delivered what was asked for last.
    pub(super) fn is_complete(&self) -> bool {
        self.asked.is_delivered()
    }

    /// True while a server is connected that holds the database. One that is silent for too long is not.
    pub(super) fn is_connected(&self) -> bool {
        self.handle.status().connected.is_some()
    }

    /// In words, for `show summary`.
    pub(super) fn state(&self) -> String {
        let status = self.handle.status();
        match (status.connected, status.last_error) {
            (Some(facts), _) => format!("connected to {}", facts.remote),
            (None, Some((remote, error))) => format!("not connected: {remote}: {error}"),
            (None, None) => format!("connecting to {}", self.remotes),
        }
    }

    /// The next event. May be dropped at any await without losing any.
    pub(super) async fn next(&mut self) -> Event {
        let Some(event) = self.events.recv().await else {
            // The client runs as long as the handle lives.
            return std::future::pending().await;
        };
        match event {
            Event::Synced { conditions, .. } => {
                self.asked.delivered = Some(conditions);
                self.lost_at = None;
            }
            Event::Disconnected { .. } => {
                self.lost_at.get_or_insert_with(Instant::now);
            }
            Event::Connected(_) | Event::Changes(_) => {}
        }
        event
    }
}

impl Asked {
    fn first(monitor: &Monitor) -> Self {
        let tables = monitor.tables.iter();
        let interest = tables.map(|(name, table)| (name.clone(), table.condition.clone()));
        Self {
            interest: interest.collect(),
            number: 0,
            delivered: None,
        }
    }

    /// Takes over another interest. Answers the tables to ask for anew, if any.
    fn change(&mut self, interest: Interest) -> Option<Interest> {
        let known = |(table, condition): &(String, Condition)| {
            let before = self.interest.get(table);
            before.is_some_and(|before| before != condition)
        };
        let changed: Interest = interest.into_iter().filter(known).collect();
        self.interest.extend(changed.clone());
        (!changed.is_empty()).then_some(changed)
    }

    fn is_delivered(&self) -> bool {
        self.delivered.is_some_and(|number| number >= self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ovsdb::Clause;

    fn asked() -> Asked {
        let monitor = Monitor::default()
            .with_table("NAT", &["type"], Condition::All)
            .with_table("NB_Global", &["external_ids"], Condition::All);
        Asked::first(&monitor)
    }

    fn only(kind: &str) -> Interest {
        let clause = Clause::equal("type", kind);
        [("NAT".to_owned(), Condition::AnyOf(vec![clause]))].into()
    }

    #[test]
    fn only_tables_that_differ_are_asked_for_anew() {
        let mut asked = asked();
        let all = [("NB_Global".to_owned(), Condition::All)];
        let wanted: Interest = only("snat").into_iter().chain(all).collect();
        assert_eq!(asked.change(wanted.clone()), Some(only("snat")));
        assert_eq!(asked.change(wanted), None);
    }

    #[test]
    fn a_table_that_is_not_monitored_is_passed_over() {
        let unknown = [("Meter".to_owned(), Condition::All)].into();
        assert_eq!(asked().change(unknown), None);
    }

    #[test]
    fn a_change_is_incomplete_until_its_own_rows_are_there() {
        let mut asked = asked();
        assert!(!asked.is_delivered(), "nothing was read yet");
        asked.delivered = Some(0);
        assert!(asked.is_delivered());
        asked.number = 2;
        asked.delivered = Some(1);
        assert!(!asked.is_delivered());
        asked.delivered = Some(2);
        assert!(asked.is_delivered());
    }
}
