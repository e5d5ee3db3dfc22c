//! Files to send.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crosstalk::transaction::{Body, empty};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use sites::{Delivery, folder::ReadError, hand_over::Parcel};
use tempfile::TempDir;
use tokio::time::timeout;

/// Longer than any wait that is right.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A temporary folder.
pub(crate) struct Place {
    folder: TempDir,
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) cut: Option<ReadError>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that was changed long ago.
    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        set_modified(&path, long_ago());
        path
    }

    /// Opens a parcel of files that are there.
    pub(crate) fn parcel(&self, names: &[&str]) -> Parcel {
        Parcel::open(&names.iter().map(|name| self.at(name)).collect::<Vec<_>>()).unwrap()
    }
}

pub(crate) async fn respond(
    parcel: &Parcel,
    method: Method,
    headers: &[(&str, &str)],
) -> Response<Body> {
    let mut request = Request::builder().method(method).uri("/h/x/y/name");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answering = parcel.respond(request.body(empty()).unwrap());
    timeout(DEADLINE, answering).await.expect("an answer in time")
}

pub(crate) async fn ask(parcel: &Parcel, method: Method, headers: &[(&str, &str)]) -> Answer {
    Answer::read(respond(parcel, method, headers).await).await
}

pub(crate) async fn get(parcel: &Parcel, headers: &[(&str, &str)]) -> Answer {
    ask(parcel, Method::GET, headers).await
}

impl Answer {
    pub(crate) async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let announced = http_body::Body::size_hint(&body).exact();
        let (body, cut) = drain(body).await;
        if cut.is_none() {
            assert_eq!(announced, Some(body.len() as u64), "the body has the size it announced");
        }
        let delivery = parts.extensions.get::<Delivery>().cloned();
        Self { status: parts.status, headers: parts.headers, body, delivery, cut }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What a reader gets of a body, and why it ended early.
pub(crate) async fn drain(mut body: Body) -> (Vec<u8>, Option<ReadError>) {
    let mut bytes = Vec::new();
    loop {
        match timeout(DEADLINE, body.frame()).await.expect("a piece in time") {
            Some(Ok(frame)) => bytes.extend_from_slice(&frame.into_data().unwrap()),
            Some(Err(error)) => return (bytes, Some(*error.downcast().unwrap())),
            None => return (bytes, None),
        }
    }
}

pub(crate) fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

pub(crate) fn set_modified(path: &Path, at: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

/// Bytes that tell where they are from.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index ^ (index >> 8) ^ (index >> 16)) as u8).collect()
}
