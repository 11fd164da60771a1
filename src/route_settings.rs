//! What a policy may say of a route, and how it is written: the same words in `external_ids` of OVN's rows
//! and in the policy file. Pure.

use std::sync::Arc;

use bgp::wire::{Community, ExtendedCommunity, LargeCommunity};

/// What one object, or one section of the policy file, says. `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteSettings {
    /// Whether its prefixes are advertised.
    pub advertise: Option<bool>,
    /// In place of those that something less specific gives; there may be none.
    pub communities: Option<Arc<Communities>>,
    /// LOCAL_PREF (RFC 4271 §5.1.5).
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC (RFC 4271 §5.1.4).
    pub med: Option<u32>,
}

/// Communities of every kind, each list sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Communities {
    /// RFC 1997.
    pub standard: Vec<Community>,
    /// RFC 4360.
    pub extended: Vec<ExtendedCommunity>,
    /// RFC 8092.
    pub large: Vec<LargeCommunity>,
}

/// One thing that a policy may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    Advertise,
    Communities,
    LocalPref,
    Med,
}

impl Setting {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Advertise,
        Self::Communities,
        Self::LocalPref,
        Self::Med,
    ];

    /// Its name in the policy file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Advertise => "advertise",
            Self::Communities => "communities",
            Self::LocalPref => "local_pref",
            Self::Med => "med",
        }
    }

    /// What is allowed, for whoever wrote something else.
    pub fn allowed(self) -> &'static str {
        match self {
            Self::Advertise => "true or false",
            Self::Communities => {
                "communities with spaces or commas between them: 65000:1, 65000:1:2, rt:65000:1, soo:65000:1, \
                 sixteen hexadecimal digits, or a name such as no-export, graceful-shutdown, blackhole"
            }
            Self::LocalPref | Self::Med => "a number, 0 to 4294967295",
        }
    }
}

impl RouteSettings {
    /// Takes over what is written of one setting. Answers the words that mean nothing: they are left out, and a
    /// setting of which nothing is left stays as it was.
    pub fn set(&mut self, setting: Setting, text: &str) -> Result<(), Vec<String>> {
        let bad = || Err(vec![text.to_owned()]);
        match setting {
            Setting::Advertise => match boolean(text) {
                Some(advertise) => self.advertise = Some(advertise),
                None => return bad(),
            },
            Setting::LocalPref => match text.trim().parse() {
                Ok(number) => self.local_pref = Some(number),
                Err(_) => return bad(),
            },
            Setting::Med => match text.trim().parse() {
                Ok(number) => self.med = Some(number),
                Err(_) => return bad(),
            },
            Setting::Communities => {
                let (communities, refused) = Communities::read(text);
                if refused.is_empty() || !communities.is_empty() {
                    self.communities = Some(Arc::new(communities));
                }
                if !refused.is_empty() {
                    return Err(refused);
                }
            }
        }
        Ok(())
    }

    /// Whether it says something of this.
    pub fn has(&self, setting: Setting) -> bool {
        match setting {
            Setting::Advertise => self.advertise.is_some(),
            Setting::Communities => self.communities.is_some(),
            Setting::LocalPref => self.local_pref.is_some(),
            Setting::Med => self.med.is_some(),
        }
    }

    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        Setting::ALL.iter().all(|setting| !self.has(*setting))
    }
}

impl Communities {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.standard.is_empty() && self.extended.is_empty() && self.large.is_empty()
    }

    /// As operators write them; extended ones as sixteen hexadecimal digits.
    pub fn words(&self) -> Vec<String> {
        let standard = self.standard.iter().map(ToString::to_string);
        let large = self.large.iter().map(ToString::to_string);
        let extended = self.extended.iter().map(ToString::to_string);
        standard.chain(large).chain(extended).collect()
    }

    /// Each once, whatever the order; and the words that are no communities.
    fn read(text: &str) -> (Self, Vec<String>) {
        let (mut standard, mut extended, mut large) = (Vec::new(), Vec::new(), Vec::new());
        let mut refused = Vec::new();
        let words = text.split(|c: char| c == ',' || c.is_whitespace());
        for word in words.filter(|word| !word.is_empty()) {
            if let Ok(community) = word.parse::<Community>() {
                standard.push(community);
            } else if let Ok(community) = word.parse::<LargeCommunity>() {
                large.push(community);
            } else if let Ok(community) = word.parse::<ExtendedCommunity>() {
                extended.push(community);
            } else {
                refused.push(word.to_owned());
            }
        }
        let communities = Self {
            standard: sorted(standard),
            extended: sorted(extended),
            large: sorted(large),
        };
        (communities, refused)
    }
}

fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

fn boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") {
        Some(true)
    } else if is("false") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(setting: Setting, text: &str) -> (RouteSettings, Vec<String>) {
        let mut settings = RouteSettings::default();
        let refused = settings.set(setting, text).err().unwrap_or_default();
        (settings, refused)
    }

    #[test]
    fn communities_of_all_kinds_are_one_list() {
        let text = "65000:2, no-export 65000:1:2\trt:65000:1 65000:2";
        let (settings, refused) = settings(Setting::Communities, text);
        assert!(refused.is_empty(), "{refused:?}");
        let communities = settings.communities.unwrap();
        let standard = [Community(65_000 << 16 | 2), Community::NO_EXPORT];
        assert_eq!(communities.standard, standard);
        assert_eq!(communities.large[0].to_string(), "65000:1:2");
        assert_eq!(communities.extended[0].to_string(), "0002fde800000001");
    }

    #[test]
    fn a_word_that_is_no_community_is_left_out_and_told() {
        let (given, refused) = settings(Setting::Communities, "no-export 65536:1 65000:1");
        assert_eq!(refused, ["65536:1"]);
        assert_eq!(given.communities.unwrap().standard.len(), 2);
        let (given, refused) = settings(Setting::Communities, "no-exprot");
        assert_eq!(refused, ["no-exprot"]);
        assert_eq!(
            given.communities, None,
            "nothing is left, so nothing is said"
        );
    }

    #[test]
    fn an_empty_list_says_that_there_are_none() {
        let (given, refused) = settings(Setting::Communities, " ");
        assert!(refused.is_empty());
        assert!(given.communities.unwrap().is_empty());
    }

    #[test]
    fn advertise_is_true_or_false_and_nothing_else() {
        for (text, value) in [("true", true), ("False", false), (" FALSE ", false)] {
            let (given, refused) = settings(Setting::Advertise, text);
            assert_eq!((given.advertise, refused.len()), (Some(value), 0), "{text}");
        }
        for text in ["", "no", "0", "fasle"] {
            let (given, refused) = settings(Setting::Advertise, text);
            assert_eq!((given.advertise, refused.len()), (None, 1), "{text}");
        }
    }

    #[test]
    fn numbers_are_of_32_bits() {
        assert_eq!(settings(Setting::Med, "4294967295").0.med, Some(u32::MAX));
        assert_eq!(settings(Setting::LocalPref, "0").0.local_pref, Some(0));
        for text in ["4294967296", "-1", "1.5", "", "x"] {
            let (given, refused) = settings(Setting::Med, text);
            assert_eq!((given.is_empty(), refused.len()), (true, 1), "{text}");
        }
    }
}
