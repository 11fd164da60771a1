//! Where next hops lead, and which of them the speaker may choose. Pure.

use std::sync::Arc;

use bgp::{AddressSet, LearnedPath, Via};
use ipnet::IpNet;

use super::resolve::{Firm, Resolution, Target};
use super::table::{MANY, Table};

impl Table {
    /// Where a path leads, as found before or now.
    pub(super) fn resolution(&mut self, path: &LearnedPath) -> Option<&Resolution> {
        let target = Target::of(path);
        if !self.resolved.contains_key(&target) {
            let resolution = self.resolve(&target);
            self.resolved.insert(target.clone(), resolution);
            self.judge(&target);
        }
        self.resolved.get(&target)
    }

    fn resolve(&self, target: &Target) -> Resolution {
        target.resolve(&self.node, self.settings.resolve_via_default, |prefix| {
            self.firm(prefix)
        })
    }

    /// A learned route that leads to other routes' next hops: one that needs no learned route itself, so that
    /// no two can lead to each other.
    fn firm(&self, prefix: &IpNet) -> Option<Firm> {
        let paths = self.learned.get(prefix)?;
        if !self.settings.imports(prefix) || self.taken.contains_key(prefix) {
            return None;
        }
        let via_default = self.settings.resolve_via_default;
        let direct = |path| {
            Target::of(path)
                .resolve(&self.node, via_default, |_| None)
                .ok()
        };
        let hops: Vec<_> = paths
            .iter()
            .filter_map(direct)
            .flat_map(|r| r.hops)
            .collect();
        (!hops.is_empty()).then(|| Firm {
            metric: self.place().metric_of(prefix),
            hops,
        })
    }

    /// What the speaker shall know of next hops: those that became ineligible (false) or eligible again (true).
    pub(super) fn verdicts(&mut self) -> Vec<(Via, bool)> {
        if self.read {
            std::mem::take(&mut self.verdicts)
        } else {
            Vec::new()
        }
    }

    fn judge(&mut self, target: &Target) {
        let eligible = target.is_eligible(&self.node, self.settings.resolve_via_default);
        let changed = if eligible {
            self.ineligible.remove(target)
        } else {
            self.ineligible.insert(target.clone())
        };
        if changed {
            self.verdicts.push((target.0.clone(), eligible));
        }
    }

    /// Drops what is known of next hops that no path has any more. Those that are not chosen because they are
    /// ineligible are followed, some of them; the others compete again, and are found again.
    pub(super) fn forget_next_hops(&mut self) {
        let paths = self.learned.values().flat_map(|paths| paths.iter());
        let used: AddressSet<Target> = paths.map(Target::of).collect();
        let mut left = MANY / 4;
        self.resolved.retain(|target, _| {
            let followed = self.ineligible.contains(target) && left > 0;
            left -= usize::from(followed);
            followed || used.contains(target)
        });
        let forgotten = (self.ineligible).extract_if(|target| !self.resolved.contains_key(target));
        let verdicts = forgotten.map(|target| (target.0, true));
        self.verdicts.extend(verdicts);
        self.resolve_until = MANY.max(2 * self.resolved.len());
    }

    /// Resolves all next hops again after the node has changed, and has the routes looked at that use one that
    /// leads elsewhere now.
    pub(super) fn follow_next_hops(&mut self) {
        if !std::mem::take(&mut self.moved) {
            return;
        }
        if self.has_lessons() {
            // Their device may have come or gone.
            self.touch_all();
        }
        let mut elsewhere = AddressSet::default();
        for target in self.resolved.keys().cloned().collect::<Vec<_>>() {
            self.judge(&target);
            let resolution = self.resolve(&target);
            if self.resolved.get(&target) != Some(&resolution) {
                self.resolved.insert(target.clone(), resolution);
                elsewhere.insert(target);
            }
        }
        if elsewhere.is_empty() {
            return;
        }
        let uses = |paths: &Arc<[LearnedPath]>| {
            paths
                .iter()
                .any(|path| elsewhere.contains(&Target::of(path)))
        };
        let concerned = self.learned.iter().filter(|(_, paths)| uses(paths));
        self.dirty.extend(concerned.map(|(prefix, _)| *prefix));
    }
}
