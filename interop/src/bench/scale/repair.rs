//! How long it takes until what somebody took away is there again: from the kernel's (or the switch's) word that it
//! went to its word that it came, both read from one pipe.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::CROWDED;
use super::cloud::Cloud;
use super::node::{Driver, Node};
use crate::PATIENCE;
use crate::bench::table::quantile;
use crate::scale::Role;

/// Of each kind.
const REPAIRS: usize = 50;

/// Milliseconds that nobody should have to wait longer.
const AIM: f64 = 100.0;

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rule,
    Route,
    Neighbour,
    Flow,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Rule, Self::Route, Self::Neighbour, Self::Flow];

    /// The objects of ours that are there, each in the words that delete it.
    fn objects(self, node: &Node) -> Result<Vec<String>> {
        let ip = |args: &str| node.namespace().ip(args);
        let lines = |text: &str, object: &dyn Fn(&[&str]) -> Option<String>| {
            let objects = text.lines().filter_map(|line| {
                let words: Vec<_> = line.split_whitespace().collect();
                object(&words)
            });
            objects.take(REPAIRS).collect::<Vec<_>>()
        };
        Ok(match self {
            // "32000: from all to 172.24.4.10 lookup 189"
            Self::Rule => lines(&ip("rule show")?, &|words| match words {
                ["32000:", "from", "all", "to", to, "lookup", table, ..] => {
                    Some(format!("rule del pref 32000 to {to} lookup {table}"))
                }
                _ => None,
            }),
            // "172.24.4.10 dev br-ex table 189 proto 215 scope link"
            Self::Route => lines(&ip("-4 route show table all")?, &|words| match words {
                [to, "dev", "br-ex", "table", table, ..]
                    if *to != "default" && *table != "local" =>
                {
                    Some(format!("route del {to} dev br-ex table {table}"))
                }
                _ => None,
            }),
            // "172.24.4.10 lladdr fa:16:3e:00:00:01 PERMANENT"
            Self::Neighbour => {
                let text = ip("-4 neigh show dev br-ex nud permanent")?;
                lines(&text, &|words| {
                    Some(format!("neigh del {} dev br-ex", words.first()?))
                })
            }
            Self::Flow => {
                let flows = node.switch().flows("br-ex")?;
                let own = flows.iter().filter(|flow| flow.contains("cookie=0x3e7"));
                own.take(REPAIRS).filter_map(|flow| matched(flow)).collect()
            }
        })
    }

    fn remove(self, node: &Node, object: &str) -> Result<()> {
        match self {
            Self::Flow => {
                let args = ["--strict", object];
                node.switch().ofctl("del-flows", "br-ex", &args).map(drop)
            }
            _ => node.namespace().ip(object).map(drop),
        }
    }

    /// Tells what comes and goes.
    fn listener(self, node: &Node) -> Result<Command> {
        match self {
            Self::Flow => node.switch_monitor(),
            _ => {
                let mut command = node.namespace().command("ip");
                command.args(["monitor", "rule", "route", "neigh"]);
                Ok(command)
            }
        }
    }

    /// Whether a line says that such an object went, or came; `None` of all else.
    fn went(self, line: &str) -> Option<bool> {
        let (gone, rest) = match line.strip_prefix("Deleted ") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        match self {
            Self::Rule => rest.starts_with("32000:").then_some(gone),
            Self::Route => {
                let ours = rest.contains("dev br-ex table") && !rest.contains("table local");
                ours.then_some(gone)
            }
            Self::Neighbour if !rest.contains("dev br-ex") => None,
            // One that is deleted fails first.
            Self::Neighbour if gone || rest.contains("FAILED") => Some(true),
            Self::Neighbour => rest.contains("PERMANENT").then_some(false),
            Self::Flow => match line.trim_start() {
                line if line.starts_with("event=DELETED") => Some(true),
                line if line.starts_with("event=ADDED") => Some(false),
                _ => None,
            },
        }
    }
}

/// The match of a flow as `ovs-ofctl dump-flows` has it, with its priority.
fn matched(flow: &str) -> Option<String> {
    let at = flow.find("priority=")?;
    let text = flow.get(at..)?.split(" actions=").next()?;
    Some(text.trim().to_owned())
}

/// A running listener, and when it said what.
struct Listener {
    child: Child,
    lines: Receiver<(Instant, String)>,
}

impl Listener {
    fn start(mut command: Command, on_stderr: bool) -> Result<Self> {
        command.stdin(Stdio::null());
        // `ovs-ofctl` tells what it hears on its standard error.
        match on_stderr {
            true => command.stderr(Stdio::piped()).stdout(Stdio::null()),
            false => command.stdout(Stdio::piped()).stderr(Stdio::null()),
        };
        let mut child = command.spawn()?;
        let pipe: Box<dyn std::io::Read + Send> = match (child.stdout.take(), child.stderr.take()) {
            (Some(pipe), _) => Box::new(pipe),
            (None, Some(pipe)) => Box::new(pipe),
            (None, None) => anyhow::bail!("a listener without output"),
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// When an object of that kind went, or came.
    fn wait(&self, kind: Kind, gone: bool) -> Result<Instant> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (at, line) = self.lines.recv_timeout(left).with_context(|| {
                let what = if gone { "goes" } else { "comes back" };
                format!("no {kind:?} {what}")
            })?;
            if kind.went(&line) == Some(gone) {
                return Ok(at);
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints how long objects stay away that are deleted one by one on a node with thousands of exposures.
///
/// # Errors
/// A lab does not come up, or something does not come back.
pub(crate) fn repairs(agent: &Path) -> Result<()> {
    let agent = agent
        .canonicalize()
        .with_context(|| format!("no agent at {}", agent.display()))?;
    let cloud = Cloud::made(CROWDED, Role::Compute)?;
    // Nothing but the kernel's and the switch's own word brings anything back.
    let mut node = Node::new(&agent, &cloud, Driver::Northbound, Role::Compute, 86_400)?;
    let exposures = node.plan()?.0.len();
    node.start(exposures)?;
    println!(
        "Repairs: deleted by somebody → there again, among {exposures} exposures, milliseconds\n\n\
         | object | repairs | p50 | p99 | longest | aim |\n|---|---|---|---|---|---|"
    );
    for kind in Kind::ALL {
        let mut took = Vec::new();
        let objects = kind.objects(&node)?;
        anyhow::ensure!(!objects.is_empty(), "the node has no {kind:?}");
        let listener = Listener::start(kind.listener(&node)?, kind == Kind::Flow)?;
        for object in &objects {
            took.push(one(kind, &node, &listener, object)?);
        }
        let count = took.len();
        let [p50, p99, longest] = [0.5, 0.99, 1.0].map(|part| quantile(&mut took, part));
        println!("| {kind:?} | {count} | {p50:.2} | {p99:.2} | {longest:.2} | {AIM} |");
    }
    println!();
    Ok(())
}

/// Milliseconds without the object.
fn one(kind: Kind, node: &Node, listener: &Listener, object: &str) -> Result<f64> {
    // What an earlier repair said.
    while listener
        .lines
        .recv_timeout(Duration::from_millis(20))
        .is_ok()
    {}
    kind.remove(node, object)?;
    let gone = listener.wait(kind, true)?;
    let back = listener.wait(kind, false)?;
    Ok((back - gone).as_secs_f64() * 1e3)
}
