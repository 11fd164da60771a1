//! Events on their way to those who watch. Nobody waits for a slow watcher: it misses some, and is told how
//! many.

use std::time::SystemTime;

use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};
use tokio::sync::watch;

use super::happened::{Names, happened, missed, of_fib};
use super::lines::Lines;
use super::message::{Happened, Happening};
use crate::advertise::Live;
use crate::fib;
use crate::peering::{Notice, PathNotice};

/// Events that a watcher may be behind.
const BACKLOG: usize = 1024;

/// Events written in one go.
const BATCH: usize = 256;

/// Where others than the speaker tell what happens. Clones are the same journal.
#[derive(Clone, Debug)]
pub struct Journal(broadcast::Sender<(SystemTime, Happening)>);

impl Default for Journal {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Journal {
    /// Tells those who watch, if anybody does.
    pub fn tell(&self, what: Happening) {
        let _ = self.0.send((SystemTime::now(), what));
    }
}

/// One watcher.
pub(super) struct Watch {
    live: watch::Receiver<Live>,
    journal: broadcast::Receiver<(SystemTime, Happening)>,
    /// Once the speaker runs; so are the others.
    notices: Option<broadcast::Receiver<Notice>>,
    paths: Option<broadcast::Receiver<PathNotice>>,
    routes: Option<broadcast::Receiver<fib::Notice>>,
    names: Names,
}

impl Watch {
    pub(super) fn new(mut live: watch::Receiver<Live>, journal: &Journal) -> Self {
        let now = live.borrow_and_update().clone();
        let mut this = Self {
            live,
            journal: journal.0.subscribe(),
            notices: None,
            paths: None,
            routes: None,
            names: Names::default(),
        };
        this.follow(now);
        this
    }

    fn follow(&mut self, live: Live) {
        if self.notices.is_none() {
            let speaker = live.speaker.as_ref();
            self.notices = speaker.and_then(|speaker| speaker.watch().ok());
            self.paths = speaker.and_then(|speaker| speaker.watch_paths().ok());
            self.routes = live.fib.as_ref().and_then(|fib| fib.watch().ok());
        }
        self.names.follow(live.speaker);
    }

    /// Writes events until the client goes, or the agent ends.
    pub(super) async fn run(mut self, lines: &mut Lines) -> std::io::Result<()> {
        loop {
            let first = tokio::select! {
                event = self.next() => event,
                () = lines.gone() => return Ok(()),
            };
            let Some(first) = first else { return Ok(()) };
            lines.gather(&first)?;
            for _ in 1..BATCH {
                match self.next_now().await {
                    Some(event) => lines.gather(&event)?,
                    None => break,
                }
            }
            lines.flush().await?;
        }
    }

    /// The next event; `None` when there are no more.
    async fn next(&mut self) -> Option<Happened> {
        loop {
            let event = tokio::select! {
                notice = news(&mut self.notices) => match notice {
                    Ok(notice) => self.names.happened(notice).await,
                    Err(RecvError::Lagged(count)) => missed(count),
                    Err(RecvError::Closed) => return None,
                },
                notice = news(&mut self.paths) => match notice {
                    Ok(notice) => self.names.of_path(notice).await,
                    Err(RecvError::Lagged(count)) => missed(count),
                    Err(RecvError::Closed) => return None,
                },
                notice = news(&mut self.routes) => match notice {
                    Ok(notice) => of_fib(notice),
                    Err(RecvError::Lagged(count)) => missed(count),
                    Err(RecvError::Closed) => return None,
                },
                told = self.journal.recv() => match told {
                    Ok((at, what)) => happened(at, what),
                    Err(RecvError::Lagged(count)) => missed(count),
                    Err(RecvError::Closed) => return None,
                },
                changed = self.live.changed() => {
                    changed.ok()?;
                    let now = self.live.borrow_and_update().clone();
                    self.follow(now);
                    continue;
                }
            };
            return Some(event);
        }
    }

    /// The next event of the speaker that is there already.
    async fn next_now(&mut self) -> Option<Happened> {
        match self.notices.as_mut()?.try_recv() {
            Ok(notice) => Some(self.names.happened(notice).await),
            Err(TryRecvError::Lagged(count)) => Some(missed(count)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

/// What comes next; nothing from what does not run yet.
async fn news<T: Clone>(source: &mut Option<broadcast::Receiver<T>>) -> Result<T, RecvError> {
    match source {
        Some(source) => source.recv().await,
        None => std::future::pending().await,
    }
}
