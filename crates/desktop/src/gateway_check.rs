//! Asks a pasted address whether a gateway is there, before anything is switched over to it. For one
//! that is reached over an account see [`account_check`](crate::account_check).

use std::time::Duration;

use carriers::tls::Roots;
use crosstalk::{address::Invitation, registry::GatewayInfo};
use tokio::time::timeout;

use crate::words::Words;

/// How long the whole check may take: somebody waits for it.
pub(crate) const CHECK_TIMEOUT: Duration = Duration::from_secs(15);

/// Asks who answers at this address.
///
/// # Errors
/// When nobody answers in time, or it is no gateway: with a sentence for the owner.
pub(crate) async fn ask(
    gateway: &Invitation,
    roots: &Roots,
    words: Words,
) -> Result<GatewayInfo, String> {
    let asked = timeout(CHECK_TIMEOUT, peer::ask_gateway(gateway, roots, None)).await;
    let asked = asked.map_err(|_| words.no_answer(&gateway.gateway))?;
    asked.map_err(|trouble| words.link_fault(&trouble.fault))
}

#[cfg(test)]
mod tests {
    use gateway::{Config, Gateway, PetrichorPort};
    use tokio_util::{sync::CancellationToken, task::TaskTracker};

    use super::*;
    use crate::language::Language;

    const ENGLISH: Words = Words::of(Language::English);

    #[tokio::test]
    async fn a_gateway_is_found_at_its_port_for_petrichor() {
        let listen = ([127, 0, 0, 1], 0).into();
        let config =
            Config { listen, domain: "localhost".to_owned(), behind_proxy: false, data: None };
        let gateway = Gateway::bind(config).await.unwrap();
        let port = PetrichorPort { listen, certificate: None, address: None };
        let gateway = gateway.with_petrichor(port).await.unwrap();
        let address = gateway.petrichor().unwrap().1.clone();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let running = tasks.spawn(gateway.run(stop.clone()));
        let at = Invitation::from(address.clone());
        let info = ask(&at, &Roots::System, ENGLISH).await.unwrap();
        assert_eq!(info.origin, address.origin());
        assert!(info.sites.starts_with("http://*.localhost:"), "{}", info.sites);
        stop.cancel();
        running.await.unwrap();
        assert!(ask(&at, &Roots::System, ENGLISH).await.is_err());
    }
}
