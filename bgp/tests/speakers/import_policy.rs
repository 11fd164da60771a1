//! What is used of what peers teach.

use std::sync::Arc;

use bgp::wire::{AsPath, Asn, Community, PathAttributes, RouterId};
use bgp::{
    AllowAsIn, Change, Event, Filter, Filters, LocalAs, Match, Policy, PrefixList, Set, Term,
};
use ipnet::IpNet;

use crate::pair::{host, net};
use crate::several::Several;

const RED: Community = Community(0xfde9_0001);

fn by(asns: &[u32]) -> PathAttributes {
    PathAttributes {
        as_path: AsPath::sequence(asns.iter().copied().map(Asn)),
        ..PathAttributes::default()
    }
}

/// Red routes get this preference, others do not pass.
fn red_only(local_pref: u32) -> Filters {
    let red = Term {
        permit: true,
        matches: vec![Match::Community(vec![RED])],
        sets: vec![Set::LocalPref(local_pref)],
    };
    Filters::both(Filter {
        prefixes: None,
        policy: Some(Arc::new(Policy {
            name: "red-only".into(),
            terms: vec![red],
        })),
    })
}

fn learned(several: &Several) -> Vec<IpNet> {
    let mut learned: Vec<_> = several
        .speaker
        .learned()
        .map(|(prefix, _)| *prefix)
        .collect();
    learned.sort_unstable();
    learned
}

/// Who teaches the best path to a prefix.
fn teacher(several: &Several, prefix: &IpNet) -> Option<String> {
    let paths = several.speaker.learned_to(prefix)?;
    Some(paths.first()?.source.peer.to_string())
}

#[test]
fn a_changed_import_filter_judges_again_what_was_received() {
    let mut several = Several::new(&[65002]);
    let mut red = by(&[65002]);
    red.communities = vec![RED];
    several.announce(0, host(1), &red);
    several.announce(0, host(2), &by(&[65002]));
    assert_eq!(learned(&several), [host(1), host(2)]);
    several.events();

    let change = several.reconfigure(0, |config| config.import = red_only(200));
    assert_eq!(change, Change::Refreshed);
    assert_eq!(learned(&several), [host(1)]);
    let paths = several.speaker.learned_to(&host(1)).unwrap();
    assert_eq!(paths[0].local_pref(), 200);
    let events = several.events();
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events.contains(&Event::RouteLost { prefix: host(2) }));

    several.reconfigure(0, |config| config.import = Filters::default());
    assert_eq!(
        learned(&several),
        [host(1), host(2)],
        "nothing had to be asked for"
    );
    assert!(
        several.remotes[0].updates <= 2,
        "only the End-of-RIBs were sent"
    );
}

#[test]
fn a_host_may_take_the_default_only() {
    let mut several = Several::new(&[65002]);
    several.reconfigure(0, |config| config.import = Filters::default_routes());
    several.announce(0, net("0.0.0.0/0"), &by(&[65002]));
    several.announce(0, net("10.0.0.0/8"), &by(&[65002]));
    assert_eq!(learned(&several), [net("0.0.0.0/0")]);
    let status = several.speaker.peers().next().unwrap();
    assert_eq!(status.received, 2, "what does not pass is kept as received");
    several.reconfigure(0, |config| {
        config.import = Filters::both(Filter::prefixes(PrefixList::default()));
    });
    assert!(learned(&several).is_empty());
}

#[test]
fn our_own_as_in_the_path_is_a_loop_unless_allowed() {
    let mut several = Several::new(&[65002]);
    let cases: [&[u32]; 4] = [
        &[65002, 65001],
        &[65002, 65001, 65003],
        &[65002, 65001, 65001],
        &[65002, 65003],
    ];
    for (number, path) in (1..).zip(cases) {
        several.announce(0, host(number), &by(path));
    }
    for (allowed, expected) in [
        (AllowAsIn::Never, vec![host(4)]),
        (AllowAsIn::Times(1), vec![host(1), host(2), host(4)]),
        (
            AllowAsIn::Times(2),
            vec![host(1), host(2), host(3), host(4)],
        ),
        (AllowAsIn::Origin, vec![host(1), host(3), host(4)]),
    ] {
        several.reconfigure(0, |config| config.allowas_in = allowed);
        assert_eq!(learned(&several), expected, "{allowed:?}");
    }
}

#[test]
fn another_as_towards_one_peer_stands_in_the_paths_both_ways() {
    let mut several = Several::new(&[65002]);
    let local = |prepend_received, replace| LocalAs {
        asn: Asn(64999),
        prepend_received,
        replace,
    };
    for (local_as, received, sent) in [
        (local(true, false), "64999 65002", "64999 65001"),
        (local(false, true), "65002", "64999"),
    ] {
        several.reconfigure(0, |config| config.local_as = Some(local_as));
        several.down(0);
        several.up(0);
        several
            .speaker
            .originate([bgp::Route::new(host(9))], several.now);
        several.announce(0, host(1), &by(&[65002]));
        let paths = several.speaker.learned_to(&host(1)).unwrap();
        assert_eq!(paths[0].attributes.as_path.to_string(), received);
        assert_eq!(several.remotes[0].table[&host(9)].as_path, sent);
        several.announce(0, host(2), &by(&[65002, 64999]));
        assert!(
            several.speaker.learned_to(&host(2)).is_none(),
            "a loop as well"
        );
    }
}

#[test]
fn a_path_about_to_go_is_used_only_where_there_is_no_other() {
    let mut several = Several::new(&[65002, 65003]);
    several.announce(0, host(1), &by(&[65002]));
    several.announce(1, host(1), &by(&[65003, 65004]));
    assert_eq!(teacher(&several, &host(1)).as_deref(), Some("leaf0"));
    let mut leaving = by(&[65002]);
    leaving.communities = vec![Community::GRACEFUL_SHUTDOWN];
    several.announce(0, host(1), &leaving);
    assert_eq!(teacher(&several, &host(1)).as_deref(), Some("leaf1"));
    let own = several.speaker.adj_rib_in(several.remotes[0].peer);
    assert_eq!(
        own.map(|(_, path)| path.local_pref()).collect::<Vec<_>>(),
        [0]
    );
}

#[test]
fn a_reflected_route_of_our_own_is_not_used() {
    let mut several = Several::new(&[65001]);
    let mut own = PathAttributes {
        local_pref: Some(100),
        originator_id: Some(RouterId([192, 0, 2, 1].into())),
        ..PathAttributes::default()
    };
    several.announce(0, host(1), &own);
    own.originator_id = None;
    own.cluster_list = vec![[192, 0, 2, 1].into()];
    several.announce(0, host(2), &own);
    own.cluster_list = vec![[192, 0, 2, 7].into()];
    several.announce(0, host(3), &own);
    assert_eq!(learned(&several), [host(3)]);
}
