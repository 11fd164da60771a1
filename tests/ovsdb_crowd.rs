//! Several clients of one real server, with equal columns and conditions of their own. ovsdb-server keeps for them
//! one list of changes, and 3.1 and 3.5 die when a condition names a column that the list lacks.

mod ovsdb_view;

use std::collections::BTreeMap;

use interop::ovsdb::{OvsdbServer, Schema};
use interop::{Generation, Need, Place, require, scratch};
use ovn_bgp_agent::ovsdb::{Clause, Columns, Condition, Datum, Monitor, Mutator, Operation};
use ovsdb_view::{View, config, switches};
use uuid::Uuid;

const PORT: &str = "Logical_Switch_Port";
const PORTS: usize = 60;
/// What lies behind the end of a row is chance.
const ROUNDS: usize = 20;

/// Ports of a type, and others by id.
fn localnet() -> Monitor {
    localnet_alone().with_rows_by_id(&[PORT])
}

/// Ports of a type.
fn localnet_alone() -> Monitor {
    let condition = Condition::AnyOf(vec![Clause::equal("type", "localnet")]);
    Monitor::default().with_table(PORT, &["external_ids", "type"], condition)
}

fn row<const N: usize>(columns: [(&str, Datum); N]) -> Columns {
    let columns = columns.into_iter();
    columns
        .map(|(name, datum)| (name.to_owned(), datum))
        .collect()
}

/// A server with ports, and a client that writes to them.
struct Crowd {
    server: OvsdbServer,
    writer: View,
    ports: Vec<Uuid>,
    round: usize,
    _dir: tempfile::TempDir,
}

impl Crowd {
    async fn new(place: &Place) -> Self {
        let dir = scratch().unwrap();
        let server = OvsdbServer::from_schema(place, dir.path(), Schema::Northbound).unwrap();
        let mut writer = View::open(config(&server.unix()), switches());
        writer.synced(1).await;
        let names: Vec<_> = (0..PORTS).map(|n| format!("port{n}")).collect();
        let port = |name: &String| Operation::Insert {
            table: PORT.to_owned(),
            row: row([("name", name.as_str().into())]),
            uuid_name: Some(name.clone()),
        };
        let switch = |name: &String| Operation::Insert {
            table: "Logical_Switch".to_owned(),
            row: row([("ports", Datum::named_uuid(name))]),
            uuid_name: None,
        };
        let operations = names.iter().map(port).chain(names.iter().map(switch));
        let made = writer.handle.transact(operations.collect()).await.unwrap();
        let ports = made.iter().take(PORTS).map(|row| row.uuid.unwrap());
        Self {
            ports: ports.collect(),
            server,
            writer,
            round: 0,
            _dir: dir,
        }
    }

    /// A client that has got its rows.
    async fn join(&self, monitor: Monitor) -> View {
        let mut view = View::open(config(&self.server.unix()), monitor);
        view.synced(1).await;
        view
    }

    /// Writes to every port, something else every time, until a client has got it of one of them.
    async fn write(&mut self, port: Uuid, view: &mut View) {
        self.round += 1;
        let text = "x".repeat(self.round);
        let ids = Datum::map([("text", text.as_str())]);
        let operation = |port: &Uuid| Operation::Mutate {
            table: PORT.to_owned(),
            clauses: vec![Clause::equal("_uuid", *port)],
            mutations: vec![
                (
                    "external_ids".to_owned(),
                    Mutator::Delete,
                    Datum::set(["text"]),
                ),
                ("external_ids".to_owned(), Mutator::Insert, ids.clone()),
            ],
        };
        let operations = self.ports.iter().map(operation).collect();
        let written = self.writer.handle.transact(operations).await;
        written.unwrap_or_else(|error| panic!("round {}: {error}", self.round));
        view.until("what was written", |view| {
            let row = view.rows.get(&(PORT.to_owned(), port));
            row.and_then(|row| row.get(0)) == Some(&ids) || !view.errors.is_empty()
        })
        .await;
        assert!(view.errors.is_empty(), "{:?}", view.errors);
    }

    fn port(&self) -> Uuid {
        self.ports[7 * self.round % PORTS]
    }
}

fn is(port: Uuid) -> Condition {
    Condition::AnyOf(vec![Clause::equal("_uuid", port)])
}

/// Asks for other ports, and waits for them.
async fn ask(view: &mut View, condition: Condition) {
    let change = BTreeMap::from([(PORT.to_owned(), condition)]);
    let number = view.handle.change_conditions(change);
    view.until("ports", |view| {
        view.synced.last().is_some_and(|last| last.0 == number)
    })
    .await;
}

#[tokio::test]
async fn a_condition_may_come_to_name_rows_while_another_client_with_these_columns_is_there() {
    require!(Need::Root, Need::Program("ovsdb-server"), Need::Trixie);
    for place in Generation::ALL.map(|generation| Place::host().with(generation)) {
        let mut crowd = Crowd::new(&place).await;
        for _ in 0..ROUNDS {
            let _other = crowd.join(localnet()).await;
            let mut view = crowd.join(localnet()).await;
            let port = crowd.port();
            ask(&mut view, is(port)).await;
            assert_eq!(view.rows.len(), 1);
            crowd.write(port, &mut view).await;
        }
    }
}

#[tokio::test]
async fn a_client_may_come_with_a_condition_that_names_rows_to_another_with_these_columns() {
    require!(Need::Root, Need::Program("ovsdb-server"), Need::Trixie);
    for place in Generation::ALL.map(|generation| Place::host().with(generation)) {
        let mut crowd = Crowd::new(&place).await;
        for _ in 0..ROUNDS {
            let _other = crowd.join(localnet()).await;
            let port = crowd.port();
            let mut monitor = localnet();
            monitor.tables.get_mut(PORT).unwrap().condition = is(port);
            let mut view = crowd.join(monitor).await;
            assert_eq!(view.rows.len(), 1);
            crowd.write(port, &mut view).await;
        }
    }
}

#[tokio::test]
async fn a_condition_on_a_column_that_was_not_asked_for_brings_every_row_and_does_no_harm() {
    require!(Need::Root, Need::Program("ovsdb-server"), Need::Trixie);
    for place in Generation::ALL.map(|generation| Place::host().with(generation)) {
        let mut crowd = Crowd::new(&place).await;
        for _ in 0..ROUNDS {
            let _other = crowd.join(localnet_alone()).await;
            let port = crowd.port();
            let named = Condition::AnyOf(vec![Clause::equal("name", "port7")]);
            for condition in [named, is(port)] {
                let mut view = crowd.join(localnet_alone()).await;
                ask(&mut view, condition).await;
                assert_eq!(view.rows.len(), PORTS);
                crowd.write(port, &mut view).await;
            }
        }
    }
}
