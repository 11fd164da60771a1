//! systemd-journald and syslog: one datagram per event.

use std::os::unix::net::UnixDatagram;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::LogError;
use super::format::Line;

const JOURNAL: &str = "/run/systemd/journal/socket";
const SYSLOG: &str = "/dev/log";
/// Name of the program in both.
const NAME: &str = "ovn-bgp-agent";

/// journald's native protocol: `FIELD=value` lines.
pub(super) struct Journal(UnixDatagram);

/// RFC 3164, as /dev/log expects it.
pub(super) struct Syslog {
    socket: UnixDatagram,
    /// The facility's code times eight (RFC 3164 §4.1.1).
    facility: u8,
}

impl Journal {
    pub(super) fn connect() -> Result<Self, LogError> {
        connect(JOURNAL, "use_journal").map(Self)
    }
}

impl Syslog {
    pub(super) fn connect(facility: &str) -> Result<Self, LogError> {
        Ok(Self {
            socket: connect(SYSLOG, "use_syslog")?,
            facility: facility_code(facility) << 3,
        })
    }
}

// A log that cannot be sent is lost: the agent never waits for its log.
impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let _ = self.0.send(
            journal_entry(
                severity(event),
                event.metadata().target(),
                &Line::of(event).to_string(),
            )
            .as_bytes(),
        );
    }
}

impl<S: Subscriber> Layer<S> for Syslog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let priority = self.facility | severity(event);
        let pid = std::process::id();
        let target = event.metadata().target();
        let text = format!("<{priority}>{NAME}[{pid}]: {target} {}", Line::of(event));
        let _ = self.socket.send(text.as_bytes());
    }
}

fn connect(path: &'static str, option: &'static str) -> Result<UnixDatagram, LogError> {
    let connected = UnixDatagram::unbound().and_then(|socket| {
        socket.connect(path)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    connected.map_err(|error| LogError::Socket {
        path,
        option,
        error,
    })
}

/// A line holds no line end, so the simple form of a field always does.
fn journal_entry(severity: u8, target: &str, line: &str) -> String {
    format!("PRIORITY={severity}\nSYSLOG_IDENTIFIER={NAME}\nTARGET={target}\nMESSAGE={line}\n")
}

/// syslog(3) severities.
fn severity(event: &Event<'_>) -> u8 {
    match *event.metadata().level() {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// `LOG_DAEMON`, `daemon`, `LOG_LOCAL0` …; anything else is LOG_USER, oslo.log's default.
fn facility_code(name: &str) -> u8 {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("log_").unwrap_or(&name);
    const NAMES: [&str; 12] = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
        "authpriv", "ftp",
    ];
    let local = name
        .strip_prefix("local")
        .and_then(|n| n.parse::<u8>().ok());
    match (local, NAMES.iter().position(|n| *n == name)) {
        (Some(n @ 0..=7), _) => 16 + n,
        (_, Some(position)) => position as u8,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_have_their_codes() {
        for (name, code) in [
            ("LOG_USER", 1),
            ("daemon", 3),
            ("LOG_LOCAL7", 23),
            ("LOG_LOCAL8", 1),
            ("x", 1),
        ] {
            assert_eq!(facility_code(name), code, "{name}");
        }
    }

    #[test]
    fn a_journal_entry_is_one_field_per_line() {
        let entry = journal_entry(4, "agent", "a b=1");
        assert_eq!(
            entry,
            "PRIORITY=4\nSYSLOG_IDENTIFIER=ovn-bgp-agent\nTARGET=agent\nMESSAGE=a b=1\n"
        );
    }
}
