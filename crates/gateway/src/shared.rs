//! What all connections of a gateway have in common.

use std::{net::IpAddr, sync::Arc};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    addresses::{Addresses, Turn},
    auth::Auth,
    hosts::Hosts,
    links::Links,
    meter::Meter,
    names::Names,
};

/// What all connections of a gateway have in common.
pub(crate) struct Shared {
    pub(crate) hosts: Hosts,
    pub(crate) behind_proxy: bool,
    pub(crate) names: Names,
    pub(crate) auth: Auth,
    pub(crate) links: Links,
    pub(crate) connections: Addresses,
    pub(crate) transactions: Addresses,
    pub(crate) router: axum::Router,
    /// The tasks of visitors' connections.
    pub(crate) visitors: TaskTracker,
    /// The tasks of links, and the owner of the names.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when visitors have to leave now.
    pub(crate) cut: CancellationToken,
}

/// One visitor's connection.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) meter: Arc<Meter>,
    /// Who is at the other end: the visitor, or the proxy in front.
    pub(crate) partner: IpAddr,
    /// The connection counts as one of the gateway's until this is dropped.
    pub(crate) place: Arc<ConnectionPlace>,
}

/// The right to one of the gateway's connections.
pub(crate) struct ConnectionPlace {
    pub(crate) _permit: OwnedSemaphorePermit,
    pub(crate) _turn: Turn,
}
