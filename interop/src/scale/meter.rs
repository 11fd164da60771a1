//! Between a client and a server: passes everything on, and counts what the server says.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::Result;

/// Listens on a socket of its own until the process ends.
#[derive(Debug)]
pub struct Meter {
    socket: PathBuf,
    received: Arc<AtomicU64>,
}

impl Meter {
    /// In front of the server at `server`; listens at `socket`.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn before(server: &Path, socket: &Path) -> Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let received = Arc::new(AtomicU64::new(0));
        let (server, counter) = (server.to_owned(), Arc::clone(&received));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = UnixStream::connect(&server) {
                    pass(&client, &server, None);
                    pass(&server, &client, Some(Arc::clone(&counter)));
                }
            }
        });
        Ok(Self {
            socket: socket.to_owned(),
            received,
        })
    }

    /// Where clients connect to.
    pub fn remote(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    /// Bytes that clients have received so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// Passes on what the one says until either end is closed.
fn pass(from: &UnixStream, to: &UnixStream, counter: Option<Arc<AtomicU64>>) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
        return;
    };
    thread::spawn(move || {
        let mut chunk = vec![0; 65536];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            if let Some(counter) = &counter {
                counter.fetch_add(read as u64, Ordering::Relaxed);
            }
            if to.write_all(chunk.get(..read).unwrap_or_default()).is_err() {
                break;
            }
        }
        // The other end learns that this one has gone.
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}
