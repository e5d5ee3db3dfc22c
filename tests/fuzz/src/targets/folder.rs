//! A folder as a site: nothing outside it, ever.

use std::{fs, io, path::Path};

use crosstalk::transaction::{self, Body};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use sites::{
    Delivery,
    folder::{Folder, FolderOptions},
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// What stands in every file that no visitor may see: those outside the folder, and hidden ones.
const SECRET: &[u8] = b"3b1f8a52-not-published";

/// What is published, with what is in it.
const FILES: &[(&str, &[u8])] = &[
    ("a.txt", b"0123456789abcdef"),
    ("empty", b""),
    ("gr\u{fc}\u{df}e & co.html", b"<p>Gr\xc3\xbc\xc3\x9fe"),
    ("pictures/index.html", b"<h1>Pictures</h1>"),
    ("pictures/2026/one.jpg", b"\xff\xd8\xff"),
];

thread_local! {
    static WORLD: World = match World::new() {
        Ok(world) => world,
        Err(error) => panic!("cannot lay out a folder to publish: {error}"),
    };
}

/// Whatever is asked, the answer is a file of the folder, its listing, or a page that says no.
pub fn target(bytes: &[u8]) {
    let Some(parts) = super::request(bytes) else { return };
    let is_head = parts.method == Method::HEAD;
    WORLD.with(|world| world.ask(is_head, Request::from_parts(parts, transaction::empty())));
}

struct World {
    runtime: Runtime,
    folder: Folder,
    around: TempDir,
}

impl World {
    fn new() -> io::Result<Self> {
        let around = tempfile::tempdir()?;
        let (site, outside) = (around.path().join("site"), around.path().join("outside"));
        for (name, contents) in FILES {
            write(&site.join(name), contents)?;
        }
        write(&site.join(".env"), SECRET)?;
        write(&site.join(".git/config"), SECRET)?;
        write(&outside.join("secret.txt"), SECRET)?;
        write(&around.path().join("site.txt"), SECRET)?;
        #[cfg(unix)]
        for (name, to) in [
            ("out", "../outside"),
            ("out.txt", "../outside/secret.txt"),
            ("up", ".."),
            ("round", "round"),
            ("pictures/up", "../.."),
            ("back-in", "../site/a.txt"),
        ] {
            std::os::unix::fs::symlink(to, site.join(name))?;
        }
        let folder = Folder::open(&site, FolderOptions::default()).map_err(io::Error::other)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, folder, around })
    }

    fn ask(&self, is_head: bool, request: Request<Body>) {
        let (parts, body) = self.runtime.block_on(self.folder.respond(request)).into_parts();
        let body = match self.runtime.block_on(body.collect()) {
            Ok(body) => body.to_bytes(),
            Err(error) => panic!("a file that nobody touched was cut: {error}"),
        };
        let response = Response::from_parts(parts, ());
        let path = self.around.path().to_string_lossy();
        assert!(!contains(&body, SECRET), "something that is not published");
        assert!(!contains(&body, path.as_bytes()), "where the folder is");
        check(is_head, &response, &body);
    }
}

fn check(is_head: bool, response: &Response<()>, body: &[u8]) {
    let status = response.status();
    let headers = response.headers();
    assert!(!status.is_server_error(), "{status}: the disk does not fail here");
    let nothing = is_head || status == StatusCode::NOT_MODIFIED || status == StatusCode::NO_CONTENT;
    assert!(!nothing || body.is_empty(), "{status} with a body");
    if let (false, Some(length)) = (nothing, headers.get(header::CONTENT_LENGTH)) {
        assert_eq!(length.to_str().ok(), Some(body.len().to_string().as_str()));
    }
    if let Some(location) = headers.get(header::LOCATION) {
        assert!(location.as_bytes().starts_with(b"./"), "{location:?} may lead elsewhere");
    }
    if status.is_success() && !body.is_empty() {
        assert!(headers.contains_key(header::X_CONTENT_TYPE_OPTIONS), "a browser guesses");
    }
    let Some(delivery) = response.extensions().get::<Delivery>() else {
        assert_ne!(status, StatusCode::PARTIAL_CONTENT, "a part of nothing");
        return;
    };
    let Some((_, contents)) = FILES.iter().find(|(name, _)| *name == delivery.name) else {
        // A link inside the folder is the file that it leads to.
        assert_eq!(delivery.name, "back-in");
        return;
    };
    assert_eq!(delivery.size, length(contents));
    let end = delivery.offset + delivery.length;
    assert!(end <= delivery.size, "{delivery:?}");
    let part = contents.iter().skip(index(delivery.offset)).take(index(delivery.length));
    assert!(is_head || part.eq(body), "{delivery:?} is not these bytes");
    let whole = delivery.length == delivery.size;
    assert!(whole || status == StatusCode::PARTIAL_CONTENT, "{status}: cut, and shown as whole");
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn index(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, contents)
}
