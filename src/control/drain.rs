//! `drain`: neighbours are first asked to prefer other paths (RFC 8326), and lose the routes once their
//! traffic had time to move.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::AbortHandle;

use super::message::Happening;
use super::watch::Journal;
use crate::advertise::{Live, Origination};
use crate::peering::Ended;

/// How far a drain is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drained {
    /// Neighbours are told of this node as usual.
    #[default]
    No,
    /// They are asked to prefer other paths.
    Leaving,
    /// They have been told of no route any more; the sessions stay.
    Withdrawn,
}

/// Drains and undrains. Clones do it to the same node.
#[derive(Clone, Debug)]
pub(super) struct Drain {
    origination: Origination,
    journal: Journal,
    /// What withdraws the routes in the end.
    later: Arc<Mutex<Option<AbortHandle>>>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(super) enum DrainError {
    #[error("the BGP sessions have not started yet: nothing is advertised")]
    NotStarted,
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl Drain {
    pub(super) fn new(origination: Origination, journal: Journal) -> Self {
        Self {
            origination,
            journal,
            later: Arc::default(),
        }
    }

    /// Asks for other paths now, and withdraws `after` that; `None` never does.
    pub(super) async fn begin(
        &self,
        live: &Live,
        after: Option<Duration>,
    ) -> Result<(), DrainError> {
        let speaker = live.speaker.as_ref().ok_or(DrainError::NotStarted)?;
        speaker.act(|speaker, now| speaker.drain(now)).await?;
        self.journal.tell(Happening::Drain { on: true });
        let withdraw = after.map(|after| {
            let origination = self.origination.clone();
            let task = tokio::spawn(async move {
                tokio::time::sleep(after).await;
                origination.hold();
            });
            task.abort_handle()
        });
        self.replace(withdraw);
        Ok(())
    }

    /// Back to normal.
    pub(super) async fn end(&self, live: &Live) -> Result<(), DrainError> {
        let speaker = live.speaker.as_ref().ok_or(DrainError::NotStarted)?;
        self.replace(None);
        speaker.act(|speaker, now| speaker.undrain(now)).await?;
        self.origination.release();
        self.journal.tell(Happening::Drain { on: false });
        Ok(())
    }

    fn replace(&self, withdraw: Option<AbortHandle>) {
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = std::mem::replace(&mut *later, withdraw) {
            earlier.abort();
        }
    }
}
