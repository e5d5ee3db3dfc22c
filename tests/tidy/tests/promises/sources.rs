//! What is in no source file.

use crate::{
    expect_none,
    repository::{files, files_ending, text},
};

/// A file longer than this is asking to be two.
const MAX_LINES: usize = 600;

/// Files that may be longer, with the reason. Generated files count by themselves.
const LONG_FILES: &[(&str, &str)] = &[];

/// What Rust sources do not say, and what to do instead.
const BANNED: &[(&str, &str)] = &[
    ("tokio::spawn(", "give the task an owner: a TaskTracker or a JoinSet"),
    ("unbounded_channel", "every queue has a bound and a reason for it"),
    ("unbounded()", "every queue has a bound and a reason for it"),
    ("#[ignore", "a test that does not run is none: mend it or remove it"),
    ("todo!(", "finish it, or leave it out"),
    ("unimplemented!(", "finish it, or leave it out"),
    ("#[allow(", "#[expect(.., reason = \"..\")] says when it is no longer needed"),
    ("#![allow(", "#![expect(.., reason = \"..\")] says when it is no longer needed"),
];

/// What Rust tests do not say.
const BANNED_IN_TESTS: &[(&str, &str)] =
    &[("thread::sleep", "wait for the event, with a deadline")];

/// What tests of the window do not say.
const BANNED_IN_UI_TESTS: &[(&str, &str)] = &[
    (".only(", "the other tests count too"),
    (".skip(", "a test that does not run is none: mend it or remove it"),
    (".todo(", "a test that does not run is none: write it"),
];

/// Places where one of them may stand, with the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "tests/conformance/tests/counterpart.rs",
    "#[ignore",
    "it asks a program of 2008 that only somebody who has one can run",
)];

/// This package names what it bans.
const HERE: &str = "tests/tidy/";

#[test]
fn files_are_short() {
    let mut broken = Vec::new();
    for path in files_ending(&[".rs", ".ts", ".svelte", ".css"]) {
        let lines = text(path).lines().count();
        let reason = LONG_FILES.iter().find(|(long, _)| *long == path);
        match reason {
            None if lines > MAX_LINES && !path.contains("/generated/") => {
                broken.push(format!("{path}: {lines} lines"));
            }
            Some(_) if lines <= MAX_LINES => {
                broken.push(format!("{path}: short now, take it out of LONG_FILES"));
            }
            None | Some(_) => {}
        }
    }
    for (path, reason) in LONG_FILES {
        if !files().iter().any(|file| file == path) || reason.is_empty() {
            broken.push(format!("{path} in LONG_FILES: no such file, or no reason"));
        }
    }
    expect_none(&broken, &format!("A file over {MAX_LINES} lines is asking to be two:"));
}

#[test]
fn sources_keep_the_house_rules() {
    let mut broken = Vec::new();
    for path in files_ending(&[".rs"]).filter(|path| !path.starts_with(HERE)) {
        let source = text(path);
        broken.extend(found(path, &source, BANNED));
        let tests =
            if is_test(path) { 0 } else { source.find("#[cfg(test)]").unwrap_or(source.len()) };
        broken.extend(found(path, &source[tests..], BANNED_IN_TESTS));
    }
    for path in files_ending(&[".test.ts", ".spec.ts"]) {
        broken.extend(found(path, &text(path), BANNED_IN_UI_TESTS));
    }
    for (path, banned, reason) in EXCEPTIONS {
        let used = files().iter().any(|file| file == path) && text(path).contains(banned);
        if !used || reason.is_empty() {
            broken.push(format!(
                "{path}: its exception for {banned} is not needed, or has no reason"
            ));
        }
    }
    expect_none(&broken, "The house rules (CONTRIBUTING.md), broken at:");
}

/// Returns where a source says what it should not. Comments may.
fn found(path: &str, source: &str, banned: &[(&str, &str)]) -> Vec<String> {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let mut places = Vec::new();
    for line in source.lines().filter(code) {
        for (words, instead) in banned {
            let excepted = EXCEPTIONS.iter().any(|(file, what, _)| file == &path && what == words);
            if line.contains(words) && !excepted {
                places.push(format!("{path}: `{}`: {instead}", line.trim()));
            }
        }
    }
    places
}

fn is_test(path: &str) -> bool {
    // The benchmark is a program that looks at other programs from time to time.
    let is_benchmark = path.starts_with("tests/bench/");
    !is_benchmark
        && (path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs"))
}

#[test]
fn no_merge_is_left_half_done() {
    let mut broken = Vec::new();
    for path in files() {
        for (number, line) in text(path).lines().enumerate() {
            if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
                broken.push(format!("{path}:{}: {line}", number + 1));
            }
        }
    }
    expect_none(&broken, "Somebody merged two versions here and left both:");
}

/// What only makes sense on the machine where it was written. In pieces, so that this file passes.
fn of_one_machine() -> Vec<String> {
    let hosts = ["crates", "npmjs", "yarnpkg", "pypi", "debian", "ubuntu", "pythonhosted"];
    let dots = ["io", "org", "com", "org", "org", "com", "org"];
    let parts = ["index", "registry", "registry", "", "deb", "archive", "files"];
    let mut words: Vec<String> = hosts
        .iter()
        .zip(dots)
        .zip(parts)
        .map(|((host, dot), part)| {
            let separator = if part.is_empty() { "" } else { "." };
            format!("{part}{separator}{host}.{dot}")
        })
        .collect();
    words.extend(["work", "root"].map(|folder| format!("/{folder}/")));
    words
}

#[test]
fn nothing_of_one_machine_is_committed() {
    let mut broken = Vec::new();
    let is_lock = |path: &str| path.ends_with("Cargo.lock") || path.ends_with("package-lock.json");
    for path in files().iter().filter(|path| !is_lock(path)) {
        let text = text(path);
        for words in of_one_machine() {
            for (place, _) in text.match_indices(words.as_str()) {
                // A folder of this name deep in another path is somebody else's.
                let before = text[..place].chars().next_back();
                let deeper = before.is_some_and(|c| c.is_alphanumeric() || "._-}/".contains(c));
                if !(words.starts_with('/') && deeper) {
                    let line = text[..place].matches('\n').count() + 1;
                    broken.push(format!("{path}:{line}: {words}"));
                }
            }
        }
    }
    expect_none(
        &broken,
        "Paths of one machine and hosts of registries stay out of the repository; say what is \
         meant, or read it from the environment:",
    );
}
