//! A node to tell wishes to.

use std::sync::Arc;

use super::super::{Facts, Wiring, Wish};
use crate::exposure::{Delta, Exposure};
use crate::reconcile::object::{Link, LinkKind};
use crate::reconcile::{Found, Holder, Key, Reconciler, Step, Value};

/// A node that does what it is told.
pub(super) struct Node {
    pub(super) wiring: Wiring,
    pub(super) reconciler: Reconciler,
}

impl Node {
    /// A node with the bridge br-ex and nothing else.
    pub(super) fn new(facts: Facts) -> Self {
        let mut node = Self {
            wiring: Wiring::default(),
            reconciler: Reconciler::new(),
        };
        let bridge = Link {
            kind: LinkKind::Foreign,
            up: true,
            mac: None,
            mtu: None,
        };
        let name = Arc::from("br-ex");
        let found = Found::foreign(Value::Link(bridge));
        node.reconciler.observe(Key::Link { name }, Some(found));
        node.facts(facts);
        node
    }

    pub(super) fn facts(&mut self, facts: Facts) -> Vec<Step> {
        let wishes = self.wiring.set_facts(facts);
        self.reconciler.hold(Holder::Base, self.wiring.base());
        self.tell(wishes)
    }

    pub(super) fn add(&mut self, exposure: Exposure) -> Vec<Step> {
        self.change([exposure], [])
    }

    pub(super) fn remove(&mut self, exposure: Exposure) -> Vec<Step> {
        self.change([], [exposure])
    }

    /// What is left to do.
    pub(super) fn add_nothing(&mut self) -> Vec<Step> {
        self.change([], [])
    }

    pub(super) fn change<const A: usize, const R: usize>(
        &mut self,
        added: [Exposure; A],
        removed: [Exposure; R],
    ) -> Vec<Step> {
        let wishes = self.wiring.update(&Delta {
            added: added.into_iter().map(Arc::new).collect(),
            removed: removed.into_iter().map(Arc::new).collect(),
            ..Delta::default()
        });
        self.tell(wishes)
    }

    /// Takes every step, and answers them in order.
    pub(super) fn tell(&mut self, wishes: Vec<Wish>) -> Vec<Step> {
        for wish in wishes {
            wish.tell(&mut self.reconciler);
        }
        let mut taken = Vec::new();
        loop {
            let plan = self.reconciler.next_steps();
            if plan.steps.is_empty() {
                return taken;
            }
            for step in plan.steps {
                self.reconciler.succeeded(&step);
                taken.push(step);
            }
        }
    }
}
