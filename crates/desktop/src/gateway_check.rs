//! Asks a pasted address whether a gateway is there, before anything is switched over to it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use carriers::tls::{self, Roots};
use crosstalk::{
    address::GatewayAddress,
    registry::{GatewayInfo, INFO_PATH},
};
use http::{Method, Request, StatusCode, header};
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
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        if status != StatusCode::OK {
            bail!("what is there is not a gateway (it answers {})", status.as_u16());
        }
        let body = Limited::new(response.into_body(), MAX_INFO_BYTES).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
        serde_json::from_slice(&body).context("what is there is not a gateway")
    };
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
