//! One JSON value per line, of bounded length, within bounded time.

use std::io;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::{IDLE, LONGEST_REQUEST, TIMEOUT};

/// A client's connection as lines.
#[derive(Debug)]
pub(super) struct Lines {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    line: Vec<u8>,
    text: Vec<u8>,
}

/// What came instead of a line.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLine {
    #[error("closed")]
    End,
    #[error("no line end within {LONGEST_REQUEST} bytes")]
    TooLong,
    #[error("{0}")]
    Malformed(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Lines {
    pub(super) fn new(stream: UnixStream) -> Self {
        let (read, write) = stream.into_split();
        Self {
            read: BufReader::with_capacity(LONGEST_REQUEST, read),
            write,
            line: Vec::new(),
            text: Vec::new(),
        }
    }

    /// The first line of a request.
    pub(super) async fn request(&mut self) -> Result<&[u8], NoLine> {
        self.next(IDLE).await
    }

    /// A further line of a request that has begun.
    pub(super) async fn more(&mut self) -> Result<&[u8], NoLine> {
        self.next(TIMEOUT).await
    }

    async fn next(&mut self, patience: std::time::Duration) -> Result<&[u8], NoLine> {
        self.line.clear();
        let mut limited = (&mut self.read).take(LONGEST_REQUEST as u64);
        let read = limited.read_until(b'\n', &mut self.line);
        let length = timeout(patience, read)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        match self.line.strip_suffix(b"\n") {
            Some(line) => Ok(line),
            None if length < LONGEST_REQUEST => Err(NoLine::End),
            None => Err(NoLine::TooLong),
        }
    }

    /// Writes one line; a client that does not take it in time is lost.
    pub(super) async fn send(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.gather(value)?;
        timeout(TIMEOUT, self.write.write_all(&self.text)).await??;
        self.text.clear();
        Ok(())
    }

    /// Completes when the client has closed its end, or talks out of turn.
    pub(super) async fn gone(&mut self) {
        // Whatever it is: a client that watches has nothing more to say.
        let _ = self.read.fill_buf().await;
    }

    /// Adds a line to those that [`Self::flush`] writes.
    pub(super) fn gather(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.text, value)?;
        self.text.push(b'\n');
        Ok(())
    }

    /// Writes what was gathered, however long the client takes, unless it goes.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        tokio::select! {
            written = self.write.write_all(&self.text) => written?,
            _ = self.read.fill_buf() => return Err(io::ErrorKind::ConnectionReset.into()),
        }
        self.text.clear();
        Ok(())
    }
}
