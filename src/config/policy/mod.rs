//! The lines of `[bgp_prefix_list NAME]` and `[bgp_policy NAME]`.
//!
//! ```text
//! rule       = ("permit" | "deny") (PREFIX | "any") ["ge" N] ["le" N]
//! term       = ("permit" | "deny") ["if" condition {"and" condition}] ["set" change {"," change}]
//! condition  = "prefix" LIST | "next-hop" LIST | "as-path" AS | "med" N | "origin" ORIGIN
//!            | ("community" | "large-community" | "extended-community") VALUE {VALUE}
//! change     = "local-preference" N | "med" N | "origin" ORIGIN | "next-hop" ADDRESS
//!            | "prepend" AS {AS} | "no-communities"
//!            | ("community" | "large-community" | "extended-community") ["add"] VALUE {VALUE}
//! ```

use std::sync::Arc;

use bgp::wire::{Asn, Origin};
use bgp::{Match, PrefixList, PrefixRule, Set, Term};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::kind::as_number;

/// What a line of a prefix list may be.
pub(super) const RULE: &str = "lines 'permit 172.24.0.0/16 ge 32': permit or deny, a prefix or any, and ge or le with a prefix length";

/// What a line of a policy may be.
pub(super) const TERM: &str = "lines 'permit if prefix LIST and community 65000:1 set local-preference 200, community add 65000:2'";

/// Why a line is not accepted, and what would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) what: String,
    pub(super) remedy: String,
}

/// The prefix lists that a policy may name.
pub(super) trait Lists {
    fn list(&self, name: &str) -> Option<Arc<PrefixList>>;
    /// The names there are, for whoever wrote another.
    fn names(&self) -> String;
}

/// One line of a prefix list. `any` is a rule for each family.
pub(super) fn rules(line: &str) -> Result<Vec<PrefixRule>, Refused> {
    let mut words = line.split_whitespace();
    let permit = action(words.next())?;
    let name = words
        .next()
        .ok_or_else(|| refused("no prefix behind the first word", RULE))?;
    let (mut ge, mut le) = (None, None);
    while let Some(word) = words.next() {
        let bound = match word {
            "ge" => &mut ge,
            "le" => &mut le,
            other => return Err(refused(&format!("'{other}' is neither ge nor le"), RULE)),
        };
        let length = words.next().and_then(|text| text.parse().ok());
        *bound =
            Some(length.ok_or_else(|| refused(&format!("no prefix length behind {word}"), RULE))?);
    }
    if name == "any" {
        if ge.is_some() || le.is_some() {
            return Err(refused(
                "any has every length",
                "leave out ge and le, or write 0.0.0.0/0 or ::/0",
            ));
        }
        let any = [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
        let rule = |prefix: IpNet| PrefixRule {
            permit,
            prefix,
            ge: None,
            le: Some(prefix.max_prefix_len()),
        };
        return Ok(any.map(rule).into());
    }
    let prefix: IpNet = name
        .parse()
        .map_err(|_| refused(&format!("'{name}' is not a prefix"), RULE))?;
    let (own, longest) = (prefix.prefix_len(), prefix.max_prefix_len());
    let (low, high) = (ge.unwrap_or(own), le.unwrap_or(longest));
    if !(own <= low && low <= high && high <= longest) {
        return Err(refused(
            "these lengths match nothing",
            &format!("{own} <= ge <= le <= {longest}"),
        ));
    }
    let prefix = prefix.trunc();
    Ok(vec![PrefixRule {
        permit,
        prefix,
        ge,
        le,
    }])
}

/// One line of a policy.
pub(super) fn term(line: &str, lists: &impl Lists) -> Result<Term, Refused> {
    let spaced = line.replace(',', " , ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let (first, rest) = words
        .split_first()
        .ok_or_else(|| refused("an empty line", TERM))?;
    let permit = action(Some(first))?;
    let split = rest.iter().position(|word| *word == "set");
    let (conditions, changes) = match split {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let matches = match conditions.split_first() {
        None => Vec::new(),
        Some((&"if", conditions)) => parts(conditions, "and", |part| condition(part, lists))?,
        Some((other, _)) => {
            return Err(refused(
                &format!("'{other}' is neither 'if' nor 'set'"),
                TERM,
            ));
        }
    };
    let sets = changes.map_or_else(|| Ok(Vec::new()), |changes| parts(changes, ",", change))?;
    if !permit && !sets.is_empty() {
        return Err(refused(
            "a term that denies changes nothing",
            "remove 'set', or write permit",
        ));
    }
    Ok(Term {
        permit,
        matches,
        sets,
    })
}

fn parts<T>(
    words: &[&str],
    between: &str,
    read: impl Fn(&[&str]) -> Result<T, Refused>,
) -> Result<Vec<T>, Refused> {
    words.split(|word| *word == between).map(read).collect()
}

fn condition(words: &[&str], lists: &impl Lists) -> Result<Match, Refused> {
    let Some((&word, values)) = words.split_first() else {
        return Err(refused("a condition is missing", CONDITIONS));
    };
    let list = || {
        let name = one(word, values)?;
        lists
            .list(name)
            .ok_or_else(|| refused(&format!("no prefix list '{name}'"), &lists.names()))
    };
    match word {
        "prefix" => Ok(Match::Prefix(list()?)),
        "next-hop" => Ok(Match::NextHop(list()?)),
        "community" => each(word, values, |text| text.parse().ok()).map(Match::Community),
        "large-community" => {
            each(word, values, |text| text.parse().ok()).map(Match::LargeCommunity)
        }
        "extended-community" => {
            each(word, values, |text| text.parse().ok()).map(Match::ExtendedCommunity)
        }
        "as-path" => parsed(word, values, as_number).map(|number| Match::AsPath(Asn(number))),
        "med" => parsed(word, values, number).map(Match::Med),
        "origin" => parsed(word, values, origin).map(Match::Origin),
        other => Err(refused(&format!("'{other}' is no condition"), CONDITIONS)),
    }
}

fn change(words: &[&str]) -> Result<Set, Refused> {
    let Some((&word, values)) = words.split_first() else {
        return Err(refused("a change is missing", CHANGES));
    };
    let (additive, added) = match values.split_first() {
        Some((&"add", rest)) => (true, rest),
        _ => (false, values),
    };
    match word {
        "local-preference" => parsed(word, values, number).map(Set::LocalPref),
        "med" => parsed(word, values, number).map(Set::Med),
        "origin" => parsed(word, values, origin).map(Set::Origin),
        "next-hop" => parsed(word, values, |text| text.parse().ok()).map(Set::NextHop),
        "prepend" => each(word, values, |text| as_number(text).map(Asn)).map(Set::Prepend),
        "no-communities" if values.is_empty() => Ok(Set::NoCommunities),
        "community" => Ok(Set::Communities {
            communities: each(word, added, |text| text.parse().ok())?,
            additive,
        }),
        "large-community" => Ok(Set::LargeCommunities {
            communities: each(word, added, |text| text.parse().ok())?,
            additive,
        }),
        "extended-community" => Ok(Set::ExtendedCommunities {
            communities: each(word, added, |text| text.parse().ok())?,
            additive,
        }),
        other => Err(refused(&format!("'{other}' is no change"), CHANGES)),
    }
}

const CONDITIONS: &str = "prefix LIST, next-hop LIST, community, large-community, extended-community, as-path AS, med N, origin";
const CHANGES: &str = "local-preference N, med N, origin, next-hop ADDRESS, prepend AS…, community [add], large-community [add], extended-community [add], no-communities";

fn action(word: Option<&str>) -> Result<bool, Refused> {
    match word {
        Some("permit") => Ok(true),
        Some("deny") => Ok(false),
        other => Err(refused(
            &format!("'{}' is neither permit nor deny", other.unwrap_or_default()),
            "begin with permit or deny",
        )),
    }
}

/// The one value behind `word`.
fn one<'a>(word: &str, values: &[&'a str]) -> Result<&'a str, Refused> {
    match values {
        [value] => Ok(value),
        _ => Err(refused(
            &format!("{word} takes one value"),
            "join conditions by 'and', changes by ','",
        )),
    }
}

fn parsed<T>(word: &str, values: &[&str], parse: impl Fn(&str) -> Option<T>) -> Result<T, Refused> {
    let text = one(word, values)?;
    parse(text).ok_or_else(|| refused(&format!("'{text}' is no {word}"), accepted(word)))
}

fn each<T>(
    word: &str,
    values: &[&str],
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Refused> {
    if values.is_empty() {
        return Err(refused(&format!("no value behind {word}"), accepted(word)));
    }
    let value = |text: &&str| {
        parse(text).ok_or_else(|| refused(&format!("'{text}' is no {word}"), accepted(word)))
    };
    values.iter().map(value).collect()
}

/// What a value of a condition or change looks like.
fn accepted(word: &str) -> &'static str {
    match word {
        "community" => "65000:1, or a name as graceful-shutdown",
        "large-community" => "4200000000:1:2",
        "extended-community" => "rt:65000:1, soo:65000:1, or 16 hexadecimal digits",
        "as-path" | "prepend" => "an AS number",
        "origin" => "igp, egp or incomplete",
        "next-hop" => "an IPv4 or IPv6 address",
        _ => "a number up to 4294967295",
    }
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

fn origin(text: &str) -> Option<Origin> {
    match text {
        "igp" => Some(Origin::Igp),
        "egp" => Some(Origin::Egp),
        "incomplete" => Some(Origin::Incomplete),
        _ => None,
    }
}

fn refused(what: &str, remedy: &str) -> Refused {
    Refused {
        what: what.into(),
        remedy: remedy.into(),
    }
}

#[cfg(test)]
mod tests;
