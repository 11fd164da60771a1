//! Everything the kernel, or a bridge, announces on a node, with the time it was heard.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use interop::{Namespace, Place, wait_until};

use super::DEADLINE;

/// Cookies that begin like this are marks.
const MARK: &str = "cookie=0x88";

/// A running `ip monitor`, or `ovs-ofctl monitor`.
pub struct Monitor {
    child: Child,
    thread: Option<JoinHandle<()>>,
    lines: Arc<Mutex<Vec<(Instant, String)>>>,
    /// Makes a change that is heard as a line with the text it answers.
    mark: Box<dyn Fn(u8) -> String>,
    marks: u8,
}

impl Monitor {
    /// Begins to listen to the kernel: what happens after this call is heard.
    pub fn kernel(namespace: &Arc<Namespace>) -> Self {
        let mut command = namespace.command("ip");
        command.args(["monitor", "link", "address", "route", "rule", "neigh"]);
        let namespace = Arc::clone(namespace);
        Self::start(command, move |number| {
            let address = format!("127.88.0.{number}");
            let _ = namespace.ip(&format!("address del {address}/32 dev lo"));
            namespace
                .ip(&format!("address add {address}/32 dev lo"))
                .unwrap();
            address
        })
    }

    /// Begins to listen to the changes of a bridge's flows.
    pub fn flows(place: &Place, run_dir: &Path, bridge: &str) -> Self {
        let bridge = format!("unix:{}/{bridge}.mgmt", run_dir.display());
        let mut command = place.command("ovs-ofctl").unwrap();
        command
            .args(["monitor", &bridge, "watch:!initial"])
            .env("OVS_RUNDIR", run_dir);
        let place = place.clone();
        Self::start(command, move |number| {
            let cookie = format!("{MARK}{number:02x}");
            let flow = format!("{cookie},table=77,actions=drop");
            let marks = "cookie=0x8800/0xffffffffffffff00";
            place
                .run("ovs-ofctl", &["del-flows", &bridge, marks])
                .unwrap();
            place
                .run("ovs-ofctl", &["add-flow", &bridge, &flow])
                .unwrap();
            cookie
        })
    }

    fn start(mut command: Command, mark: impl Fn(u8) -> String + 'static) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        command
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .stdin(Stdio::null());
        let child = command.spawn().unwrap();
        // Its copies of the writing end would keep the reader from the end.
        drop(command);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&lines);
        let thread = std::thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                let line = line.trim().replace('\t', " ");
                let mut lines = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push((Instant::now(), line));
            }
        });
        let mut this = Self {
            child,
            thread: Some(thread),
            lines,
            mark: Box::new(mark),
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

    /// When the first line that begins and goes on like this was heard.
    pub fn when(&mut self, start: &str, text: &str) -> Option<Instant> {
        let heard = self.heard();
        let found = heard
            .iter()
            .find(|(_, line)| line.starts_with(start) && line.contains(text));
        found.map(|(at, _)| *at)
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
        let heard = || {
            // Until the subscription is there, nothing is heard; so again.
            let text = (self.mark)(self.marks);
            self.lines().iter().any(|(_, line)| line.contains(&text))
        };
        if wait_until(DEADLINE, "the monitor", heard).is_err() {
            panic!("the monitor does not hear its mark: {:#?}", self.lines());
        }
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

/// Whether a line of a listing is there only because somebody listened.
pub fn is_mark(line: &str) -> bool {
    line.starts_with(MARK)
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
        MARK,
        "(xid",
    ];
    !line.is_empty() && !own.iter().any(|word| line.contains(word))
}
