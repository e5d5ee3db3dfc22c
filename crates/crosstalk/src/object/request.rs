//! The request object.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, Method, Request, Uri, Version, header,
    request::Parts,
    uri::{Authority, Scheme},
};
use serde_json::Value;

use super::{Dictionary, ObjectError, fields};
use crate::limits;

/// A request as the first message of a CrossTalk transaction has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestObject {
    method: Method,
    target: Uri,
    version: Version,
    headers: HeaderMap,
    surroundings: Surroundings,
}

/// What the gateway knows of a request beside its head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The beginning of the path that led to the peer, `/name`; empty when the site has a host
    /// name of its own.
    pub script_name: String,
    /// The host name that the visitor asked.
    pub server_name: String,
    /// The port that the visitor asked.
    pub server_port: Option<u16>,
    /// Program and version of the gateway.
    pub server_software: String,
    /// How the visitor reached the gateway: `http` or `https`.
    pub scheme: Option<Scheme>,
    /// The visitor's address.
    pub remote_addr: Option<IpAddr>,
    /// The visitor's port.
    pub remote_port: Option<u16>,
}

impl RequestObject {
    /// Takes the head of a request.
    ///
    /// # Errors
    /// When the head is larger than the [limits], when its target is neither a path nor `*` nor a
    /// whole URL, or when the path does not begin with [`Surroundings::script_name`].
    pub fn new(parts: &Parts, surroundings: Surroundings) -> Result<Self, ObjectError> {
        // A `Uri` that was put together from pieces may read differently than it was meant.
        if read_target(&parts.uri.to_string())? != parts.uri {
            return Err(ObjectError::Target);
        }
        let headers = parts.headers.clone();
        checked(parts.method.clone(), parts.uri.clone(), parts.version, headers, surroundings)
    }

    /// Returns the head as `http` has it, without extensions.
    #[must_use]
    pub fn into_parts(self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method;
        parts.uri = self.target;
        parts.version = self.version;
        parts.headers = self.headers;
        parts
    }

    /// Returns what the gateway knows of the request beside its head.
    #[must_use]
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// Reads the JSON of a request object.
    ///
    /// # Errors
    /// See [`Self::from_dictionary`]; also when the text is too long or no JSON object.
    pub fn parse(json: &[u8]) -> Result<Self, ObjectError> {
        Self::from_dictionary(&fields::parse(json)?)
    }

    /// Reads a request object, one of ours or one that has the classic keys only. Other keys are
    /// left alone.
    ///
    /// `REQUEST_URI` is the target; `SCRIPT_NAME`, `PATH_INFO` and `QUERY_STRING` replace it when
    /// it is missing.
    ///
    /// # Errors
    /// When the method or the target is missing, when a key has a value that cannot be read, and
    /// for the reasons of [`Self::new`].
    pub fn from_dictionary(dictionary: &Dictionary) -> Result<Self, ObjectError> {
        const METHOD: &str = "REQUEST_METHOD";
        let method = fields::read(dictionary, METHOD)?.ok_or(ObjectError::Missing(METHOD))?;
        let mut script_name = fields::text(dictionary, "SCRIPT_NAME")?.unwrap_or_default();
        script_name.truncate(script_name.trim_end_matches('/').len());
        let target = match fields::filled(dictionary, "REQUEST_URI")? {
            Some(target) => target,
            None => put_together(dictionary, &script_name)?,
        };
        let headers = match fields::read_headers(dictionary)? {
            Some(headers) => headers,
            None => classic_headers(dictionary)?,
        };
        let surroundings = Surroundings {
            script_name,
            server_name: fields::text(dictionary, "SERVER_NAME")?.unwrap_or_default(),
            server_port: fields::read(dictionary, "SERVER_PORT")?,
            server_software: fields::text(dictionary, "SERVER_SOFTWARE")?.unwrap_or_default(),
            scheme: fields::read(dictionary, "wsgi.url_scheme")?,
            remote_addr: fields::read(dictionary, "REMOTE_ADDR")?,
            remote_port: fields::read(dictionary, "REMOTE_PORT")?,
        };
        let version = fields::read_version(dictionary, "SERVER_PROTOCOL")?;
        checked(method, read_target(&target)?, version, headers, surroundings)
    }

    /// Writes the object: the classic keys, and `headers`.
    #[must_use]
    pub fn to_dictionary(&self) -> Dictionary {
        let target = self.target.to_string();
        let without_query = target.split_once('?').map_or(target.as_str(), |(before, _)| before);
        let path_info = self.target.path().strip_prefix(self.surroundings.script_name.as_str());
        let of = &self.surroundings;
        let port = of.server_port.map(|port| port.to_string()).unwrap_or_default();
        let visitor = of.remote_addr.map(|address| address.to_string()).unwrap_or_default();
        let mut dictionary = Dictionary::new();
        for (key, value) in [
            ("REQUEST_METHOD", self.method.as_str()),
            ("REQUEST_URI", &target),
            ("NON_QUERY_URI", without_query),
            ("SCRIPT_NAME", &of.script_name),
            ("PATH_INFO", path_info.filter(|path| path.starts_with('/')).unwrap_or_default()),
            ("QUERY_STRING", self.target.query().unwrap_or_default()),
            ("CONTENT_TYPE", ""),
            ("CONTENT_LENGTH", ""),
            ("SERVER_NAME", &of.server_name),
            ("SERVER_PORT", &port),
            ("SERVER_PROTOCOL", fields::write_version(self.version)),
            ("SERVER_SOFTWARE", &of.server_software),
            ("REMOTE_ADDR", &visitor),
            ("wsgi.url_scheme", of.scheme.as_ref().map_or("", Scheme::as_str)),
        ] {
            dictionary.insert(key.to_owned(), Value::from(value));
        }
        if let Some(port) = of.remote_port {
            dictionary.insert("REMOTE_PORT".to_owned(), Value::from(port));
        }
        for name in self.headers.keys() {
            if let Some(key) = classic_key(name) {
                dictionary.insert(key, Value::from(joined(&self.headers, name)));
            }
        }
        dictionary.insert(fields::HEADERS.to_owned(), fields::write_headers(&self.headers));
        dictionary
    }

    /// Writes the object as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        Value::Object(self.to_dictionary()).to_string()
    }
}

/// Makes the object, if it keeps what every request object promises.
fn checked(
    method: Method,
    target: Uri,
    version: Version,
    headers: HeaderMap,
    surroundings: Surroundings,
) -> Result<RequestObject, ObjectError> {
    let Surroundings { script_name, server_name, server_software, .. } = &surroundings;
    let named = server_name.len() + server_software.len();
    let before = method.as_str().len() + limits::target_bytes(&target) + named;
    limits::check(before, &headers)?;
    let whole_parts = script_name.starts_with('/') && !script_name.ends_with('/');
    let rest = target.path().strip_prefix(script_name.as_str());
    let leads_here = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let fits = script_name.is_empty() || (whole_parts && leads_here);
    if !fits {
        return Err(ObjectError::Prefix);
    }
    Ok(RequestObject { method, target, version, headers, surroundings })
}

/// Reads a request's target: a path, `*`, or a whole URL (RFC 9112 §3.2). The fourth form, host
/// and port for CONNECT, never reaches a peer.
pub(crate) fn read_target(text: &str) -> Result<Uri, ObjectError> {
    // A fragment would be dropped without a word.
    if text.contains('#') {
        return Err(ObjectError::Target);
    }
    let target: Uri = text.parse().map_err(|_| ObjectError::Target)?;
    let is_url = target.scheme().is_some() && target.authority().is_some_and(has_host);
    if text == "*" || text.starts_with('/') || is_url {
        Ok(target)
    } else {
        Err(ObjectError::Target)
    }
}

fn has_host(authority: &Authority) -> bool {
    !authority.host().is_empty()
}

/// Puts the target together from its parts, for dictionaries without `REQUEST_URI`.
fn put_together(dictionary: &Dictionary, script_name: &str) -> Result<String, ObjectError> {
    const PATH: &str = "PATH_INFO";
    let path = fields::text(dictionary, PATH)?.ok_or(ObjectError::Missing("REQUEST_URI"))?;
    let query = fields::filled(dictionary, "QUERY_STRING")?;
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("{script_name}{path}{query}"))
}

/// Returns the classic key of a header, if it has one.
///
/// Names with characters other than letters, digits and `-` have none: `x_user` would pass for
/// `x-user`, which a proxy before the application may have set. Nor has `Proxy`, since
/// `HTTP_PROXY` means something else to programs.
fn classic_key(name: &HeaderName) -> Option<String> {
    if name == header::CONTENT_TYPE || name == header::CONTENT_LENGTH {
        return Some(name.as_str().to_ascii_uppercase().replace('-', "_"));
    }
    let plain = name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let shadowed = matches!(name.as_str(), "proxy");
    (plain && !shadowed)
        .then(|| format!("HTTP_{}", name.as_str().to_ascii_uppercase().replace('-', "_")))
}

/// Returns all values of a name as one (RFC 9110 §5.3; cookies: RFC 9113 §8.2.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().map(|value| fields::characters(value.as_bytes()));
    let separator = if name == header::COOKIE { "; " } else { ", " };
    values.collect::<Vec<_>>().join(separator)
}

/// Reads the headers of a dictionary that has the classic keys only.
fn classic_headers(dictionary: &Dictionary) -> Result<HeaderMap, ObjectError> {
    let mut headers = HeaderMap::new();
    for (key, name) in
        [("CONTENT_TYPE", header::CONTENT_TYPE), ("CONTENT_LENGTH", header::CONTENT_LENGTH)]
    {
        if let Some(value) = fields::filled(dictionary, key)? {
            fields::add_header(&mut headers, name.as_str(), &value)?;
        }
    }
    for (key, value) in dictionary {
        let Some(name) = key.strip_prefix("HTTP_") else { continue };
        // Their own keys alone count, or a body would have two lengths.
        if matches!(name, "CONTENT_TYPE" | "CONTENT_LENGTH") {
            continue;
        }
        let value = value.as_str().ok_or(ObjectError::Header)?;
        fields::add_header(&mut headers, &name.replace('_', "-"), value)?;
    }
    Ok(headers)
}
