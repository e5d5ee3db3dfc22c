//! What the documents say is there.

use crate::{
    expect_none,
    repository::{files, files_ending, packages, root, text},
};

/// The page that is the map.
const MAP: &str = "ARCHITECTURE.md";

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for path in files_ending(&[".md"]) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in links(&text(path)) {
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = if file.is_empty() { Some(path.to_owned()) } else { resolve(folder, file) };
            let Some(file) = file.filter(|file| is_there(file)) else {
                broken.push(format!("{path}: {target}"));
                continue;
            };
            let known =
                anchor.is_empty() || !file.ends_with(".md") || has_heading(&text(&file), anchor);
            if !known {
                broken.push(format!("{path}: {target}: no such heading"));
            }
        }
    }
    expect_none(
        &broken,
        "Links to files that are not committed, or to headings that are not there:",
    );
}

/// Returns the targets of a page's links and pictures that are in this repository.
fn links(page: &str) -> Vec<String> {
    let mut fenced = false;
    let mut targets = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for rest in line.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            let target = target.split(' ').next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !elsewhere && !target.is_empty() {
                targets.push(target.to_owned());
            }
        }
    }
    targets
}

/// Returns the path from the root of a target in a page of this folder.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let mut path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                path.pop()?;
            }
            "" => return None,
            part => path.push(part),
        }
    }
    Some(path.join("/"))
}

/// Returns whether a file, or a folder with something in it, is committed.
fn is_there(path: &str) -> bool {
    let folder = format!("{path}/");
    path.is_empty() || files().iter().any(|file| file == path || file.starts_with(&folder))
}

/// Returns whether a page has a heading with this anchor.
fn has_heading(page: &str, anchor: &str) -> bool {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| line.trim_start_matches('#').trim()).any(|heading| {
        let heading = heading.to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).eq(anchor.chars())
    })
}

#[test]
fn every_path_on_the_map_is_there() {
    let map = text(MAP);
    assert!(map.contains("\n## Code map\n"), "{MAP} has a section \"Code map\"");
    let broken: Vec<String> = code_words(&map)
        .filter(|word| is_path(word) && !is_there(word.trim_end_matches('/')))
        .map(|word| format!("{MAP}: `{word}`"))
        .collect();
    expect_none(&broken, "The map names what is not there. Correct the map:");
}

#[test]
fn every_package_is_on_the_map() {
    let map = text(MAP);
    let section = map.split("\n## Code map\n").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let named: Vec<&str> = code_words(section).map(|word| word.trim_end_matches('/')).collect();
    let folders = packages().into_iter().map(|package| package.folder);
    let others = ["ui", "icons", "docs", "deploy"].map(str::to_owned);
    let broken: Vec<String> = folders
        .chain(others)
        .filter(|folder| is_there(folder) && !named.contains(&folder.as_str()))
        .collect();
    expect_none(&broken, &format!("{MAP}, section \"Code map\", does not name these folders:"));
}

/// Returns what stands between single backticks.
fn code_words(page: &str) -> impl Iterator<Item = &str> {
    page.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Returns whether a word is meant as a path of the repository.
fn is_path(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let first = word.split('/').next().unwrap_or_default();
    let top_level = root().join(first).exists() && !first.is_empty() && !first.starts_with('.');
    word.chars().all(plain) && word.contains('/') && top_level
}

#[test]
fn the_readme_begins_with_the_two_commands() {
    let readme = text("README.md");
    let place = |command: &str| readme.find(&format!("\n{command}"));
    let (Some(run), Some(test)) = (place("cargo xtask run"), place("cargo xtask test")) else {
        panic!("README.md names `cargo xtask run` and `cargo xtask test`, each on its line");
    };
    let sections = readme[..run.max(test)].matches("\n## ").count();
    assert!(sections <= 1, "README.md names the two commands in its first section");
}

#[test]
fn the_build_service_does_what_a_person_does() {
    let script = text(".ci/run");
    let commands: Vec<&str> = script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter(|line| !line.starts_with("set ") && !line.starts_with("cd "))
        .map(|line| line.trim_start_matches("exec "))
        .collect();
    assert_eq!(
        commands,
        ["cargo xtask test"],
        ".ci/run calls `cargo xtask test` and nothing else: what is missing there belongs there"
    );
}

#[test]
fn the_documents_are_there() {
    let wanted = [
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "SECURITY.md",
        "deploy/xmpp/README.md",
        "docs/protocols/README.md",
        "docs/protocols/cama.md",
        "docs/protocols/crosstalk-xmpp.md",
        "docs/protocols/hand-over.md",
        "docs/protocols/petrichor.md",
        "docs/protocols/poll.md",
        "docs/protocols/ptth.md",
        "docs/protocols/taxi.md",
    ];
    let missing: Vec<String> = wanted
        .into_iter()
        .filter(|path| !files().iter().any(|file| file == path) || text(path).trim().is_empty())
        .map(str::to_owned)
        .collect();
    expect_none(&missing, "These documents are missing or empty:");
    assert!(text("CHANGELOG.md").contains("\n## "), "CHANGELOG.md has a section for what is next");
}

/// A configuration that people put on their own servers.
const PROSODY: &str = "deploy/xmpp/prosody.cfg.lua";

#[test]
fn each_line_for_prosody_says_why() {
    let configuration = text(PROSODY);
    let mut broken = Vec::new();
    let mut explained = false;
    for (number, line) in configuration.lines().enumerate() {
        let code = line.split("--").next().unwrap_or_default().trim();
        let says_why = line.contains("-- ");
        if line.trim().is_empty() || line.starts_with("------") {
            explained = false;
        } else if code.is_empty() {
            explained = true;
        } else if !code.ends_with('{') && code != "}" && !says_why && !explained {
            broken.push(format!("{PROSODY}:{}: {line}", number + 1));
        }
    }
    expect_none(&broken, "Settings without a comment on their line or above it. Say why:");
}

#[test]
fn the_page_for_operators_names_what_the_configuration_has() {
    let (page, configuration) = (text("deploy/xmpp/README.md"), text(PROSODY));
    for both in ["chat.example", "gateway@chat.example", "unlimited_jids", "5222", "5223", "5269"] {
        assert!(
            page.contains(both) && configuration.contains(both),
            "{both} stands in one of them"
        );
    }
    // The rates that the page promises to those who are not listed.
    for (words, setting) in [
        ("Everybody else has 100 kB/s", "c2s = { rate = \"100kb/s\" }"),
        ("have 300 kB/s together", "s2sin = { rate = \"300kb/s\" }"),
    ] {
        assert!(page.contains(words), "deploy/xmpp/README.md says \"{words}\"");
        assert!(configuration.contains(setting), "{PROSODY} says `{setting}`");
    }
}

#[test]
fn options_that_pages_name_are_there() {
    let programs: Vec<String> = files_ending(&[".rs"])
        .filter(|path| {
            path.starts_with("crates/gateway/src") || path.starts_with("crates/peer/src")
        })
        .map(text)
        .collect();
    let mut broken = Vec::new();
    for page in ["deploy/xmpp/README.md", "docs/protocols/crosstalk-xmpp.md"] {
        for option in text(page).split("--xmpp-").skip(1) {
            let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
            let name = option.split(|c| !is_name(c)).next().unwrap_or_default();
            let field = format!("xmpp_{}:", name.trim_end_matches('-').replace('-', "_"));
            if !programs.iter().any(|source| source.contains(&field)) {
                broken.push(format!("{page}: --xmpp-{name}"));
            }
        }
    }
    expect_none(&broken, "Pages name options that veranda-gateway and veranda-peer do not have:");
}
