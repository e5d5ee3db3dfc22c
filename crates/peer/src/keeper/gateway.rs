//! A gateway, and who we are to it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use carriers::{DialError, tls::Roots};
use crosstalk::{address::GatewayAddress, proof::PrivateKey, registry::GatewayInfo};

use super::trouble;
use crate::{approach::Approach, model::LinkTrouble, registry::Registry};

/// A gateway, and who we are to it.
pub(crate) struct Gateway {
    pub(crate) approach: Approach,
    pub(crate) key: Arc<PrivateKey>,
    info: Mutex<Option<GatewayInfo>>,
}

impl Gateway {
    pub(crate) fn new(approach: Approach, key: Arc<PrivateKey>) -> Self {
        Self { approach, key, info: Mutex::new(None) }
    }

    /// Returns where it is.
    pub(crate) fn address(&self) -> &GatewayAddress {
        &self.approach.gateway
    }

    /// Returns what the gateway says of itself; asks when it is not known.
    pub(crate) async fn info(&self, registry: &mut Registry) -> Result<GatewayInfo, DialError> {
        if let Some(info) = self.known_info() {
            return Ok(info);
        }
        let info = registry.info().await?;
        *self.info.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.clone());
        Ok(info)
    }

    /// Asks again the next time: it may be another gateway by now.
    pub(crate) fn forget_info(&self) {
        *self.info.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn known_info(&self) -> Option<GatewayInfo> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the gateway who it is, unless that is known.
    pub(super) async fn ensure_info(&self) -> Result<GatewayInfo, DialError> {
        match self.known_info() {
            Some(info) => Ok(info),
            None => self.info(&mut Registry::connect(&self.approach).await?).await,
        }
    }

    /// Makes a fresh proof of identity for this gateway.
    pub(super) async fn proof(&self) -> Result<String, DialError> {
        let info = self.ensure_info().await?;
        Ok(self.key.prove(&info.origin, SystemTime::now()))
    }
}

/// Makes a fresh proof of identity for a gateway, which it says how to address: for programs that
/// speak to it themselves, good for one use within a minute.
///
/// # Errors
/// When the gateway cannot be asked; with a sentence for the owner.
pub async fn prove(
    key: Arc<PrivateKey>,
    address: &GatewayAddress,
    roots: &Roots,
) -> Result<String, LinkTrouble> {
    // At a gateway's account a proof names that account, whoever asks.
    if address.xmpp().is_some() {
        return Ok(key.prove(&address.origin(), SystemTime::now()));
    }
    let gateway = Gateway::new(Approach::web(address, roots), key);
    gateway.proof().await.map_err(|error| trouble(&error, address))
}
