//! The operator's side: questions and answers over one connection.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use thiserror::Error;

use super::{Happened, LONGEST_REQUEST, LONGEST_RESPONSE, Query, Reply, TIMEOUT};

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

/// A connection to the agent, for any number of questions.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    read: BufReader<UnixStream>,
    write: BufWriter<UnixStream>,
}

/// Asks the agent behind the socket at `path`. Blocks for at most 20 s per step.
pub fn ask(path: &Path, query: &Query) -> Result<Reply, AskError> {
    Client::connect(path)?.ask(query)
}

impl Client {
    /// Connects to the agent behind the socket at `path`.
    pub fn connect(path: &Path) -> Result<Self, AskError> {
        if path.as_os_str().is_empty() {
            return Err(AskError::TurnedOff);
        }
        let connect = || {
            let write = UnixStream::connect(path)?;
            // The agent's own limit comes first, so that its explanation arrives.
            write.set_read_timeout(Some(TIMEOUT * 2))?;
            write.set_write_timeout(Some(TIMEOUT))?;
            Ok((write.try_clone()?, write))
        };
        let (read, write) = connect().map_err(|error| failed(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            read: BufReader::new(read),
            write: BufWriter::with_capacity(LONGEST_REQUEST, write),
        })
    }

    /// Asks one question.
    pub fn ask(&mut self, query: &Query) -> Result<Reply, AskError> {
        self.exchange(query, None)
    }

    /// The next part of an answer that says `more`.
    pub fn more(&mut self) -> Result<Reply, AskError> {
        match self.read().map_err(|error| failed(&self.path, error))? {
            Reply::Error(why) => Err(AskError::Refused(why)),
            reply => Ok(reply),
        }
    }

    /// The next event, after [`Query::Watch`]; `None` when the agent has ended. Waits for it however long
    /// it takes.
    pub fn event(&mut self) -> Result<Option<Happened>, AskError> {
        let mut line = Vec::new();
        let mut read = || {
            self.read.get_ref().set_read_timeout(None)?;
            let mut limited = (&mut self.read).take(LONGEST_RESPONSE as u64);
            limited.read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Ok(None);
            }
            Ok(Some(serde_json::from_slice(&line)?))
        };
        read().map_err(|error| failed(&self.path, error))
    }

    /// Asks one question that says `more`, with these prefixes behind it.
    pub fn ask_about(&mut self, query: &Query, prefixes: &[IpNet]) -> Result<Reply, AskError> {
        self.exchange(query, Some(prefixes))
    }

    fn exchange(&mut self, query: &Query, prefixes: Option<&[IpNet]>) -> Result<Reply, AskError> {
        let written = self.write(query, prefixes);
        let reply = match (self.read(), written) {
            (Ok(reply), _) => reply,
            // An agent that refuses in the middle says why, and reads no further.
            (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(failed(&self.path, error)),
        };
        match reply {
            Reply::Error(why) => Err(AskError::Refused(why)),
            reply => Ok(reply),
        }
    }

    fn write(&mut self, query: &Query, prefixes: Option<&[IpNet]>) -> io::Result<()> {
        /// The longest text of a prefix, with its quotes and comma.
        const LONGEST: usize = "\"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128\",".len();
        let send = |write: &mut BufWriter<UnixStream>, line: &[u8]| {
            write.write_all(line)?;
            write.write_all(b"\n")
        };
        send(&mut self.write, &serde_json::to_vec(query)?)?;
        if let Some(prefixes) = prefixes {
            for some in prefixes.chunks(LONGEST_REQUEST / LONGEST - 1) {
                send(&mut self.write, &serde_json::to_vec(some)?)?;
            }
            send(&mut self.write, b"[]")?;
        }
        self.write.flush()
    }

    fn read(&mut self) -> io::Result<Reply> {
        let mut line = Vec::new();
        let mut limited = (&mut self.read).take(LONGEST_RESPONSE as u64);
        limited.read_until(b'\n', &mut line)?;
        Ok(serde_json::from_slice(&line)?)
    }
}

fn failed(path: &Path, error: io::Error) -> AskError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning(path),
        io::ErrorKind::PermissionDenied => AskError::Permission(path),
        _ => AskError::Io { path, error },
    }
}
