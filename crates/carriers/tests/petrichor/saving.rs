//! What compression and leaving out known bodies save on a real folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use carriers::{Timing, petrichor::dial::Wishes};
use crosstalk::transaction::{self, Handler};
use http::Response;

use crate::{
    common::{bytes, get, handler},
    world::{Pair, Way},
};

/// The files of a folder with their types, by path.
type Site = BTreeMap<String, (&'static str, Bytes)>;

fn read(root: &Path, folder: &Path, site: &mut Site) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let content_type = match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => {
                read(root, &path, site);
                continue;
            }
            Some("html") => "text/html",
            Some("css") => "text/css",
            Some("js" | "ts") => "text/javascript",
            Some("svg") => "image/svg+xml",
            Some("png") => "image/png",
            Some("md") => "text/markdown",
            _ => continue,
        };
        let name = format!("/{}", path.strip_prefix(root).unwrap().display());
        site.insert(name, (content_type, std::fs::read(&path).unwrap().into()));
    }
}

fn serve(site: Arc<Site>) -> Handler {
    handler(move |request| {
        let found = site.get(request.uri().path()).cloned();
        async move {
            let (content_type, body) = found.unwrap();
            let response = Response::builder().header("content-type", content_type);
            let response = response.header("content-length", body.len());
            response.body(transaction::full(body)).unwrap()
        }
    })
}

/// Lets visitors fetch the whole site one after the other, and returns what went over the link.
async fn visit(site: &Arc<Site>, visitors: usize, wishes: Wishes) -> Vec<usize> {
    let pair = Pair::with(Way::Upgrade, serve(site.clone()), Timing::default(), wishes).await;
    let mut taken = Vec::new();
    let mut before = pair.gateway.received.load(Ordering::Relaxed);
    for _ in 0..visitors {
        for (path, (_, expected)) in site.iter() {
            let body = bytes(pair.fetch(get(path)).await).await.unwrap();
            assert!(body == *expected, "{path}");
        }
        let now = pair.gateway.received.load(Ordering::Relaxed);
        taken.push(now - before);
        before = now;
    }
    pair.finish().await;
    taken
}

#[tokio::test]
async fn a_site_crosses_the_link_once_and_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut site = Site::new();
    for folder in ["docs", "icons", "ui/src"] {
        read(&root, &root.join(folder), &mut site);
    }
    let size: usize = site.values().map(|(_, body)| body.len()).sum();
    let site = Arc::new(site);
    assert!(site.len() > 20 && (200_000..3_000_000).contains(&size), "{} {size}", site.len());
    let mut lines = vec![format!("{} files, {size} bytes, per visitor:", site.len())];
    let mut all = Vec::new();
    for (compress, dedupe) in [(false, false), (true, false), (false, true), (true, true)] {
        let taken = visit(&site, 3, Wishes { compress, dedupe }).await;
        lines.push(format!("compress {compress}, dedupe {dedupe}: {taken:?}"));
        all.push(taken);
    }
    println!("{}", lines.join("\n"));
    let [plain, compressed, once, both] = &all[..] else { panic!("four ways") };
    assert!(plain.iter().all(|bytes| *bytes > size), "{lines:?}");
    assert!(compressed[0] < plain[0] * 9 / 10, "{lines:?}");
    assert!(once[1] < plain[1] / 10 && once[2] < plain[2] / 10, "{lines:?}");
    assert!(both[0] < plain[0] * 9 / 10 && both[1] < plain[1] / 10, "{lines:?}");
}
