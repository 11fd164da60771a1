//! The operator's side: one question, one answer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{LONGEST_RESPONSE, Query, Reply, TIMEOUT};

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    #[error(
        "the agent does not run: nobody listens on {0}; start it, or give its configuration with --config-file or --config-dir"
    )]
    NotRunning(PathBuf),
    #[error("no permission for {0}; run as root, or as a member of the socket's group")]
    Permission(PathBuf),
    #[error("control_socket is empty: the agent has no control socket")]
    TurnedOff,
    #[error("the agent on {path} does not answer: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("the agent refused: {0}")]
    Refused(String),
}

/// Asks the agent behind the socket at `path`. Blocks for at most 10 s per step.
pub fn ask(path: &Path, query: &Query) -> Result<Reply, AskError> {
    if path.as_os_str().is_empty() {
        return Err(AskError::TurnedOff);
    }
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            AskError::NotRunning(path.to_owned())
        }
        io::ErrorKind::PermissionDenied => AskError::Permission(path.to_owned()),
        _ => AskError::Io {
            path: path.to_owned(),
            error,
        },
    };
    let reply = exchange(path, query).map_err(failed)?;
    match reply {
        Reply::Error(why) => Err(AskError::Refused(why)),
        reply => Ok(reply),
    }
}

fn exchange(path: &Path, query: &Query) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(path)?;
    // The agent's own limit comes first, so that its explanation arrives.
    stream.set_read_timeout(Some(TIMEOUT * 2))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut request = serde_json::to_vec(query)?;
    request.push(b'\n');
    stream.write_all(&request)?;
    let mut line = Vec::new();
    BufReader::new(stream)
        .take(LONGEST_RESPONSE as u64)
        .read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}
