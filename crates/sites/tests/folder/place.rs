//! A folder to publish, with something beside it that must never be seen.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crosstalk::transaction::{Body, empty};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use sites::{
    Delivery,
    folder::{Folder, FolderOptions},
};
use tempfile::TempDir;

/// What lies beside the folder.
pub(crate) const CANARY: &str = "canary-that-never-leaves";

/// Longer than any wait that is right.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A folder in a temporary folder.
pub(crate) struct Place {
    outer: TempDir,
    pub(crate) folder: Folder,
    /// The same without what only some systems can do.
    portable: Folder,
}

/// A response, read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) delivery: Option<Delivery>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(FolderOptions::default())
    }

    pub(crate) fn with(options: FolderOptions) -> Self {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("canary.txt"), CANARY).unwrap();
        fs::create_dir(outer.path().join("site")).unwrap();
        let site = outer.path().join("site");
        let folder = Folder::open(&site, options).unwrap();
        let portable = Folder::open_portable(&site, options).unwrap();
        Self { outer, folder, portable }
    }

    /// The same folder, served without what only some systems can do.
    pub(crate) fn portable(mut self) -> Self {
        self.folder = self.portable.clone();
        self
    }

    pub(crate) fn outer(&self) -> &Path {
        self.outer.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.outer.path().join("site").join(name)
    }

    /// Writes a file that was changed long ago.
    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        set_modified(&path, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    }

    /// Asks in both ways of serving, which must answer alike.
    pub(crate) async fn ask(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let portable = respond(&self.portable, method.clone(), target, headers).await;
        let portable = Answer::read(portable).await;
        let answer = Answer::read(self.respond(method, target, headers).await).await;
        assert!(answer == portable, "{target}: {answer:?} is not {portable:?}");
        answer
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask(Method::GET, target, &[]).await
    }

    pub(crate) async fn respond(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Response<Body> {
        respond(&self.folder, method, target, headers).await
    }
}

async fn respond(
    folder: &Folder,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answering = folder.respond(request.body(empty()).unwrap());
    tokio::time::timeout(DEADLINE, answering).await.expect("an answer in time")
}

impl Answer {
    pub(crate) async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let announced = http_body::Body::size_hint(&body).exact();
        let body = tokio::time::timeout(DEADLINE, body.collect()).await.expect("a body in time");
        let body = body.expect("a whole body").to_bytes().to_vec();
        assert_eq!(announced, Some(body.len() as u64), "the body has the size it announced");
        let delivery = parts.extensions.get::<Delivery>().cloned();
        Self { status: parts.status, headers: parts.headers, body, delivery }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn set_modified(path: &Path, at: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

/// Bytes that tell where they are from.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index ^ (index >> 8) ^ (index >> 16)) as u8).collect()
}
