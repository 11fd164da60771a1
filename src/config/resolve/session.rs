//! The options of a session: of one section, and laid over each other.

use bgp::wire::Asn;
use bgp::{AllowAsIn, Filters, LocalAs, MaxPrefixes};

use super::fill_given;
use super::lists::Names;
use crate::config::bgp::Session;
use crate::config::choice::Ttl;
use crate::config::given::{Given, label};
use crate::config::options::{BGP_SECTION, SESSION, SessionDraft};
use crate::config::problem::{Fault, Severity};

/// The session options of `[bgp]`, with the defaults for what is unset.
pub(super) fn outermost(given: &mut Given, names: &Names) -> SessionDraft {
    let mut defaults = SessionDraft::default();
    for row in SESSION {
        let stored = row
            .default
            .is_none_or(|text| row.field.store(&mut defaults, text));
        debug_assert!(stored, "default of {}", row.name);
    }
    level(given, names, BGP_SECTION).within(&defaults.within(&SessionDraft::default()))
}

/// The session options of one section, alone. What is wrong with them is a problem.
pub(super) fn level(given: &mut Given, names: &Names, section: &str) -> SessionDraft {
    let mut draft = SessionDraft::default();
    fill_given(given, section, SESSION, &mut draft);
    names.check(given, section, &draft);
    if draft.multihop.is_some() && draft.ttl_security.is_some() {
        let fault = Fault::Conflict(
            "multihop and ttl_security exclude each other".into(),
            "remove one of the two".into(),
        );
        let place = given.place(section, "ttl_security");
        let option = Some(label(section, "ttl_security"));
        given.problem(Severity::Error, place, option, fault);
    }
    draft
}

impl Names {
    /// Whatever the options of a section name exists.
    fn check(&self, given: &mut Given, section: &str, draft: &SessionDraft) {
        for (option, word) in [
            ("import_prefixes", &draft.import_prefixes),
            ("import_prefixes_ipv4", &draft.import_prefixes_ipv4),
            ("import_prefixes_ipv6", &draft.import_prefixes_ipv6),
            ("import_prefixes_evpn", &draft.import_prefixes_evpn),
            ("export_prefixes", &draft.export_prefixes),
            ("export_prefixes_ipv4", &draft.export_prefixes_ipv4),
            ("export_prefixes_ipv6", &draft.export_prefixes_ipv6),
            ("export_prefixes_evpn", &draft.export_prefixes_evpn),
        ] {
            if let Some(word) = word {
                self.check_prefixes(given, section, option, word);
            }
        }
        for (option, word) in [
            ("import_policy", &draft.import_policy),
            ("import_policy_ipv4", &draft.import_policy_ipv4),
            ("import_policy_ipv6", &draft.import_policy_ipv6),
            ("import_policy_evpn", &draft.import_policy_evpn),
            ("export_policy", &draft.export_policy),
            ("export_policy_ipv4", &draft.export_policy_ipv4),
            ("export_policy_ipv6", &draft.export_policy_ipv6),
            ("export_policy_evpn", &draft.export_policy_evpn),
        ] {
            if let Some(word) = word {
                self.check_policy(given, section, option, word);
            }
        }
        if let Some(word) = &draft.bfd {
            self.check_bfd(given, section, "bfd", word);
        }
    }

    /// The session that a complete draft describes; `on_link` for a link-local or unnumbered neighbour.
    pub(super) fn session(&self, draft: SessionDraft, on_link: bool) -> Session {
        let import = Filters {
            v4: self.filter(
                draft.import_prefixes_ipv4.as_ref(),
                draft.import_policy_ipv4.as_ref(),
            ),
            v6: self.filter(
                draft.import_prefixes_ipv6.as_ref(),
                draft.import_policy_ipv6.as_ref(),
            ),
            evpn: self.filter(
                draft.import_prefixes_evpn.as_ref(),
                draft.import_policy_evpn.as_ref(),
            ),
        };
        let export = Filters {
            v4: self.filter(
                draft.export_prefixes_ipv4.as_ref(),
                draft.export_policy_ipv4.as_ref(),
            ),
            v6: self.filter(
                draft.export_prefixes_ipv6.as_ref(),
                draft.export_policy_ipv6.as_ref(),
            ),
            evpn: self.filter(
                draft.export_prefixes_evpn.as_ref(),
                draft.export_policy_evpn.as_ref(),
            ),
        };
        let local_as = draft.local_as.map(|number| LocalAs {
            asn: Asn(number),
            prepend_received: draft.local_as_prepend.unwrap_or(true),
            replace: draft.local_as_replace.unwrap_or_default(),
        });
        Session {
            local_as,
            max_prefixes: max_prefixes(&draft),
            ttl: ttl(&draft),
            import,
            export,
            remote_as: draft.remote_as.unwrap_or_default(),
            password: draft.password,
            passive: draft.passive.unwrap_or_default(),
            update_source: draft.update_source,
            bind_device: draft.bind_device,
            hold_time: draft.hold_time.unwrap_or_default(),
            keepalive_time: draft.keepalive_time,
            connect_retry_time: draft.connect_retry_time.unwrap_or_default(),
            idle_hold_time: draft.idle_hold_time.unwrap_or_default(),
            send_hold_time: draft.send_hold_time.unwrap_or_default(),
            families: draft.families.unwrap_or(self.families),
            next_hop_ipv4: draft.next_hop_ipv4,
            next_hop_ipv6: draft.next_hop_ipv6,
            allowas_in: draft.allowas_in.unwrap_or(AllowAsIn::Never),
            accept_as_sets: draft.accept_as_sets.unwrap_or_default(),
            add_path: draft.add_path.unwrap_or_default(),
            extended_messages: draft.extended_messages.unwrap_or_default(),
            extended_next_hop: draft.extended_next_hop.unwrap_or(on_link),
            graceful_restart_helper: draft.graceful_restart_helper.unwrap_or_default(),
            long_lived_stale_time: draft.long_lived_stale_time.filter(|time| !time.is_zero()),
            bfd: draft.bfd.and_then(|word| self.bfd(&word)),
        }
    }
}

fn max_prefixes(draft: &SessionDraft) -> MaxPrefixes {
    let defaults = MaxPrefixes::default();
    let restart = draft.max_prefixes_restart.or(defaults.restart);
    MaxPrefixes {
        limit: draft.max_prefixes.unwrap_or(defaults.limit),
        warn_percent: draft.max_prefixes_warn.unwrap_or(defaults.warn_percent),
        warn_only: draft.max_prefixes_warn_only.unwrap_or_default(),
        restart: restart.filter(|pause| !pause.is_zero()),
    }
}

fn ttl(draft: &SessionDraft) -> Ttl {
    match (draft.multihop, draft.ttl_security) {
        (_, Some(hops)) => Ttl::Security(hops),
        (Some(hops), None) => Ttl::Multihop(hops),
        (None, None) => Ttl::Standard,
    }
}
