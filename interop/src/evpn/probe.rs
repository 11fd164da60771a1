//! Who answers? Where two tenants have the same addresses, only the name in the answer tells a right delivery from a wrong one.
//!
//! Datagrams of UDP port 7777: a request is a number, an answer is that number and the name of who answers. No process is started: the
//! virtual machine is slow at that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::{Namespace, PATIENCE};

const PORT: u16 = 7777;

/// Answers at some addresses of a namespace, with its name, until it is dropped.
#[derive(Debug)]
pub struct Answerer {
    asked: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Answerer {
    /// The addresses must be there.
    pub fn start(namespace: &Namespace, name: &str, addresses: &[String]) -> Result<Self> {
        let asked = Arc::new(AtomicU64::new(0));
        let ended = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for address in addresses {
            let address: IpAddr = address.parse()?;
            let bound = namespace.inside(|| UdpSocket::bind((address, PORT)))?;
            let socket = bound.with_context(|| format!("{name} has no {address}"))?;
            socket.set_read_timeout(Some(Duration::from_millis(500)))?;
            let (asked, ended, name) = (asked.clone(), ended.clone(), name.to_owned());
            let work = move || answer(&socket, &name, &asked, &ended);
            threads.push(std::thread::spawn(work));
        }
        Ok(Self {
            asked,
            ended,
            threads,
        })
    }

    /// How many requests have come, whether their answers arrived or not.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn answer(socket: &UdpSocket, name: &str, asked: &AtomicU64, ended: &AtomicBool) {
    let mut request = [0; 64];
    while !ended.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut request) else {
            continue;
        };
        if let Some(number) = request.get(..length.min(8)) {
            asked.fetch_add(1, Ordering::Relaxed);
            let answer = [number, name.as_bytes()].concat();
            let _ = socket.send_to(&answer, from);
        }
    }
}

/// A socket that asks one address. Errors that ICMP brings are no answers, and pass.
struct Asker(UdpSocket);

impl Asker {
    fn new(from: &Namespace, to: &str, wait: Duration) -> Result<Self> {
        let to: IpAddr = to.parse()?;
        let any: IpAddr = match to {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = from.inside(|| -> std::io::Result<UdpSocket> {
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect(SocketAddr::new(to, PORT))?;
            Ok(socket)
        })?;
        let socket = socket.with_context(|| format!("{} has no way to {to}", from.name()))?;
        socket.set_read_timeout(Some(wait))?;
        Ok(Self(socket))
    }

    fn ask(&self, number: u64) {
        let _ = self.0.send(&number.to_be_bytes());
    }

    /// An answer, if one comes before the socket's time is over.
    fn hear(&self) -> Option<(u64, String)> {
        let mut buffer = [0; 256];
        let length = self.0.recv(&mut buffer).ok()?;
        let (number, name) = buffer.get(..length)?.split_first_chunk::<8>()?;
        let name = String::from_utf8_lossy(name).into_owned();
        Some((u64::from_be_bytes(*number), name))
    }
}

/// Who answers at `to`; nobody within `patience` is `None`.
pub fn who(from: &Namespace, to: &str, patience: Duration) -> Option<String> {
    let start = Instant::now();
    while start.elapsed() < patience {
        // a socket that has no way yet may have one later
        let Ok(asker) = Asker::new(from, to, Duration::from_millis(300)) else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        for number in 0..5 {
            asker.ask(number);
            if let Some((_, name)) = asker.hear() {
                return Some(name);
            }
        }
    }
    None
}

/// Waits until `wanted` answers at `to`. Somebody else's answer is an error at once: it must never come.
pub fn reaches(from: &Namespace, to: &str, wanted: &str) -> Result<()> {
    let name = who(from, to, PATIENCE);
    let name = name.with_context(|| format!("{} asks {to}: no answer", from.name()))?;
    ensure!(name == wanted, "{to} is {name} and not {wanted}");
    Ok(())
}

/// Waits until somebody answers at `to` who is `wanted`: before that it may be somebody else, as when an address moves.
pub fn comes_to(from: &Namespace, to: &str, wanted: &str) -> Result<()> {
    let mut last = None;
    crate::wait_until(PATIENCE, &format!("{to} to be {wanted}"), || {
        last = who(from, to, Duration::from_secs(1));
        last.as_deref() == Some(wanted)
    })
    .with_context(|| format!("{} asks {to}, and last heard {last:?}", from.name()))
}

/// Nobody answers at `to`, while `witness` (an address, and who is there) answers to as many requests sent after each of them.
pub fn is_silent(from: &Namespace, to: &str, witness: (&str, &str)) -> Result<()> {
    let Ok(asker) = Asker::new(from, to, Duration::from_millis(1)) else {
        // not even a route
        return reaches(from, witness.0, witness.1);
    };
    for number in 0..5 {
        asker.ask(number);
        reaches(from, witness.0, witness.1)?;
        if let Some((_, name)) = asker.hear() {
            anyhow::bail!("{to} should be silent, and is {name}");
        }
    }
    Ok(())
}

/// Waits until [`is_silent`].
pub fn becomes_silent(from: &Namespace, to: &str, witness: (&str, &str)) -> Result<()> {
    crate::wait_until(PATIENCE, &format!("{to} to be silent"), || {
        is_silent(from, to, witness).is_ok()
    })
}

/// Requests at an interval, until it is asked what was lost.
#[derive(Debug)]
pub struct Stream {
    title: String,
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Heard>,
}

/// What a stream lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    title: String,
    /// Requests up to the last that was answered.
    pub sent: u64,
    /// Those of them that were not.
    pub lost: u64,
    /// The longest time without an answer.
    pub outage: Duration,
    /// Who answered.
    pub names: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Heard {
    answers: BTreeMap<u64, Instant>,
    names: BTreeSet<String>,
}

impl Stream {
    /// Starts one and waits until it is answered.
    pub fn start(from: &Namespace, to: &str, interval: Duration) -> Result<Self> {
        who(from, to, PATIENCE).with_context(|| format!("{to}: no answer to begin with"))?;
        let asker = Asker::new(from, to, interval)?;
        let ended = Arc::new(AtomicBool::new(false));
        let flag = ended.clone();
        let thread = std::thread::spawn(move || run(&asker, interval, &flag));
        Ok(Self {
            title: format!("{} to {to}", from.name()),
            ended,
            thread,
        })
    }

    /// The end: once a request that is sent after this was answered.
    pub fn finish(self) -> Result<Loss> {
        self.ended.store(true, Ordering::Relaxed);
        let heard = self.thread.join();
        let heard = heard.map_err(|_| anyhow::anyhow!("{}: its thread ended", self.title))?;
        let last = heard.answers.keys().next_back().copied();
        let last = last.with_context(|| format!("{}: never an answer", self.title))?;
        let times: Vec<Instant> = heard.answers.values().copied().collect();
        let mut times = times;
        times.sort();
        let gaps = times.windows(2).map(|pair| pair[1].duration_since(pair[0]));
        Ok(Loss {
            sent: last + 1,
            lost: last + 1 - heard.answers.len() as u64,
            outage: gaps.max().unwrap_or_default(),
            names: heard.names,
            title: self.title,
        })
    }
}

fn run(asker: &Asker, interval: Duration, ended: &AtomicBool) -> Heard {
    let mut heard = Heard::default();
    let (start, mut next) = (Instant::now(), 0);
    let mut last_wanted = None;
    loop {
        if last_wanted.is_none() && ended.load(Ordering::Relaxed) {
            last_wanted = Some((next, Instant::now()));
        }
        asker.ask(next);
        next += 1;
        let due = start + interval * u32::try_from(next).unwrap_or(u32::MAX);
        while Instant::now() < due {
            if let Some((number, name)) = asker.hear() {
                heard.answers.insert(number, Instant::now());
                heard.names.insert(name);
            }
        }
        if let Some((wanted, since)) = last_wanted {
            let answered = heard
                .answers
                .keys()
                .next_back()
                .is_some_and(|n| *n >= wanted);
            if answered || since.elapsed() > PATIENCE {
                return heard;
            }
        }
    }
}

impl Loss {
    /// Fails unless everything was answered, and by these alone.
    pub fn expect_none(&self, names: &[&str]) -> Result<()> {
        self.expect_from(names)?;
        ensure!(self.lost == 0, "{self}");
        Ok(())
    }

    /// Fails if somebody else than these answered.
    pub fn expect_from(&self, names: &[&str]) -> Result<()> {
        let stranger = self
            .names
            .iter()
            .find(|name| !names.contains(&name.as_str()));
        ensure!(stranger.is_none(), "{self}: {stranger:?} answered");
        Ok(())
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            title,
            sent,
            lost,
            outage,
            ..
        } = self;
        write!(
            f,
            "{title}: {lost} of {sent} lost, at most {} ms without an answer",
            outage.as_millis()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::connect;
    use crate::{Need, require};

    fn pair() -> (Namespace, Namespace) {
        let (a, b) = (Namespace::new("a").unwrap(), Namespace::new("b").unwrap());
        connect((&a, "eth0"), (&b, "eth0")).unwrap();
        for (ns, n) in [(&a, 1), (&b, 2)] {
            ns.address("eth0", &format!("10.9.0.{n}/24")).unwrap();
            ns.address("eth0", &format!("fd00:9::{n}/64")).unwrap();
        }
        (a, b)
    }

    #[test]
    fn an_answer_has_the_name_of_who_gives_it() {
        require!(Need::Root, Need::Program("ip"));
        let (a, b) = pair();
        let addresses = ["10.9.0.2", "fd00:9::2"].map(str::to_owned);
        let b_answers = Answerer::start(&b, "b", &addresses).unwrap();
        for address in &addresses {
            reaches(&a, address, "b").unwrap();
            assert!(b_answers.asked() > 0);
            let wrong = reaches(&a, address, "c").unwrap_err().to_string();
            assert!(wrong.contains("is b and not c"), "{wrong}");
        }
        is_silent(&a, "10.9.0.9", ("10.9.0.2", "b")).unwrap();
        assert!(is_silent(&a, "10.9.0.2", ("fd00:9::2", "b")).is_err());
    }

    #[test]
    fn a_stream_counts_what_is_lost() {
        require!(Need::Root, Need::Program("ip"));
        let (a, b) = pair();
        let address = ["10.9.0.2".to_owned()];
        let answerer = Answerer::start(&b, "b", &address).unwrap();
        let stream = || Stream::start(&a, "10.9.0.2", Duration::from_millis(5)).unwrap();
        stream().finish().unwrap().expect_none(&["b"]).unwrap();
        let lossy = stream();
        drop(answerer);
        let _other = Answerer::start(&b, "c", &address).unwrap();
        reaches(&a, "10.9.0.2", "c").unwrap();
        let loss = lossy.finish().unwrap();
        assert!(loss.expect_from(&["b"]).is_err(), "{loss}");
        loss.expect_from(&["b", "c"]).unwrap();
    }
}
