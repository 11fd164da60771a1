//! `watch`, as a program whose lines are read.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use interop::{Need, PATIENCE, eventually, require};
use serde_json::Value;

use crate::lab::{BGPD, Lab, OURS, THEIRS};

/// A running `watch --json`; ends with its owner.
struct Watcher {
    child: Child,
    lines: Receiver<String>,
}

impl Watcher {
    /// Starts it, and waits until it watches.
    fn start(lab: &Lab, words: &[&str]) -> Self {
        let mut command = lab.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        errors.read_line(&mut said).unwrap();
        assert!(said.contains("watching"), "{said}");
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The lines up to the first that `is_last`.
    fn until(&self, is_last: impl Fn(&str) -> bool) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(deadline - Instant::now()) {
            let last = is_last(&line);
            seen.push(line);
            if last {
                return seen;
            }
        }
        panic!("not seen in {seen:#?}");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_watcher_sees_routes_go_out_and_a_session_end() {
    require!(Need::Root, BGPD);
    let mut lab = Lab::new(65002);
    let watcher = Watcher::start(&lab, &["watch", "--json"]);
    let text = Watcher::start(&lab, &["watch"]);
    lab.says(&["originate", "198.51.100.7"]);
    let event = |name: &'static str| {
        move |line: &str| serde_json::from_str::<Value>(line).unwrap()["event"] == name
    };
    let line = watcher.until(event("advertised")).pop().unwrap();
    let advertised: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(advertised["peer"], "leaf");
    assert_eq!(advertised["prefixes"][0], "198.51.100.7/32");
    let time = advertised["time"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    lab.says(&["withdraw", "198.51.100.7"]);
    watcher.until(event("withdrawn"));
    lab.frr.kill("bgpd");
    let line = watcher.until(event("session")).pop().unwrap();
    let down: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(down["from"], "Established", "{line}");
    assert!(down["reason"].is_string(), "{line}");
    let told = text.until(|line| line.contains("session leaf Established -> "));
    let words = |words: &str| told.iter().any(|line| line.ends_with(words));
    assert!(words("198.51.100.7/32 advertised to leaf"), "{told:#?}");
    assert!(words("198.51.100.7/32 withdrawn from leaf"), "{told:#?}");
}

/// An object whose event has this name.
fn is(name: &'static str) -> impl Fn(&str) -> bool {
    move |line| serde_json::from_str::<Value>(line).unwrap()["event"] == name
}

/// From a default route that comes to the kernel to the path that fails and takes it away.
#[test]
fn a_watcher_sees_the_path_fail_and_what_becomes_of_the_kernels_routes() {
    require!(Need::Root, BGPD);
    let bfd = format!(
        "router bgp 65002\n neighbor {OURS} bfd\n neighbor {OURS} bfd profile quick\n\
         bfd\n profile quick\n  receive-interval 100\n  transmit-interval 100\n exit\nexit\n"
    );
    let mut lab = Lab::with(65002, "bfd = true\n", &bfd);
    let watcher = Watcher::start(&lab, &["watch", "--json"]);
    let text = Watcher::start(&lab, &["watch"]);
    let default = [
        "router bgp 65002",
        "address-family ipv4 unicast",
        "network 0.0.0.0/0",
    ];
    lab.frr.configure(&default).unwrap();
    let last =
        |name| -> Value { serde_json::from_str(&watcher.until(is(name)).pop().unwrap()).unwrap() };
    let installed = last("fib-installed");
    assert_eq!(installed["prefix"], "0.0.0.0/0");
    assert_eq!(
        installed["nextHops"][0],
        serde_json::json!({"via": THEIRS, "interface": "eth0"})
    );
    eventually(Value::from("up"), || {
        lab.json(&["show", "bfd"])["peers"][0]["status"].clone()
    });
    lab.frr.kill("bfdd");
    // That the path came up may be told late.
    let fell = |line: &str| is("bfd")(line) && line.contains("\"down\"");
    let down: Value = serde_json::from_str(&watcher.until(fell).pop().unwrap()).unwrap();
    assert_eq!(down["peers"], serde_json::json!(["leaf"]), "{down}");
    let path = down["path"].as_str().unwrap();
    assert!(path.starts_with(THEIRS), "{down}");
    assert_eq!(
        (&down["from"], &down["to"], &down["failed"]),
        (&"up".into(), &"down".into(), &true.into())
    );
    assert_eq!(down["reason"], "control detection time expired");
    let removed = last("fib-removed");
    assert_eq!(removed["prefix"], "0.0.0.0/0");
    assert_eq!(removed["reason"], "no peer teaches it any more");
    let told = text.until(|line| line.contains("0.0.0.0/0 removed from the kernel: no peer"));
    let words = |words: &str| told.iter().any(|line| line.contains(words));
    let installed = format!("0.0.0.0/0 installed in the kernel: {THEIRS} dev eth0");
    assert!(words(&installed), "{told:#?}");
    let failed = "up -> down: control detection time expired; the path has failed";
    assert!(words("bfd leaf (") && words(failed), "{told:#?}");
}
