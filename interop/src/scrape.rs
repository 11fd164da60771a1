//! What Prometheus is told, read by the letter of its text format.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, bail, ensure};

/// Values by name with labels, as written.
pub type Samples = BTreeMap<String, f64>;

/// Sends an HTTP request; the status line, and the body.
///
/// # Errors
/// There is no whole answer.
pub fn ask(address: &str, request: &str) -> Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context(answer.clone())?;
    let status = head.lines().next().unwrap_or_default();
    Ok((status.to_owned(), body.to_owned()))
}

/// The metrics served at `address`.
///
/// # Errors
/// There are none, or they are not well formed.
pub fn metrics(address: &str) -> Result<Samples> {
    let (status, body) = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")?;
    ensure!(status == "HTTP/1.1 200 OK", "{status}");
    parse(&body)
}

/// Parses strictly: every sample under the HELP and TYPE of its family, once, with labels well quoted.
///
/// # Errors
/// The first line that is not so.
pub fn parse(text: &str) -> Result<Samples> {
    let mut samples = Samples::new();
    let mut families = BTreeSet::new();
    let (mut family, mut kind) = (String::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').context(line.to_owned())?;
            ensure!(!words.is_empty(), "{line}");
            ensure!(families.insert(name.to_owned()), "{name} comes twice");
            let kinds = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
            let kinds = kinds.with_context(|| format!("{name} has no TYPE"))?;
            let (of, is) = kinds.split_once(' ').context(kinds.to_owned())?;
            ensure!(of == name, "{of} under {name}");
            ensure!(["counter", "gauge", "histogram"].contains(&is), "{kinds}");
            (family, kind) = (name.to_owned(), is.to_owned());
            continue;
        }
        let (series, value) = line.rsplit_once(' ').context(line.to_owned())?;
        check(series, &family, &kind)?;
        let value: f64 = value.parse().with_context(|| line.to_owned())?;
        let before = samples.insert(series.to_owned(), value);
        ensure!(before.is_none(), "{line} comes twice");
    }
    ensure!(text.ends_with('\n'), "the last line does not end");
    Ok(samples)
}

/// A sample's name fits its family, and its labels are labels.
fn check(series: &str, family: &str, kind: &str) -> Result<()> {
    let (name, labels) = series.split_at(series.find('{').unwrap_or(series.len()));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    ensure!(name.chars().all(plain), "{series}");
    let suffix = name.strip_prefix(family);
    let suffix = suffix.with_context(|| format!("{series} is not of {family}"))?;
    let fits = match kind {
        "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
        "counter" => suffix.is_empty() && name.ends_with("_total"),
        _ => suffix.is_empty(),
    };
    ensure!(fits, "{series} is no {kind}");
    check_labels(labels)
}

/// `{name="value",…}`, quotes and backslashes escaped.
fn check_labels(labels: &str) -> Result<()> {
    if labels.is_empty() {
        return Ok(());
    }
    let inner = labels.strip_prefix('{').and_then(|l| l.strip_suffix('}'));
    let mut rest = inner.context(labels.to_owned())?;
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").context(labels.to_owned())?;
        let lower = |c: char| c.is_ascii_lowercase() || c == '_';
        ensure!(name.chars().all(lower), "{labels}");
        let mut escaped = false;
        let end = value.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some((_, after)) = end.and_then(|end| value.split_at_checked(end + 1)) else {
            bail!("{labels}");
        };
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Ok(())
}
