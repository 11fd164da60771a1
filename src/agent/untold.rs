//! What policies say of routes, and nobody is told: told to the operator in its place.

use super::Agent;
use crate::advertise::frr::lost_in_frr;
use crate::config::{Backend, Config, RemoteAs};
use crate::exposure::{Attributes, Layer};

/// What of path attributes does not get to anybody, by the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untold {
    /// What FRR does not pass, or obeys itself.
    InFrr,
    /// Neither: there is no internal session.
    LocalPref(&'static str),
}

impl Untold {
    /// `None` where everything gets to somebody.
    pub(super) fn of(config: &Config) -> Option<Self> {
        match config.agent.bgp_backend {
            Backend::Frr => Some(Self::InFrr),
            Backend::FrrPeer => Some(Self::LocalPref(
                "the session with FRR is an external one (bgp_backend = frr-peer), and those have no LOCAL_PREF; \
                 set it in FRR, by a community",
            )),
            Backend::Embedded if has_internal(config) => None,
            Backend::Embedded => Some(Self::LocalPref(
                "no neighbour is internal, and others are told no LOCAL_PREF; use communities or MED",
            )),
        }
    }

    /// Why some of these attributes are told to nobody, if that is so.
    pub(super) fn concerns(self, attributes: &Attributes, layer: Layer) -> Option<&'static str> {
        match self {
            Self::InFrr if layer == Layer::Bridged => attributes.are_special().then_some(
                "FRR finds the hosts of stretched networks by itself (bgp_backend = frr), and gives them no attributes; \
                 use another bgp_backend",
            ),
            Self::InFrr => lost_in_frr(attributes),
            Self::LocalPref(why) => attributes.local_pref.is_some().then_some(why),
        }
    }
}

/// Whether some session is, or may be, with our own AS.
fn has_internal(config: &Config) -> bool {
    let neighbours = config.neighbours.iter().map(|n| n.session.remote_as);
    let ranges = config.listen_ranges.iter().map(|r| r.session.remote_as);
    let mut all = neighbours.chain(ranges);
    all.any(|remote| match remote {
        RemoteAs::Number(number) => number == config.bgp.asn,
        RemoteAs::Internal | RemoteAs::Auto => true,
        RemoteAs::External => false,
    })
}

impl Agent {
    /// Says of the first route, once per configuration, that what policies say of it is told to nobody.
    pub(super) fn warn_of_untold(&mut self) {
        if self.untold_said {
            return;
        }
        let Some(untold) = Untold::of(&self.config) else {
            return;
        };
        let mut concerned = self.core.exposures().filter_map(|exposure| {
            let why = untold.concerns(&exposure.attributes, exposure.layer)?;
            Some((exposure.prefix, exposure.attributes.policy()?, why))
        });
        if let Some((prefix, policy, why)) = concerned.next() {
            tracing::warn!("not all of what policies say of {prefix} is told ({policy}): {why}");
            self.untold_said = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Input, Loaded};

    fn untold(text: &str) -> Option<Untold> {
        let input = Input {
            files: vec![("bgp-agent.conf".into(), text.into())],
            ..Input::default()
        };
        Untold::of(&Loaded::read(&input).config)
    }

    #[test]
    fn without_an_internal_session_nobody_is_told_the_local_preference() {
        let neighbour = |remote: &str| {
            format!(
                "[DEFAULT]\nbgp_AS = 65000\n[bgp_neighbor a]\naddress = 192.0.2.1\nremote_as = {remote}\n"
            )
        };
        for remote in ["internal", "auto", "65000"] {
            assert_eq!(untold(&neighbour(remote)), None, "{remote}");
        }
        for remote in ["external", "65001"] {
            let untold = untold(&neighbour(remote)).unwrap();
            let med = Attributes {
                med: Some(1),
                ..Attributes::default()
            };
            assert_eq!(untold.concerns(&med, Layer::Routed), None);
            let local_pref = Attributes {
                local_pref: Some(1),
                ..Attributes::default()
            };
            assert!(
                untold.concerns(&local_pref, Layer::Routed).is_some(),
                "{remote}"
            );
        }
    }

    #[test]
    fn what_frr_passes_is_not_complained_of() {
        let frr = untold("[DEFAULT]\nbgp_backend = frr\n").unwrap();
        assert_eq!(frr, Untold::InFrr);
        let med = Attributes {
            med: Some(1),
            ..Attributes::default()
        };
        assert_eq!(frr.concerns(&med, Layer::Routed), None);
        assert!(frr.concerns(&med, Layer::Bridged).is_some());
        let ruled = Attributes {
            rule: Some("[expose x] advertise".into()),
            ..Attributes::default()
        };
        assert_eq!(frr.concerns(&ruled, Layer::Bridged), None);
    }
}
