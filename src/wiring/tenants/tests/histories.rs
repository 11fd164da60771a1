//! Whatever the history, what is held adds up to the whole.

use bgp::evpn::{EvpnEvent, RemoteHost, Way};
use bgp::wire::evpn::{Mac, Mobility};
use proptest::prelude::*;

use super::*;
use crate::reconcile::Desired;

const VNIS: [Vni; 2] = [1001, 77];

#[derive(Clone, Debug)]
enum Edit {
    Toggle(Box<Exposure>),
    Tenant(Vni, Option<Tenant>),
    Teach(EvpnEvent),
    Facts(Box<Facts>),
}

fn some_vni() -> impl Strategy<Value = Vni> {
    proptest::sample::select(VNIS.to_vec())
}

fn an_exposure() -> impl Strategy<Value = Exposure> {
    let prefixes = [
        "172.24.4.1/32",
        "10.10.0.5/32",
        "2001:db8::10/128",
        "10.10.0.0/24",
    ];
    let prefix = proptest::sample::select(prefixes.to_vec());
    let choices = any::<(bool, bool, bool, bool)>();
    (some_vni(), prefix, choices).prop_map(|(vni, prefix, (vlan, bridged, pinned, underlay))| {
        let base = exposure(vni, prefix);
        let base = if vlan { on_vlan(base, 100) } else { base };
        let behind = prefix.starts_with("10.10").then(|| ip("172.24.4.76"));
        Exposure {
            via: behind,
            subnet: behind.map(|_| "10.10.0.0/24".parse().unwrap()),
            layer: if bridged {
                Layer::Bridged
            } else {
                Layer::Routed
            },
            mac: base.mac.filter(|_| pinned),
            vni: base.vni.filter(|_| !underlay),
            ..base
        }
    })
}

fn a_tenant() -> impl Strategy<Value = (Vni, Option<Tenant>)> {
    let shapes = (0..6usize, any::<(bool, bool)>());
    (some_vni(), shapes).prop_map(|(vni, (shape, (vlan, router)))| {
        let mut tenant = match shape {
            0 => return (vni, None),
            1 => shared(vni, vlan.then_some(100)),
            2 => Tenant {
                layer: Layer::Bridged,
                ..tenant(vni)
            },
            _ => tenant(vni),
        };
        if vlan {
            tenant = with_vlan(tenant, 100);
        }
        if router {
            for network in tenant.networks.values_mut() {
                network.routers = [ip("172.24.4.1")].into();
            }
        }
        (vni, Some(tenant))
    })
}

fn a_lesson() -> impl Strategy<Value = EvpnEvent> {
    let vteps = proptest::collection::btree_set(1..4u8, 0..3);
    let prefixes = [
        "172.24.4.1/32",
        "198.51.100.0/24",
        "2001:db8:9::/64",
        "0.0.0.0/0",
    ];
    let prefix = proptest::sample::select(prefixes.to_vec());
    let vtep = |last: u8| IpAddr::from([10, 255, 0, last]);
    (some_vni(), vteps, prefix, 0..3usize, 0..2u8).prop_map(
        move |(vni, vteps, prefix, kind, mac)| match kind {
            0 => EvpnEvent::Flood {
                vni,
                vteps: vteps.into_iter().map(vtep).collect(),
            },
            1 => EvpnEvent::Host {
                vni,
                mac: Mac(VM_MAC.0),
                host: vteps.first().map(|last| RemoteHost {
                    vtep: vtep(*last),
                    mobility: Mobility::default(),
                    gateway: false,
                    addresses: [ip("172.24.4.1")].into(),
                }),
            },
            _ => EvpnEvent::Prefix {
                vni,
                prefix: prefix.parse().unwrap(),
                ways: vteps
                    .into_iter()
                    .map(|last| Way {
                        vtep: vtep(last),
                        router_mac: Mac([2, 0, 0, 0, mac, last]),
                    })
                    .collect(),
            },
        },
    )
}

fn some_facts() -> impl Strategy<Value = Facts> {
    let flags = any::<(bool, bool, bool, bool)>();
    (flags, any::<(bool, bool)>(), 0..3usize).prop_map(
        |((vtep, patched, seen, delete), (numbered, kept), role)| {
            let mut facts = facts();
            facts.role = [BridgeRole::Routes, BridgeRole::Answers, BridgeRole::Nothing][role];
            let tenancy = &mut facts.tenancy;
            tenancy.vtep = tenancy.vtep.filter(|_| vtep);
            tenancy.delete_vrf_on_disconnect = delete;
            if kept {
                tenancy.vrfs = [1001, 5].into();
            }
            if seen {
                let devices = ["br-1001", "veth-vrf-77", "vlan-77"];
                tenancy.macs = devices
                    .into_iter()
                    .map(|d| (d.into(), BRIDGE_MAC))
                    .collect();
            }
            if numbered {
                tenancy.ports = BTreeMap::from([("veth-ovs-77".into(), 9), ("vlan-77".into(), 8)]);
            }
            if !patched {
                facts.bridges.get_mut("br-ex").unwrap().patch_ports.clear();
            }
            facts
        },
    )
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => an_exposure().prop_map(|exposure| Edit::Toggle(Box::new(exposure))),
        3 => a_tenant().prop_map(|(vni, tenant)| Edit::Tenant(vni, tenant)),
        4 => a_lesson().prop_map(Edit::Teach),
        1 => some_facts().prop_map(|facts| Edit::Facts(Box::new(facts))),
    ]
}

/// Everything that is in force.
#[derive(Default)]
struct Sum {
    exposures: BTreeSet<Arc<Exposure>>,
    tenants: BTreeMap<Vni, Arc<Tenant>>,
    /// The last word about each subject, in the order in which they were said.
    lessons: Vec<EvpnEvent>,
}

impl Sum {
    fn teach(&mut self, event: EvpnEvent) {
        let subject = |event: &EvpnEvent| match event {
            EvpnEvent::Prefix { vni, prefix, .. } => (*vni, Some(*prefix), false),
            EvpnEvent::Host { vni, .. } => (*vni, None, true),
            EvpnEvent::Flood { vni, .. } | EvpnEvent::DuplicateMac { vni, .. } => {
                (*vni, None, false)
            }
        };
        self.lessons
            .retain(|lesson| subject(lesson) != subject(&event));
        self.lessons.push(event);
    }

    /// What a node wishes that knows nothing of how it came to this.
    fn whole(&self, facts: &Facts) -> Desired {
        let mut wiring = Wiring::default();
        let mut held = Held::default();
        held.take(wiring.teach(self.lessons.clone()));
        held.take(
            wiring.update(&Delta {
                added: self.exposures.iter().cloned().collect(),
                tenants: self
                    .tenants
                    .iter()
                    .map(|(v, t)| (*v, Some(t.clone())))
                    .collect(),
                ..Delta::default()
            }),
        );
        held.change(&mut wiring, facts.clone());
        held.desired()
    }
}

/// What a reconciler has that was told every wish.
#[derive(Default)]
struct Held(BTreeMap<Holder, Wish>);

impl Held {
    fn take(&mut self, wishes: Vec<Wish>) {
        self.0
            .extend(wishes.into_iter().map(|wish| (wish.holder, wish)));
    }

    /// As whoever changes the facts holds the base.
    fn change(&mut self, wiring: &mut Wiring, facts: Facts) {
        self.take(wiring.set_facts(facts));
        self.take(vec![Wish {
            objects: wiring.base(),
            ..Wish::nothing(Holder::Base)
        }]);
    }

    fn desired(self) -> Desired {
        let mut sum = Desired::default();
        for wish in self.0.into_values() {
            let keys: BTreeSet<_> = wish.objects.iter().map(|(key, _)| key).collect();
            assert_eq!(keys.len(), wish.objects.len(), "twice in {wish:?}");
            for (key, value) in wish.objects {
                sum.objects.entry(key).or_insert(value);
            }
            if let (Holder::Exposed(destination), Some(advert)) = (wish.holder, wish.advert) {
                sum.adverts.insert(destination, advert);
            }
        }
        sum
    }
}

proptest! {
    #[test]
    fn wishes_add_up_to_the_whole(edits in proptest::collection::vec(edit(), 1..50)) {
        let mut wiring = Wiring::default();
        let mut held = Held::default();
        let mut sum = Sum::default();
        held.change(&mut wiring, facts());
        for edit in edits {
            let wishes = match edit {
                Edit::Facts(facts) => {
                    held.change(&mut wiring, *facts);
                    Vec::new()
                }
                Edit::Teach(event) => {
                    sum.teach(event.clone());
                    wiring.teach([event])
                }
                Edit::Tenant(vni, tenant) => {
                    let tenant = tenant.map(Arc::new);
                    match &tenant {
                        Some(tenant) => sum.tenants.insert(vni, tenant.clone()),
                        None => sum.tenants.remove(&vni),
                    };
                    let tenants = [(vni, tenant)].into();
                    wiring.update(&Delta { tenants, ..Delta::default() })
                }
                Edit::Toggle(exposure) => {
                    let exposure = Arc::new(*exposure);
                    let mut delta = Delta::default();
                    if sum.exposures.remove(&exposure) {
                        delta.removed.push(exposure);
                    } else {
                        sum.exposures.insert(exposure.clone());
                        delta.added.push(exposure);
                    }
                    wiring.update(&delta)
                }
            };
            held.take(wishes);
        }
        let whole = sum.whole(wiring.facts());
        prop_assert_eq!(held.desired(), whole);
    }
}
