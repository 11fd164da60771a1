//! `$name`, `${name}` and `${group.name}` in a value, as oslo.config (PEP 292) replaces them.

use super::problem::Fault;

/// What a name stands for.
pub(super) enum Reference {
    /// The text as written, which may hold references itself.
    Text(String),
    Unknown,
    /// A secret: never copied elsewhere.
    Refused,
}

/// References of references are followed this deep; what goes deeper goes in a circle.
const DEPTH: usize = 16;
/// Longest text a value may grow to.
const LONGEST: usize = 64 * 1024;

/// Replaces every reference in `text`. `$$` and `\$` stand for `$`; a `$` before anything that is
/// no name stays.
pub(super) fn expand(text: &str, lookup: impl Fn(&str) -> Reference) -> Result<String, Fault> {
    expand_within(text, &lookup, DEPTH)
}

fn expand_within(
    text: &str,
    lookup: &impl Fn(&str) -> Reference,
    depth: usize,
) -> Result<String, Fault> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        if let Some(before) = before.strip_suffix('\\') {
            out.push_str(before);
            out.push('$');
            rest = after;
            continue;
        }
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = name(after) {
            let value = match lookup(name) {
                Reference::Text(value) if depth > 0 => expand_within(&value, lookup, depth - 1)?,
                Reference::Unknown => return Err(Fault::UnknownReference(name.to_owned())),
                Reference::Text(_) | Reference::Refused => {
                    return Err(Fault::BadReference(name.to_owned()));
                }
            };
            out.push_str(&value);
            if out.len() > LONGEST {
                return Err(Fault::BadReference(name.to_owned()));
            }
            rest = after;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The name after a `$`, and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let (body, braced) = match text.strip_prefix('{') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
    let end = body
        .find(|c: char| !(starts(c) || c.is_ascii_digit() || c == '.'))
        .unwrap_or(body.len());
    let (name, after) = body.split_at(end);
    if !name.starts_with(starts) {
        return None;
    }
    let after = if braced {
        after.strip_prefix('}')?
    } else {
        after
    };
    Some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Reference {
        match name {
            "host" => Reference::Text("10.0.0.1".into()),
            "nested" => Reference::Text("tcp:$host".into()),
            "circle" => Reference::Text("$circle$circle".into()),
            "password" => Reference::Refused,
            _ => Reference::Unknown,
        }
    }

    #[test]
    fn references_are_replaced() {
        for (text, expected) in [
            ("tcp:$host:6641", "tcp:10.0.0.1:6641"),
            ("${nested}:1", "tcp:10.0.0.1:1"),
            ("$$host \\$host $ $1 ${", "$host $host $ $1 ${"),
        ] {
            assert_eq!(expand(text, lookup).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_a_fault() {
        assert_eq!(
            expand("$nobody", lookup),
            Err(Fault::UnknownReference("nobody".into()))
        );
        assert_eq!(
            expand("$password", lookup),
            Err(Fault::BadReference("password".into()))
        );
        assert_eq!(
            expand("$circle", lookup),
            Err(Fault::BadReference("circle".into()))
        );
    }
}
