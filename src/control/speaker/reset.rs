//! `reset`: FRR's `clear bgp`.

use bgp::{PeerId, State};

use super::neighbors::peers;
use crate::advertise::Live;
use crate::control::message::ResetOrder;
use crate::peering::Ended;

/// Why nothing was reset.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResetError {
    #[error("the BGP sessions have not started yet")]
    NotStarted,
    #[error("no neighbor is called '{0}'; 'show neighbors' lists them")]
    NoNeighbor(String),
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// Resets one neighbour, or all; what happened to each.
pub(crate) async fn reset(live: &Live, order: ResetOrder) -> Result<Vec<String>, ResetError> {
    let speaker = live.speaker.as_ref().ok_or(ResetError::NotStarted)?;
    let peers = peers(speaker).await?.into_iter();
    let name = order.name.as_deref();
    let wanted: Vec<_> = peers
        .filter(|peer| name.is_none_or(|name| *peer.name == *name))
        .collect();
    if let (Some(name), true) = (name, wanted.is_empty()) {
        return Err(ResetError::NoNeighbor(name.to_owned()));
    }
    let mut lines = Vec::new();
    for peer in wanted {
        let outcome = if order.soft {
            soft(speaker, peer.id).await?
        } else {
            let (id, words) = (peer.id, order.words.clone());
            let reset = speaker.act(move |speaker, now| speaker.reset(id, &words, now));
            reset.await?;
            match peer.state {
                State::Established => "the session is reset",
                _ => "an attempt is made at once",
            }
        };
        lines.push(format!("neighbor {}: {outcome}", peer.name));
    }
    Ok(lines)
}

async fn soft(speaker: &crate::peering::Handle, peer: PeerId) -> Result<&'static str, Ended> {
    let asked = speaker.act(move |speaker, now| speaker.refresh(peer, now));
    Ok(if asked.await? {
        "asked for its routes again, and told ours"
    } else {
        "not Established, or it answers no ROUTE-REFRESH: nothing done"
    })
}
