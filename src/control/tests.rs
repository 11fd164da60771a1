use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tokio::sync::mpsc;

use super::*;
use crate::advertise::{Embedded, Origination, Source};

/// An agent that answers `exposures`, and refuses to answer anything else.
async fn agent(mut requests: mpsc::Receiver<Request>) {
    while let Some(Request { query, reply }) = requests.recv().await {
        if query == Query::Exposures {
            let _ = reply.send(Reply::Exposures(ExposureList::default()));
        }
    }
}

/// A speaker that is not started.
fn speaker() -> Embedded {
    Embedded::new(std::sync::Arc::new(crate::config::Config::default()))
}

fn desk(requests: mpsc::Sender<Request>) -> Desk {
    Desk::new(requests, &speaker())
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
    tokio::spawn(server.serve(desk(sender)));
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
    tokio::spawn(Server::bind(&path).unwrap().serve(desk(sender)));
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

/// A desk on a socket of its own, and what is originated through it.
struct Office {
    _dir: tempfile::TempDir,
    path: PathBuf,
    origination: Origination,
    journal: Journal,
    _requests: mpsc::Receiver<Request>,
}

impl Office {
    fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let (sender, requests) = mpsc::channel(1);
        let speaker = speaker();
        let origination = speaker.origination().clone();
        let desk = Desk::new(sender, &speaker);
        let journal = desk.journal();
        tokio::spawn(Server::bind(&path).unwrap().serve(desk));
        tokio::spawn(async move {
            // The agent keeps its speaker as long as it serves.
            let _speaker = speaker;
            std::future::pending::<()>().await;
        });
        Self {
            _dir: dir,
            path,
            origination,
            journal,
            _requests: requests,
        }
    }

    /// Runs blocking work against the socket.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(PathBuf) -> T + Send + 'static,
    ) -> T {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || work(path))
            .await
            .unwrap()
    }

    fn held(&self) -> usize {
        self.origination
            .with(|origins| origins.of(Source::Operator).count())
    }
}

#[tokio::test]
async fn fifty_thousand_prefixes_are_one_request_of_many_lines() {
    let office = Office::open();
    let prefixes: Vec<ipnet::IpNet> = (0..50_000u32)
        .map(|n| std::net::Ipv4Addr::from(0x0a00_0000 + n))
        .map(|ip| std::net::IpAddr::from(ip).into())
        .collect();
    let all = prefixes.clone();
    let taken = office.blocking(move |path| {
        let mut client = Client::connect(&path).unwrap();
        let originate = Query::Originate(Originate {
            more: true,
            ..Originate::default()
        });
        client.ask_about(&originate, &all).unwrap()
    });
    assert_eq!(taken.await, Reply::Taken(Taken { prefixes: 50_000 }));
    assert_eq!(office.held(), 50_000);
    let gone = office.blocking(move |path| {
        let mut client = Client::connect(&path).unwrap();
        let some = Query::Withdraw(Withdraw {
            prefixes: prefixes[..3].to_vec(),
            ..Withdraw::default()
        });
        let all = Query::Withdraw(Withdraw {
            all: true,
            ..Withdraw::default()
        });
        [client.ask(&some).unwrap(), client.ask(&all).unwrap()]
    });
    let taken = |prefixes| Reply::Taken(Taken { prefixes });
    assert_eq!(gone.await, [taken(3), taken(49_997)]);
    assert_eq!(office.held(), 0);
}

#[tokio::test]
async fn all_that_was_originated_by_hand_is_that_of_tenants_too() {
    let office = Office::open();
    let route = || bgp::Route::new("192.0.2.7/32".parse().unwrap());
    office.origination.originate(Source::Operator, [route()]);
    let tenants = office.origination.tenants();
    for source in [Source::Operator, Source::Ovn] {
        tenants.originate(source, 7, [route()]);
    }
    tenants.originate(Source::Operator, 8, [route()]);
    let all = |vni| {
        office.blocking(move |path| {
            let all = Withdraw {
                vni,
                all: true,
                ..Withdraw::default()
            };
            let mut client = Client::connect(&path).unwrap();
            client.ask(&Query::Withdraw(all)).unwrap()
        })
    };
    let taken = |prefixes| Reply::Taken(Taken { prefixes });
    assert_eq!(all(Some(8)).await, taken(1));
    assert_eq!(all(None).await, taken(2));
    assert_eq!(office.held(), 0);
    assert_eq!(tenants.of(Source::Operator, 7), []);
    assert_eq!(tenants.of(Source::Ovn, 7).len(), 1, "OVN's stays");
}

#[tokio::test]
async fn a_route_by_hand_has_the_attributes_given() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let office = Office::open();
    let mut stream = tokio::net::UnixStream::connect(&office.path).await.unwrap();
    let request = r#"{"query":"originate","prefixes":["192.0.2.7/32"],"med":5,"communities":["65001:1","graceful-shutdown"],"largeCommunities":["4200000000:1:2"],"localPreference":50}"#;
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(b"\n").await.unwrap();
    let mut answer = String::new();
    let mut lines = BufReader::new(&mut stream);
    lines.read_line(&mut answer).await.unwrap();
    assert_eq!(answer, "{\"reply\":\"taken\",\"body\":{\"prefixes\":1}}\n");
    let route = office
        .origination
        .with(|origins| origins.routes().next())
        .unwrap();
    assert_eq!(route.attributes.med, Some(5));
    assert_eq!(route.attributes.local_pref, Some(50));
    assert_eq!(route.attributes.communities.len(), 2);
    assert_eq!(route.attributes.large_communities.len(), 1);
}

#[tokio::test]
async fn a_line_that_is_no_list_ends_the_request_with_what_was_taken() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let office = Office::open();
    let mut stream = tokio::net::UnixStream::connect(&office.path).await.unwrap();
    let request = b"{\"query\":\"originate\",\"more\":true}\n[\"192.0.2.7/32\"]\n[\"x\"]\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("not a list of prefixes"), "{answer}");
    assert!(answer.contains("1 before it were taken"), "{answer}");
}

#[tokio::test]
async fn clients_that_ask_nothing_do_not_keep_others_from_being_told_why() {
    let office = Office::open();
    let mut idle = Vec::new();
    for _ in 0..CLIENTS {
        idle.push(tokio::net::UnixStream::connect(&office.path).await.unwrap());
    }
    let refused = office.blocking(|path| ask(&path, &Query::Summary).unwrap_err());
    let refused = refused.await.to_string();
    assert!(refused.contains("32 clients are being served"), "{refused}");
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_told_what_it_missed_and_delays_nobody() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let office = Office::open();
    let mut stuck = tokio::net::UnixStream::connect(&office.path).await.unwrap();
    stuck.write_all(b"{\"query\":\"watch\"}\n").await.unwrap();
    let mut lines = BufReader::new(stuck).lines();
    assert_eq!(
        lines.next_line().await.unwrap().unwrap(),
        "{\"reply\":\"watching\"}"
    );
    // More than its socket and its backlog hold.
    for round in 0..100 {
        for n in 0..1000 {
            let text = format!("event {n} of round {round}");
            office.journal.tell(Happening::Note { text });
        }
        tokio::task::yield_now().await;
    }
    let one = Query::Withdraw(Withdraw::default());
    let answer = office.blocking(move |path| ask(&path, &one).unwrap());
    assert_eq!(answer.await, Reply::Taken(Taken::default()));
    loop {
        let line = lines.next_line().await.unwrap().unwrap();
        let event: Happened = serde_json::from_str(&line).unwrap();
        if let Happening::Missed { count } = event.what {
            assert!(count > 0);
            return;
        }
    }
}

#[tokio::test]
async fn a_watcher_that_leaves_makes_room_for_another() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let office = Office::open();
    let watch = async || {
        let mut stream = tokio::net::UnixStream::connect(&office.path).await.unwrap();
        stream.write_all(b"{\"query\":\"watch\"}\n").await.unwrap();
        let mut answer = [0; 8192];
        let read = stream.read(&mut answer).await.unwrap();
        let text = String::from_utf8_lossy(&answer[..read]).into_owned();
        (stream, text.contains("watching\"}"))
    };
    let mut watchers = Vec::new();
    for _ in 0..WATCHERS {
        let (stream, watches) = watch().await;
        assert!(watches);
        watchers.push(stream);
    }
    assert!(!watch().await.1, "one too many");
    watchers.pop();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !watch().await.1 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "its place stays taken"
        );
        tokio::task::yield_now().await;
    }
}
