//! Echo requests at 100 Hz, and which of them were never answered.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use interop::netns::Namespace;
use interop::{Daemon, PATIENCE, Place, wait_until};
use nix::sys::signal::Signal;

/// A ping that runs until it is asked what it lost.
pub(crate) struct Ping {
    daemon: Daemon,
    name: String,
}

/// What a ping lost.
#[derive(Debug, PartialEq)]
pub(crate) struct Loss {
    name: String,
    pub(crate) sent: usize,
    pub(crate) lost: usize,
    /// The longest time without an answer: from the last one before a gap to the first one after it.
    pub(crate) outage: Duration,
}

impl Ping {
    /// Starts one and waits until it is answered.
    pub(crate) fn start(from: &Namespace, source: &str, to: &str, dir: &std::path::Path) -> Self {
        let name = format!("{source} to {to}");
        let mut command = Place::inside(from).command("ping").unwrap();
        command.args(["-n", "-D", "-i", "0.01", "-I", source, to]);
        // Each has a log of its own.
        let log = tempfile::Builder::new().prefix("ping").tempdir_in(dir);
        let daemon = Daemon::spawn("ping", &log.unwrap().keep(), &mut command).unwrap();
        let this = Self { daemon, name };
        this.wait_answers(50);
        this
    }

    /// Waits for so many more answers.
    pub(crate) fn wait_answers(&self, more: usize) {
        let wanted = self.answers().len() + more;
        let answered = wait_until(PATIENCE, "answers", || self.answers().len() >= wanted);
        assert!(
            answered.is_ok(),
            "{}: {}",
            self.name,
            self.daemon.log_tail()
        );
    }

    /// The end, once some more were answered: a request without an answer was lost before these.
    pub(crate) fn finish(self) -> Loss {
        self.wait_answers(50);
        self.daemon.signal(Signal::SIGINT).unwrap();
        let answers = self.answers();
        // A request that is on its way at the end counts neither as sent nor as lost.
        let sent = answers.keys().last().copied().unwrap_or(0);
        let first = answers.keys().next().copied().unwrap_or(0);
        let numbers: Vec<(&usize, &f64)> = answers.iter().collect();
        let gaps = numbers
            .windows(2)
            .filter(|pair| pair[1].0 - pair[0].0 > 1)
            .map(|pair| Duration::from_secs_f64((pair[1].1 - pair[0].1).max(0.0)));
        Loss {
            name: self.name,
            outage: gaps.max().unwrap_or_default(),
            sent: sent + 1 - first,
            lost: sent + 1 - first - answers.len(),
        }
    }

    /// When each number was answered.
    fn answers(&self) -> BTreeMap<usize, f64> {
        let text = self.daemon.log_text();
        text.lines().filter_map(answer).collect()
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            sent,
            lost,
            outage,
        } = self;
        write!(f, "{name}: {lost} of {sent} lost")?;
        if *lost > 0 {
            write!(f, ", {} ms without an answer", outage.as_millis())?;
        }
        Ok(())
    }
}

/// `[1700000000.123456] 64 bytes from 192.0.2.7: icmp_seq=12 ttl=63 time=0.1 ms`
fn answer(line: &str) -> Option<(usize, f64)> {
    let at = line.strip_prefix('[')?.split_once(']')?.0.parse().ok()?;
    let rest = line.split_once("bytes from ")?.1.strip_suffix(" ms")?;
    let number = rest.split_once("icmp_seq=")?.1.split_once(' ')?.0;
    Some((number.parse().ok()?, at))
}

#[test]
fn an_answer_is_told_from_anything_else_that_ping_says() {
    let line = "[1700000000.250000] 64 bytes from 192.0.2.7: icmp_seq=12 ttl=63 time=0.109 ms";
    assert_eq!(answer(line), Some((12, 1_700_000_000.25)));
    assert_eq!(answer(&line[..62]), None, "half a line");
    let unreachable = "[1700000000.250000] From 10.1.0.1 icmp_seq=12 Destination Host Unreachable";
    assert_eq!(answer(unreachable), None);
}
