//! The thread: what arrives, what is ordered and what is due goes in; what comes out is done.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::bfd::{Discriminator, Output, SessionConfig, SessionKey, Sessions};
use nix::net::if_::if_indextoname;
use nix::poll::{PollFd, PollFlags, ppoll};

use super::Event;
use super::lateness::Lateness;
use super::mailbox::Mailbox;
use super::receiver::{Kind, Receiver};
use super::snapshot::{SessionSnapshot, Snapshot};
use super::transmitter::{Ports, Transmitter};
use crate::peering::sockopt;

/// Datagrams read from one socket before what is due gets its turn.
const BURST: usize = 256;

/// How long until a receiving socket that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long peers get to learn that we stop.
const GOODBYE: Duration = Duration::from_secs(1);

/// After this long an event is offered again to a reader that was in the way.
const OFFER_AGAIN: Duration = Duration::from_millis(1);

/// Events kept for a reader that is in the way.
const OUTBOX: usize = 1024;

/// What others ask of the thread.
#[derive(Debug)]
pub(super) enum Command {
    Add(SessionKey, SessionConfig),
    Remove(SessionKey),
    HoldDown(SessionKey, bool),
    Status(Arc<Mailbox<Snapshot>>),
    /// Tell every peer that this is no failure, then end; the mailbox is closed at the end.
    Stop(Arc<Mailbox<()>>),
}

/// Closes the mailboxes however the thread ends, so that nobody waits for it.
struct Closing(Arc<Mailbox<Command>>, Arc<Mailbox<Event>>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
        self.1.close();
        for command in self.0.try_take() {
            match command {
                Command::Status(answer) => answer.close(),
                Command::Stop(gone) => gone.close(),
                _ => {}
            }
        }
    }
}

/// Told to stop.
struct Farewell {
    until: Instant,
    gone: Arc<Mailbox<()>>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.gone.close();
    }
}

pub(super) struct Driver {
    sessions: Sessions,
    commands: Arc<Mailbox<Command>>,
    events: Arc<Mailbox<Event>>,
    receivers: BTreeMap<Kind, Receiver>,
    /// Wanted, and why they could not be opened.
    failed: BTreeMap<Kind, String>,
    retry_at: Option<Instant>,
    transmitters: HashMap<Discriminator, Transmitter>,
    errors: HashMap<Discriminator, String>,
    ports: Ports,
    outbox: Vec<Event>,
    /// Answers whose mailbox was just being looked into by who asked.
    answers: Vec<(Arc<Mailbox<Snapshot>>, Snapshot)>,
    missed: u64,
    lateness: Lateness,
    scheduling: String,
    farewell: Option<Farewell>,
}

impl Driver {
    pub(super) fn new(commands: Arc<Mailbox<Command>>, events: Arc<Mailbox<Event>>) -> Self {
        Self {
            sessions: Sessions::new(fastrand::u64(..)),
            commands,
            events,
            receivers: BTreeMap::new(),
            failed: BTreeMap::new(),
            retry_at: None,
            transmitters: HashMap::new(),
            errors: HashMap::new(),
            ports: Ports::default(),
            outbox: Vec::new(),
            answers: Vec::new(),
            missed: 0,
            lateness: Lateness::default(),
            scheduling: String::new(),
            farewell: None,
        }
    }

    /// Runs until told to stop, or until nobody is left to tell it anything.
    pub(super) fn run(mut self) {
        let _closing = Closing(Arc::clone(&self.commands), Arc::clone(&self.events));
        self.schedule_thread();
        loop {
            let deadline = self.drain();
            if self.is_over() {
                return;
            }
            let asleep = Instant::now();
            self.wait(deadline, asleep);
            // What has arrived before this instant is read before anything is found missing at it.
            let now = Instant::now();
            if let Some(deadline) = deadline.filter(|deadline| *deadline <= now) {
                // An interval that became shorter may have passed before the sleep.
                self.lateness.record(now - deadline.max(asleep));
            }
            self.read(now);
            self.take_orders(now);
            self.sessions.handle_timeout(now);
            if self.retry_at.is_some_and(|at| at <= now) {
                self.open_receivers(now);
            }
        }
    }

    fn schedule_thread(&mut self) {
        self.scheduling = match sockopt::prefer_this_thread() {
            Ok(how) => how.to_owned(),
            Err(error) => {
                self.tell(Event::Trouble {
                    key: None,
                    what: format!(
                        "BFD runs at normal priority and short intervals may not hold under load ({error}): \
                         give the service LimitRTPRIO=40, or the container CAP_SYS_NICE"
                    ),
                });
                "normal".to_owned()
            }
        };
    }

    fn is_over(&self) -> bool {
        match &self.farewell {
            Some(farewell) => self.sessions.is_empty() || farewell.until <= Instant::now(),
            None => self.commands.is_closed(),
        }
    }

    /// Do everything the sessions want; returns when they want to be called again.
    fn drain(&mut self) -> Option<Instant> {
        let deadline = loop {
            match self.sessions.poll_output() {
                Output::Send { session, packet } => {
                    let Some(key) = self.sessions.key(session) else {
                        continue;
                    };
                    let transmitter = self
                        .transmitters
                        .entry(session)
                        .or_insert_with(|| Transmitter::new(&mut self.ports));
                    match transmitter.send(key, &packet, &mut self.ports) {
                        Ok(()) => drop(self.errors.remove(&session)),
                        Err(what) => {
                            let key = key.clone();
                            self.report(session, key, what);
                        }
                    }
                }
                Output::Changed(change) => self.tell(Event::Changed(change)),
                Output::Ended { session } => {
                    self.errors.remove(&session);
                    if let Some(transmitter) = self.transmitters.remove(&session) {
                        transmitter.close(&mut self.ports);
                    }
                }
                Output::Timeout(deadline) => break deadline,
            }
        };
        let told = self.offer() & self.answer();
        let again = (!told).then(|| Instant::now() + OFFER_AGAIN);
        let farewell = self.farewell.as_ref().map(|farewell| farewell.until);
        [deadline, again, farewell, self.retry_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn wait(&self, deadline: Option<Instant>, now: Instant) {
        let mut fds: Vec<PollFd<'_>> = self
            .receivers
            .values()
            .map(|receiver| PollFd::new(receiver.as_fd(), PollFlags::POLLIN))
            .collect();
        fds.push(PollFd::new(self.commands.bell(), PollFlags::POLLIN));
        let timeout = deadline.map(|at| at.saturating_duration_since(now).into());
        // Interrupted by a signal, or out of memory: what is due is looked at again either way.
        let _ = ppoll(&mut fds, timeout, None);
    }

    fn read(&mut self, now: Instant) {
        for receiver in self.receivers.values_mut() {
            for _ in 0..BURST {
                match receiver.receive() {
                    Ok(Some(datagram)) => {
                        let name = || {
                            let name = if_indextoname(datagram.interface).ok()?;
                            name.into_string().ok()
                        };
                        // Discarded ones are counted.
                        let _ =
                            self.sessions
                                .receive(&datagram.arrival, datagram.payload(), name, now);
                    }
                    Ok(None) => break,
                    // An error left by ICMP or a signal: the next call shows what there is.
                    Err(_) => {}
                }
            }
        }
    }

    fn take_orders(&mut self, now: Instant) {
        for command in self.commands.try_take() {
            match command {
                Command::Add(key, config) => self.add(key, config, now),
                Command::Remove(key) => self.sessions.remove(&key, now),
                Command::HoldDown(key, held) => self.sessions.hold_down(&key, held, now),
                Command::Status(answer) => {
                    let snapshot = self.snapshot(now);
                    self.answers.push((answer, snapshot));
                }
                Command::Stop(gone) => {
                    self.sessions.remove_all(now);
                    let until = now + GOODBYE;
                    self.farewell = Some(Farewell { until, gone });
                }
            }
        }
    }

    fn add(&mut self, key: SessionKey, config: SessionConfig, now: Instant) {
        let kind = Kind::of(&key);
        match self.sessions.add(key.clone(), config, now) {
            Ok(_) => {
                if !self.receivers.contains_key(&kind) && !self.failed.contains_key(&kind) {
                    self.failed.insert(kind, String::new());
                    self.open_receivers(now);
                }
            }
            Err(error) => self.tell(Event::Trouble {
                key: Some(key),
                what: error.to_string(),
            }),
        }
    }

    fn open_receivers(&mut self, now: Instant) {
        for (kind, before) in std::mem::take(&mut self.failed) {
            match Receiver::open(kind) {
                Ok(receiver) => drop(self.receivers.insert(kind, receiver)),
                Err(error) => {
                    let what = format!(
                        "cannot receive BFD on UDP port {}: {error}; if another BFD daemon runs on this node (FRR's bfdd), \
                         stop it",
                        kind.port()
                    );
                    if what != before {
                        self.tell(Event::Trouble {
                            key: None,
                            what: what.clone(),
                        });
                    }
                    self.failed.insert(kind, what);
                }
            }
        }
        self.retry_at = (!self.failed.is_empty()).then(|| now + RETRY);
    }

    fn report(&mut self, session: Discriminator, key: SessionKey, what: String) {
        if self.errors.get(&session) == Some(&what) {
            return;
        }
        self.errors.insert(session, what.clone());
        self.tell(Event::Trouble {
            key: Some(key),
            what,
        });
    }

    fn tell(&mut self, event: Event) {
        if self.outbox.len() < OUTBOX {
            self.outbox.push(event);
        } else {
            self.missed += 1;
        }
    }

    /// Offers the events to their reader; returns whether it has got all.
    fn offer(&mut self) -> bool {
        let mut waiting = std::mem::take(&mut self.outbox).into_iter();
        for event in waiting.by_ref() {
            if let Err(event) = self.events.try_put(event) {
                self.outbox.push(event);
                break;
            }
        }
        self.outbox.extend(waiting);
        if self.outbox.is_empty() && self.missed > 0 {
            let told = self.events.try_put(Event::Missed(self.missed));
            if told.is_ok() {
                self.missed = 0;
            }
        }
        self.outbox.is_empty() && self.missed == 0
    }

    /// Gives answers to who asked; returns whether all have theirs. Somebody may just be looking whether his is there.
    fn answer(&mut self) -> bool {
        let answers = std::mem::take(&mut self.answers).into_iter();
        let late = |(asked, snapshot): (Arc<Mailbox<Snapshot>>, Snapshot)| {
            let snapshot = asked.try_put(snapshot).err()?;
            // Nobody waits any more.
            (Arc::strong_count(&asked) > 1).then_some((asked, snapshot))
        };
        self.answers = answers.filter_map(late).collect();
        self.answers.is_empty()
    }

    fn snapshot(&self, now: Instant) -> Snapshot {
        let micros = |delay: Duration| u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        let sessions = self.sessions.status().map(|status| {
            let error = self.errors.get(&status.discriminator);
            SessionSnapshot::of(&status, error, now)
        });
        let discards = self.sessions.discards();
        Snapshot {
            peers: sessions.collect(),
            scheduling: self.scheduling.clone(),
            wakeup_delay_p99: micros(self.lateness.p99()),
            wakeup_delay_max: micros(self.lateness.worst()),
            errors: self.failed.values().cloned().collect(),
            discarded: discards
                .iter()
                .map(|(why, count)| (why.to_string(), *count))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_while_its_asker_looks_whether_it_is_there() {
        let commands = Arc::new(Mailbox::new(8).unwrap());
        let events = Arc::new(Mailbox::new(8).unwrap());
        let mut driver = Driver::new(Arc::clone(&commands), events);
        let answer = Arc::new(Mailbox::new(1).unwrap());
        assert!(commands.put(Command::Status(Arc::clone(&answer))).is_ok());
        let looking = answer.lock();
        driver.take_orders(Instant::now());
        assert!(driver.drain().is_some(), "it is to be tried again");
        drop(looking);
        driver.drain();
        assert!(answer.take_one().is_some());
    }
}
