//! Sessions come up, and a route of ours reaches the router with the right next hop.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use interop::router::{Kind, Router};
use interop::wait_until;

use crate::lab::{End, Lab, OUR_AS, OURS_V4, OURS_V6, PATIENCE, Way};
use crate::speaker::{NEIGHBOR, Speaker};

pub(crate) fn ipv4(kind: Kind) -> Result<()> {
    session(kind, Way::V4, OURS_V4, &[End::Ours.v4(0).into()])
}

pub(crate) fn ipv6(kind: Kind) -> Result<()> {
    session(kind, Way::V6, OURS_V6, &[End::Ours.v6(0).into()])
}

pub(crate) fn link_local(kind: Kind) -> Result<()> {
    session(kind, Way::LinkLocal, OURS_V6, &over_link_local())
}

/// Found by router advertisements; both families over it.
pub(crate) fn unnumbered(kind: Kind) -> Result<()> {
    let lab = Lab::new(kind)?;
    let router = lab.router(Way::Unnumbered, |setup| {
        setup.sessions[0].extended_next_hop = true;
    })?;
    let speaker = lab.speaker(Way::Unnumbered, |_| {})?;
    established(&*router, &speaker, Way::Unnumbered)?;
    speaker.originate(&[OURS_V4, OURS_V6])?;
    for prefix in [OURS_V4, OURS_V6] {
        reaches(&*router, prefix, &over_link_local())?;
    }
    Ok(())
}

/// With the wrong key the kernel drops what comes; with the right one the session comes up.
pub(crate) fn md5(kind: Kind) -> Result<()> {
    for way in [Way::V4, Way::V6] {
        let lab = Lab::new(kind)?;
        let router = lab.router(way, |setup| setup.sessions[0].password = Some("s3cret"))?;
        let mut speaker = lab.speaker(way, |conf| conf.neighbor("password = wrong"))?;
        wait_until(PATIENCE, "a segment with the wrong signature", || {
            [&lab.ours, &lab.theirs].iter().any(|node| {
                node.sh("nstat -asz TcpExtTCPMD5Failure | awk '/MD5Failure/ {print $2}'")
                    .is_ok_and(|count| !matches!(count.trim(), "" | "0"))
            })
        })?;
        ensure!(!speaker.is_established(NEIGHBOR), "with the wrong password");
        speaker.restart(|conf| conf.neighbor("password = s3cret"))?;
        established(&*router, &speaker, way)?;
    }
    Ok(())
}

/// On a link-local session we name a global address and the link-local one; GoBGP and OpenBGPD show only the first.
fn over_link_local() -> [IpAddr; 2] {
    [End::Ours.link_local().into(), End::Ours.v6(0).into()]
}

fn session(kind: Kind, way: Way, prefix: &str, next_hops: &[IpAddr]) -> Result<()> {
    let lab = Lab::new(kind)?;
    let router = lab.router(way, |_| {})?;
    let speaker = lab.speaker(way, |_| {})?;
    established(&*router, &speaker, way)?;
    speaker.originate(&[prefix])?;
    reaches(&*router, prefix, next_hops)
}

/// Both ends say so.
pub(crate) fn established(router: &dyn Router, speaker: &Speaker<'_>, way: Way) -> Result<()> {
    speaker
        .wait_established(NEIGHBOR)
        .map_err(|error| error.context(router.report()))?;
    router.wait_established(&way.seen_from_router(0))
}

/// The router has one path, ours, by one of these next hops.
pub(crate) fn reaches(router: &dyn Router, prefix: &str, next_hops: &[IpAddr]) -> Result<()> {
    let mut last = Vec::new();
    let arrived = wait_until(PATIENCE, prefix, || {
        last = router.paths(prefix).unwrap_or_default();
        last.len() == 1
            && last[0].as_path == [OUR_AS]
            && last[0].next_hops.iter().any(|hop| next_hops.contains(hop))
    });
    arrived.map_err(|error| {
        let said = format!(
            "wanted by {next_hops:?}, but: {last:?}\n{}",
            router.report()
        );
        error.context(said)
    })
}
