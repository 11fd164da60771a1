//! Tenants whose gateways share provider networks ([`Entry::PerGateway`]): which gateways on this chassis make up each.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use bgp::evpn::Vni;
use rustc_hash::FxHashMap;

use super::{Code, Entry, Layer, ProviderNetwork, Tenant};

/// The gateways here that are of a tenant, by what they were found by.
#[derive(Clone, Debug)]
pub(super) struct Members<K>(FxHashMap<K, Vec<Member>>);

/// A gateway of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The router's port.
    pub(super) lrp: Arc<str>,
    pub(super) vni: Vni,
    /// Where the tenant has one of its own.
    pub(super) asn: Option<u32>,
    /// The name of the provider network.
    pub(super) network: Arc<str>,
    /// With this gateway alone.
    pub(super) provider: ProviderNetwork,
}

/// What each VNI is here. Its devices lead from one provider network and its targets follow from one AS: those of its
/// first gateway, by name.
pub(super) type Elected = BTreeMap<Vni, Choice>;

/// See [`Elected`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    asn: Option<u32>,
    network: Arc<str>,
    lrp: Arc<str>,
}

impl<K> Default for Members<K> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

impl<K: Hash + Eq> Members<K> {
    /// Puts what was found in place of what was. True if that differs.
    pub(super) fn replace(&mut self, key: K, new: Vec<Member>) -> bool {
        let old = self.0.get(&key).map_or(&[][..], Vec::as_slice);
        if old == new {
            return false;
        }
        if new.is_empty() {
            self.0.remove(&key);
        } else {
            self.0.insert(key, new);
        }
        true
    }

    /// What they were found by.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }

    /// What each VNI is.
    pub(super) fn elect(&self) -> Elected {
        let mut elected = Elected::new();
        for member in self.by_name() {
            let choice = || Choice {
                asn: member.asn,
                network: member.network.clone(),
                lrp: member.lrp.clone(),
            };
            elected.entry(member.vni).or_insert_with(choice);
        }
        elected
    }

    /// The tenants, of the gateways that agree.
    pub(super) fn tenants(&self, elected: &Elected) -> BTreeMap<Vni, Arc<Tenant>> {
        let mut tenants: BTreeMap<Vni, Tenant> = BTreeMap::new();
        for member in self.by_name() {
            let (vni, asn) = (member.vni, member.asn);
            if admit(elected, vni, asn, &member.network).is_err() {
                continue;
            }
            let tenant = tenants.entry(vni).or_insert_with(|| tenant(vni, asn));
            match tenant.networks.get_mut(&member.network) {
                Some(network) => network.gateways.extend(member.provider.gateways.clone()),
                None => {
                    let (name, network) = (member.network.clone(), member.provider.clone());
                    tenant.networks.insert(name, network);
                }
            }
        }
        let shared = |(vni, tenant)| (vni, Arc::new(tenant));
        tenants.into_iter().map(shared).collect()
    }

    fn by_name(&self) -> Vec<&Member> {
        let mut members: Vec<_> = self.0.values().flatten().collect();
        members.sort_by_key(|member| &member.lrp);
        members
    }
}

/// Whether a gateway on a network is of its VNI as that is here; else why not.
pub(super) fn admit(
    elected: &Elected,
    vni: Vni,
    asn: Option<u32>,
    network: &str,
) -> Result<(), (Code, String)> {
    let Some(choice) = elected.get(&vni) else {
        let why = format!("no gateway of VNI {vni} is hosted by this chassis");
        return Err((Code::GatewayElsewhere, why));
    };
    if choice.asn == asn && *choice.network == *network {
        return Ok(());
    }
    let words = |asn: Option<u32>, network: &str| match asn {
        Some(asn) => format!("AS {asn} on network {network}"),
        None => format!("on network {network}"),
    };
    let why = format!(
        "{}: VNI {vni} is {} here, as its first gateway port {} says; give the other tenant a VNI of its own",
        words(asn, network),
        words(choice.asn, &choice.network),
        choice.lrp
    );
    Err((Code::VniMismatch, why))
}

/// What changed from some tenants to others.
pub(super) fn changes(
    old: &BTreeMap<Vni, Arc<Tenant>>,
    new: &BTreeMap<Vni, Arc<Tenant>>,
) -> BTreeMap<Vni, Option<Arc<Tenant>>> {
    let came = new.iter().filter(|(vni, new)| old.get(vni) != Some(new));
    let came = came.map(|(vni, tenant)| (*vni, Some(tenant.clone())));
    let gone = old.keys().filter(|vni| !new.contains_key(vni));
    came.chain(gone.map(|vni| (*vni, None))).collect()
}

fn tenant(vni: Vni, asn: Option<u32>) -> Tenant {
    Tenant {
        vni,
        layer: Layer::Routed,
        entry: Entry::PerGateway,
        asn,
        rd: None,
        import: BTreeSet::new(),
        export: BTreeSet::new(),
        networks: BTreeMap::new(),
    }
}
