//! The agent's side: a listener that turns lines into requests and replies into lines.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::{CLIENTS, LONGEST_REQUEST, Query, Reply, TIMEOUT};

/// A question for the agent's loop. Dropping `reply` tells the client that there is no answer.
#[derive(Debug)]
pub struct Request {
    pub query: Query,
    pub reply: oneshot::Sender<Reply>,
}

/// The socket cannot be made.
#[derive(Debug, Error)]
pub enum BindError {
    #[error("control socket {path}: another agent is running")]
    InUse { path: PathBuf },
    #[error("control socket {path}: {error}; check the directory, or set control_socket")]
    Io { path: PathBuf, error: io::Error },
}

/// A bound control socket; the file is removed when it is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Binds with mode 0660. The directory is created; the socket of an agent that is gone is
    /// replaced, that of a running one is an error. Must be called within a tokio runtime.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let failed = |error| BindError::Io {
            path: path.to_owned(),
            error,
        };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(failed)?;
        }
        // Nothing but a socket is ever removed, whatever the option names.
        if std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket()) {
            match std::os::unix::net::UnixStream::connect(path) {
                Ok(_) => {
                    let path = path.to_owned();
                    return Err(BindError::InUse { path });
                }
                // Nobody listens: what is left of an agent that was killed.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                Err(_) => {}
            }
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serves until the agent's end of `requests` is gone. Clients that are slow, or send what is
    /// no request, lose their connection and nothing else.
    pub async fn serve(self, requests: mpsc::Sender<Request>) {
        let slots = Arc::new(Semaphore::new(CLIENTS));
        while let Ok(slot) = slots.clone().acquire_owned().await {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = requests.closed() => return,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors: give the others time to close theirs.
                    tracing::warn!(%error, "control socket: cannot accept");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    continue;
                }
            };
            let requests = requests.clone();
            tokio::spawn(async move {
                if let Err(error) = client(stream, &requests).await {
                    tracing::debug!(%error, "control socket: client lost");
                }
                drop(slot);
            });
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn client(stream: UnixStream, requests: &mpsc::Sender<Request>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut read).take(LONGEST_REQUEST as u64);
        let length = timeout(TIMEOUT, limited.read_until(b'\n', &mut line)).await??;
        if length == 0 {
            return Ok(());
        }
        let whole = line.ends_with(b"\n");
        let reply = if whole {
            answer(&line, requests).await
        } else {
            Reply::Error(format!("no line end within {LONGEST_REQUEST} bytes"))
        };
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        timeout(TIMEOUT, write.write_all(&text)).await??;
        if !whole {
            return Ok(());
        }
    }
}

async fn answer(line: &[u8], requests: &mpsc::Sender<Request>) -> Reply {
    let query = match serde_json::from_slice(line) {
        Ok(query) => query,
        Err(error) => return Reply::Error(format!("not a request: {error}")),
    };
    let (reply, answer) = oneshot::channel();
    let asked = async {
        requests.send(Request { query, reply }).await.ok()?;
        answer.await.ok()
    };
    match timeout(TIMEOUT, asked).await {
        Ok(Some(reply)) => reply,
        Ok(None) => Reply::Error("the agent is stopping".into()),
        Err(_) => Reply::Error("the agent is busy: no answer in time".into()),
    }
}
