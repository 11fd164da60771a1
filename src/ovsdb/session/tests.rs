//! Sessions against a scripted server, on virtual time.

use serde_json::Value;

use super::*;
use crate::ovsdb::condition::{Clause, Condition};

const SCHEMA: &str = r#"{"name": "DB", "version": "1.0.0", "tables": {"T": {"columns": {
    "name": {"type": "string"},
    "tag": {"type": {"key": "integer", "min": 0, "max": 1}},
    "set": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
    "map": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}}}}}"#;
const ROW: &str = "00000000-0000-0000-0000-000000000001";
const TXN: &str = "00000000-0000-0000-0000-0000000000aa";

fn session(now: Instant) -> Session {
    let monitor =
        Monitor::default().with_table("T", &["name", "tag", "set", "map"], Condition::none());
    session_of(monitor, now)
}

fn session_of(monitor: Monitor, now: Instant) -> Session {
    let config = SessionConfig {
        database: "DB".to_owned(),
        leader_only: true,
        probe_interval: Some(Duration::from_secs(5)),
        handshake_timeout: Duration::from_secs(3),
        transact_timeout: Duration::from_secs(2),
    };
    Session::new(config, monitor, now)
}

fn sent(session: &mut Session) -> Vec<Value> {
    let bytes = std::mem::take(session.transmit());
    serde_json::Deserializer::from_slice(&bytes)
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

fn outputs(session: &mut Session) -> Vec<Output> {
    std::iter::from_fn(|| session.poll_output()).collect()
}

fn say(session: &mut Session, text: &str) -> Result<(), ConnectionError> {
    session.handle_message(text.as_bytes())
}

/// Greets as a server without `_Server`; returns the monitor request.
fn greet(session: &mut Session, now: Instant) -> Value {
    session.handle_connected(now);
    assert_eq!(sent(session).len(), 3);
    say(
        session,
        r#"{"id":0,"result":null,"error":"unknown method"}"#,
    )
    .unwrap();
    say(
        session,
        r#"{"id":1,"result":null,"error":{"error":"unknown database"}}"#,
    )
    .unwrap();
    say(
        session,
        &format!(r#"{{"id":2,"result":{SCHEMA},"error":null}}"#),
    )
    .unwrap();
    sent(session).remove(0)
}

fn live(session: &mut Session, now: Instant) {
    greet(session, now);
    let rows = format!(
        r#"{{"T":{{"{ROW}":{{"initial":{{"name":"a","tag":1,"set":["set",["x","y"]],"map":["map",[["k","1"],["l","2"]]]}}}}}}}}"#
    );
    say(
        session,
        &format!(r#"{{"id":3,"result":[false,"{TXN}",{rows}],"error":null}}"#),
    )
    .unwrap();
    outputs(session);
}

fn update(kind: &str) -> String {
    format!(
        r#"{{"id":null,"method":"update3","params":["DB","{TXN}",{{"T":{{"{ROW}":{kind}}}}}]}}"#
    )
}

#[test]
fn differences_follow_the_type_of_the_column() {
    let now = Instant::now();
    let mut session = session(now);
    live(&mut session, now);
    // `tag` holds at most one value and is replaced; `set` and `map` are differences.
    let kind =
        r#"{"modify":{"tag":2,"set":["set",["y","z"]],"map":["map",[["k","1"],["l","3"]]]}}"#;
    say(&mut session, &update(kind)).unwrap();
    let [Output::Changes(changes)] = &outputs(&mut session)[..] else {
        panic!("one event")
    };
    let shown: Vec<String> = changes[0]
        .new
        .as_ref()
        .unwrap()
        .columns
        .iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    assert_eq!(shown, [r#""a""#, "2", r#"{"x", "z"}"#, r#"{"l": "3"}"#]);
}

#[test]
fn a_bad_row_changes_nothing_and_names_table_and_column() {
    let now = Instant::now();
    let mut session = session(now);
    live(&mut session, now);
    let error = say(&mut session, &update(r#"{"modify":{"set":"z","name":7}}"#)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("table T, column name: expected string, got 7"),
        "{error}"
    );
    for text in [
        r#"{"modify":{"no":1}}"#,
        r#"{"no":{}}"#,
        "{}",
        "[]",
        r#"{"insert":7}"#,
    ] {
        assert!(say(&mut session, &update(text)).is_err(), "{text}");
    }
    for text in [
        "{}",
        r#"{"id":null,"method":7}"#,
        r#"{"id":null,"method":"update3","params":["other"]}"#,
    ] {
        assert!(say(&mut session, text).is_err(), "{text}");
    }
    assert!(outputs(&mut session).is_empty());
}

#[test]
fn a_change_of_a_row_never_sent_leads_to_a_full_dump() {
    let now = Instant::now();
    let mut session = session(now);
    live(&mut session, now);
    let text = update(r#"{"modify":{"name":"b"}}"#).replace(ROW, TXN);
    let error = say(&mut session, &text).unwrap_err();
    assert!(matches!(error, ConnectionError::Inconsistent(_)));
    session.handle_disconnected(&error);
    assert_eq!(
        greet(&mut session, now)["params"][3],
        Uuid::nil().to_string()
    );
}

#[test]
fn resumes_with_the_acknowledged_condition_then_changes_it() {
    let now = Instant::now();
    let mut session = session(now);
    live(&mut session, now);
    session.handle_disconnected(&ConnectionError::Closed);
    session.change_conditions(1, ByTable::from([("T".to_owned(), Condition::All)]));
    let monitor = greet(&mut session, now);
    assert_eq!(monitor["params"][3], TXN);
    assert_eq!(monitor["params"][2]["T"][0]["where"], json!([false]));
    say(
        &mut session,
        &format!(r#"{{"id":3,"result":[true,"{TXN}",{{}}],"error":null}}"#),
    )
    .unwrap();
    let change = sent(&mut session).remove(0);
    assert_eq!(change["method"], "monitor_cond_change");
    assert_eq!(change["params"][2]["T"][0]["where"], json!([true]));
    say(&mut session, r#"{"id":4,"result":{},"error":null}"#).unwrap();
    assert!(matches!(
        outputs(&mut session).last(),
        Some(Output::Synced { conditions: 1, .. })
    ));
}

/// Columns that a request asks for, and those that its condition names.
fn columns_of(request: &Value) -> (Vec<&str>, Vec<&str>) {
    let asked = request["columns"].as_array().into_iter().flatten();
    let clauses = request["where"].as_array().into_iter().flatten();
    (
        asked.filter_map(Value::as_str).collect(),
        clauses.filter_map(|clause| clause[0].as_str()).collect(),
    )
}

#[test]
fn whatever_a_condition_may_name_is_asked_for_from_the_first() {
    let now = Instant::now();
    let mut session = session(now);
    session.handle_connected(now);
    let server = &sent(&mut session)[1]["params"][2]["Database"][0];
    let (asked, named) = columns_of(server);
    assert_eq!(named, ["name"]);
    assert!(asked.contains(&"name"), "{asked:?}");

    let monitor = greet(&mut session, now);
    let (asked, _) = columns_of(&monitor["params"][2]["T"][0]);
    assert_eq!(asked, ["name", "tag", "set", "map"]);

    let by_id = Monitor::default().with_table("T", &["name"], Condition::none());
    let mut session = session_of(by_id.with_rows_by_id(&["T"]), now);
    let monitor = greet(&mut session, now);
    let (asked, _) = columns_of(&monitor["params"][2]["T"][0]);
    assert_eq!(asked, ["name", "_uuid"]);
}

#[test]
fn a_condition_on_a_column_that_was_not_asked_for_asks_for_every_row() {
    let now = Instant::now();
    for clause in [Clause::equal("tag", 1), Clause::equal("_uuid", Uuid::nil())] {
        let condition = Condition::AnyOf(vec![clause, Clause::equal("name", "a")]);
        let names = Monitor::default().with_table("T", &["name"], condition.clone());
        let mut session = session_of(names, now);
        let monitor = greet(&mut session, now);
        assert_eq!(monitor["params"][2]["T"][0]["where"], json!([true]));

        let empty = format!(r#"{{"id":3,"result":[false,"{TXN}",{{}}],"error":null}}"#);
        say(&mut session, &empty).unwrap();
        session.change_conditions(1, ByTable::from([("T".to_owned(), Condition::none())]));
        say(&mut session, r#"{"id":4,"result":{},"error":null}"#).unwrap();
        session.change_conditions(2, ByTable::from([("T".to_owned(), condition)]));
        let [none, all] = &sent(&mut session)[..] else {
            panic!("two changes")
        };
        assert_eq!(none["params"][2]["T"][0]["where"], json!([false]));
        assert_eq!(all["params"][2]["T"][0]["where"], json!([true]));
    }
}

#[test]
fn the_id_within_a_row_is_passed_over() {
    let now = Instant::now();
    let mut session = session(now);
    live(&mut session, now);
    let insert = format!(r#"{{"insert":{{"_uuid":["uuid","{ROW}"],"name":"b"}}}}"#);
    say(&mut session, &update(r#"{"delete":null}"#)).unwrap();
    say(&mut session, &update(&insert)).unwrap();
    let [_, Output::Changes(changes)] = &outputs(&mut session)[..] else {
        panic!("two events")
    };
    let row = changes[0].new.as_ref().unwrap();
    assert_eq!((row.len(), row.get(0)), (4, Some(&"b".into())));
}

#[test]
fn a_condition_change_in_flight_is_never_resumed_over() {
    let now = Instant::now();
    let mut session = session(now);
    live(&mut session, now);
    session.change_conditions(1, ByTable::from([("T".to_owned(), Condition::All)]));
    session.handle_disconnected(&ConnectionError::Closed);
    let monitor = greet(&mut session, now);
    assert_eq!(monitor["params"][3], Uuid::nil().to_string());
    assert_eq!(monitor["params"][2]["T"][0]["where"], json!([true]));
}

#[test]
fn falls_back_to_older_monitors() {
    let now = Instant::now();
    let mut session = session(now);
    assert_eq!(greet(&mut session, now)["method"], "monitor_cond_since");
    say(
        &mut session,
        r#"{"id":3,"result":null,"error":"unknown method"}"#,
    )
    .unwrap();
    assert_eq!(sent(&mut session)[0]["method"], "monitor_cond");
    say(
        &mut session,
        r#"{"id":4,"result":null,"error":"unknown method"}"#,
    )
    .unwrap();
    assert_eq!(sent(&mut session)[0]["method"], "monitor");
    let rows = format!(r#"{{"T":{{"{ROW}":{{"new":{{"name":"a"}}}}}}}}"#);
    say(
        &mut session,
        &format!(r#"{{"id":5,"result":{rows},"error":null}}"#),
    )
    .unwrap();
    let text = format!(
        r#"{{"id":null,"method":"update","params":["DB",{{"T":{{"{ROW}":{{"old":{{}}}}}}}}]}}"#
    );
    say(&mut session, &text).unwrap();
    let outputs = outputs(&mut session);
    assert!(matches!(&outputs[0], Output::Connected(accepted) if accepted.method == Method::Plain));
    assert!(matches!(&outputs[3], Output::Changes(changes) if changes[0].new.is_none()));
}

#[test]
fn probes_an_idle_server_and_gives_it_up() {
    let now = Instant::now();
    let mut session = session(now);
    live(&mut session, now);
    let later = |seconds| now + Duration::from_secs(seconds);
    assert_eq!(session.poll_timeout(), Some(later(5)));
    session.handle_timeout(later(5)).unwrap();
    assert_eq!(sent(&mut session)[0]["method"], "echo");
    session.handle_activity(later(6));
    session.handle_timeout(later(10)).unwrap();
    assert!(sent(&mut session).is_empty());
    session.handle_timeout(later(11)).unwrap();
    assert!(matches!(
        session.handle_timeout(later(16)),
        Err(ConnectionError::Inactive(_))
    ));
}

#[test]
fn answers_the_probe_of_the_server() {
    let now = Instant::now();
    let mut session = session(now);
    session.handle_connected(now);
    sent(&mut session);
    say(
        &mut session,
        r#"{"id":"echo","method":"echo","params":[1]}"#,
    )
    .unwrap();
    assert_eq!(
        sent(&mut session),
        [json!({"id": "echo", "result": [1], "error": null})]
    );
}

#[test]
fn the_greeting_and_transactions_have_deadlines() {
    let now = Instant::now();
    let mut session = session(now);
    session.handle_connected(now);
    let late = now + Duration::from_secs(3);
    assert!(matches!(
        session.handle_timeout(late),
        Err(ConnectionError::HandshakeTimeout(_))
    ));
    live(&mut session, now);
    session.transact(7, &[Operation::Abort], now);
    session
        .handle_timeout(now + Duration::from_secs(2))
        .unwrap();
    let out = outputs(&mut session);
    assert!(matches!(
        out[..],
        [Output::Transacted {
            token: 7,
            result: Err(TransactError::TimedOut)
        }]
    ));
    session.transact(8, &[Operation::Abort], now);
    session.handle_disconnected(&ConnectionError::Closed);
    let out = outputs(&mut session);
    assert!(matches!(
        out[..],
        [Output::Transacted {
            token: 8,
            result: Err(TransactError::Lost)
        }]
    ));
}

#[test]
fn leaves_followers_stale_members_and_servers_cut_off() {
    let now = Instant::now();
    let mut session = session(now);
    let mut meet = |leader: bool, connected: bool, index: i64| {
        session.handle_connected(now);
        say(
            &mut session,
            &format!(
                r#"{{"id":1,"error":null,"result":{{"Database":{{"{ROW}":{{"initial":{{"model":"clustered",
                "leader":{leader},"connected":{connected},"index":{index},"cid":["uuid","{TXN}"]}}}}}}}}}}"#
            ),
        )
    };
    assert!(matches!(
        meet(false, true, 5),
        Err(ConnectionError::NotLeader)
    ));
    assert!(matches!(meet(true, false, 5), Err(ConnectionError::CutOff)));
    assert!(meet(true, true, 5).is_ok());
    assert!(matches!(
        meet(true, true, 4),
        Err(ConnectionError::Stale { index: 4, seen: 5 })
    ));
    assert!(meet(true, true, 6).is_ok());
}

proptest::proptest! {
    #[test]
    fn hostile_messages_never_panic(text in "[\\[\\]{}\":,a-z0-9 ]{0,80}", id in 0_u64..6) {
        let now = Instant::now();
        let mut session = session(now);
        live(&mut session, now);
        session.transact(1, &[Operation::Abort], now);
        let _ = say(&mut session, &text);
        let _ = say(&mut session, &format!(r#"{{"id":{id},"result":{text}}}"#));
        let _ = say(&mut session, &update(&text));
    }
}
