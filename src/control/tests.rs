use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tokio::sync::mpsc;

use super::*;

/// An agent that answers `exposures`, and refuses to answer anything else.
async fn agent(mut requests: mpsc::Receiver<Request>) {
    while let Some(Request { query, reply }) = requests.recv().await {
        if query == Query::Exposures {
            let _ = reply.send(Reply::Exposures(ExposureList::default()));
        }
    }
}

async fn ask_blocking(path: PathBuf, query: Query) -> Result<Reply, AskError> {
    tokio::task::spawn_blocking(move || ask(&path, &query))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_question_gets_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/control.sock");
    let server = Server::bind(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(server.serve(sender));
    tokio::spawn(agent(receiver));
    let reply = ask_blocking(path.clone(), Query::Exposures).await.unwrap();
    assert_eq!(reply, Reply::Exposures(ExposureList::default()));
    let refused = ask_blocking(path, Query::Summary).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the agent refused: the agent is stopping"
    );
}

#[tokio::test]
async fn what_is_no_request_is_answered_with_why() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let (sender, _receiver) = mpsc::channel(1);
    tokio::spawn(Server::bind(&path).unwrap().serve(sender));
    for (request, expected) in [
        (b"{}\n".to_vec(), "not a request"),
        (vec![b'x'; LONGEST_REQUEST], "no line end"),
    ] {
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        stream.write_all(&request).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = Server::bind(&path).unwrap();
    assert!(matches!(Server::bind(&path), Err(BindError::InUse { .. })));
    drop(server);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_in_the_sockets_place_is_not_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("precious");
    std::fs::write(&path, "text").unwrap();
    assert!(matches!(Server::bind(&path), Err(BindError::Io { .. })));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "text");
}

#[test]
fn no_agent_is_said_plainly() {
    let dir = tempfile::tempdir().unwrap();
    let error = ask(&dir.path().join("none"), &Query::Summary).unwrap_err();
    assert!(matches!(error, AskError::NotRunning(_)));
    let error = ask(std::path::Path::new(""), &Query::Summary).unwrap_err();
    assert!(matches!(error, AskError::TurnedOff));
}
