//! The agent's side: a listener that turns lines into requests and replies into lines.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use super::desk::Desk;
use super::lines::Lines;
use super::{CLIENTS, Reply};

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

    /// Serves until the agent's end of the desk is gone. Clients that are slow, or send what is no
    /// request, lose their connection and nothing else.
    pub async fn serve(self, desk: Desk) {
        let slots = Arc::new(Semaphore::new(CLIENTS));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = desk.requests.closed() => return,
            };
            let mut lines = match accepted {
                Ok((stream, _)) => Lines::new(stream),
                Err(error) => {
                    // Out of file descriptors: give the others time to close theirs.
                    tracing::warn!(%error, "control socket: cannot accept");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    continue;
                }
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                tokio::spawn(async move {
                    let why = format!("{CLIENTS} clients are being served; end one of them");
                    // It may have gone.
                    let _ = lines.send(&Reply::Error(why)).await;
                });
                continue;
            };
            let desk = desk.clone();
            tokio::spawn(async move {
                if let Err(error) = desk.serve(lines).await {
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
