//! The OVSDB client against real servers of two Debian generations.
#![allow(
    clippy::disallowed_methods,
    reason = "tests edit schemas with ovsdb-tool"
)]

mod ovsdb_view;

use std::collections::BTreeMap;
use std::time::Duration;

use interop::ovsdb::{OvsdbServer, Schema};
use interop::{Generation, Need, Place, require, scratch};
use ovn_bgp_agent::ovsdb::{
    Clause, ClientConfig, Columns, Condition, ConnectionError, Datum, Function, Method, Missing,
    Model, Monitor, Mutator, Operation, Refusal, Remote, Support, TransactError, Until,
    until_synced,
};
use ovsdb_view::{NB, Proxy, View, config, switches};

fn row(columns: &[(&str, Datum)]) -> Columns {
    columns
        .iter()
        .map(|(name, datum)| ((*name).to_owned(), datum.clone()))
        .collect()
}

fn insert(table: &str, name: Option<&str>, columns: &[(&str, Datum)]) -> Operation {
    let uuid_name = name.map(str::to_owned);
    Operation::Insert {
        table: table.to_owned(),
        row: row(columns),
        uuid_name,
    }
}

fn named(name: &str) -> Vec<Clause> {
    vec![Clause::equal("name", name)]
}

#[tokio::test]
async fn follows_inserts_differences_and_deletes() {
    require!(Need::Root, Need::Program("ovsdb-server"), Need::Trixie);
    for place in Generation::ALL.map(|generation| Place::host().with(generation)) {
        let dir = scratch().unwrap();
        let nb = OvsdbServer::from_schema(&place, dir.path(), Schema::Northbound).unwrap();
        nb.nbctl(&["ls-add", "before"]).unwrap();
        let mut view = View::open(config(&nb.unix()), switches());
        assert!(!view.synced(1).await);
        assert_eq!(view.names(), ["before"]);
        let facts = view.facts.clone().unwrap();
        assert_eq!(
            (facts.model, facts.method),
            (Some(Model::Standalone), Method::CondSince)
        );
        assert_eq!(facts.missing, []);

        // One transaction of two rows is one event.
        nb.nbctl(&["ls-add", "a", "--", "ls-add", "b"]).unwrap();
        view.until("two switches", |view| view.rows.len() == 3)
            .await;
        assert_eq!(view.changes, [1, 2]);

        // Maps travel as differences: the first key stays, the second changes, the third goes.
        nb.nbctl(&["set", "logical_switch", "a", "external_ids={k=1,l=2,m=3}"])
            .unwrap();
        nb.nbctl(&[
            "remove",
            "logical_switch",
            "a",
            "external_ids",
            "m",
            "--",
            "set",
            "logical_switch",
            "a",
            "external_ids:l=9",
        ])
        .unwrap();
        let ids = Datum::map([("k", "1"), ("l", "9")]);
        view.until("ids", |view| {
            view.rows.values().any(|row| row.get(1) == Some(&ids))
        })
        .await;
        nb.nbctl(&["ls-del", "b"]).unwrap();
        view.until("deletion", |view| view.names() == ["a", "before"])
            .await;
        assert_eq!(view.handle.status().failures, 0);
    }
}

#[tokio::test]
async fn transactions_succeed_fail_and_time_out_with_types() {
    require!(Need::Root, Need::Program("ovsdb-server"), Need::Trixie);
    for place in Generation::ALL.map(|generation| Place::host().with(generation)) {
        let dir = scratch().unwrap();
        let nb = OvsdbServer::from_schema(&place, dir.path(), Schema::Northbound).unwrap();
        let mut view = View::open(config(&nb.unix()), switches());
        let early = view.handle.transact(vec![]).await;
        assert_eq!(early, Err(TransactError::NotConnected));
        view.synced(1).await;

        commits(&mut view).await;
        refuses(&mut view).await;
    }
}

async fn commits(view: &mut View) {
    let made = view.handle.transact(vec![
        insert("Logical_Switch_Port", Some("port"), &[("name", "p".into())]),
        insert(
            "Logical_Switch",
            None,
            &[("name", "s".into()), ("ports", Datum::named_uuid("port"))],
        ),
        Operation::Comment {
            comment: "test".to_owned(),
        },
    ]);
    let made = made.await.unwrap();
    assert!(made[0].uuid.is_some() && made[1].uuid.is_some() && made[2].uuid.is_none());
    // The row came before the answer.
    view.until("row", |view| view.names() == ["s"]).await;

    let table = "Logical_Switch".to_owned();
    let counted = view.handle.transact(vec![
        Operation::Wait {
            table: table.clone(),
            clauses: named("s"),
            columns: vec!["name".to_owned()],
            until: Until::Equal,
            rows: vec![row(&[("name", "s".into())])],
            timeout: 0,
        },
        Operation::Update {
            table: table.clone(),
            clauses: named("s"),
            row: row(&[("external_ids", Datum::map([("a", "b")]))]),
        },
        Operation::Mutate {
            table: table.clone(),
            clauses: named("s"),
            mutations: vec![(
                "external_ids".to_owned(),
                Mutator::Insert,
                Datum::map([("c", "d")]),
            )],
        },
        Operation::Select {
            table: table.clone(),
            clauses: named("s"),
            columns: vec!["external_ids".to_owned()],
        },
    ]);
    let counted = counted.await.unwrap();
    assert_eq!(
        counted
            .iter()
            .map(|result| result.count)
            .collect::<Vec<_>>(),
        [None, Some(1), Some(1), None]
    );
    assert_eq!(
        counted[3].rows,
        [row(&[(
            "external_ids",
            Datum::map([("a", "b"), ("c", "d")])
        )])]
    );
}

async fn refuses(view: &mut View) {
    let table = "Logical_Switch".to_owned();
    let refused = |result: Result<_, TransactError>| match result {
        Err(TransactError::Refused {
            operation, kind, ..
        }) => (operation, kind),
        other => panic!("{other:?}"),
    };
    // A wait for what is not, with a timeout of zero, fails at once and undoes what came before.
    let wait = Operation::Wait {
        table: table.clone(),
        clauses: named("s"),
        columns: vec!["name".to_owned()],
        until: Until::NotEqual,
        rows: vec![row(&[("name", "s".into())])],
        timeout: 0,
    };
    let delete = Operation::Delete {
        table: table.clone(),
        clauses: named("s"),
    };
    assert_eq!(
        refused(
            view.handle
                .transact(vec![
                    insert("Logical_Switch", None, &[("name", "undone".into())]),
                    wait
                ])
                .await
        ),
        (Some(1), Refusal::TimedOut)
    );
    let bad = insert("Logical_Switch", None, &[("name", 1.into())]);
    assert_eq!(
        refused(view.handle.transact(vec![bad]).await),
        (Some(0), Refusal::Syntax)
    );
    let bad = insert("Logical_Switch", None, &[("no_such", 1.into())]);
    assert_eq!(refused(view.handle.transact(vec![bad]).await).0, Some(0));
    let bad = insert("No_Such", None, &[]);
    assert_eq!(refused(view.handle.transact(vec![bad]).await).0, Some(0));
    assert_eq!(
        refused(view.handle.transact(vec![Operation::Abort]).await),
        (Some(0), Refusal::Aborted)
    );
    // Names of chassis groups are unique in the schema: refused at commit, as a whole.
    let group = || insert("HA_Chassis_Group", None, &[("name", "g".into())]);
    assert_eq!(
        refused(view.handle.transact(vec![group(), group()]).await),
        (None, Refusal::ConstraintViolation)
    );
    view.handle.transact(vec![delete]).await.unwrap();
    view.until("deletion", |view| view.rows.is_empty()).await;
}

#[tokio::test]
async fn conditions_select_rows_and_can_be_changed() {
    require!(Need::Root, Need::Program("ovsdb-server"), Need::Trixie);
    for place in Generation::ALL.map(|generation| Place::host().with(generation)) {
        let dir = scratch().unwrap();
        let nb = OvsdbServer::from_schema(&place, dir.path(), Schema::Northbound).unwrap();
        nb.nbctl(&["ls-add", "a", "--", "ls-add", "b", "--", "ls-add", "c"])
            .unwrap();
        let of = |names: &[&str]| {
            Condition::AnyOf(
                names
                    .iter()
                    .map(|&name| Clause::equal("name", name))
                    .collect(),
            )
        };
        let monitor = Monitor::default().with_table("Logical_Switch", &["name"], of(&["a"]));
        let proxy = Proxy::to(nb.socket()).await;
        let mut view = View::open(config(&proxy.remote), monitor);
        view.synced(1).await;
        assert_eq!(view.names(), ["a"]);

        let change = |names: &[&str]| BTreeMap::from([("Logical_Switch".to_owned(), of(names))]);
        let number = view.handle.change_conditions(change(&["a", "b"]));
        view.until("two", |view| view.synced.last() == Some(&(number, true)))
            .await;
        assert_eq!(view.names(), ["a", "b"]);

        // Changed while the connection goes down: everything wanted is there afterwards.
        proxy.cut();
        let number = view.handle.change_conditions(change(&["b", "c"]));
        view.until("other rows", |view| {
            view.synced.last().is_some_and(|last| last.0 == number)
        })
        .await;
        assert_eq!(view.names(), ["b", "c"]);
        nb.nbctl(&["set", "logical_switch", "c", "name=d"]).unwrap();
        view.until("row out of the condition", |view| view.names() == ["b"])
            .await;

        let number = view.handle.change_conditions(change(&[]));
        view.until("nothing", |view| {
            view.synced.last().is_some_and(|last| last.0 == number)
        })
        .await;
        assert_eq!(view.names(), [""; 0]);
    }
}

#[tokio::test]
async fn resumes_after_the_connection_drops_without_a_dump() {
    require!(Need::Root, Need::Program("ovsdb-server"), Need::Trixie);
    for place in Generation::ALL.map(|generation| Place::host().with(generation)) {
        let dir = scratch().unwrap();
        // Only clustered databases keep transaction ids.
        let cluster =
            interop::ovsdb::OvsdbCluster::new(&place, dir.path(), Schema::Northbound).unwrap();
        let insert = |name: &str| serde_json::json!([NB, {"op": "insert", "table": "Logical_Switch", "row": {"name": name}}]);
        cluster.transact(&insert("a")).unwrap();
        let mut cluster = cluster;
        let socket = cluster.server(0).socket();
        let proxy = Proxy::to(socket).await;
        let mut view = View::open(config(&proxy.remote), switches());
        assert!(!view.synced(1).await);
        view.until("first switch", |view| view.names() == ["a"])
            .await;
        // A transaction id is known only after a change of this server's life.
        cluster.transact(&insert("b")).unwrap();
        view.until("second switch", |view| view.names() == ["a", "b"])
            .await;
        proxy.cut();
        assert!(
            view.synced(2).await,
            "a full dump where a resumption was due"
        );
        cluster.transact(&insert("c")).unwrap();
        view.until("third switch", |view| view.names() == ["a", "b", "c"])
            .await;
        assert_eq!(view.handle.status().resumptions, 1);
        assert_eq!(view.changes, [1, 1, 1]);
    }
}

#[tokio::test]
async fn a_restart_with_changed_rows_yields_the_difference_only() {
    require!(Need::Root, Need::Program("ovsdb-server"), Need::Trixie);
    for place in Generation::ALL.map(|generation| Place::host().with(generation)) {
        let dir = scratch().unwrap();
        let mut nb = OvsdbServer::from_schema(&place, dir.path(), Schema::Northbound).unwrap();
        nb.nbctl(&[
            "ls-add", "stays", "--", "ls-add", "goes", "--", "ls-add", "changes",
        ])
        .unwrap();
        let proxy = Proxy::to(nb.socket()).await;
        let mut view = View::open(config(&proxy.remote), switches());
        view.synced(1).await;
        nb.kill();
        view.until("disconnection", |view| !view.errors.is_empty())
            .await;
        assert_eq!(view.rows.len(), 3, "a lost server deletes nothing");
        nb.start().unwrap();
        nb.nbctl(&[
            "ls-del",
            "goes",
            "--",
            "ls-add",
            "new",
            "--",
            "set",
            "logical_switch",
            "changes",
            "external_ids:k=v",
        ])
        .unwrap();
        view.until("the present", |view| {
            view.names() == ["changes", "new", "stays"]
        })
        .await;
        view.until("all of it", |view| {
            view.changes.iter().sum::<usize>() == 3 + 3
        })
        .await;
    }
}

/// A server whose switches have no `external_ids`, as if of an older schema.
fn without_external_ids(place: &Place, dir: &std::path::Path) -> OvsdbServer {
    let text = std::fs::read_to_string(Schema::Northbound.path()).unwrap();
    let mut schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    schema["tables"]["Logical_Switch"]["columns"]
        .as_object_mut()
        .unwrap()
        .remove("external_ids");
    let (schema_file, db) = (dir.join("old.ovsschema"), dir.join("made.db"));
    std::fs::write(&schema_file, schema.to_string()).unwrap();
    place
        .run(
            "ovsdb-tool",
            &[
                "create",
                db.to_str().unwrap(),
                schema_file.to_str().unwrap(),
            ],
        )
        .unwrap();
    OvsdbServer::from_file(place, dir, "old", &db).unwrap()
}

#[tokio::test]
async fn a_column_the_server_lacks_is_left_out_and_named() {
    require!(Need::Program("ovsdb-server"));
    let dir = scratch().unwrap();
    let place = Place::host();
    let mut nb = without_external_ids(&place, dir.path());
    let clauses = vec![
        Clause::new("external_ids", Function::Includes, Datum::map([("a", "b")])),
        Clause::equal("name", "a"),
    ];
    let monitor = Monitor::default()
        .with_table(
            "Logical_Switch",
            &["external_ids", "name"],
            Condition::AnyOf(clauses),
        )
        .with_table("No_Such_Table", &["name"], Condition::All);
    let mut view = View::open(config(&nb.unix()), monitor);
    assert_eq!(
        view.handle.server_has("Logical_Switch", "name"),
        Support::Unknown
    );
    view.synced(1).await;
    let missing = |table: &str, column: Option<&str>| Missing {
        table: table.to_owned(),
        column: column.map(str::to_owned),
    };
    assert_eq!(
        view.facts.as_ref().unwrap().missing,
        [
            missing("Logical_Switch", Some("external_ids")),
            missing("No_Such_Table", None)
        ]
    );
    assert_eq!(
        view.handle.server_has("Logical_Switch", "external_ids"),
        Support::NoSuchColumn
    );
    assert_eq!(
        view.handle.server_has("No_Such_Table", "name"),
        Support::NoSuchTable
    );
    assert_eq!(
        view.handle.server_has("Logical_Switch", "name"),
        Support::Yes
    );
    let operations = vec![insert("Logical_Switch", None, &[("name", "a".into())])];
    view.handle.transact(operations).await.unwrap();
    view.until("row", |view| view.rows.len() == 1).await;
    let row = view.rows.values().next().unwrap().clone();
    assert_eq!((row.get(0), row.get(1)), (None, Some(&Datum::from("a"))));

    becomes_a_schema_with_the_column(&place, &nb, &mut view).await;
    nb.stop();
}

async fn becomes_a_schema_with_the_column(place: &Place, nb: &OvsdbServer, view: &mut View) {
    // Converted to the schema with the column while connected: the client starts anew and has it.
    place
        .run(
            "ovsdb-client",
            &["convert", &nb.unix(), Schema::Northbound.path()],
        )
        .unwrap();
    view.until("the new schema", |view| {
        view.facts
            .as_ref()
            .is_some_and(|facts| facts.missing.len() == 1)
    })
    .await;
    view.until("the new column", |view| {
        view.rows
            .values()
            .all(|row| row.get(0) == Some(&Datum::empty_map()))
    })
    .await;
}

#[tokio::test]
async fn an_unreachable_database_is_named_with_its_cause_in_time() {
    let remote = "unix:/tmp/there-is-no-such.sock";
    let (_handle, mut events) = ovn_bgp_agent::ovsdb::Client::spawn(config(remote), switches());
    let error = until_synced(NB, &mut events, 0, Duration::from_millis(300))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(NB) && text.contains(remote) && text.contains("No such file"),
        "{text}"
    );
}

#[tokio::test]
async fn a_wrong_database_name_is_said() {
    require!(Need::Program("ovsdb-server"));
    let dir = scratch().unwrap();
    let nb = OvsdbServer::from_schema(&Place::host(), dir.path(), Schema::Northbound).unwrap();
    let remotes = Remote::parse_list(&nb.unix()).unwrap();
    let mut view = View::open(ClientConfig::new("No_Such", remotes), Monitor::default());
    view.until("error", |view| !view.errors.is_empty()).await;
    assert!(matches!(&view.errors[0].1, ConnectionError::NoDatabase(name) if name == "No_Such"));
}
