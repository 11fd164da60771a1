//! Who wants which prefix originated. Pure.
//!
//! A prefix may be wanted for several reasons at once: OVN exposes an address that is also connected,
//! and an operator has originated it by hand. Each source holds its own; a prefix goes when the last
//! source lets go of it.

use std::collections::hash_map;
use std::sync::Arc;

use bgp::{AddressMap, AddressSet, Route, RouteAttributes};
use ipnet::IpNet;
use serde::Serialize;

/// Who wants a prefix originated. Where several do, the attributes of the greatest are sent: what
/// an operator says by hand was said last and for a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// An address of this node.
    Connected,
    /// `[bgp] originate`.
    Configuration,
    /// An exposure of OVN's.
    Ovn,
    /// `originate`, by hand.
    Operator,
}

/// What the speaker has to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New, or with other attributes.
    pub originate: Vec<Route>,
    /// Wanted by no source any more.
    pub withdraw: Vec<IpNet>,
}

/// Every originated prefix with the sources that hold it.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    held: AddressMap<IpNet, Held>,
}

/// What each source gives a prefix.
#[derive(Clone, Debug, Default)]
struct Held {
    connected: Given,
    configuration: Given,
    ovn: Given,
    operator: Given,
}

type Given = Option<Arc<RouteAttributes>>;

impl Held {
    fn of(&self, source: Source) -> &Given {
        match source {
            Source::Connected => &self.connected,
            Source::Configuration => &self.configuration,
            Source::Ovn => &self.ovn,
            Source::Operator => &self.operator,
        }
    }

    fn of_mut(&mut self, source: Source) -> &mut Given {
        match source {
            Source::Connected => &mut self.connected,
            Source::Configuration => &mut self.configuration,
            Source::Ovn => &mut self.ovn,
            Source::Operator => &mut self.operator,
        }
    }

    /// Who holds it, the greatest first.
    fn holders(&self) -> impl DoubleEndedIterator<Item = (Source, &Arc<RouteAttributes>)> {
        let greatest_first = [
            Source::Operator,
            Source::Ovn,
            Source::Configuration,
            Source::Connected,
        ];
        let given = |source| Some((source, self.of(source).as_ref()?));
        greatest_first.into_iter().filter_map(given)
    }

    /// What is sent.
    fn attributes(&self) -> Option<&Arc<RouteAttributes>> {
        self.holders().next().map(|(_, attributes)| attributes)
    }

    /// Has a source give something else; true when that changes what is sent.
    fn set(&mut self, source: Source, given: Given) -> bool {
        let sender = self.holders().next().map(|(sender, _)| sender);
        let before = std::mem::replace(self.of_mut(source), given);
        let before = match sender {
            Some(greater) if greater > source => return false,
            Some(sender) if sender == source => before.as_ref(),
            lesser => lesser.and_then(|lesser| self.of(lesser).as_ref()),
        };
        before != self.attributes()
    }
}

impl Changes {
    /// True when there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.originate.is_empty() && self.withdraw.is_empty()
    }

    fn originate(&mut self, prefix: IpNet, attributes: &Arc<RouteAttributes>) {
        let attributes = Arc::clone(attributes);
        self.originate.push(Route { prefix, attributes });
    }
}

impl Origins {
    /// A source wants these prefixes, with these attributes in place of those it gave before.
    pub fn originate(
        &mut self,
        source: Source,
        routes: impl IntoIterator<Item = Route>,
    ) -> Changes {
        let mut changes = Changes::default();
        for route in routes {
            let prefix = route.prefix.trunc();
            let held = self.held.entry(prefix).or_default();
            if held.set(source, Some(route.attributes))
                && let Some(attributes) = held.attributes()
            {
                changes.originate(prefix, attributes);
            }
        }
        changes
    }

    /// A source lets go of these prefixes; one that it does not hold is passed over.
    pub fn withdraw(
        &mut self,
        source: Source,
        prefixes: impl IntoIterator<Item = IpNet>,
    ) -> Changes {
        let mut changes = Changes::default();
        for prefix in prefixes {
            self.let_go(source, prefix.trunc(), &mut changes);
        }
        changes
    }

    /// A source wants exactly these prefixes.
    pub fn replace(&mut self, source: Source, routes: impl IntoIterator<Item = Route>) -> Changes {
        let routes: Vec<Route> = routes.into_iter().collect();
        let kept: AddressSet<IpNet> = routes.iter().map(|route| route.prefix.trunc()).collect();
        let gone: Vec<IpNet> = self.of(source).filter(|p| !kept.contains(p)).collect();
        let mut changes = self.originate(source, routes);
        for prefix in gone {
            self.let_go(source, prefix, &mut changes);
        }
        changes
    }

    /// A source lets go of all that it holds.
    pub fn withdraw_all(&mut self, source: Source) -> Changes {
        self.replace(source, [])
    }

    /// Who holds a prefix, the one whose attributes are sent last.
    pub fn sources(&self, prefix: &IpNet) -> impl Iterator<Item = Source> + '_ {
        let held = self.held.get(prefix);
        held.into_iter()
            .flat_map(|held| held.holders().rev())
            .map(|(source, _)| source)
    }

    /// The prefixes that a source holds, in no particular order.
    pub fn of(&self, source: Source) -> impl Iterator<Item = IpNet> + '_ {
        let held = self.held.iter();
        held.filter_map(move |(prefix, held)| held.of(source).is_some().then_some(*prefix))
    }

    /// All that is originated, in no particular order.
    pub fn routes(&self) -> impl Iterator<Item = Route> + '_ {
        self.held.iter().filter_map(|(prefix, held)| {
            Some(Route {
                prefix: *prefix,
                attributes: Arc::clone(held.attributes()?),
            })
        })
    }

    /// How many prefixes are originated.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// True when nothing is originated.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn let_go(&mut self, source: Source, prefix: IpNet, changes: &mut Changes) {
        let hash_map::Entry::Occupied(mut known) = self.held.entry(prefix) else {
            return;
        };
        let changed = known.get_mut().set(source, None);
        match known.get().attributes() {
            None => {
                known.remove();
                changes.withdraw.push(prefix);
            }
            Some(left) if changed => changes.originate(prefix, left),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn route(prefix: &str, med: u32) -> Route {
        Route {
            prefix: net(prefix),
            attributes: Arc::new(RouteAttributes {
                med: Some(med),
                ..RouteAttributes::default()
            }),
        }
    }

    const HOST: &str = "192.0.2.7/32";

    #[test]
    fn a_prefix_goes_with_its_last_source() {
        let mut origins = Origins::default();
        let plain = || [Route::new(net(HOST))];
        assert_eq!(origins.originate(Source::Ovn, plain()).originate, plain());
        assert!(origins.originate(Source::Connected, plain()).is_empty());
        assert!(origins.withdraw(Source::Ovn, [net(HOST)]).is_empty());
        assert!(origins.withdraw(Source::Ovn, [net(HOST)]).is_empty());
        let gone = origins.withdraw(Source::Connected, [net(HOST)]);
        assert_eq!((gone.originate, gone.withdraw), (vec![], vec![net(HOST)]));
        assert!(origins.is_empty());
    }

    #[test]
    fn the_operators_attributes_win_and_the_others_come_back_after_them() {
        let mut origins = Origins::default();
        origins.originate(Source::Ovn, [route(HOST, 1)]);
        let by_hand = origins.originate(Source::Operator, [route(HOST, 9)]);
        assert_eq!(by_hand.originate, [route(HOST, 9)]);
        assert!(origins.originate(Source::Ovn, [route(HOST, 2)]).is_empty());
        assert!(
            origins
                .originate(Source::Connected, [route(HOST, 3)])
                .is_empty()
        );
        let sources: Vec<Source> = origins.sources(&net(HOST)).collect();
        assert_eq!(sources, [Source::Connected, Source::Ovn, Source::Operator]);
        let back = origins.withdraw(Source::Operator, [net(HOST)]);
        assert_eq!(
            (back.originate, back.withdraw),
            (vec![route(HOST, 2)], vec![])
        );
    }

    #[test]
    fn a_replaced_source_lets_go_of_what_it_does_not_name() {
        let mut origins = Origins::default();
        origins.originate(Source::Operator, [route("192.0.2.1/32", 1)]);
        origins.replace(
            Source::Connected,
            [route("192.0.2.1/32", 0), route("192.0.2.2/32", 0)],
        );
        let changes = origins.replace(Source::Connected, [route("192.0.2.3/32", 0)]);
        assert_eq!(changes.originate, [route("192.0.2.3/32", 0)]);
        assert_eq!(changes.withdraw, [net("192.0.2.2/32")]);
        let left: Vec<IpNet> = origins.of(Source::Connected).collect();
        assert_eq!(left, [net("192.0.2.3/32")]);
        let gone = origins.withdraw_all(Source::Connected).withdraw;
        assert_eq!(gone, left);
        assert_eq!(origins.len(), 1);
    }

    #[test]
    fn prefixes_are_told_by_their_network() {
        let mut origins = Origins::default();
        let changes = origins.originate(Source::Operator, [Route::new(net("192.0.2.77/24"))]);
        assert_eq!(changes.originate, [Route::new(net("192.0.2.0/24"))]);
        assert_eq!(
            origins
                .withdraw(Source::Operator, [net("192.0.2.1/24")])
                .withdraw
                .len(),
            1
        );
    }

    #[derive(Clone, Debug)]
    enum Act {
        Originate(Source, u8, u32),
        Withdraw(Source, u8),
        Replace(Source, Vec<(u8, u32)>),
    }

    fn numbered(n: u8) -> String {
        format!("192.0.2.{n}/32")
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let source = || {
            prop_oneof![
                Just(Source::Connected),
                Just(Source::Ovn),
                Just(Source::Operator)
            ]
        };
        let act = prop_oneof![
            (source(), 0..4u8, 0..3u32).prop_map(|(s, n, med)| Act::Originate(s, n, med)),
            (source(), 0..4u8).prop_map(|(s, n)| Act::Withdraw(s, n)),
            (source(), proptest::collection::vec((0..4u8, 0..3u32), 0..4))
                .prop_map(|(s, all)| Act::Replace(s, all)),
        ];
        proptest::collection::vec(act, 0..40)
    }

    proptest! {
        /// Whoever only follows the changes has what `routes` says, and no change says nothing.
        #[test]
        fn the_changes_add_up_to_the_routes(acts in acts()) {
            let mut origins = Origins::default();
            let mut speaker = BTreeMap::new();
            for act in acts {
                let changes = match act {
                    Act::Originate(source, n, med) => origins.originate(source, [route(&numbered(n), med)]),
                    Act::Withdraw(source, n) => origins.withdraw(source, [net(&numbered(n))]),
                    Act::Replace(source, all) => {
                        origins.replace(source, all.iter().map(|(n, med)| route(&numbered(*n), *med)))
                    }
                };
                for prefix in &changes.withdraw {
                    prop_assert!(speaker.remove(prefix).is_some());
                }
                for route in changes.originate {
                    speaker.insert(route.prefix, route.attributes);
                }
                let all: BTreeMap<_, _> = origins.routes().map(|r| (r.prefix, r.attributes)).collect();
                prop_assert_eq!(&speaker, &all);
            }
        }
    }
}
