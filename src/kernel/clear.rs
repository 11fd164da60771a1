//! `clear_vrf_routes_on_startup`: empties the routing table of `bgp_vrf`.

use std::io;

use futures_util::{StreamExt, TryStreamExt};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::Handle;

use super::request::short_table;
use crate::reconcile::object::TableId;

/// Why the table could not be cleared.
#[derive(Debug, thiserror::Error)]
pub enum ClearError {
    #[error("cannot open a netlink socket: {0}; the agent needs CAP_NET_ADMIN")]
    Open(#[source] io::Error),
    #[error("cannot list the routes of table {table}: {error}")]
    List {
        table: TableId,
        error: rtnetlink::Error,
    },
    #[error("cannot remove the route to {destination} from table {table}: {error}")]
    Remove {
        table: TableId,
        destination: String,
        error: rtnetlink::Error,
    },
}

/// Removes every IPv4 and IPv6 route of `table`, through a gateway or not, but those of BGP and those
/// of scope host. Returns how many were removed. A table that does not exist is empty.
///
/// # Errors
/// The first route that could not be removed; the others were tried all the same.
pub async fn clear_table(table: TableId) -> Result<usize, ClearError> {
    let (connection, handle, _) =
        rtnetlink::new_connection_with_strict_check().map_err(ClearError::Open)?;
    let connection = tokio::spawn(connection);
    let cleared = clear(&handle, table).await;
    connection.abort();
    cleared
}

async fn clear(handle: &Handle, table: TableId) -> Result<usize, ClearError> {
    let (mut removed, mut failure) = (0, None);
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let routes = list(handle, table, family)
            .await
            .map_err(|error| ClearError::List { table, error })?;
        for route in routes.iter().filter(|route| goes(route)) {
            match handle.route().del(identity(route)).execute().await {
                Ok(()) => removed += 1,
                // Gone with another one, or removed by somebody else meanwhile.
                Err(error) if errno(&error) == Some(libc::ESRCH) => {}
                Err(error) => {
                    failure.get_or_insert_with(|| ClearError::Remove {
                        table,
                        destination: destination(route),
                        error,
                    });
                }
            }
        }
    }
    failure.map_or(Ok(removed), Err)
}

async fn list(
    handle: &Handle,
    table: TableId,
    family: AddressFamily,
) -> Result<Vec<RouteMessage>, rtnetlink::Error> {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.header.table = short_table(table);
    message.attributes = vec![RouteAttribute::Table(table)];
    let routes = handle.route().get(message).execute().boxed();
    match routes.try_collect::<Vec<_>>().await {
        Err(error) if errno(&error) == Some(libc::ENOENT) => Ok(Vec::new()),
        // A kernel without strict checking answers with the routes of all tables.
        routes => routes.map(|mut routes| {
            routes.retain(|route| table_of(route) == table);
            routes
        }),
    }
}

/// IPv6 routes have no scope; the types are those of the kernel's own routes.
fn goes(route: &RouteMessage) -> bool {
    let header = &route.header;
    let of_the_host = header.scope == RouteScope::Host
        || matches!(
            header.kind,
            RouteType::Local | RouteType::Anycast | RouteType::Multicast | RouteType::Broadcast
        );
    header.protocol != RouteProtocol::Bgp && !of_the_host
}

/// What tells the route from the others of its table, and nothing about its next hops: naming those
/// is where a removal fails, by a default that does not match or by a next-hop object.
fn identity(route: &RouteMessage) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = route.header.clone();
    message.header.flags = Default::default();
    let attributes = route.attributes.iter();
    let tells = |attribute: &&RouteAttribute| {
        matches!(
            attribute,
            RouteAttribute::Table(_)
                | RouteAttribute::Destination(_)
                | RouteAttribute::Source(_)
                | RouteAttribute::Priority(_)
        )
    };
    message.attributes = attributes.filter(tells).cloned().collect();
    message
}

fn table_of(route: &RouteMessage) -> TableId {
    let long = route.attributes.iter().find_map(|a| match a {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    long.unwrap_or_else(|| route.header.table.into())
}

fn destination(route: &RouteMessage) -> String {
    let length = route.header.destination_prefix_length;
    let address = route.attributes.iter().find_map(|a| match a {
        RouteAttribute::Destination(address) => Some(address),
        _ => None,
    });
    match address {
        Some(address) => format!("{address:?}/{length}"),
        None => "default".to_owned(),
    }
}

fn errno(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(error) => Some(error.raw_code().saturating_neg()),
        _ => None,
    }
}
