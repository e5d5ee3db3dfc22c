//! SASL (RFC 6120 §6) and the resource (§7).
//!
//! Not with `tokio_xmpp::client_login`: it speaks PLAIN without TLS, falls back to it when a server
//! has SCRAM but not the variant with channel binding, does not verify the server's signature, and
//! leaves out what the server says about a refusal.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crosstalk::xmpp::FullJid;
use sasl::{
    client::{
        Mechanism,
        mechanisms::{Plain, Scram},
    },
    common::{
        ChannelBinding, Credentials,
        scram::{Sha1, Sha256},
    },
};
use xmpp_parsers::{minidom::Element, ns, stanza_error::DefinedCondition};

use super::{
    Login, LoginError,
    connect::{Connected, expect_features, stream_error, stream_problem},
    stanza,
    stream::XmlStream,
};
use crate::tls::Stream;

/// The most rounds of PBKDF2 that are worked off for a server. Prosody asks for 10 000; a million is
/// a second.
const MAX_ROUNDS: u32 = 1_000_000;

/// What servers take from their clients when they do not say (both Prosody and ejabberd), less what
/// they put around it.
const USUAL_STANZA: usize = 255 * 1024;

/// What every server must take (RFC 6120 §13.12).
const LEAST_STANZA: usize = 10_000;

/// More than this is never used.
const MOST_STANZA: usize = 1024 * 1024;

/// An account that is logged in, before anybody reads and writes.
pub(super) struct LoggedIn {
    pub(super) stream: XmlStream<Stream>,
    pub(super) jid: FullJid,
    pub(super) max_stanza: usize,
}

/// Logs in on a stream.
pub(super) async fn log_in(connected: Connected, login: &Login) -> Result<LoggedIn, LoginError> {
    let Connected { mut stream, features, binding } = connected;
    authenticate(&mut stream, &features, binding, login).await?;
    let features = stream.open(login.jid.domain().as_str()).await.map_err(stream_problem)?;
    let features = expect_features(features)?;
    let jid = bind(&mut stream).await?;
    Ok(LoggedIn { stream, jid, max_stanza: max_stanza(&features) })
}

/// Returns what the server takes (XEP-0478).
fn max_stanza(features: &Element) -> usize {
    let limits = features.get_child("limits", ns::STREAM_LIMITS);
    let said = limits.and_then(|limits| limits.get_child("max-bytes", ns::STREAM_LIMITS));
    let said = said.and_then(|bytes| bytes.text().trim().parse::<usize>().ok());
    said.unwrap_or(USUAL_STANZA).clamp(LEAST_STANZA, MOST_STANZA)
}

async fn authenticate(
    stream: &mut XmlStream<Stream>,
    features: &Element,
    binding: Option<Vec<u8>>,
    login: &Login,
) -> Result<(), LoginError> {
    let mut mechanism = choose(features, binding, login)?;
    let initial = mechanism.initial();
    let nonce = nonce(&initial);
    let mut auth = Element::builder("auth", ns::SASL).append(encode(&initial)).build();
    stanza::set_attribute(&mut auth, "mechanism", mechanism.name());
    send(stream, &auth).await?;
    // Whether the server has shown that it knows the password, too (RFC 5802 §3).
    let mut answered = false;
    let mut proven = mechanism.name() == "PLAIN";
    loop {
        let element = stream.element().await.map_err(stream_problem)?;
        if element.is("error", ns::STREAM) {
            return Err(stream_error(&element));
        }
        if !element.has_ns(ns::SASL) {
            return Err(LoginError::NotXmpp);
        }
        match element.name() {
            "challenge" => {
                let challenge = decode(&element)?;
                let response = if answered {
                    mechanism.success(&challenge).map_err(|_| impostor())?;
                    proven = true;
                    Vec::new()
                } else {
                    check(&challenge, nonce.as_deref())?;
                    answered = true;
                    // PBKDF2 is meant to take its time.
                    let (back, response) = tokio::task::spawn_blocking(move || {
                        let response = mechanism.response(&challenge);
                        (mechanism, response)
                    })
                    .await
                    .map_err(|_| LoginError::NoMechanism)?;
                    mechanism = back;
                    response.map_err(|_| LoginError::NoMechanism)?
                };
                let text = BASE64_STANDARD.encode(&response);
                send(stream, &Element::builder("response", ns::SASL).append(text).build()).await?;
            }
            "success" => {
                if !proven {
                    mechanism.success(&decode(&element)?).map_err(|_| impostor())?;
                }
                return Ok(());
            }
            "failure" => return Err(failure(&element)),
            _ => return Err(LoginError::NotXmpp),
        }
    }
}

/// The server let us in without knowing the password.
fn impostor() -> LoginError {
    LoginError::Refused("the server did not prove that it knows the password".to_owned())
}

/// Returns the best way to log in that both know. PLAIN shows the password, but the stream is
/// either inside of TLS or does not leave this computer.
fn choose(
    features: &Element,
    binding: Option<Vec<u8>>,
    login: &Login,
) -> Result<Box<dyn Mechanism + Send>, LoginError> {
    let offered: Vec<String> = features
        .get_child("mechanisms", ns::SASL)
        .into_iter()
        .flat_map(Element::children)
        .map(|mechanism| mechanism.text().trim().to_owned())
        .collect();
    let offers = |name: &str| offered.iter().any(|offered| offered == name);
    // RFC 5802 §6: what a server does not offer is said not to be offered, so that it notices when
    // somebody on the way has taken it out.
    let unoffered = binding.is_some() && !offered.iter().any(|name| name.ends_with("-PLUS"));
    // XEP-0440: a server that has only the kinds of older TLS refuses this one.
    let binding = binding.filter(|_| {
        let kinds = features.get_child("sasl-channel-binding", ns::SASL_CB);
        kinds.is_some_and(|kinds| {
            kinds.children().any(|kind| kind.attr("type") == Some("tls-exporter"))
        })
    });
    let user = login.jid.node().ok_or(LoginError::Password)?.as_str();
    let credentials = |user: &str| {
        Credentials::default().with_username(user).with_password(login.password.expose())
    };
    // RFC 5802 §5.1: a name is written without these two.
    let escaped = user.replace('=', "=3D").replace(',', "=2C");
    let scram = |bound| {
        let binding = match &binding {
            Some(binding) if bound => ChannelBinding::TlsExporter(binding.clone()),
            Some(_) | None if unoffered => ChannelBinding::Unsupported,
            Some(_) | None => ChannelBinding::None,
        };
        credentials(&escaped).with_channel_binding(binding)
    };
    let no = |_| LoginError::NoMechanism;
    for bound in [true, false] {
        let suffix = if bound { "-PLUS" } else { "" };
        if bound && binding.is_none() {
            continue;
        }
        if offers(&format!("SCRAM-SHA-256{suffix}")) {
            return Ok(Box::new(Scram::<Sha256>::from_credentials(scram(bound)).map_err(no)?));
        }
        if offers(&format!("SCRAM-SHA-1{suffix}")) {
            return Ok(Box::new(Scram::<Sha1>::from_credentials(scram(bound)).map_err(no)?));
        }
    }
    if offers("PLAIN") {
        return Ok(Box::new(Plain::from_credentials(credentials(user)).map_err(no)?));
    }
    Err(LoginError::NoMechanism)
}

/// Returns our nonce out of the first message of SCRAM.
fn nonce(initial: &[u8]) -> Option<String> {
    field(std::str::from_utf8(initial).ok()?, 'r')
}

fn field(message: &str, name: char) -> Option<String> {
    let value = |part: &str| part.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
    message.split(',').find_map(value)
}

/// What the mechanism itself does not look at: the server must repeat our nonce (RFC 5802 §5.1), and
/// must not keep us busy for hours.
fn check(challenge: &[u8], nonce: Option<&str>) -> Result<(), LoginError> {
    let text = std::str::from_utf8(challenge).map_err(|_| LoginError::NotXmpp)?;
    let repeated = field(text, 'r').zip(nonce).is_some_and(|(all, ours)| all.starts_with(ours));
    let rounds = field(text, 'i').and_then(|rounds| rounds.parse::<u32>().ok());
    // Of two with one name the mechanism would take the one that was not looked at here; `m` is for
    // what must be understood (RFC 5802 §5.1), of which there is nothing.
    let mut names: Vec<_> = text.split(',').map(|part| part.split('=').next()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    let clear = names.len() == count && !names.contains(&Some("m"));
    if clear && repeated && rounds.is_some_and(|rounds| (1..=MAX_ROUNDS).contains(&rounds)) {
        Ok(())
    } else {
        Err(LoginError::NoMechanism)
    }
}

/// What a failure means (RFC 6120 §6.5).
fn failure(failure: &Element) -> LoginError {
    let mut text = None;
    let mut condition = String::new();
    for child in failure.children() {
        if child.name() == "text" {
            text = Some(stanza::sentence(&child.text())).filter(|text| !text.is_empty());
        } else {
            condition = stanza::sentence(child.name());
        }
    }
    match condition.as_str() {
        "not-authorized" => LoginError::Password,
        "temporary-auth-failure" => LoginError::Busy,
        "encryption-required" => LoginError::NoTls,
        "invalid-mechanism" | "mechanism-too-weak" => LoginError::NoMechanism,
        _ => LoginError::Refused(text.unwrap_or(condition)),
    }
}

async fn bind(stream: &mut XmlStream<Stream>) -> Result<FullJid, LoginError> {
    // At random, so that nobody who was not told knows where to send to.
    let resource = format!("veranda-{:016x}", rand::random::<u64>());
    let wish = Element::builder("resource", ns::BIND).append(resource).build();
    let wish = Element::builder("bind", ns::BIND).append(wish).build();
    let request = stanza::set(None, "bind", &wish).map_err(stream_problem)?;
    stream.send(&request).await.map_err(stream_problem)?;
    loop {
        let element = stream.element().await.map_err(stream_problem)?;
        if element.is("error", ns::STREAM) {
            return Err(stream_error(&element));
        }
        if !element.is("iq", ns::JABBER_CLIENT) || element.attr("id") != Some("bind") {
            continue;
        }
        if element.attr("type") == Some("error") {
            let refusal = stanza::refused(&element);
            let is_busy = matches!(
                refusal.condition,
                DefinedCondition::ResourceConstraint
                    | DefinedCondition::NotAllowed
                    | DefinedCondition::Conflict
                    | DefinedCondition::PolicyViolation
            );
            let why = refusal.text.unwrap_or_else(|| format!("{:?}", refusal.condition));
            return Err(if is_busy { LoginError::Busy } else { LoginError::Refused(why) });
        }
        let bound = element.get_child("bind", ns::BIND);
        let jid = bound.and_then(|bound| bound.get_child("jid", ns::BIND)).map(Element::text);
        let jid = jid.and_then(|jid| FullJid::new(jid.trim()).ok());
        return jid.ok_or(LoginError::NotXmpp);
    }
}

async fn send(stream: &mut XmlStream<Stream>, element: &Element) -> Result<(), LoginError> {
    let bytes = stanza::bytes(element).map_err(stream_problem)?;
    stream.send(&bytes).await.map_err(stream_problem)
}

/// RFC 6120 §6.4.2: an empty first message is one equals sign.
fn encode(initial: &[u8]) -> String {
    if initial.is_empty() { "=".to_owned() } else { BASE64_STANDARD.encode(initial) }
}

fn decode(element: &Element) -> Result<Vec<u8>, LoginError> {
    let text = element.text();
    let text = text.trim();
    if text == "=" {
        return Ok(Vec::new());
    }
    BASE64_STANDARD.decode(text).map_err(|_| LoginError::NotXmpp)
}

#[cfg(test)]
mod tests {
    use crosstalk::xmpp::BareJid;

    use super::*;
    use crate::{tls::Roots, xmpp::Password};

    fn begun(mechanisms: &[&str], kinds: &[&str]) -> (String, String) {
        let mut features = Element::bare("features", ns::STREAM);
        let mut offered = Element::bare("mechanisms", ns::SASL);
        for name in mechanisms {
            offered.append_child(Element::builder("mechanism", ns::SASL).append(*name).build());
        }
        features.append_child(offered);
        let mut bindings = Element::bare("sasl-channel-binding", ns::SASL_CB);
        for kind in kinds {
            let mut binding = Element::bare("channel-binding", ns::SASL_CB);
            stanza::set_attribute(&mut binding, "type", kind);
            bindings.append_child(binding);
        }
        features.append_child(bindings);
        let login = Login {
            jid: BareJid::new("me@xmpp.example").unwrap(),
            password: Password::from("secret".to_owned()),
            server: None,
            roots: Roots::System,
        };
        let mut mechanism = choose(&features, Some(vec![1; 32]), &login).unwrap();
        let initial = String::from_utf8(mechanism.initial()).unwrap();
        let header = initial.split_once("n=me").unwrap().0.to_owned();
        (mechanism.name().to_owned(), header)
    }

    #[test]
    fn whoever_takes_the_binding_out_of_the_offer_is_noticed() {
        let both = ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];
        let is = |name: &str, header: &str| (name.to_owned(), header.to_owned());
        let exporter = ["tls-server-end-point", "tls-exporter"];
        assert_eq!(begun(&both, &exporter), is("SCRAM-SHA-256-PLUS", "p=tls-exporter,,"));
        // A server with other kinds only would refuse ours, and it would refuse the lie as well.
        assert_eq!(begun(&both, &exporter[..1]), is("SCRAM-SHA-256", "n,,"));
        // Without an offer the server hears that there was none.
        assert_eq!(begun(&both[..3], &[]), is("SCRAM-SHA-256", "y,,"));
    }
}
