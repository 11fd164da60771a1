//! A tenant's table in the note.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

use bgp::evpn::{Import, Instance, Kind, Vni};
use bgp::wire::evpn::{Mac, RouteTarget};
use serde::{Deserialize, Serialize};

use crate::mac::MacAddr;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NotedInstance {
    vni: Vni,
    rd: String,
    vtep: IpAddr,
    export: Vec<String>,
    import: Vec<String>,
    /// The VNIs of which derived targets are imported.
    derived: Vec<Vni>,
    /// Absent where it is bridged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    router_mac: Option<String>,
}

impl NotedInstance {
    pub(super) fn of((vni, instance): (&Vni, &Instance)) -> Self {
        let target = |import: &Import| match import {
            Import::Target(target) => Some(target.to_string()),
            Import::Derived(_) => None,
        };
        let derived = |import: &Import| match import {
            Import::Derived(vni) => Some(*vni),
            Import::Target(_) => None,
        };
        Self {
            vni: *vni,
            rd: instance.rd.to_string(),
            vtep: instance.vtep,
            export: instance.export.iter().map(ToString::to_string).collect(),
            import: instance.import.iter().filter_map(target).collect(),
            derived: instance.import.iter().filter_map(derived).collect(),
            router_mac: instance.router_mac().map(|mac| MacAddr(mac.0).to_string()),
        }
    }

    /// `None` where the note makes no sense.
    pub(super) fn instance(self) -> Option<(Vni, Instance)> {
        let kind = match self.router_mac {
            Some(mac) => Kind::Routed {
                router_mac: Mac(mac.parse::<MacAddr>().ok()?.0),
            },
            None => Kind::Bridged,
        };
        let derived = self.derived.into_iter().map(Import::Derived);
        let imported = targets(&self.import)?.into_iter().map(Import::Target);
        let instance = Instance {
            rd: self.rd.parse().ok()?,
            vtep: self.vtep,
            export: targets(&self.export)?,
            import: derived.chain(imported).collect(),
            kind,
        };
        Some((self.vni, instance))
    }
}

fn targets(texts: &[String]) -> Option<BTreeSet<RouteTarget>> {
    let all = texts.iter().map(|text| RouteTarget::from_str(text).ok());
    all.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// One that is routed, with targets of its own, and one that is bridged.
    pub(in super::super) fn instances() -> BTreeMap<Vni, Instance> {
        let vtep = "192.0.2.1".parse().unwrap();
        let target = RouteTarget::derived(65001, 7);
        let routed = Instance {
            rd: "192.0.2.1:7".parse().unwrap(),
            vtep,
            export: [target].into(),
            import: [Import::Target(target), Import::Derived(9)].into(),
            kind: Kind::Routed {
                router_mac: Mac([2, 0, 0, 0, 0, 7]),
            },
        };
        let bridged = Instance {
            rd: "192.0.2.1:8".parse().unwrap(),
            kind: Kind::Bridged,
            ..routed.clone()
        };
        [(7, routed), (8, bridged)].into()
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        for (vni, instance) in instances() {
            let noted = NotedInstance::of((&vni, &instance));
            let text = serde_json::to_string(&noted).unwrap();
            let read: NotedInstance = serde_json::from_str(&text).unwrap();
            assert_eq!(read.instance(), Some((vni, instance)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_table() {
        let mut noted = NotedInstance::of((&7, &instances()[&7]));
        noted.rd = "seven".into();
        assert_eq!(noted.instance(), None);
    }
}
