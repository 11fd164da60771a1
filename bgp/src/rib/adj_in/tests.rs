use std::net::Ipv4Addr;

use super::*;
use crate::rib::PathSource;
use crate::wire::RouterId;

const V4: Family = Family::IPV4_UNICAST;

fn net(last: u8) -> IpNet {
    format!("192.0.2.{last}/32").parse().unwrap()
}

fn received(communities: &[Community]) -> Arc<Received> {
    Arc::new(Received {
        next_hop: NextHop::V4(Ipv4Addr::new(10, 0, 0, 2)),
        attributes: Arc::new(PathAttributes {
            communities: communities.to_vec(),
            ..PathAttributes::default()
        }),
    })
}

fn path(received: &Received) -> Option<Arc<LearnedPath>> {
    let source = PathSource {
        peer: "leaf".into(),
        address: Ipv4Addr::new(10, 0, 0, 2).into(),
        link: None,
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 2)),
        external: true,
    };
    let attributes = Arc::clone(&received.attributes);
    Some(Arc::new(LearnedPath::new(
        Arc::new(source),
        received.next_hop,
        attributes,
    )))
}

/// A RIB with these prefixes, all from one UPDATE.
fn rib(prefixes: &[IpNet]) -> (AdjRibIn, Arc<Received>) {
    let mut rib = AdjRibIn::default();
    let received = received(&[]);
    let path = path(&received);
    for prefix in prefixes {
        assert!(rib.insert(*prefix, 0, &received, path.clone()));
    }
    (rib, received)
}

#[test]
fn a_repeated_announcement_changes_nothing() {
    let (mut rib, received) = rib(&[net(1)]);
    assert!(!rib.insert(net(1), 0, &received, path(&received)));
    assert_eq!(rib.len(), 1);
}

#[test]
fn what_must_not_be_used_is_kept_but_changes_nothing() {
    let (mut rib, received) = rib(&[net(1)]);
    assert!(!rib.insert(net(2), 0, &received, None));
    assert!(rib.insert(net(1), 0, &received, None), "no longer usable");
    assert_eq!((rib.len(), rib.iter().count()), (2, 0));
    assert!(!rib.remove(&net(2), 0));
    assert_eq!(rib.len(), 1);
}

#[test]
fn paths_of_one_prefix_come_and_go_by_their_identifiers() {
    let (mut rib, received) = rib(&[]);
    for id in [1, 2, 3] {
        assert!(rib.insert(net(1), id, &received, path(&received)));
    }
    assert_eq!((rib.get(&net(1)).count(), rib.len()), (3, 3));
    assert!(rib.remove(&net(1), 2));
    assert!(!rib.remove(&net(1), 2));
    assert_eq!((rib.get(&net(1)).count(), rib.len()), (2, 2));
    rib.remove(&net(1), 1);
    rib.remove(&net(1), 3);
    assert!(rib.is_empty() && rib.routes.is_empty());
}

#[test]
fn routes_of_one_update_share_what_it_said_even_when_stale() {
    let (mut rib, _) = rib(&[net(1), net(2)]);
    let shared = |rib: &AdjRibIn| {
        let used: Vec<_> = rib.routes.values().flat_map(Paths::entries).collect();
        let [one, other] = &used[..] else {
            panic!("two")
        };
        Arc::ptr_eq(&one.received, &other.received)
            && Arc::ptr_eq(one.used.as_ref().unwrap(), other.used.as_ref().unwrap())
    };
    assert!(shared(&rib));
    assert_eq!(rib.mark_stale(V4).len(), 2);
    assert!(shared(&rib));
}

#[test]
fn what_is_not_confirmed_is_purged() {
    let (mut rib, received) = rib(&[net(1), net(2)]);
    rib.mark_stale(V4);
    assert!(
        rib.iter()
            .all(|(_, path)| path.stale == Some(Stale::Restarting))
    );
    assert!(
        rib.insert(net(1), 0, &received, path(&received)),
        "it is fresh again"
    );
    assert_eq!(rib.unconfirmed_count(), 1);
    assert_eq!(rib.purge_unconfirmed(Family::IPV6_UNICAST), []);
    assert_eq!(rib.purge_unconfirmed(V4), [net(2)]);
    assert_eq!((rib.len(), rib.unconfirmed_count()), (1, 0));
}

#[test]
fn what_is_kept_for_long_says_so_unless_it_must_not_be_kept() {
    let (mut rib, _) = rib(&[net(1)]);
    let fleeting = received(&[Community::NO_LLGR]);
    rib.insert(net(2), 0, &fleeting, path(&fleeting));
    rib.mark_stale(V4);
    let mut changed = rib.mark_long_lived(V4);
    changed.sort_unstable();
    assert_eq!(changed, [net(1), net(2)]);
    let left: Vec<_> = rib.iter().collect();
    assert_eq!((left.len(), left[0].0), (1, &net(1)));
    assert!(left[0].1.is_last_resort() && left[0].1.stale == Some(Stale::LongLived));
}
