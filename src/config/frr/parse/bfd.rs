//! `bfd` and its profiles.

use super::super::line::Line;
use super::super::model::At;
use super::{Context, Reader};

impl Reader {
    pub(super) fn bfd(&mut self, line: &Line<'_>) -> bool {
        match line.word(0) {
            "profile" => {
                let name = line.word(1).to_owned();
                let profile = self.frr.bfd_profiles.entry(name.clone()).or_default();
                profile.line = line.number;
                self.enter(Context::BfdProfile(name));
            }
            "peer" => self.foreign(line),
            _ => return false,
        }
        true
    }

    pub(super) fn bfd_profile(&mut self, line: &Line<'_>, name: &str) -> bool {
        let option = match line.word(0) {
            "transmit-interval" => "transmit_interval",
            "receive-interval" => "receive_interval",
            "detect-multiplier" => "detect_multiplier",
            "minimum-ttl" => "minimum_ttl",
            "passive-mode" => "passive",
            "shutdown" | "log-session-changes" if line.negated => return true,
            "echo-mode" | "echo-interval" | "echo" | "shutdown" | "log-session-changes" => {
                self.note(line, "has no equivalent");
                return true;
            }
            _ => return false,
        };
        let value = if option == "passive" {
            "true"
        } else {
            line.word(1)
        };
        let value = value.to_owned();
        if let Some(profile) = self.frr.bfd_profiles.get_mut(name) {
            if line.negated {
                profile.options.remove(option);
            } else {
                profile.options.insert(
                    option,
                    At {
                        value,
                        line: line.number,
                    },
                );
            }
        }
        true
    }
}
