//! Which VPN a network belongs to: `external_ids:neutron_bgpvpn:…`, as Neutron's BGPVPN service or an operator writes
//! it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bgp::evpn::Vni;
use bgp::wire::evpn::{RouteDistinguisher, RouteTarget};
use uuid::Uuid;

use super::row::{ColumnError, LeftOut, Reader, RowProblem};

/// How the keys begin.
const PREFIX: &str = "neutron_bgpvpn:";

/// The largest VNI: 24 bits (RFC 7348 §5).
const MAX_VNI: Vni = 0x00ff_ffff;

/// A tenant's routing table has the number of its VNI, and these are `default`, `main` and `local`.
const TAKEN: std::ops::RangeInclusive<Vni> = 253..=255;

/// What a network's row says of its VPN. Most say nothing, which takes one pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vpn(Option<Arc<Result<Membership, NotAMember>>>);

/// A network of a VPN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// `neutron_bgpvpn:vni`, 1–16777215.
    pub vni: Vni,
    /// `neutron_bgpvpn:type`.
    pub kind: VpnKind,
    /// `neutron_bgpvpn:rd`: the first of the list.
    pub rd: Option<RouteDistinguisher>,
    /// `neutron_bgpvpn:rt` and `neutron_bgpvpn:it`; empty: derived of AS and VNI.
    pub import: BTreeSet<RouteTarget>,
    /// `neutron_bgpvpn:rt` and `neutron_bgpvpn:et`; empty: derived of AS and VNI.
    pub export: BTreeSet<RouteTarget>,
}

/// `neutron_bgpvpn:type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VpnKind {
    /// `l3`: its prefixes are routed.
    L3,
    /// `l2`: it is stretched.
    L2,
}

impl VpnKind {
    /// As the annotation has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::L3 => "l3",
            Self::L2 => "l2",
        }
    }
}

/// Why a network that says something of a VPN is in none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAMember {
    /// There is a type, and no VNI.
    #[error("external_ids:neutron_bgpvpn:type is {0}, and neutron_bgpvpn:vni is not set: set it")]
    NoVni(Arc<str>),
    /// There is a VNI, and no type.
    #[error(
        "external_ids:neutron_bgpvpn:vni is set, and neutron_bgpvpn:type is not: set it to l3 (prefixes are routed) or \
         l2 (the network is stretched)"
    )]
    NoType,
    /// A value cannot be read.
    #[error("external_ids:{0}")]
    Unreadable(Fault),
}

/// A value that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    key: &'static str,
    value: String,
    allowed: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            value,
            allowed,
        } = self;
        write!(
            f,
            "{PREFIX}{key}: '{value}' is not accepted; allowed: {allowed}"
        )
    }
}

impl Vpn {
    /// What `external_ids` says, pair by pair.
    pub fn of_external_ids<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut said = Said::default();
        for (key, text) in pairs {
            let value = Some(text.trim()).filter(|value| !value.is_empty());
            match key.strip_prefix(PREFIX) {
                // As it is, because the conditions of monitors ask for it so.
                Some("type") => said.kind = value.map(|_| text),
                Some("vni") => said.vni = value,
                Some("rd") => said.rd = value,
                Some("rt") => said.both = value,
                Some("it") => said.import = value,
                Some("et") => said.export = value,
                // `as` is for the drivers that read OVN_Southbound.
                _ => {}
            }
        }
        Self(said.membership().map(Arc::new))
    }

    pub(super) fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self::of_external_ids(row.pairs("external_ids")?))
    }

    /// The VPN that the network belongs to; `None` where nothing is said.
    ///
    /// # Errors
    /// Why what is said puts it into none.
    pub fn membership(&self) -> Option<Result<&Membership, &NotAMember>> {
        self.0.as_deref().map(Result::as_ref)
    }

    /// The VNI, of a network that belongs to one.
    pub fn vni(&self) -> Option<Vni> {
        Some(self.membership()?.ok()?.vni)
    }

    /// What of it cannot be read.
    pub(super) fn problem(&self, table: &'static str, uuid: Uuid) -> Option<RowProblem> {
        match self.membership()? {
            Err(NotAMember::Unreadable(fault)) => Some(RowProblem {
                table,
                uuid,
                column: "external_ids",
                why: format!("key {fault}"),
                left_out: LeftOut::Membership,
            }),
            Ok(_) | Err(NotAMember::NoVni(_) | NotAMember::NoType) => None,
        }
    }
}

/// The values of the keys.
#[derive(Default)]
struct Said<'a> {
    kind: Option<&'a str>,
    vni: Option<&'a str>,
    rd: Option<&'a str>,
    both: Option<&'a str>,
    import: Option<&'a str>,
    export: Option<&'a str>,
}

impl Said<'_> {
    fn membership(&self) -> Option<Result<Membership, NotAMember>> {
        match (self.kind, self.vni) {
            (None, None) => None,
            (None, Some(_)) => Some(Err(NotAMember::NoType)),
            (Some(kind), None) => Some(Err(NotAMember::NoVni(kind.into()))),
            (Some(kind), Some(vni)) => {
                let membership = self.read(kind, vni);
                Some(membership.map_err(NotAMember::Unreadable))
            }
        }
    }

    fn read(&self, kind: &str, vni: &str) -> Result<Membership, Fault> {
        let kind = match kind {
            "l3" => VpnKind::L3,
            "l2" => VpnKind::L2,
            _ => return Err(fault("type", kind, "l3, l2")),
        };
        let number = vni.parse().ok();
        let number = number.filter(|vni| (1..=MAX_VNI).contains(vni) && !TAKEN.contains(vni));
        let allowed = "a number, 1 to 16777215, and not 253 to 255";
        let vni = number.ok_or_else(|| fault("vni", vni, allowed))?;
        let distinguishers: Vec<RouteDistinguisher> = list("rd", self.rd, DISTINGUISHER)?;
        let both: BTreeSet<RouteTarget> = list("rt", self.both, TARGET)?.into_iter().collect();
        let with = |key, text| -> Result<BTreeSet<_>, Fault> {
            let mut targets = both.clone();
            targets.extend(list::<RouteTarget>(key, text, TARGET)?);
            Ok(targets)
        };
        Ok(Membership {
            vni,
            kind,
            rd: distinguishers.first().copied(),
            import: with("it", self.import)?,
            export: with("et", self.export)?,
        })
    }
}

const DISTINGUISHER: &str =
    "['AS:NUMBER'] or ['ADDRESS:NUMBER'], such as ['65000:1001'] or ['192.0.2.1:1001']";
const TARGET: &str = "a list of AS:NUMBER or ADDRESS:NUMBER, such as ['65000:1001', '65000:9001']";

fn fault(key: &'static str, value: &str, allowed: &'static str) -> Fault {
    Fault {
        key,
        value: value.chars().filter(|c| !c.is_control()).take(80).collect(),
        allowed,
    }
}

/// A list as Python writes it: brackets and quotes may be missing.
fn list<T: FromStr>(
    key: &'static str,
    text: Option<&str>,
    allowed: &'static str,
) -> Result<Vec<T>, Fault> {
    let text = text.unwrap_or_default();
    let items = unwrapped(text, &[('[', ']'), ('(', ')')]);
    let items = items.split(',').map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(|item| unwrapped(item, &[('\'', '\''), ('"', '"')]).parse())
        .collect::<Result<_, _>>()
        .map_err(|_| fault(key, text, allowed))
}

/// What is between a pair of marks, if it is between one.
fn unwrapped<'a>(text: &'a str, marks: &[(char, char)]) -> &'a str {
    let between = |&(open, close): &(char, char)| text.strip_prefix(open)?.strip_suffix(close);
    let inner = marks.iter().find_map(between);
    inner.unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vpn(said: &[(&str, &str)]) -> Vpn {
        let said = said
            .iter()
            .map(|(key, value)| (format!("{PREFIX}{key}"), *value));
        let said: Vec<_> = said.collect();
        Vpn::of_external_ids(said.iter().map(|(key, value)| (key.as_str(), *value)))
    }

    fn member(said: &[(&str, &str)]) -> Membership {
        let base = [("type", "l3"), ("vni", "1001")];
        let vpn = vpn(&[&base, said].concat());
        vpn.membership().unwrap().unwrap().clone()
    }

    fn words(targets: &BTreeSet<RouteTarget>) -> Vec<String> {
        targets.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_network_without_the_keys_says_nothing() {
        let ids = [("neutron:mtu", "1500"), ("neutron_bgpvpn:as", "64999")];
        assert_eq!(Vpn::of_external_ids(ids), Vpn::default());
        assert_eq!(vpn(&[("type", ""), ("vni", " ")]), Vpn::default());
    }

    #[test]
    fn b112_targets_are_of_both_directions_and_of_one() {
        let member = member(&[
            ("rd", "['64999:1001']"),
            ("rt", "['64999:1001']"),
            ("it", "['64999:9001']"),
            ("et", "['64999:9002']"),
        ]);
        assert_eq!((member.vni, member.kind), (1001, VpnKind::L3));
        assert_eq!(member.rd.unwrap().to_string(), "64999:1001");
        assert_eq!(words(&member.import), ["64999:1001", "64999:9001"]);
        assert_eq!(words(&member.export), ["64999:1001", "64999:9002"]);
    }

    #[test]
    fn b112_lists_are_read_as_people_write_them() {
        for text in [
            "['65000:1', '192.0.2.1:2']",
            "[\"65000:1\",\"192.0.2.1:2\"]",
            "('65000:1', '192.0.2.1:2',)",
            " 65000:1, 192.0.2.1:2 ",
            "['192.0.2.1:2', '65000:1', '65000:1']",
        ] {
            assert_eq!(
                words(&member(&[("rt", text)]).import),
                ["65000:1", "192.0.2.1:2"],
                "{text}"
            );
        }
        for text in ["'65000:1'", "65000:1", "['65000:1']"] {
            assert_eq!(
                words(&member(&[("it", text)]).import),
                ["65000:1"],
                "{text}"
            );
            assert_eq!(member(&[("it", text)]).export, BTreeSet::new());
        }
        assert_eq!(member(&[("rt", "[]"), ("rd", "[]")]), member(&[]));
    }

    #[test]
    fn b113_what_cannot_be_read_is_told_by_key_and_value() {
        for (key, value) in [
            ("rt", "['64999:1001'"),
            ("rt", "['64999:1001' '64999:1002']"),
            ("it", "nonsense"),
            ("et", "['64999']"),
            ("rd", "['1:2:3:x']"),
            ("vni", "0"),
            ("vni", "16777216"),
            ("vni", "254"),
            ("vni", "many"),
            ("type", "L3"),
        ] {
            let said = [("type", "l3"), ("vni", "1001")];
            let said: Vec<_> = said.into_iter().filter(|(k, _)| *k != key).collect();
            let vpn = vpn(&[&said[..], &[(key, value)]].concat());
            let why = vpn.membership().unwrap().unwrap_err().to_string();
            assert!(why.contains(&format!("neutron_bgpvpn:{key}")), "{why}");
            assert!(why.contains(value), "{why}");
            let problem = vpn.problem("Logical_Switch", Uuid::nil()).unwrap();
            let problem = problem.to_string();
            assert!(problem.starts_with("Logical_Switch 0000"), "{problem}");
            assert!(problem.ends_with("the network is in no VNI"), "{problem}");
        }
    }

    #[test]
    fn b123_half_of_an_annotation_is_no_membership_and_no_fault_of_the_row() {
        for said in [[("type", "l3")], [("vni", "1001")]] {
            let vpn = vpn(&said);
            assert!(matches!(vpn.membership(), Some(Err(_))));
            assert_eq!(vpn.problem("Logical_Switch", Uuid::nil()), None);
        }
    }
}
