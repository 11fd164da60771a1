//! The OVSDB client against servers that are old, broken or hostile.

mod ovsdb_view;

use ovn_bgp_agent::ovsdb::{ClientConfig, Condition, ConnectionError, Method, Monitor};
use ovsdb_view::{View, config};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves connection after connection with `talk`, which is told the number of the connection.
async fn server<F, R>(talk: F) -> String
where
    F: Fn(TcpStream, u32) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = format!("tcp:{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            tokio::spawn(talk(stream, number));
        }
    });
    remote
}

/// RFC 7047 and nothing else; `rows` answers the monitor request, `then` follows it.
async fn old_server(mut stream: TcpStream, rows: Value, then: String) {
    let mut buffer = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(n) if n > 0 => buffer.extend_from_slice(&chunk[..n]),
            _ => return,
        }
        let mut requests = serde_json::Deserializer::from_slice(&buffer).into_iter::<Value>();
        let mut answers = String::new();
        let mut taken = 0;
        while let Some(Ok(request)) = requests.next() {
            taken = requests.byte_offset();
            let (result, error) = match request["method"].as_str() {
                Some("get_schema") => (
                    json!({"name": "DB", "version": "1.0.0", "tables": {"T": {"columns": {"name": {"type": "string"}}}}}),
                    Value::Null,
                ),
                Some("monitor") => (rows.clone(), Value::Null),
                Some("echo") => (request["params"].clone(), Value::Null),
                _ => (Value::Null, json!("unknown method")),
            };
            answers += &json!({"id": request["id"], "result": result, "error": error}).to_string();
            if request["method"] == "monitor" {
                answers += &then;
            }
        }
        buffer.drain(..taken);
        if stream.write_all(answers.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn monitor() -> Monitor {
    Monitor::default().with_table("T", &["name"], Condition::All)
}

fn db(remote: &str) -> ClientConfig {
    ClientConfig {
        database: "DB".to_owned(),
        ..config(remote)
    }
}

const ROW: &str = "00000000-0000-0000-0000-000000000001";

fn rows() -> Value {
    json!({"T": {ROW: {"new": {"name": "a"}}}})
}

#[tokio::test]
async fn a_server_of_rfc_7047_is_followed_with_plain_monitor() {
    let then = json!({"id": null, "method": "update", "params": ["DB", {"T": {ROW: {"old": {"name": "a"}, "new": {"name": "b"}}}}]});
    let remote = server(move |stream, _| old_server(stream, rows(), then.to_string())).await;
    let mut view = View::open(db(&remote), monitor());
    view.until("renamed row", |view| view.names() == ["b"])
        .await;
    assert_eq!(view.facts.as_ref().unwrap().method, Method::Plain);
    assert_eq!(view.synced, [(0, false)]);
    assert_eq!(view.changes, [1, 1]);
}

/// The first connection sends `nonsense` behind its rows, the second behaves.
async fn recovers_from(nonsense: &'static str, limit: usize, expected: &str) {
    let remote = server(move |stream, number| {
        let then = if number == 0 {
            nonsense.to_owned()
        } else {
            String::new()
        };
        old_server(stream, rows(), then)
    })
    .await;
    let mut view = View::open(
        ClientConfig {
            max_message: limit,
            ..db(&remote)
        },
        monitor(),
    );
    view.synced(2).await;
    let error = view.errors[0].1.to_string();
    assert!(error.contains(expected), "{nonsense}: {error}");
    assert_eq!(
        (view.names(), view.changes.len()),
        (vec!["a"], 1),
        "nothing was lost or half applied"
    );
}

#[tokio::test]
async fn nonsense_ends_the_connection_with_a_clear_error_and_the_next_one_works() {
    let limit = 1 << 20;
    recovers_from("HTTP/1.1 400", limit, "'H' where a message should begin").await;
    recovers_from(r#"{"id":null,"method":}"#, limit, "malformed message").await;
    recovers_from(
        r#"{"id":null,"method":"update","params":["DB",{"T":{"x":{"new":{}}}}]}"#,
        limit,
        "\"x\" is not a uuid",
    )
    .await;
    recovers_from(
        r#"{"id":null,"method":"update","params":["DB",{"T":{"00000000-0000-0000-0000-000000000001":{"new":{"name":7}}}}]}"#,
        limit,
        "table T, column name: expected string, got 7",
    )
    .await;
    let deep: &'static str = "{\"a\":".repeat(200).leak();
    recovers_from(deep, limit, "nested deeper").await;
    let long: &'static str = format!("{{\"a\":\"{}\"}}", "x".repeat(5000)).leak();
    recovers_from(long, 4096, "larger than the limit of 4096 bytes").await;
}

#[tokio::test]
async fn a_server_that_closes_at_once_is_tried_again_with_growing_pauses() {
    let remote = server(|stream, _| async move { drop(stream) }).await;
    let mut view = View::open(db(&remote), monitor());
    view.until("four attempts", |view| view.errors.len() >= 4)
        .await;
    assert!(
        view.errors.iter().all(|(_, error)| matches!(
            error,
            ConnectionError::Closed | ConnectionError::Broken(_)
        ))
    );
}
