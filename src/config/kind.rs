//! The kinds of values: how each is read from text, and how its constraint is written.

use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bgp::AllowAsIn;
use bgp::wire::evpn::RouteDistinguisher;
use ipnet::IpNet;

use crate::mac::MacAddr;

use super::choice::{
    Bfd, Choice, Families, PolicyName, Prefixes, RemoteAs, Shutdown, UpdateSource,
};
use super::evpn::TargetWord;
use super::secret::Secret;

/// Reads a `V` from the text of an option.
pub(super) trait Kind<V>: Sync {
    /// `None` when the text is not accepted.
    fn parse(&self, text: &str) -> Option<V>;
    /// Word of the documentation's type column.
    fn name(&self) -> &'static str;
    /// What is allowed, for error messages and the documentation.
    fn allowed(&self) -> String;
    /// Whether the text must not be shown.
    fn is_secret(&self) -> bool {
        false
    }
    /// Whether the text is taken as it is: no comment, no quotes, no `$`.
    fn is_verbatim(&self) -> bool {
        self.is_secret()
    }
}

/// An option that may be unset: an empty text leaves it so.
impl<V, K: Kind<V>> Kind<Option<V>> for K {
    fn parse(&self, text: &str) -> Option<Option<V>> {
        if text.is_empty() {
            Some(None)
        } else {
            Kind::<V>::parse(self, text).map(Some)
        }
    }

    fn name(&self) -> &'static str {
        Kind::<V>::name(self)
    }

    fn allowed(&self) -> String {
        Kind::<V>::allowed(self)
    }

    fn is_secret(&self) -> bool {
        Kind::<V>::is_secret(self)
    }

    fn is_verbatim(&self) -> bool {
        Kind::<V>::is_verbatim(self)
    }
}

/// true or false, in oslo.config's spellings.
pub(super) struct Flag;
/// A duration in whole seconds, within bounds.
pub(super) struct Seconds(pub(super) u64, pub(super) u64);
/// Zero or 3–65535 seconds (RFC 4271 §4.2).
pub(super) struct HoldTime;
/// An unsigned integer within bounds.
pub(super) struct Number(pub(super) u32, pub(super) u32);
/// A routing table id: not the kernel's own (0, 253–255).
pub(super) struct Table;
/// A TCP or UDP port, from the given lowest.
pub(super) struct Port(pub(super) u16);
/// One of a set of words.
pub(super) struct Word<C>(PhantomData<fn() -> C>);
/// Any text.
pub(super) struct Text;
/// A device name of the kernel.
pub(super) struct Device;
/// OVSDB remotes, separated by commas.
pub(super) struct Remotes;
/// A path.
pub(super) struct FilePath;
/// Items separated by commas or line ends.
pub(super) struct List<K>(pub(super) K);
/// An IP address of either family.
pub(super) struct Ip;
/// An IPv4 address.
pub(super) struct V4;
/// An IPv6 address.
pub(super) struct V6;
/// An IP prefix.
pub(super) struct Prefix;
/// A BGP identifier (RFC 6286 §2.1: not zero).
pub(super) struct RouterId;
/// An AS number, plain or with a dot (RFC 5396).
pub(super) struct AsNumber;
/// An AS number, or a rule for it.
pub(super) struct PeerAs;
/// A TCP-MD5 key: Linux takes 80 bytes.
pub(super) struct Password;
/// A local address or device.
pub(super) struct Source;
/// Address families.
pub(super) struct FamilyList;
/// A duration in whole milliseconds, within bounds.
pub(super) struct Milliseconds(pub(super) u64, pub(super) u64);
/// An address, with the interface of a link-local one.
pub(super) struct PeerAddress;
/// A word for a set of prefixes, or the name of a list.
pub(super) struct PrefixSet;
/// A name of a policy, or none.
pub(super) struct PolicyWord;
/// On, off, or the name of a profile.
pub(super) struct BfdWord;
/// Up, or the words of a shutdown.
pub(super) struct ShutdownWords;
/// How often our AS may be in a path.
pub(super) struct Allowance;
/// The name of a section.
pub(super) struct Name;
/// A route distinguisher.
pub(super) struct Distinguisher;
/// A route target, or how it is derived.
pub(super) struct Target;
/// A MAC address of one host.
pub(super) struct Hardware;
/// An address and port to listen on.
pub(super) struct Listener;
/// One item per line, each with the given grammar; comments may stand between and behind them.
pub(super) struct Lines(pub(super) &'static str);

impl<C> Word<C> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

/// The common form of an implementation: name, what is allowed, and how a text is read.
macro_rules! kind {
    ($kind:ty => $value:ty, $name:literal, |$self:ident| $allowed:expr, |$text:ident| $parse:expr) => {
        impl Kind<$value> for $kind {
            fn parse(&$self, $text: &str) -> Option<$value> {
                $parse
            }
            fn name(&self) -> &'static str {
                $name
            }
            fn allowed(&$self) -> String {
                $allowed
            }
        }
    };
}

kind!(Flag => bool, "bool", |self| "true, 1, on, yes, false, 0, off, no".into(), |text| {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
});

kind!(Seconds => Duration, "seconds", |self| format!("{}–{} seconds", self.0, self.1), |text| {
    let seconds: u64 = text.parse().ok()?;
    (self.0..=self.1).contains(&seconds).then(|| Duration::from_secs(seconds))
});

kind!(HoldTime => Duration, "seconds", |self| "0, or 3–65535 seconds".into(), |text| {
    let seconds: u16 = text.parse().ok()?;
    (seconds == 0 || seconds >= 3).then(|| Duration::from_secs(seconds.into()))
});

kind!(Number => u32, "int", |self| format!("{}–{}", self.0, self.1), |text| {
    text.parse().ok().filter(|n| (self.0..=self.1).contains(n))
});

kind!(Number => usize, "int", |self| format!("{}–{}", self.0, self.1), |text| {
    let number: u32 = Kind::<u32>::parse(self, text)?;
    usize::try_from(number).ok()
});

kind!(Number => u8, "int", |self| format!("{}–{}", self.0, self.1), |text| {
    let number: u32 = Kind::<u32>::parse(self, text)?;
    u8::try_from(number).ok()
});

kind!(Table => u32, "int", |self| "1–4294967295 without 253–255, the kernel's own tables".into(), |text| {
    text.parse().ok().filter(|n| *n != 0 && !(253..=255).contains(n))
});

kind!(Port => u16, "port", |self| format!("{}–65535", self.0), |text| {
    text.parse().ok().filter(|n| *n >= self.0)
});

kind!(Text => String, "string", |self| "one line of text".into(), |text| {
    (!text.contains('\n')).then(|| text.to_owned())
});

kind!(Device => String, "device", |self| "1–15 characters without '/' and white space".into(), |text| {
    let refused = |c: char| c == '/' || c.is_whitespace();
    ((1..=15).contains(&text.len()) && !text.contains(refused)).then(|| text.to_owned())
});

kind!(Remotes => String, "remote", |self| "'tcp:', 'ssl:' or 'unix:' and what follows; several are separated by commas".into(), |text| {
    text.split(',').all(|remote| is_remote(remote.trim())).then(|| text.to_owned())
});

kind!(FilePath => PathBuf, "path", |self| "a path".into(), |text| {
    (!text.contains(['\n', '\0'])).then(|| PathBuf::from(text))
});

kind!(Ip => IpAddr, "address", |self| "an IPv4 or IPv6 address".into(), |text| text.parse().ok());

kind!(V4 => Ipv4Addr, "address", |self| "an IPv4 address".into(), |text| text.parse().ok());

kind!(V6 => Ipv6Addr, "address", |self| "an IPv6 address".into(), |text| text.parse().ok());

kind!(Prefix => IpNet, "prefix", |self| "an IP prefix, as 192.168.0.0/16".into(), |text| text.parse().ok());

kind!(RouterId => Ipv4Addr, "address", |self| "an IPv4 address other than 0.0.0.0".into(), |text| {
    text.parse().ok().filter(|id: &Ipv4Addr| !id.is_unspecified())
});

kind!(AsNumber => u32, "AS number", |self| "1–4294967294 without 23456 and 65535, or as 1.10".into(), |text| as_number(text));

kind!(PeerAs => RemoteAs, "AS number", |self| "1–4294967294, internal, external or auto".into(), |text| {
    match text.to_ascii_lowercase().as_str() {
        "internal" => Some(RemoteAs::Internal),
        "external" => Some(RemoteAs::External),
        "auto" => Some(RemoteAs::Auto),
        number => as_number(number).map(RemoteAs::Number),
    }
});

kind!(Source => UpdateSource, "string", |self| "an IP address or a device".into(), |text| {
    match text.parse() {
        Ok(address) => Some(UpdateSource::Address(address)),
        Err(_) => Kind::<String>::parse(&Device, text).map(UpdateSource::Device),
    }
});

kind!(FamilyList => Families, "list", |self| "ipv4-unicast, ipv6-unicast, l2vpn-evpn".into(), |text| {
    let none = Families { ipv4_unicast: false, ipv6_unicast: false, l2vpn_evpn: false };
    let mut families = none;
    for item in items(text) {
        match item {
            "ipv4-unicast" => families.ipv4_unicast = true,
            "ipv6-unicast" => families.ipv6_unicast = true,
            "l2vpn-evpn" => families.l2vpn_evpn = true,
            _ => return None,
        }
    }
    (families != none).then_some(families)
});

kind!(Distinguisher => RouteDistinguisher, "RD", |self| "ADDRESS:NUMBER or AS:NUMBER".into(), |text| text.parse().ok());

kind!(Target => TargetWord, "RT", |self| "auto, auto-rfc8365, AS:NUMBER or ADDRESS:NUMBER".into(), |text| {
    match text {
        "auto" => Some(TargetWord::Auto),
        "auto-rfc8365" => Some(TargetWord::AutoRfc8365),
        target => target.parse().ok().map(TargetWord::Target),
    }
});

// IEEE 802: the lowest bit of the first octet is of groups.
kind!(Hardware => MacAddr, "MAC address", |self| "six hexadecimal octets separated by ':', of one host".into(), |text| {
    text.parse().ok().filter(|MacAddr([first, ..])| first & 1 == 0)
});

kind!(Milliseconds => Duration, "milliseconds", |self| format!("{}–{} milliseconds", self.0, self.1), |text| {
    let millis: u64 = text.parse().ok()?;
    (self.0..=self.1).contains(&millis).then(|| Duration::from_millis(millis))
});

kind!(PeerAddress => (IpAddr, Option<String>), "address", |self| "an IPv4 or IPv6 address, a link-local one with its interface as in fe80::1%eth1".into(), |text| {
    match text.split_once('%') {
        Some((address, device)) => {
            let address = address.parse().ok().filter(|ip: &Ipv6Addr| ip.is_unicast_link_local())?;
            Some((IpAddr::V6(address), Some(Kind::<String>::parse(&Device, device)?)))
        }
        None => Some((text.parse().ok()?, None)),
    }
});

kind!(PrefixSet => Prefixes, "prefixes", |self| "any, none, host-only, default-only, or NAME of a [bgp_prefix_list NAME]".into(), |text| {
    Some(match text {
        "any" => Prefixes::Any,
        "none" => Prefixes::None,
        "host-only" => Prefixes::HostOnly,
        "default-only" => Prefixes::DefaultOnly,
        name => Prefixes::List(Kind::<String>::parse(&Name, name)?),
    })
});

kind!(PolicyWord => PolicyName, "policy", |self| "any, or NAME of a [bgp_policy NAME]".into(), |text| {
    Some(match text {
        "any" => PolicyName::Any,
        name => PolicyName::Policy(Kind::<String>::parse(&Name, name)?),
    })
});

kind!(BfdWord => Bfd, "bfd", |self| "true, false, or NAME of a [bfd_profile NAME]".into(), |text| {
    Some(match Kind::<bool>::parse(&Flag, text) {
        Some(true) => Bfd::Default,
        Some(false) => Bfd::Off,
        None => Bfd::Profile(Kind::<String>::parse(&Name, text)?),
    })
});

kind!(ShutdownWords => Shutdown, "string", |self| "false, true, or the words that the neighbour is told, at most 255 bytes".into(), |text| {
    match Kind::<bool>::parse(&Flag, text) {
        Some(true) => Some(Shutdown::Down(String::new())),
        Some(false) => Some(Shutdown::Up),
        None if text.is_empty() => Some(Shutdown::Up),
        None => (text.len() <= 255 && !text.contains('\n')).then(|| Shutdown::Down(text.to_owned())),
    }
});

kind!(Allowance => AllowAsIn, "int", |self| "1–10, origin, or false".into(), |text| {
    match text {
        "origin" => Some(AllowAsIn::Origin),
        "false" | "0" => Some(AllowAsIn::Never),
        times => Kind::<u8>::parse(&Number(1, 10), times).map(AllowAsIn::Times),
    }
});

kind!(Name => String, "name", |self| "one word".into(), |text| {
    let refused = |c: char| c.is_whitespace() || c == ',';
    (!text.is_empty() && !text.contains(refused)).then(|| text.to_owned())
});

kind!(Listener => SocketAddr, "address:port", |self| "an address and a port, as 127.0.0.1:9474 or [::1]:9474".into(), |text| text.parse().ok());

impl Kind<String> for Lines {
    fn parse(&self, text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn name(&self) -> &'static str {
        "lines"
    }

    fn allowed(&self) -> String {
        self.0.into()
    }

    fn is_verbatim(&self) -> bool {
        true
    }
}

impl Kind<Secret> for Password {
    fn parse(&self, text: &str) -> Option<Secret> {
        ((1..=80).contains(&text.len()) && !text.contains('\n')).then(|| Secret::new(text))
    }

    fn name(&self) -> &'static str {
        "string"
    }

    fn allowed(&self) -> String {
        "1–80 bytes, taken as they are".into()
    }

    fn is_secret(&self) -> bool {
        true
    }
}

impl<C: Choice> Kind<C> for Word<C> {
    fn parse(&self, text: &str) -> Option<C> {
        C::WORDS
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, c)| *c)
    }

    fn name(&self) -> &'static str {
        "string"
    }

    fn allowed(&self) -> String {
        let words: Vec<_> = C::WORDS.iter().map(|(word, _)| *word).collect();
        words.join(", ")
    }
}

impl<V, K: Kind<V>> Kind<Vec<V>> for List<K> {
    fn parse(&self, text: &str) -> Option<Vec<V>> {
        items(text).map(|item| self.0.parse(item)).collect()
    }

    fn name(&self) -> &'static str {
        "list"
    }

    fn allowed(&self) -> String {
        format!("a list separated by commas; each {}", self.0.allowed())
    }
}

/// An option that is accepted and does nothing: any text.
impl Kind<()> for Text {
    fn parse(&self, _: &str) -> Option<()> {
        Some(())
    }

    fn name(&self) -> &'static str {
        "string"
    }

    fn allowed(&self) -> String {
        "anything".into()
    }
}

/// The items of a list, in oslo.config's way: trimmed, empty ones left out, quotes removed.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n'])
        .map(|item| super::ini::unquote(item.trim(), true))
        .filter(|item| !item.is_empty())
}

/// upstream's regular expression `^(tcp|ssl|unix):.+`.
fn is_remote(text: &str) -> bool {
    ["tcp:", "ssl:", "unix:"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    })
}

/// AS 0 is not usable (RFC 7607), the last of each width are reserved (RFC 7300), and 23456
/// stands for what does not fit two octets (RFC 6793 §4.2.3).
pub(super) fn as_number(text: &str) -> Option<u32> {
    let number = match text.split_once('.') {
        Some((high, low)) => {
            u32::from(high.parse::<u16>().ok()?) << 16 | u32::from(low.parse::<u16>().ok()?)
        }
        None => text.parse().ok()?,
    };
    (!matches!(number, 0 | 23456 | 65535 | u32::MAX)).then_some(number)
}
