//! One connection: a byte stream to a remote, with its buffers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::rustls::{self, pki_types::ServerName};

use super::event::ConnectionError;
use super::framing::Framing;
use super::remote::{Endpoint, Remote};
use super::tls::{TlsFiles, connector};

/// Room that is made for every read.
const READ_SIZE: usize = 64 * 1024;
/// A buffer that a dump has made larger than this is given back.
const KEEP_CAPACITY: usize = 1024 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) struct Reader {
    stream: ReadHalf<Box<dyn Stream>>,
    buffer: BytesMut,
    framing: Framing,
    limit: usize,
}

pub(super) struct Writer {
    stream: WriteHalf<Box<dyn Stream>>,
    unflushed: bool,
}

/// Connects within `timeout`.
pub(super) async fn connect(
    remote: &Remote,
    tls: Option<&TlsFiles>,
    timeout: Duration,
    limit: usize,
) -> Result<(Reader, Writer), ConnectionError> {
    let stream = tokio::time::timeout(timeout, open(remote, tls))
        .await
        .map_err(|_| ConnectionError::ConnectTimeout(timeout))??;
    let (read, write) = tokio::io::split(stream);
    let (buffer, framing) = (BytesMut::new(), Framing::default());
    Ok((
        Reader {
            stream: read,
            buffer,
            framing,
            limit,
        },
        Writer {
            stream: write,
            unflushed: false,
        },
    ))
}

async fn open(remote: &Remote, tls: Option<&TlsFiles>) -> Result<Box<dyn Stream>, ConnectionError> {
    match remote {
        Remote::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(connect_error)?;
            Ok(Box::new(stream))
        }
        Remote::Tcp(endpoint) => Ok(Box::new(open_tcp(endpoint).await?)),
        Remote::Ssl(endpoint) => {
            let files = tls.ok_or_else(|| {
                ConnectionError::Tls(
                    "an ssl: remote needs a certificate, a key and a CA".to_owned(),
                )
            })?;
            let connector = connector(files).map_err(ConnectionError::Tls)?;
            let stream = open_tcp(endpoint).await?;
            let name = ServerName::try_from(endpoint.host.clone())
                .map_err(|error| ConnectionError::Tls(error.to_string()))?;
            let stream = connector.connect(name, stream).await;
            let stream =
                stream.map_err(|error| ConnectionError::Tls(handshake_fault(&error, files)))?;
            Ok(Box::new(stream))
        }
    }
}

async fn open_tcp(endpoint: &Endpoint) -> Result<TcpStream, ConnectionError> {
    let stream = match endpoint.host.parse::<IpAddr>() {
        Ok(address) => TcpStream::connect(SocketAddr::new(address, endpoint.port)).await,
        Err(_) => TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await,
    };
    let stream = stream.map_err(connect_error)?;
    stream.set_nodelay(true).map_err(connect_error)?;
    Ok(stream)
}

fn connect_error(error: io::Error) -> ConnectionError {
    ConnectionError::Connect(error.to_string())
}

/// Names the file that an operator has to look at.
fn handshake_fault(error: &io::Error, files: &TlsFiles) -> String {
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(fault)) => format!(
            "CA certificate {} does not vouch for the server's certificate: {fault:?}",
            files.ca_certificate.display()
        ),
        Some(rustls::Error::AlertReceived(alert)) => format!(
            "the server refuses the connection with {alert:?}: does its CA vouch for {}?",
            files.certificate.display()
        ),
        _ => error.to_string(),
    }
}

/// With TLS 1.3 a server refuses a client's certificate after the client takes the handshake for
/// done (RFC 8446 §4.4.2.4), so that the alert comes with the first read.
fn broken(error: io::Error) -> ConnectionError {
    match tls_error(&error) {
        Some(rustls::Error::AlertReceived(alert)) => ConnectionError::Tls(format!(
            "the server ends the connection with {alert:?}: does its CA vouch for our certificate?"
        )),
        _ => ConnectionError::Broken(error.to_string()),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

impl Reader {
    /// Waits for bytes. Cancelling it loses nothing.
    pub(super) async fn read(&mut self) -> Result<(), ConnectionError> {
        // A large message comes in large pieces: fewer, longer copies while it grows.
        self.buffer.reserve(READ_SIZE.max(self.buffer.len() / 4));
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err(ConnectionError::Closed),
            Ok(_) => Ok(()),
            Err(error) => Err(broken(error)),
        }
    }

    /// Hands the next whole message to `handle`; false if there is none yet.
    pub(super) fn next_message(
        &mut self,
        handle: impl FnOnce(&[u8]) -> Result<(), ConnectionError>,
    ) -> Result<bool, ConnectionError> {
        let Some(length) = self.framing.scan(&self.buffer, self.limit)? else {
            return Ok(false);
        };
        handle(self.buffer.get(..length).unwrap_or_default())?;
        self.buffer.advance(length);
        if self.buffer.capacity() > KEEP_CAPACITY && self.buffer.len() < READ_SIZE {
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
        Ok(true)
    }
}

impl Writer {
    /// Writes what it can of `bytes` and takes that away; for ever pending if there is nothing to do.
    /// Cancelling it loses nothing.
    pub(super) async fn write(&mut self, bytes: &mut Vec<u8>) -> Result<(), ConnectionError> {
        if !bytes.is_empty() {
            let written = self.stream.write(bytes).await.map_err(broken)?;
            bytes.drain(..written);
            self.unflushed = true;
        } else if self.unflushed {
            self.stream.flush().await.map_err(broken)?;
            self.unflushed = false;
        } else {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}
