use std::fmt::Debug;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version, header};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::limits::{HeadError, MAX_LINK_HEAD_BYTES, MAX_LINK_HEADERS, MAX_OBJECT_BYTES};

/// Headers as they stand in a map.
type Lines = Vec<(String, Vec<u8>)>;

/// Reads a request object and returns its target and headers.
fn request(json: &Value) -> Result<(String, Lines), ObjectError> {
    let parts = RequestObject::parse(json.to_string().as_bytes())?.into_parts();
    Ok((parts.uri.to_string(), lines(&parts.headers)))
}

fn response(json: &Value) -> Result<(u16, Lines), ObjectError> {
    let parts = ResponseObject::parse(json.to_string().as_bytes())?.into_parts();
    Ok((parts.status.as_u16(), lines(&parts.headers)))
}

fn lines(headers: &HeaderMap) -> Lines {
    headers.iter().map(|(n, v)| (n.as_str().to_owned(), v.as_bytes().to_vec())).collect()
}

fn line(name: &str, value: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.to_owned(), value.as_ref().to_vec())
}

/// Sends a head with these headers there and back.
fn there_and_back(target: &str, headers: &[(&str, &[u8])]) -> (Dictionary, http::request::Parts) {
    let (mut parts, ()) = Request::get(target).body(()).unwrap().into_parts();
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value).unwrap();
        parts.headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    let object = RequestObject::new(&parts, Surroundings::default()).unwrap();
    let read = RequestObject::parse(object.to_json().as_bytes()).unwrap();
    assert_eq!(read, object);
    assert_eq!(read.clone().into_parts().headers, parts.headers);
    (object.to_dictionary(), read.into_parts())
}

#[test]
fn reads_a_request_of_the_original() {
    let json = include_bytes!("../../fixtures/request.json");
    let object = RequestObject::parse(json).unwrap();
    let of = object.surroundings();
    assert_eq!(of.script_name, "/amnorvend");
    assert_eq!((of.server_name.as_str(), of.server_port), ("127.0.0.1", Some(8080)));
    assert_eq!((of.remote_addr, of.remote_port), ("127.0.0.1".parse().ok(), Some(37914)));
    assert_eq!(of.scheme, None);
    let parts = object.clone().into_parts();
    assert_eq!((parts.method, parts.version), (Method::GET, Version::HTTP_11));
    assert_eq!(parts.uri, "/amnorvend/mine/env?a=1&b=%2F");
    let expected =
        [line("accept", "*/*"), line("host", "127.0.0.1:8080"), line("user-agent", "curl/7.88.1")];
    assert_eq!(lines(&parts.headers), expected);

    // What we write has every key of the original with the same value, and only `headers` more.
    let mut original: Dictionary = serde_json::from_slice(json).unwrap();
    original.remove("batch");
    let mut ours = object.to_dictionary();
    assert!(ours.remove("headers").is_some());
    assert_eq!(ours, original);
}

#[test]
fn reads_a_response_of_the_original() {
    let json = include_bytes!("../../fixtures/response.json");
    let object = ResponseObject::parse(json).unwrap();
    let written = object.to_dictionary();
    assert_eq!(
        Value::Object(written),
        json!({
            "statuscode": "200 OK",
            "headers": [["content-type", "text/plain"]],
        })
    );
    let parts = object.into_parts();
    assert_eq!(parts.status, 200);
    assert_eq!(lines(&parts.headers), [line("content-type", "text/plain")]);
}

#[test]
fn other_messages_of_the_original_are_no_heads() {
    for json in [
        &include_bytes!("../../fixtures/request-body.json")[..],
        include_bytes!("../../fixtures/request-end.json"),
        include_bytes!("../../fixtures/response-body.json"),
    ] {
        assert_eq!(RequestObject::parse(json), Err(ObjectError::Missing("REQUEST_METHOD")));
        assert_eq!(ResponseObject::parse(json), Err(ObjectError::Missing("statuscode")));
    }
}

#[test]
fn a_header_that_classic_keys_cannot_tell_apart_survives() {
    let headers: [(&str, &[u8]); 7] = [
        ("x-user", b"proxy says"),
        ("x_user", b"visitor says"),
        ("x-user", b"second"),
        ("cookie", b"a=1"),
        ("cookie", b"b=2"),
        ("x-bytes", b"\xff"),
        ("proxy", b"http://evil.example"),
    ];
    let (dictionary, parts) = there_and_back("/", &headers);
    let values: Vec<_> = parts.headers.get_all("x-user").iter().collect();
    assert_eq!(values, ["proxy says", "second"]);
    assert_eq!(dictionary["HTTP_X_USER"], "proxy says, second");
    assert_eq!(dictionary["HTTP_COOKIE"], "a=1; b=2");
    assert_eq!(dictionary["HTTP_X_BYTES"], "\u{ff}");
    assert_eq!(dictionary.get("HTTP_PROXY"), None);
}

#[test]
fn targets_travel_as_they_are() {
    for (target, path_info, query) in [
        ("/", "/", ""),
        ("/?", "/", ""),
        ("/a/../%2e%2E/b", "/a/../%2e%2E/b", ""),
        ("//evil.example/a", "//evil.example/a", ""),
        ("/a?b?c=%3F", "/a", "b?c=%3F"),
        ("/\u{fc}\"{}", "/\u{fc}\"{}", ""),
        ("*", "", ""),
        ("http://a.example:80/b?c", "/b", "c"),
    ] {
        let (dictionary, parts) = there_and_back(target, &[]);
        assert_eq!(parts.uri.to_string(), target);
        assert_eq!(dictionary["REQUEST_URI"], target);
        assert_eq!(dictionary["PATH_INFO"], path_info, "{target}");
        assert_eq!(dictionary["QUERY_STRING"], query, "{target}");
    }
}

#[test]
fn a_target_is_put_together_when_it_is_missing() {
    let parts = |script: &str, path: &str, query: &str| {
        request(&json!({
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": script, "PATH_INFO": path, "QUERY_STRING": query,
        }))
        .map(|(target, _)| target)
    };
    assert_eq!(parts("", "/a", ""), Ok("/a".to_owned()));
    assert_eq!(parts("/me", "/a", "b=1"), Ok("/me/a?b=1".to_owned()));
    assert_eq!(parts("/", "/a", ""), Ok("/a".to_owned()));
    assert_eq!(parts("/me", "", ""), Ok("/me".to_owned()));
    assert_eq!(parts("/me", "too", ""), Err(ObjectError::Prefix));
    assert_eq!(parts("", "evil.example", ""), Err(ObjectError::Target));
}

#[test]
fn refuses_a_request_with_a_reason() {
    for (change, why) in [
        (json!({ "REQUEST_METHOD": null }), ObjectError::Missing("REQUEST_METHOD")),
        (json!({ "REQUEST_METHOD": "GE T" }), ObjectError::Value("REQUEST_METHOD")),
        (json!({ "REQUEST_METHOD": ["GET"] }), ObjectError::Value("REQUEST_METHOD")),
        (json!({ "REQUEST_URI": "" }), ObjectError::Missing("REQUEST_URI")),
        (json!({ "REQUEST_URI": "a.example:80" }), ObjectError::Target),
        (json!({ "REQUEST_URI": "a" }), ObjectError::Target),
        (json!({ "REQUEST_URI": "/a#b" }), ObjectError::Target),
        (json!({ "REQUEST_URI": "/a b" }), ObjectError::Target),
        (json!({ "REQUEST_URI": "/a\r\nX: y" }), ObjectError::Target),
        (json!({ "SCRIPT_NAME": "/other" }), ObjectError::Prefix),
        (json!({ "SERVER_PORT": "65536" }), ObjectError::Value("SERVER_PORT")),
        (json!({ "SERVER_PROTOCOL": "HTTP/4" }), ObjectError::Value("SERVER_PROTOCOL")),
        (json!({ "REMOTE_PORT": -1 }), ObjectError::Value("REMOTE_PORT")),
        (json!({ "REMOTE_ADDR": "somebody" }), ObjectError::Value("REMOTE_ADDR")),
        (json!({ "HTTP_X": "a\nb" }), ObjectError::Header),
        (json!({ "HTTP_X": "\u{100}" }), ObjectError::Header),
        (json!({ "HTTP_": "a" }), ObjectError::Header),
        (json!({ "headers": "a: b" }), ObjectError::Value("headers")),
        (json!({ "headers": [["a"]] }), ObjectError::Value("headers")),
        (json!({ "headers": [["a b", "c"]] }), ObjectError::Header),
        (json!({ "headers": [["a", "b\r\nc: d"]] }), ObjectError::Header),
    ] {
        let mut object = json!({ "REQUEST_METHOD": "GET", "REQUEST_URI": "/a" });
        for (key, value) in change.as_object().unwrap() {
            object[key] = value.clone();
        }
        assert_eq!(request(&object), Err(why), "{change}");
    }
    for text in ["", "[]", "3", "{", "{\"REQUEST_METHOD\":\"GET\"", "\u{feff}{}"] {
        assert_eq!(RequestObject::parse(text.as_bytes()), Err(ObjectError::NotAnObject), "{text}");
    }
    assert_eq!(RequestObject::parse(b"{\"a\":\"\xff\"}"), Err(ObjectError::NotAnObject));
    let deep = "[".repeat(MAX_OBJECT_BYTES);
    assert_eq!(RequestObject::parse(deep.as_bytes()), Err(ObjectError::NotAnObject));
    let long = " ".repeat(MAX_OBJECT_BYTES + 1);
    assert_eq!(RequestObject::parse(long.as_bytes()), Err(ObjectError::TooLong));
}

#[test]
fn reads_classic_requests_tolerantly() {
    let (target, headers) = request(&json!({
        "REQUEST_METHOD": "POST", "REQUEST_URI": "/me/a?b?c", "SCRIPT_NAME": "/me/",
        "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": 5, "SERVER_PORT": 80, "REMOTE_PORT": "9",
        "HTTP_CONTENT_LENGTH": "7", "HTTP_X_A": "", "wsgi.url_scheme": "https",
        "kp.regex": ["any"], "wsgi.multithread": true,
    }))
    .unwrap();
    assert_eq!(target, "/me/a?b?c");
    let expected =
        [line("content-type", "text/plain"), line("content-length", "5"), line("x-a", "")];
    assert_eq!(headers, expected);
}

#[test]
fn reads_every_status_that_old_peers_wrote() {
    for status in
        [json!("404"), json!(404), json!("404 Not Found"), json!("404 "), json!("404 Gone?")]
    {
        assert_eq!(response(&json!({ "statuscode": status })), Ok((404, vec![])));
    }
    for status in
        [json!(""), json!("OK"), json!(99), json!("1000"), json!("20"), json!(200.5), json!([200])]
    {
        let refused = Err(ObjectError::Value("statuscode"));
        assert_eq!(response(&json!({ "statuscode": status })), refused, "{status}");
    }
}

#[test]
fn reads_the_other_keys_of_old_peers_where_headers_are_silent() {
    let page = json!({ "statuscode": "404", "data": "<p>", "type": "text/html", "length": 3 });
    let expected = vec![line("content-type", "text/html"), line("content-length", "3")];
    assert_eq!(response(&page), Ok((404, expected)));
    let both =
        json!({ "statuscode": 503, "headers": [["Content-Type", "a/b"]], "type": "text/html" });
    assert_eq!(response(&both), Ok((503, vec![line("content-type", "a/b")])));
}

#[test]
fn limits_hold_in_both_directions() {
    let (mut parts, ()) = Response::new(()).into_parts();
    for _ in 0..=MAX_LINK_HEADERS {
        parts.headers.append(header::SET_COOKIE, HeaderValue::from_static("a=b"));
    }
    assert_eq!(ResponseObject::new(&parts), Err(HeadError::Lines.into()));
    let many = json!({ "statuscode": 200, "headers": vec![["a", "b"]; 40_000] });
    assert_eq!(response(&many), Err(HeadError::Lines.into()));
    let long = json!({ "statuscode": 200, "headers": [["a", "b".repeat(MAX_LINK_HEAD_BYTES)]] });
    assert_eq!(response(&long), Err(HeadError::Bytes.into()));
    let method = json!({ "REQUEST_METHOD": "A".repeat(MAX_LINK_HEAD_BYTES), "REQUEST_URI": "/" });
    assert_eq!(request(&method), Err(HeadError::Bytes.into()));
}

/// The head that grows most when it is written: nothing but quotation marks, in the target and in
/// many short headers.
#[test]
fn the_largest_head_fits_into_an_object() {
    for target in [MAX_LINK_HEAD_BYTES / 2, 60_000] {
        let (mut parts, ()) =
            Request::get(format!("/{}", "\"".repeat(target))).body(()).unwrap().into_parts();
        let each = (MAX_LINK_HEAD_BYTES - target - 16) / MAX_LINK_HEADERS - 1;
        for _ in 0..MAX_LINK_HEADERS {
            let value = HeaderValue::from_bytes(&vec![b'"'; each]).unwrap();
            parts.headers.append("x", value);
        }
        let json = RequestObject::new(&parts, Surroundings::default()).unwrap().to_json();
        assert!(json.len() <= MAX_OBJECT_BYTES / 2, "{}", json.len());
        assert!(RequestObject::parse(json.as_bytes()).is_ok());
    }
}

#[test]
fn a_target_made_of_pieces_that_do_not_fit_is_refused() {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::CONNECT;
    parts.uri = Uri::from_static("a.example:443");
    let made = RequestObject::new(&parts, Surroundings::default());
    assert_eq!(made, Err(ObjectError::Target));
    for script_name in ["/a", "/ab", "/", "b", "/a/"] {
        parts.uri = Uri::from_static("/abc");
        let script_name = script_name.to_owned();
        let of = Surroundings { script_name, ..Surroundings::default() };
        assert_eq!(RequestObject::new(&parts, of), Err(ObjectError::Prefix));
    }
}

fn any_headers() -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    // Few names, so that many occur more than once and some differ by `-` and `_` only.
    let name = prop_oneof![
        "x[-_]a",
        "[a-z0-9!#$%&'*+.^_`|~-]{1,12}",
        Just("cookie".to_owned()),
        Just("content-length".to_owned()),
        Just("proxy".to_owned()),
    ];
    let byte = prop_oneof![Just(b'\t'), b' '..=b'~', 0x80u8..=0xff];
    let header = (name, proptest::collection::vec(byte, 0..20)).prop_map(|(name, value)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(&value).unwrap())
    });
    proptest::collection::vec(header, 0..12)
}

fn any_target() -> impl Strategy<Value = Uri> {
    let path = r#"(/[!-"$->@-~\u{80}-\u{2fff}]{0,20}){1,3}"#;
    let target = prop_oneof![
        path.prop_map(String::from),
        (path, "[!-\"$-~]{0,20}").prop_map(|(path, query)| format!("{path}?{query}")),
        path.prop_map(|path| format!("http://a.example{path}")),
        Just("*".to_owned()),
    ];
    target.prop_filter_map("not a target for `http` either", |text| text.parse().ok())
}

fn any_version() -> impl Strategy<Value = Version> {
    prop_oneof![
        Just(Version::HTTP_09),
        Just(Version::HTTP_10),
        Just(Version::HTTP_11),
        Just(Version::HTTP_2),
        Just(Version::HTTP_3),
    ]
}

fn any_surroundings() -> impl Strategy<Value = Surroundings> {
    let port = any::<Option<u16>>;
    let scheme = prop_oneof![Just(None), Just(Some("http".parse().unwrap()))];
    (any::<String>(), port(), any::<String>(), scheme, any::<Option<std::net::IpAddr>>(), port())
        .prop_map(
            |(server_name, server_port, server_software, scheme, remote_addr, remote_port)| {
                Surroundings {
                    script_name: String::new(),
                    server_name,
                    server_port,
                    server_software,
                    scheme,
                    remote_addr,
                    remote_port,
                }
            },
        )
}

/// Any JSON whose keys are often ours.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop_oneof!["/a", "GET", "200 OK", "HTTP/1.1", "\\*"].prop_map(Value::from),
    ];
    let key = prop_oneof![
        "REQUEST_METHOD|REQUEST_URI|SCRIPT_NAME|PATH_INFO|QUERY_STRING|SERVER_PORT|REMOTE_ADDR",
        "REMOTE_PORT|SERVER_PROTOCOL|CONTENT_LENGTH|wsgi.url_scheme|headers|statuscode|type|length",
        "HTTP_[A-Z_]{0,4}",
        ".{0,4}",
    ];
    leaf.prop_recursive(3, 40, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key.clone(), inner, 0..12)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What was read is written and read again as the same.
fn settles<T: Debug + PartialEq>(
    json: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, ObjectError>,
    write: impl Fn(&T) -> String,
) {
    if let Ok(object) = parse(json) {
        assert_eq!(parse(write(&object).as_bytes()).as_ref(), Ok(&object));
    }
}

proptest! {
    #[test]
    fn a_request_comes_back_as_it_went(
        method in "[A-Z]{1,8}",
        target in any_target(),
        version in any_version(),
        headers in any_headers(),
        surroundings in any_surroundings(),
    ) {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = method.parse().unwrap();
        parts.uri = target;
        parts.version = version;
        parts.headers.extend(headers);
        let object = RequestObject::new(&parts, surroundings.clone()).unwrap();
        let read = RequestObject::parse(object.to_json().as_bytes()).unwrap();
        prop_assert_eq!(read.surroundings(), &surroundings);
        let back = read.into_parts();
        prop_assert_eq!(back.method, parts.method);
        prop_assert_eq!(back.uri.to_string(), parts.uri.to_string());
        prop_assert_eq!(back.version, parts.version);
        prop_assert_eq!(lines(&back.headers), lines(&parts.headers));
    }

    #[test]
    fn a_response_comes_back_as_it_went(
        status in 100u16..=999,
        version in any_version(),
        headers in any_headers(),
    ) {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = status.try_into().unwrap();
        parts.version = version;
        parts.headers.extend(headers);
        let object = ResponseObject::new(&parts).unwrap();
        let back = ResponseObject::parse(object.to_json().as_bytes()).unwrap().into_parts();
        prop_assert_eq!((back.status, back.version), (parts.status, parts.version));
        prop_assert_eq!(lines(&back.headers), lines(&parts.headers));
    }

    #[test]
    fn any_json_is_read_or_refused(mut json in any_json(), whole in any::<bool>()) {
        if let (true, Some(object)) = (whole, json.as_object_mut()) {
            object.insert("REQUEST_METHOD".to_owned(), "GET".into());
            object.entry("REQUEST_URI").or_insert("/a".into());
            object.entry("statuscode").or_insert(200.into());
        }
        let json = json.to_string();
        settles(json.as_bytes(), RequestObject::parse, RequestObject::to_json);
        settles(json.as_bytes(), ResponseObject::parse, ResponseObject::to_json);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        settles(&bytes, RequestObject::parse, RequestObject::to_json);
        settles(&bytes, ResponseObject::parse, ResponseObject::to_json);
    }
}
