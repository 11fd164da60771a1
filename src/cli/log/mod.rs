//! Where the log goes: stderr unless the oslo.log options say otherwise.

mod datagram;
mod file;
mod format;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::Logging;

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LogError {
    #[error("log file {path}: {error}; check log_file and log_dir")]
    File { path: PathBuf, error: io::Error },
    #[error("{path}: {error}; check {option}")]
    Socket {
        path: &'static str,
        option: &'static str,
        error: io::Error,
    },
    #[error("the log is set up already")]
    Twice,
}

type Sink = Box<dyn Layer<Registry> + Send + Sync>;

/// The levels of the process's log, once it is set up.
static LEVELS: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Sets the log up for the process. Once.
pub fn start(logging: &Logging) -> Result<(), LogError> {
    let sinks = sinks(logging)?;
    let (filter, handle) = reload::Layer::new(levels(logging));
    let subscriber = tracing_subscriber::registry().with(sinks.with_filter(filter));
    subscriber.try_init().map_err(|_| LogError::Twice)?;
    LEVELS.set(handle).map_err(|_| LogError::Twice)
}

/// Other levels from now on; the rest of `logging` counts at the next start.
pub fn set_levels(logging: &Logging) {
    if let Some(handle) = LEVELS.get() {
        // Fails only when the log is gone.
        let _ = handle.reload(levels(logging));
    }
}

fn sinks(logging: &Logging) -> Result<Vec<Sink>, LogError> {
    let mut sinks: Vec<Sink> = Vec::new();
    if let Some(path) = path(logging) {
        let file = file::LogFile::open(&path, logging.watch_log_file);
        let file = file.map_err(|error| LogError::File { path, error })?;
        sinks.push(lines(logging.use_json, file));
    }
    if logging.use_journal {
        sinks.push(Box::new(datagram::Journal::connect()?));
    }
    if logging.use_syslog {
        sinks.push(Box::new(datagram::Syslog::connect(
            &logging.syslog_log_facility,
        )?));
    }
    if sinks.is_empty() || logging.use_stderr {
        sinks.push(lines(logging.use_json, io::stderr));
    }
    Ok(sinks)
}

fn lines<W>(json: bool, writer: W) -> Sink
where
    W: for<'a> tracing_subscriber::fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    if json {
        layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed()
    } else {
        layer.event_format(format::Oslo::default()).boxed()
    }
}

/// oslo.log: `log_file` below `log_dir`, or the program's name there.
fn path(logging: &Logging) -> Option<PathBuf> {
    let dir = logging.log_dir.as_deref().unwrap_or_else(|| Path::new(""));
    match (&logging.log_file, &logging.log_dir) {
        (Some(file), _) => Some(dir.join(file)),
        (None, Some(dir)) => Some(dir.join("ovn-bgp-agent.log")),
        (None, None) => None,
    }
}

/// INFO, or DEBUG with `debug`, for the agent and its crates; what they are built of logs
/// warnings. `default_log_levels` has the last word.
fn levels(logging: &Logging) -> Targets {
    let own = if logging.debug {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    let mut targets = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("ovn_bgp_agent", own)
        .with_target("bgp", own);
    for pair in &logging.default_log_levels {
        if let Some((target, level)) = pair.split_once('=')
            && let Some(level) = level_named(level.trim())
        {
            targets = targets.with_target(target.trim(), level);
        }
    }
    targets
}

/// Python's names of levels.
fn level_named(name: &str) -> Option<LevelFilter> {
    Some(match name.to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "INFO" => LevelFilter::INFO,
        "WARN" | "WARNING" => LevelFilter::WARN,
        "ERROR" | "CRITICAL" => LevelFilter::ERROR,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_file_is_below_the_log_directory() {
        let logging = |file: Option<&str>, dir: Option<&str>| Logging {
            log_file: file.map(Into::into),
            log_dir: dir.map(Into::into),
            ..Logging::default()
        };
        assert_eq!(path(&logging(None, None)), None);
        assert_eq!(
            path(&logging(Some("/var/a.log"), None)),
            Some("/var/a.log".into())
        );
        assert_eq!(
            path(&logging(Some("a.log"), Some("/var"))),
            Some("/var/a.log".into())
        );
        assert_eq!(
            path(&logging(None, Some("/var"))),
            Some("/var/ovn-bgp-agent.log".into())
        );
    }

    /// What the log file holds after one event.
    fn logged(use_json: bool) -> String {
        let dir = tempfile::tempdir().unwrap();
        let logging = Logging {
            log_file: Some(dir.path().join("a.log")),
            use_json,
            ..Logging::default()
        };
        let subscriber = tracing_subscriber::registry().with(sinks(&logging).unwrap());
        tracing::subscriber::with_default(subscriber, || {
            let password = crate::config::Secret::new("hunter2");
            tracing::warn!(peer = "leaf0", ?password, "session\nlost");
        });
        std::fs::read_to_string(dir.path().join("a.log")).unwrap()
    }

    #[test]
    fn a_line_looks_like_oslos_and_stays_one_line() {
        let line = logged(false);
        let pid = std::process::id();
        let expected = format!(
            " {pid} WARNING ovn_bgp_agent::cli::log::tests session lost peer=\"leaf0\" password=***\n"
        );
        assert!(line.ends_with(&expected), "{line}");
        assert_eq!(line.lines().count(), 1);
        assert_eq!(line.find(&expected), Some("2026-11-21 04:55:00.123".len()));
    }

    #[test]
    fn use_json_writes_one_object_per_line() {
        let line = logged(true);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&object["level"], &object["peer"]),
            (&"WARN".into(), &"leaf0".into())
        );
        assert_eq!(object["message"], "session\nlost");
        assert_eq!(object["password"], "***");
    }

    #[test]
    fn levels_follow_debug_and_default_log_levels() {
        use tracing::Level;
        let mut logging = Logging::default();
        assert!(!levels(&logging).would_enable("ovn_bgp_agent::agent", &Level::DEBUG));
        assert!(!levels(&logging).would_enable("rtnetlink", &Level::INFO));
        logging.debug = true;
        logging.default_log_levels = vec!["bgp=WARNING".into(), "oslo.messaging".into()];
        assert!(levels(&logging).would_enable("ovn_bgp_agent::agent", &Level::DEBUG));
        assert!(!levels(&logging).would_enable("bgp", &Level::INFO));
    }
}
