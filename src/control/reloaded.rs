//! What a reload came to, for the log, for whoever asked and for whoever watches.

use super::message::{Done, Happening};
use super::{Journal, Reply};
use crate::reload::{self, ReloadError, ReloadReport};

/// What a reload would do, for the one who asked.
pub(crate) fn previewed(outcome: Result<ReloadReport, ReloadError>) -> Reply {
    match outcome {
        Ok(report) => Reply::Done(Done {
            lines: report.lines(),
        }),
        Err(error) => Reply::Error(error.to_string()),
    }
}

/// Tells all of them; the answer is for the one who asked.
pub(crate) fn reloaded(journal: &Journal, outcome: Result<ReloadReport, ReloadError>) -> Reply {
    reload::log(&outcome);
    match outcome {
        Ok(report) => {
            let lines = report.lines();
            journal.tell(Happening::Reload {
                report: lines.clone(),
            });
            Reply::Done(Done { lines })
        }
        Err(error) => {
            let text = format!("the configuration was not taken over: {error}");
            journal.tell(Happening::Note { text });
            Reply::Error(error.to_string())
        }
    }
}
