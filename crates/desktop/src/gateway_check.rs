//! Asks a pasted address whether a gateway is there, before anything is switched over to it.

use std::{pin::Pin, time::Duration};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use carriers::{
    petrichor,
    tls::{self, Roots},
};
use crosstalk::{
    address::GatewayAddress,
    registry::{GatewayInfo, INFO_PATH},
    transaction::{self, Body},
};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

/// How long the whole check may take: somebody waits for it.
pub(crate) const CHECK_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest description of a gateway that is read; ours has less than 1 KiB.
const MAX_INFO_BYTES: usize = 16 * 1024;

/// Asks who answers at this address.
///
/// # Errors
/// When nobody answers in time, or it is no gateway. The text completes "No gateway answers: ".
pub(crate) async fn ask(address: &GatewayAddress, roots: &Roots) -> anyhow::Result<GatewayInfo> {
    let asked = tokio::time::timeout(CHECK_TIMEOUT, exchange(address, roots)).await;
    asked.context("it took too long")?
}

async fn exchange(address: &GatewayAddress, roots: &Roots) -> anyhow::Result<GatewayInfo> {
    if address.is_petrichor() {
        let questions = petrichor::dial::ask(address, roots).await?;
        let request = Request::get(INFO_PATH).header(header::HOST, address.authority());
        let response = questions.send(request.body(transaction::empty())?).await?;
        let info = read(response).await?;
        // What it says is its address for the web; here proofs name the one that was pasted.
        return Ok(GatewayInfo { origin: address.origin(), ..info });
    }
    let stream = tls::connect(address, roots).await?;
    let handshake = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.context("what is there does not speak HTTP")?;
    let request = Request::builder()
        .method(Method::GET)
        .uri(INFO_PATH)
        .header(header::HOST, address.authority())
        .header(header::ACCEPT, "application/json")
        .header(header::CONNECTION, "close")
        .body(Empty::new())?;
    let answer = async { read(sender.send_request(request).await?.map(transaction::boxed)).await };
    // The connection has to be driven for the answer to come; it has no life of its own.
    let driven = async {
        let ended = connection.await;
        // After the end only what has been read already can still become an answer.
        match ended {
            Ok(()) => std::future::pending::<anyhow::Error>().await,
            Err(error) => anyhow::Error::new(error),
        }
    };
    tokio::select! {
        biased;
        answer = answer => answer,
        error = driven => Err(error),
    }
}

async fn read(response: Response<Body>) -> anyhow::Result<GatewayInfo> {
    let status = response.status();
    if status != StatusCode::OK {
        bail!("what is there is not a gateway (it answers {})", status.as_u16());
    }
    let body = Limited::new(response.into_body(), MAX_INFO_BYTES).collect();
    // Boxed, since the compiler cannot see through the error of this body that it may be sent.
    let body: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(body);
    let body = body.await.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
    serde_json::from_slice(&body).context("what is there is not a gateway")
}

#[cfg(test)]
mod tests {
    use gateway::{Config, Gateway, PetrichorPort};
    use tokio_util::{sync::CancellationToken, task::TaskTracker};

    use super::*;

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
        let info = ask(&address, &Roots::System).await.unwrap();
        assert_eq!(info.origin, address.origin());
        assert!(info.sites.starts_with("http://*.localhost:"), "{}", info.sites);
        stop.cancel();
        running.await.unwrap();
        assert!(ask(&address, &Roots::System).await.is_err());
    }
}
