//! Where servers listen: `unix:PATH`, `tcp:HOST:PORT`, `ssl:HOST:PORT` (ovsdb(7), "Connection
//! Methods"), and lists of them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The port that IANA gave OVSDB, used when a remote names none.
pub const DEFAULT_PORT: u16 = 6640;

/// One server's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// `unix:PATH`
    Unix(PathBuf),
    /// `tcp:HOST[:PORT]`
    Tcp(Endpoint),
    /// `ssl:HOST[:PORT]`
    Ssl(Endpoint),
}

/// A host, by address or name, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Address (IPv6 without brackets) or name.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Remote {
    /// Parses a comma-separated list of remotes, such as `ssl:10.0.0.1:6641,ssl:10.0.0.2:6641`.
    ///
    /// # Errors
    /// The first part that is no remote, or an empty list.
    pub fn parse_list(list: &str) -> Result<Vec<Self>, ParseRemoteError> {
        let parts = list
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let remotes: Vec<Self> = parts.map(str::parse).collect::<Result<_, _>>()?;
        if remotes.is_empty() {
            return Err(ParseRemoteError {
                remote: list.to_owned(),
                problem: "no remote at all",
            });
        }
        Ok(remotes)
    }
}

impl FromStr for Remote {
    type Err = ParseRemoteError;

    fn from_str(text: &str) -> Result<Self, ParseRemoteError> {
        let fail = |problem| ParseRemoteError {
            remote: text.to_owned(),
            problem,
        };
        let (method, rest) = text
            .split_once(':')
            .ok_or_else(|| fail("expected unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT"))?;
        match method {
            "unix" if rest.is_empty() => Err(fail("unix: needs a path")),
            "unix" => Ok(Self::Unix(rest.into())),
            "tcp" => Endpoint::parse(rest).map(Self::Tcp).map_err(fail),
            "ssl" => Endpoint::parse(rest).map(Self::Ssl).map_err(fail),
            "punix" | "ptcp" | "pssl" => Err(fail(
                "this is an address to listen on; leave out the leading p",
            )),
            _ => Err(fail("the method is none of unix, tcp, ssl")),
        }
    }
}

impl Endpoint {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or("a [ without its ]")?;
            match rest {
                "" => (host, None),
                rest => (
                    host,
                    Some(rest.strip_prefix(':').ok_or("a ] not followed by :PORT")?),
                ),
            }
        } else {
            match text.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err("an ipv6 address has to be in brackets");
                }
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        if host.is_empty() {
            return Err("the host is empty");
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => port
                .parse()
                .ok()
                .filter(|&port| port != 0)
                .ok_or("not a port")?,
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(endpoint) => write!(f, "tcp:{endpoint}"),
            Self::Ssl(endpoint) => write!(f, "ssl:{endpoint}"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A text that is no remote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad remote {remote:?}: {problem}")]
pub struct ParseRemoteError {
    /// What was given.
    pub remote: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in [
            "unix:/run/ovn/ovnnb_db.sock",
            "tcp:10.0.0.1:6641",
            "ssl:[fd00::1]:6642",
        ] {
            assert_eq!(text.parse::<Remote>().unwrap().to_string(), text);
        }
        assert_eq!(
            "tcp:db.example".parse::<Remote>().unwrap().to_string(),
            "tcp:db.example:6640"
        );
        assert_eq!(
            "ssl:[::1]".parse::<Remote>().unwrap().to_string(),
            "ssl:[::1]:6640"
        );
    }

    #[test]
    fn a_list_may_hold_spaces_and_a_trailing_comma() {
        let list = Remote::parse_list("tcp:10.0.0.1:6641, tcp:10.0.0.2:6641,").unwrap();
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn what_is_no_remote_is_named_with_its_fault() {
        for (text, fault) in [
            ("", "no remote"),
            ("10.0.0.1", "expected unix:PATH"),
            ("udp:10.0.0.1:1", "none of unix, tcp, ssl"),
            ("ptcp:6641", "listen on"),
            ("tcp:::1:6641", "brackets"),
            ("tcp:[::1", "without its ]"),
            ("tcp:10.0.0.1:0", "not a port"),
            ("tcp::6641", "host is empty"),
            ("unix:", "needs a path"),
        ] {
            let error = Remote::parse_list(text).unwrap_err().to_string();
            assert!(error.contains(fault), "{text}: {error}");
        }
    }
}
