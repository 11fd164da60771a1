//! Which of our prefixes others originate too.

use std::collections::BTreeMap;

use bgp::OtherOrigin;
use ipnet::IpNet;

use crate::peering::{Ended, Handle};

/// Prefixes looked up at a time: the protocol waits meanwhile.
const AT_A_TIME: usize = 1000;

/// Of these prefixes, those that somebody else originates, with who, in words.
pub(crate) async fn duplicates(
    speaker: &Handle,
    prefixes: &[IpNet],
) -> Result<BTreeMap<IpNet, Vec<String>>, Ended> {
    let mut all = BTreeMap::new();
    for chunk in prefixes.chunks(AT_A_TIME) {
        let chunk = chunk.to_vec();
        let found = speaker.look(move |view| {
            let others = |prefix: IpNet| {
                let mut others: Vec<_> = view.speaker.other_origins(&prefix).collect();
                others.sort();
                (!others.is_empty()).then_some((prefix, others))
            };
            chunk.into_iter().filter_map(others).collect::<Vec<_>>()
        });
        let found = found.await?.into_iter();
        all.extend(found.map(|(prefix, others)| (prefix, others.iter().map(words).collect())));
    }
    Ok(all)
}

fn words(other: &OtherOrigin) -> String {
    let OtherOrigin { peer, asn, router } = other;
    match router {
        Some(router) => format!("router {router} of AS {asn}, by {peer}"),
        None => format!("AS {asn}, by {peer}"),
    }
}
