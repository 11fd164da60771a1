//! The least of HTTP/1.1 that Prometheus needs: one GET per connection, with a bounded request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::collect::Collector;

/// Longest request, its headers included.
const LONGEST_REQUEST: usize = 8 << 10;
/// How long a client may take for its request, and for taking the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Scrapes at a time; more wait.
const SCRAPES: usize = 4;

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
#[error("metrics: cannot listen on {address}: {error}; change metrics_listen in [bgp]")]
pub struct MetricsError {
    address: SocketAddr,
    error: std::io::Error,
}

/// Listens on `address`, and serves until the runtime ends. Within a tokio runtime.
///
/// # Errors
/// The address cannot be listened on.
pub fn serve(address: SocketAddr, collector: Collector) -> Result<SocketAddr, MetricsError> {
    let listen = || {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok((listener.local_addr()?, TcpListener::from_std(listener)?))
    };
    let (bound, listener) = listen().map_err(|error| MetricsError { address, error })?;
    tokio::spawn(accept(listener, collector));
    Ok(bound)
}

async fn accept(listener: TcpListener, collector: Collector) {
    let slots = Arc::new(Semaphore::new(SCRAPES));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let collector = collector.clone();
                tokio::spawn(async move {
                    // A client that goes, or dawdles, is of no interest.
                    let _ = timeout(PATIENCE * 2, scrape(stream, &collector)).await;
                    drop(slot);
                });
            }
            Err(error) => {
                // Out of file descriptors: give the others time to close theirs.
                tracing::warn!(%error, "metrics: cannot accept");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn scrape(mut stream: TcpStream, collector: &Collector) -> std::io::Result<()> {
    let request = timeout(PATIENCE, head(&mut stream)).await??;
    let (status, kind, body) = match request.as_deref().map(target) {
        Some(Some("/metrics")) => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            ("200 OK", kind, collector.text().await)
        }
        Some(Some(_)) => {
            let hint = "metrics are at /metrics\n".to_owned();
            ("404 Not Found", "text/plain", hint)
        }
        Some(None) => ("405 Method Not Allowed", "text/plain", "GET only\n".into()),
        None => ("400 Bad Request", "text/plain", "no request\n".into()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// The request up to its empty line; `None` when there is none, or it is too long.
async fn head(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::with_capacity(1024);
    while bytes.len() < LONGEST_REQUEST {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
        if bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            return Ok(String::from_utf8(bytes).ok());
        }
    }
    Ok(None)
}

/// The path of a GET, without its query.
fn target(request: &str) -> Option<&str> {
    let mut words = request.lines().next()?.split(' ');
    words.next().filter(|method| *method == "GET")?;
    words.next()?.split('?').next()
}
