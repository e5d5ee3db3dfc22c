//! What all connections of a gateway have in common.

use std::{net::IpAddr, sync::Arc};

use crosstalk::{label::Label, proof::PublicKey};
use http::HeaderMap;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    addresses::{self, Addresses, Share, Turn},
    auth::Auth,
    cama::{RelayOrigin, Sessions},
    hosts::Hosts,
    links::{Berth, Links},
    members::Members,
    meter::Meter,
    names::Names,
    polls::Polls,
    refusal::Refusal,
};

/// What all connections of a gateway have in common.
pub(crate) struct Shared {
    pub(crate) hosts: Hosts,
    pub(crate) behind_proxy: bool,
    pub(crate) names: Names,
    pub(crate) auth: Auth,
    pub(crate) links: Links,
    pub(crate) members: Members,
    pub(crate) polls: Polls,
    pub(crate) connections: Addresses,
    pub(crate) transactions: Addresses,
    pub(crate) links_of_addresses: Addresses,
    /// Proofs that were used and are remembered.
    pub(crate) proofs_of_addresses: Addresses,
    pub(crate) sessions: Sessions,
    pub(crate) sessions_of_addresses: Addresses,
    /// Whose pages may use the relay.
    pub(crate) relay_origins: Vec<RelayOrigin>,
    pub(crate) router: axum::Router,
    /// The tasks of visitors' connections.
    pub(crate) visitors: TaskTracker,
    /// The tasks of links, and the owner of the names.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when visitors have to leave now.
    pub(crate) cut: CancellationToken,
}

impl Shared {
    /// Gives a peer's link its place, and claims the one name that it carries, if it carries only one.
    pub(crate) async fn let_in(
        &self,
        key: PublicKey,
        turn: Turn,
        name: Option<&Label>,
    ) -> Result<Berth, Refusal> {
        let berth = self.links.berth(key, turn);
        let berth =
            berth.ok_or_else(|| Refusal::busy("the gateway has as many links as it can"))?;
        if let Some(name) = name {
            self.names.claim(name.clone(), key).await?;
        }
        Ok(berth)
    }
}

/// One visitor's connection.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) meter: Arc<Meter>,
    /// Who is at the other end: the visitor, or the proxy in front.
    pub(crate) partner: IpAddr,
    /// What an account may show, whose proofs count for it instead of for an address.
    pub(crate) proofs: Option<Share>,
    /// The connection counts as one of the gateway's until this is dropped.
    pub(crate) place: Arc<ConnectionPlace>,
}

impl Connection {
    /// Returns where a request on this connection comes from, as the proxy in front tells it if
    /// there is one.
    pub(crate) fn visitor(&self, headers: &HeaderMap) -> IpAddr {
        let forwarded = self.shared.behind_proxy.then(|| addresses::forwarded_for(headers));
        forwarded.flatten().unwrap_or(self.partner)
    }

    /// Returns whose request this is; the proof in it is used up.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<PublicKey, Refusal> {
        self.shared.auth.identify(headers, self.proofs(headers)).await
    }

    /// Returns how many proofs whoever asks may show. Nothing is counted for this computer itself.
    pub(crate) fn proofs(&self, headers: &HeaderMap) -> Share {
        if let Some(proofs) = &self.proofs {
            return proofs.clone();
        }
        let visitor = self.visitor(headers);
        if self.is_this_computer(visitor) {
            Share::boundless()
        } else {
            self.shared.proofs_of_addresses.share(visitor)
        }
    }

    /// Counts one more for who asks, or returns `None` when that address has as many as it may.
    /// Nothing is counted for this computer itself.
    pub(crate) fn turn(&self, of: &Addresses, visitor: IpAddr) -> Option<Turn> {
        if self.is_this_computer(visitor) { Some(of.uncounted()) } else { of.enter(visitor) }
    }

    /// Returns whether it is this computer itself that asks, and no proxy for somebody.
    fn is_this_computer(&self, visitor: IpAddr) -> bool {
        visitor.is_loopback() && !self.shared.behind_proxy
    }
}

/// The right to one of the gateway's connections.
pub(crate) struct ConnectionPlace {
    pub(crate) _permit: OwnedSemaphorePermit,
    pub(crate) _turn: Turn,
}
