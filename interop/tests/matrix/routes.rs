//! Routes in both directions, and what they carry.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use interop::router::{Kind, Network, Router};
use interop::wait_until;

use crate::lab::{
    End, LINKS, Lab, OUR_AS, OURS_V4, OURS_V6, PATIENCE, THEIR_AS, THEIRS_V4, THEIRS_V6, Way,
};
use crate::sessions::{established, reaches};
use crate::speaker::{Learned, NEIGHBOR, Speaker};

pub(crate) fn both_families(kind: Kind) -> Result<()> {
    let lab = Lab::new(kind)?;
    let mut router = lab.router(Way::V4, |_| {})?;
    let speaker = lab.speaker(Way::V4, |_| {})?;
    speaker.originate(&[OURS_V4, OURS_V6])?;
    established(&*router, &speaker, Way::V4)?;
    reaches(&*router, OURS_V4, &[End::Ours.v4(0).into()])?;
    reaches(&*router, OURS_V6, &[End::Ours.v6(0).into()])?;
    learns(&speaker, THEIRS_V4, End::Theirs.v4(0).into())?;
    learns(&speaker, THEIRS_V6, End::Theirs.v6(0).into())?;
    for prefix in [OURS_V4, OURS_V6] {
        speaker.withdraw(prefix)?;
        gone_from_router(&*router, prefix)?;
    }
    for prefix in [THEIRS_V4, THEIRS_V6] {
        router.withdraw(prefix)?;
        wait_until(PATIENCE, "the withdrawal", || {
            speaker.learned(prefix).is_ok_and(|paths| paths.is_empty())
        })?;
    }
    ensure!(speaker.is_established(NEIGHBOR), "{}", speaker.report());
    Ok(())
}

/// IPv4 routes over an IPv6 session have its IPv6 addresses as next hops.
pub(crate) fn extended_next_hop(kind: Kind) -> Result<()> {
    let lab = Lab::new(kind)?;
    let router = lab.router(Way::V6, |setup| setup.sessions[0].extended_next_hop = true)?;
    let speaker = lab.speaker(Way::V6, |conf| conf.neighbor("extended_next_hop = true"))?;
    established(&*router, &speaker, Way::V6)?;
    speaker.originate(&[OURS_V4])?;
    reaches(&*router, OURS_V4, &[End::Ours.v6(0).into()])?;
    learns(&speaker, THEIRS_V4, End::Theirs.v6(0).into())
}

/// The default routes of two uplinks are one route of the kernel with two next hops, which follows an uplink's loss.
pub(crate) fn ecmp_import(kind: Kind) -> Result<()> {
    let lab = Lab::new(kind)?;
    let mut router = lab.router(Way::V4, |setup| {
        let mut second = setup.sessions[0].clone();
        second.remote = Way::V4.seen_from_router(1);
        setup.sessions.push(second);
        setup.networks = vec![Network::new("0.0.0.0/0")];
    })?;
    let speaker = lab.speaker(Way::V4, |conf| conf.on_both_links())?;
    established(&*router, &speaker, Way::V4)?;
    speaker.wait_established("router1")?;
    let has = |links: &[usize]| {
        let shown = lab.ours.ip("route show default").unwrap_or_default();
        (0..LINKS.len()).all(|link| {
            let hop = format!("via {} ", End::Theirs.v4(link));
            (shown.clone() + " ").contains(&hop) == links.contains(&link)
        })
    };
    in_kernel(&lab, &speaker, || has(&[0, 1]))?;
    lab.ours.ip("link set eth1 down")?;
    in_kernel(&lab, &speaker, || has(&[0]))?;
    router.withdraw("0.0.0.0/0")?;
    in_kernel(&lab, &speaker, || has(&[]))
}

fn in_kernel(lab: &Lab, speaker: &Speaker<'_>, condition: impl FnMut() -> bool) -> Result<()> {
    let there = wait_until(PATIENCE, "the kernel's default route", condition);
    there.map_err(|error| {
        let shown = lab.ours.ip("route show").unwrap_or_default();
        error.context(format!("{shown}\n{}", speaker.report()))
    })
}

pub(crate) fn large_communities(kind: Kind) -> Result<()> {
    let lab = Lab::new(kind)?;
    let large = format!("{THEIR_AS}:4200000000:1");
    let router = lab.router(Way::V4, |setup| {
        setup.networks[0].large_communities = vec![large.clone()];
        setup.networks[0].communities = vec![format!("{THEIR_AS}:77")];
    })?;
    let speaker = lab.speaker(Way::V4, |_| {})?;
    established(&*router, &speaker, Way::V4)?;
    let ours = format!("{OUR_AS}:4200000000:2");
    speaker.originate(&[OURS_V4, "--large-community", &ours])?;
    let arrived = wait_until(PATIENCE, "our large community", || {
        let paths = router.paths(OURS_V4).unwrap_or_default();
        paths
            .iter()
            .any(|path| path.large_communities.contains(&ours))
    });
    arrived.map_err(|error| error.context(router.report()))?;
    learned(&speaker, THEIRS_V4, |path| {
        path.large_communities == [large.clone()] && path.communities == [format!("{THEIR_AS}:77")]
    })
}

/// We have one path, the router's, by this next hop.
fn learns(speaker: &Speaker<'_>, prefix: &str, next_hop: IpAddr) -> Result<()> {
    learned(speaker, prefix, |path| {
        path.next_hops.contains(&next_hop) && path.as_path == THEIR_AS.to_string()
    })
}

/// We have one path, which is `right`.
pub(crate) fn learned(
    speaker: &Speaker<'_>,
    prefix: &str,
    right: impl Fn(&Learned) -> bool,
) -> Result<()> {
    let mut last = Vec::new();
    let arrived = wait_until(PATIENCE, prefix, || {
        last = speaker.learned(prefix).unwrap_or_default();
        last.len() == 1 && right(&last[0])
    });
    arrived.map_err(|error| error.context(format!("{last:?}\n{}", speaker.report())))
}

fn gone_from_router(router: &dyn Router, prefix: &str) -> Result<()> {
    wait_until(PATIENCE, "the withdrawal", || {
        router.paths(prefix).is_ok_and(|paths| paths.is_empty())
    })
}
