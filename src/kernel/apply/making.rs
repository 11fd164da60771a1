//! Making an interface: none of ours stays without our mark, which is what tells it from others' ever after.

use netlink_packet_route::link::LinkMessage;

use super::{ApplyError, Kernel};
use crate::kernel::connection::{Refusal, Request};
use crate::kernel::message::LinkFacts;
use crate::kernel::request;
use crate::reconcile::Step;
use crate::reconcile::object::{Link, LinkKind};

/// How an interface is made.
pub(super) struct Making {
    /// Takes away what is in its place.
    before: Option<Request>,
    make: Request,
    mark: Request,
    /// Takes it away again where it cannot be marked.
    undo: Request,
    /// The rest of it. What fails of this leaves the interface in its place, to be corrected.
    after: Vec<Request>,
}

impl Making {
    /// Makes an interface, in place of the one that was found.
    pub(super) fn of(
        name: &str,
        link: &Link,
        create: LinkMessage,
        found: Option<&LinkFacts>,
    ) -> Self {
        let mtu = link.mtu.map(|mtu| request::set_mtu_by_name(name, mtu));
        let peer = match &link.kind {
            LinkKind::Veth { peer } => Some(request::set_up_by_name(peer)),
            _ => None,
        };
        let up = request::set_up_by_name(name);
        Self {
            before: found.map(|found| request::remove_link(found.index)),
            make: request::add_link(create, link.mac),
            mark: request::mark(name),
            undo: request::remove_link_by_name(name),
            after: mtu.into_iter().chain([up]).chain(peer).collect(),
        }
    }
}

impl Kernel {
    /// One request after the other: marked by its name before it is ours, an interface could be somebody else's.
    pub(super) async fn make(&mut self, step: &Step, making: Making) -> Result<(), ApplyError> {
        for request in making.before.into_iter().chain([making.make]) {
            self.change(step, request).await?;
        }
        if let Err(error) = self.change(step, making.mark).await {
            self.unmake(making.undo).await;
            return Err(error);
        }
        for request in making.after {
            self.change(step, request).await?;
        }
        Ok(())
    }

    async fn unmake(&mut self, undo: Request) {
        self.writes_total += 1;
        let error = match self.changes.request(vec![undo]).await {
            Ok(replies) => match replies.into_iter().find_map(Result::err) {
                // Whoever took it away is why it could not be marked.
                None
                | Some(Refusal {
                    errno: libc::ENODEV,
                    ..
                }) => return,
                Some(refusal) => refusal.to_string(),
            },
            Err(error) => error.to_string(),
        };
        tracing::error!(
            error,
            "an interface could not be marked as ours, nor be removed again: remove it by hand"
        );
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::RouteNetlinkMessage;
    use netlink_packet_route::link::LinkAttribute;

    use super::*;
    use crate::kernel::isolated::isolated;
    use crate::kernel::rt_tables;
    use crate::reconcile::object::{Key, Value};

    /// rtnetlink.c, `dev_set_alias`: an alias of 256 octets and more is refused.
    fn refused(mut mark: Request) -> Request {
        if let RouteNetlinkMessage::SetLink(link) = &mut mark.message {
            for attribute in &mut link.attributes {
                if let LinkAttribute::IfAlias(alias) = attribute {
                    *alias = "x".repeat(300);
                }
            }
        }
        mark
    }

    #[test]
    fn an_interface_that_cannot_be_marked_does_not_stay() {
        isolated(cannot_be_marked);
    }

    async fn cannot_be_marked() {
        let mut kernel = Kernel::open(rt_tables::DEFAULT_PATH.into()).unwrap();
        let peer = "ovs-pair".into();
        let link = Link::up(LinkKind::Veth { peer });
        let key = Key::Link {
            name: "vrf-pair".into(),
        };
        let value = Value::Link(link.clone());
        let step = Step::Add { key, value };
        let create = || request::veth("vrf-pair", "ovs-pair");
        let mut making = Making::of("vrf-pair", &link, create(), None);
        making.mark = refused(making.mark);
        let error = kernel.make(&step, making).await.unwrap_err();
        assert!(matches!(error, ApplyError::Refused { .. }), "{error}");
        let names = || async {
            let links = crate::kernel::links().await.unwrap();
            links.iter().map(|l| l.name.to_string()).collect::<Vec<_>>()
        };
        assert!(!names().await.contains(&"vrf-pair".to_owned()));

        let making = Making::of("vrf-pair", &link, create(), None);
        kernel.make(&step, making).await.unwrap();
        let links = crate::kernel::links().await.unwrap();
        let made = links.iter().find(|l| &*l.name == "vrf-pair").unwrap();
        assert_eq!(
            made.alias.as_deref(),
            Some(crate::reconcile::ownership::LINK_ALIAS)
        );
        assert!(made.up);
    }
}
