//! Steps as operations of RFC 7047 §5.2. Pure, but for sending them.

use std::sync::Arc;

use uuid::Uuid;

use super::PortError;
use crate::ovn::Vswitch;
use crate::ovsdb::{Clause, Columns, Datum, Handle, Mutator, Operation, TransactError};
use crate::reconcile::Step;
use crate::reconcile::object::{Key, Value};
use crate::reconcile::ownership::tenants::PORT_MARK;

/// Operations, and of which of them the bridges must have been there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) operations: Vec<Operation>,
    bridges: Vec<Needed>,
}

/// A bridge that an operation has to find, for a step.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Needed {
    operation: usize,
    step: usize,
    bridge: Arc<str>,
}

impl Transaction {
    pub(super) fn of(vswitch: &Vswitch, step: &Step) -> Result<Self, PortError> {
        match step {
            Step::Add {
                key: Key::SwitchPort { bridge, port },
                value: Value::SwitchPort { tag, internal },
            }
            | Step::Replace {
                key: Key::SwitchPort { bridge, port },
                value: Value::SwitchPort { tag, internal },
            } => Self::put(vswitch, bridge, port, *tag, *internal),
            Step::Remove {
                key: Key::SwitchPort { bridge, port },
                ..
            } => Ok(Self::remove(vswitch, bridge, port)),
            _ => Err(PortError::NotOurs),
        }
    }

    /// Several, in order.
    pub(super) fn all(parts: &[&Self]) -> Self {
        let mut all = Self::default();
        for (step, part) in parts.iter().enumerate() {
            let offset = all.operations.len();
            let bridges = part.bridges.iter();
            let bridges = bridges.map(|needed| Needed {
                operation: offset + needed.operation,
                step,
                bridge: Arc::clone(&needed.bridge),
            });
            all.bridges.extend(bridges);
            all.operations.extend(part.operations.iter().cloned());
        }
        all
    }

    /// Sends it. One answer for each of the `steps` that it is made of.
    ///
    /// # Errors
    /// Nothing of it was done, or that is not known.
    pub(super) async fn commit(
        self,
        handle: &Handle,
        steps: usize,
    ) -> Result<Vec<Result<(), PortError>>, TransactError> {
        let mut answers = vec![Ok(()); steps];
        if self.operations.is_empty() {
            return Ok(answers);
        }
        let results = handle.transact(self.operations).await?;
        for needed in self.bridges {
            // Without the bridge the port that was made belonged to nothing, and is gone again.
            if results
                .get(needed.operation)
                .and_then(|result| result.count)
                == Some(0)
                && let Some(answer) = answers.get_mut(needed.step)
            {
                *answer = Err(PortError::NoBridge(needed.bridge));
            }
        }
        Ok(answers)
    }

    /// Makes a port, or makes of the one with this name, wherever it is, what it is to be.
    fn put(
        vswitch: &Vswitch,
        bridge: &Arc<str>,
        name: &str,
        tag: Option<u16>,
        internal: bool,
    ) -> Result<Self, PortError> {
        if vswitch.bridge(bridge).is_none() {
            return Err(PortError::NoBridge(Arc::clone(bridge)));
        }
        let mut this = Self::default();
        let kind: Datum = if internal { "internal" } else { "" }.into();
        let tag = tag.map_or_else(Datum::empty, |tag| i64::from(tag).into());
        let mut port = Columns::from([
            ("tag".to_owned(), tag),
            ("vlan_mode".to_owned(), Datum::empty()),
            ("trunks".to_owned(), Datum::empty()),
        ]);
        let there = vswitch.port_named(name);
        let interface = there.and_then(|(_, port)| match port.interfaces.as_slice() {
            [interface] => Some(*interface),
            _ => None,
        });
        match interface {
            Some(uuid) => {
                let row = Columns::from([("type".to_owned(), kind)]);
                this.update("Interface", uuid, row);
            }
            None => {
                let row =
                    Columns::from([("name".to_owned(), name.into()), ("type".to_owned(), kind)]);
                let interface = this.insert("Interface", name, row);
                port.insert("interfaces".to_owned(), interface);
            }
        }
        let reference = match there {
            Some((uuid, _)) => {
                let mark = Datum::map([(PORT_MARK, "true")]);
                this.update("Port", uuid, port);
                let mutation = ("external_ids".to_owned(), Mutator::Insert, mark);
                this.operations.push(Operation::Mutate {
                    table: "Port".to_owned(),
                    clauses: vec![Clause::equal("_uuid", uuid)],
                    mutations: vec![mutation],
                });
                this.leave_others(vswitch, bridge, uuid);
                uuid.into()
            }
            None => {
                port.insert("name".to_owned(), name.into());
                port.insert("external_ids".to_owned(), Datum::map([(PORT_MARK, "true")]));
                this.insert("Port", name, port)
            }
        };
        this.bridges.push(Needed {
            operation: this.operations.len(),
            step: 0,
            bridge: Arc::clone(bridge),
        });
        this.mutate_bridge(bridge, Mutator::Insert, reference);
        Ok(this)
    }

    /// Its rows go with the last reference to them.
    fn remove(vswitch: &Vswitch, bridge: &Arc<str>, name: &str) -> Self {
        let mut this = Self::default();
        let there = vswitch.port_named(name).map(|(uuid, _)| uuid);
        let on_bridge = there.filter(|uuid| {
            let bridge = vswitch.bridge(bridge);
            bridge.is_some_and(|(_, bridge)| bridge.ports.contains(uuid))
        });
        if let Some(uuid) = on_bridge {
            this.mutate_bridge(bridge, Mutator::Delete, uuid.into());
        }
        this
    }

    /// No two bridges may have a port.
    fn leave_others(&mut self, vswitch: &Vswitch, bridge: &Arc<str>, port: Uuid) {
        let others = vswitch.bridges().map(|(_, other)| other);
        let others = others.filter(|other| other.name != *bridge && other.ports.contains(&port));
        let others: Vec<Arc<str>> = others.map(|other| Arc::clone(&other.name)).collect();
        for other in others {
            self.mutate_bridge(&other, Mutator::Delete, port.into());
        }
    }

    fn mutate_bridge(&mut self, bridge: &Arc<str>, mutator: Mutator, port: Datum) {
        self.operations.push(Operation::Mutate {
            table: "Bridge".to_owned(),
            clauses: vec![Clause::equal("name", &**bridge)],
            mutations: vec![("ports".to_owned(), mutator, port)],
        });
    }

    fn update(&mut self, table: &str, uuid: Uuid, row: Columns) {
        self.operations.push(Operation::Update {
            table: table.to_owned(),
            clauses: vec![Clause::equal("_uuid", uuid)],
            row,
        });
    }

    /// The reference to the row that is inserted.
    fn insert(&mut self, table: &str, name: &str, row: Columns) -> Datum {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = name.chars().map(plain).collect();
        let name = format!("{}_{name}", table.to_lowercase());
        self.operations.push(Operation::Insert {
            table: table.to_owned(),
            row,
            uuid_name: Some(name.clone()),
        });
        Datum::named_uuid(&name)
    }
}
