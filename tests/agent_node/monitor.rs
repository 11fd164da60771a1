//! Everything the kernel announces in a node's namespace, with the time it was heard.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use interop::{Namespace, wait_until};

use super::DEADLINE;

/// A running `ip monitor`.
pub struct Monitor {
    namespace: Arc<Namespace>,
    child: Child,
    thread: Option<JoinHandle<()>>,
    lines: Arc<Mutex<Vec<(Instant, String)>>>,
    marks: u8,
}

impl Monitor {
    /// Begins to listen: what happens after this call is heard.
    pub fn start(namespace: &Arc<Namespace>) -> Self {
        let mut command = namespace.command("ip");
        command.args(["monitor", "link", "address", "route", "rule", "neigh"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&lines);
        let thread = std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let mut lines = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push((Instant::now(), line.trim().to_owned()));
            }
        });
        let mut this = Self {
            namespace: Arc::clone(namespace),
            child,
            thread: Some(thread),
            lines,
            marks: 0,
        };
        this.mark();
        this.forget();
        this
    }

    /// Everything heard so far about what an agent touches, in order. What was done before this call
    /// is in it.
    pub fn heard(&mut self) -> Vec<(Instant, String)> {
        self.mark();
        self.lines()
            .into_iter()
            .filter(|(_, line)| is_of_interest(line))
            .collect()
    }

    /// When the first line with this text was heard, and since when.
    pub fn when(&mut self, text: &str) -> Option<Instant> {
        let heard = self.heard();
        heard
            .iter()
            .find(|(_, line)| line.contains(text))
            .map(|(at, _)| *at)
    }

    pub fn forget(&self) {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn lines(&self) -> Vec<(Instant, String)> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Makes a change of its own and waits until it is heard: announcements come in order.
    fn mark(&mut self) {
        self.marks += 1;
        let address = format!("127.88.0.{}", self.marks);
        let heard = || {
            // Until the subscription is there, nothing is heard; so again.
            let _ = self
                .namespace
                .ip(&format!("address del {address}/32 dev lo"));
            self.namespace
                .ip(&format!("address add {address}/32 dev lo"))
                .unwrap();
            self.lines().iter().any(|(_, line)| line.contains(&address))
        };
        wait_until(DEADLINE, "ip monitor", heard).unwrap();
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The marks, and what the cable to the peer does by itself, say nothing about the agent.
fn is_of_interest(line: &str) -> bool {
    let own = [
        "127.88.0.",
        "dev up0",
        ": up0",
        "valid_lft",
        "link/",
        " dev lo ",
    ];
    !line.is_empty() && !own.iter().any(|word| line.contains(word))
}
