//! AS numbers of four octets through a peer that knows two (RFC 6793 §4.2.3).

use super::super::Asn;
use super::{Aggregator, AsPath, AsPathSegment, Segments};

/// Joins what a two-octet peer said itself with what it passed on. The order of the attributes in the message
/// plays no part: this is called when all have been read.
pub(super) fn join(
    as_path: &mut AsPath,
    aggregator: &mut Option<Aggregator>,
    as4_path: Option<AsPath>,
    as4_aggregator: Option<Aggregator>,
) {
    match (*aggregator, as4_aggregator) {
        // A two-octet router aggregated on the way: what was passed on is about another route.
        (Some(two_octets), Some(_)) if two_octets.asn != Asn::TRANS => return,
        (Some(_), Some(four_octets)) => *aggregator = Some(four_octets),
        _ => {}
    }
    if let Some(as4_path) = as4_path {
        join_paths(as_path, as4_path);
    }
}

/// The ASes that AS_PATH has more than AS4_PATH are kept in front.
fn join_paths(as_path: &mut AsPath, as4_path: AsPath) {
    let Some(mut surplus) = as_path.len().checked_sub(as4_path.len()) else {
        // Routers on the way shortened the path; AS4_PATH is out of date.
        return;
    };
    let mut joined = Segments::with_capacity(as4_path.segments.len() + 1);
    for mut segment in std::mem::take(&mut as_path.segments) {
        if segment.is_confederation() {
            joined.push(segment);
        } else if surplus == 0 {
            break;
        } else {
            let counted = segment.len();
            if counted > surplus {
                segment.asns.truncate(surplus);
            }
            surplus -= counted.min(surplus);
            joined.push(segment);
        }
    }
    for segment in as4_path.segments {
        append(&mut joined, segment);
    }
    as_path.segments = joined;
}

/// Two sequences in a row are one, as the path was before it was cut.
fn append(joined: &mut Segments, segment: AsPathSegment) {
    match joined.last_mut() {
        Some(last) if last.kind == super::SegmentKind::Sequence && segment.kind == last.kind => {
            last.asns.extend(segment.asns);
        }
        _ => joined.push(segment),
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::super::SegmentKind;
    use super::*;

    fn joined(as_path: &[u32], as4_path: &[u32]) -> String {
        let mut path = AsPath::sequence(as_path.iter().copied().map(Asn));
        let as4_path = AsPath::sequence(as4_path.iter().copied().map(Asn));
        join(&mut path, &mut None, Some(as4_path), None);
        path.to_string()
    }

    #[test]
    fn what_as_path_has_more_stays_in_front() {
        assert_eq!(
            joined(&[100, 200, 23456, 23456], &[70000, 70001]),
            "100 200 70000 70001"
        );
        assert_eq!(joined(&[23456], &[70000]), "70000");
    }

    #[test]
    fn a_longer_as4_path_is_ignored() {
        assert_eq!(joined(&[100], &[70000, 70001]), "100");
    }

    #[test]
    fn a_set_in_front_counts_as_one() {
        let set = AsPathSegment {
            kind: SegmentKind::Set,
            asns: smallvec![Asn(1), Asn(2)],
        };
        let mut path = AsPath::sequence([Asn(23456)]);
        path.segments.insert(0, set);
        join(
            &mut path,
            &mut None,
            Some(AsPath::sequence([Asn(70000)])),
            None,
        );
        assert_eq!(path.to_string(), "{1,2} 70000");
    }

    #[test]
    fn an_aggregator_other_than_as_trans_voids_both_as4_attributes() {
        let address = std::net::Ipv4Addr::new(10, 0, 0, 1);
        let mut path = AsPath::sequence([Asn(23456)]);
        let mut aggregator = Some(Aggregator {
            asn: Asn(100),
            address,
        });
        let passed_on = Some(Aggregator {
            asn: Asn(70000),
            address,
        });
        join(
            &mut path,
            &mut aggregator,
            Some(AsPath::sequence([Asn(70000)])),
            passed_on,
        );
        assert_eq!(
            (path.to_string().as_str(), aggregator.unwrap().asn),
            ("23456", Asn(100))
        );

        let mut aggregator = Some(Aggregator {
            asn: Asn::TRANS,
            address,
        });
        join(&mut path, &mut aggregator, None, passed_on);
        assert_eq!(aggregator, passed_on);
    }
}
