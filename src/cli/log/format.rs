//! Lines like oslo.log's: `2026-11-21 04:55:00.123 4711 INFO ovn_bgp_agent::agent message k=v`.

use std::fmt;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::utc::Timestamp;

/// The format of a line.
pub(super) struct Oslo {
    pid: u32,
}

impl Default for Oslo {
    fn default() -> Self {
        Self {
            pid: std::process::id(),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Oslo
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        writeln!(
            writer,
            "{} {} {} {} {}",
            Timestamp(SystemTime::now()),
            self.pid,
            word(*metadata.level()),
            metadata.target(),
            Line::of(event)
        )
    }
}

/// oslo.log's name of a level.
fn word(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::WARN => "WARNING",
        level => level.as_str(),
    }
}

/// The message of an event, then its fields.
pub(super) struct Line {
    message: String,
    fields: String,
}

impl Line {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut line = Self {
            message: String::new(),
            fields: String::new(),
        };
        event.record(&mut line);
        line
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

impl fmt::Display for Line {
    /// A line stays a line: what OVN or a peer sent may hold a line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let control = |c: char| c.is_control();
        for piece in [&self.message, &self.fields] {
            if piece.contains(control) {
                write!(f, "{}", piece.replace(control, " "))?;
            } else {
                f.write_str(piece)?;
            }
        }
        Ok(())
    }
}
