//! What the window may do, and how it may show what others wrote.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    expect_none,
    repository::{files, files_ending, json, text},
};

/// Everything that the pages may ask for: our own commands (`src-tauri/build.rs` names them to
/// Tauri, which refuses the others) and nothing of Tauri's. A new line here is a decision: say in
/// the commit what it is for.
const PERMISSIONS: &[&str] = &["allow-ask", "allow-watch"];

/// The one file that talks to Tauri.
const DOOR: &str = "ui/src/lib/backend.ts";

#[test]
fn the_content_security_policy_is_strict() {
    let config = json("src-tauri/tauri.conf.json");
    let security = &config["app"]["security"];
    let policy = directives(&security["csp"]);
    let advice = "src-tauri/tauri.conf.json, app.security.csp";
    let default: Vec<&str> =
        policy.get("default-src").into_iter().flatten().map(|s| &**s).collect();
    assert!(
        matches!(default[..], ["'self'"] | ["'none'"]),
        "{advice}: default-src must be 'self' or 'none', it is {default:?}"
    );
    let mut broken = Vec::new();
    for (directive, sources) in &policy {
        for source in sources {
            let ours = matches!(source.as_str(), "'self'" | "'none'")
                || (directive == "connect-src"
                    && matches!(source.as_str(), "ipc:" | "http://ipc.localhost"))
                || (directive == "img-src" && source == "data:");
            if !ours {
                broken.push(format!("{directive} {source}"));
            }
        }
    }
    expect_none(
        &broken,
        "src-tauri/tauri.conf.json, app.security.csp allows more than the window's own files and \
         Tauri's own channel. Move styles and scripts to files:",
    );
    let is = |key: &str| security.get(key).is_some_and(|value| *value != Value::Bool(false));
    assert!(!is("dangerousDisableAssetCspModification"), "{advice}: not disabled in parts either");
    let assets = &security["assetProtocol"]["enable"];
    assert!(assets != &Value::Bool(true), "{advice}: no asset protocol, it reads files");
    let global = &config["app"]["withGlobalTauri"];
    assert!(global != &Value::Bool(true), "{advice}: only {DOOR} talks to Tauri, no global does");
}

/// Splits a policy, written as text or as an object, into its directives.
fn directives(policy: &Value) -> BTreeMap<String, Vec<String>> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    if let Some(text) = policy.as_str() {
        let directives = text.split(';').filter_map(|directive| {
            let mut words = words(directive).into_iter();
            Some((words.next()?, words.collect()))
        });
        return directives.collect();
    }
    let Some(map) = policy.as_object() else {
        panic!("src-tauri/tauri.conf.json has no app.security.csp, but {policy}");
    };
    let sources = |sources: &Value| match sources.as_array() {
        Some(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => words(sources.as_str().unwrap_or_default()),
    };
    map.iter().map(|(name, value)| (name.clone(), sources(value))).collect()
}

#[test]
fn there_is_one_capability_file_with_the_permissions_of_this_list() {
    let found: Vec<&str> = files()
        .iter()
        .map(String::as_str)
        .filter(|path| path.starts_with("src-tauri/capabilities/"))
        .collect();
    let [path] = found[..] else {
        panic!("src-tauri/capabilities/ has one file, so that one look shows all; here: {found:?}");
    };
    let capability = json(path);
    let permissions: Vec<&str> =
        capability["permissions"].as_array().unwrap().iter().map(name_of).collect();
    assert_eq!(
        permissions, PERMISSIONS,
        "{path} (left) and PERMISSIONS in tests/tidy/tests/promises/window.rs (right) differ. \
         What the window may ask for is decided in both places at once."
    );
    assert!(capability.get("remote").is_none(), "{path}: no page from elsewhere gets in");
    // A list in the configuration would be a second place.
    let listed = &json("src-tauri/tauri.conf.json")["app"]["security"]["capabilities"];
    assert!(listed.as_array().is_none_or(|list| list.iter().all(Value::is_string)), "{listed}");
}

fn name_of(permission: &Value) -> &str {
    let name = permission.as_str().or_else(|| permission["identifier"].as_str());
    name.unwrap_or("(a permission without a name)")
}

#[test]
fn only_one_file_talks_to_tauri() {
    let mut broken = Vec::new();
    for path in ui_sources() {
        if path != DOOR && text(path).contains("@tauri-apps/") {
            broken.push(path.to_owned());
        }
    }
    expect_none(&broken, &format!("Only {DOOR} imports @tauri-apps/*. Ask it instead:"));
    assert!(text(DOOR).contains("@tauri-apps/"), "{DOOR} is the door between window and app");
}

#[test]
fn generated_types_are_used_as_types() {
    let mut broken = Vec::new();
    for path in ui_sources() {
        let source = text(path);
        for (place, _) in source.match_indices("generated/") {
            let before = &source[..place];
            let import = before.rfind("import").map_or(before, |start| &before[start..]);
            if path != DOOR && !import.starts_with("import type") {
                let line = before.lines().count().max(1);
                broken.push(format!("{path}:{line}"));
            }
        }
    }
    expect_none(&broken, &format!("Outside {DOOR}, generated code is for `import type` only:"));
}

#[test]
fn text_of_others_is_shown_as_text() {
    let mut broken = Vec::new();
    for path in ui_sources() {
        for (number, line) in text(path).lines().enumerate() {
            // The policy would stop the last two as well, but only when somebody looks.
            for banned in ["{@html", "innerHTML", "outerHTML", "insertAdjacentHTML", " style=\""] {
                if line.contains(banned) {
                    broken.push(format!("{path}:{}: {}", number + 1, banned.trim()));
                }
            }
        }
    }
    for path in files_ending(&[".html"]).filter(|path| path.starts_with("ui/")) {
        let page = text(path);
        for banned in ["<script>", "<style", " style=", " onload=", " onclick=", "javascript:"] {
            if page.contains(banned) {
                broken.push(format!("{path}: {banned}"));
            }
        }
    }
    expect_none(&broken, "Text from visitors is hostile: let Svelte write it. Styles have files.");
}

fn ui_sources() -> impl Iterator<Item = &'static str> {
    files_ending(&[".ts", ".svelte", ".js"])
        .filter(|path| path.starts_with("ui/src/") && !path.starts_with("ui/src/generated/"))
}

#[test]
fn every_language_has_every_word() {
    let locales: Vec<&str> =
        files_ending(&[".json"]).filter(|path| path.starts_with("ui/locales/")).collect();
    assert!(locales.contains(&"ui/locales/en.json"), "ui/locales/en.json has the first words");
    let english = words(&json("ui/locales/en.json"));
    assert!(!english.is_empty(), "ui/locales/en.json has no words");
    let mut broken = Vec::new();
    for path in locales {
        let these = words(&json(path));
        for (key, text) in &english {
            match these.get(key) {
                None => broken.push(format!("{path}: {key} is missing")),
                Some(other) if placeholders(other) != placeholders(text) => {
                    broken.push(format!("{path}: {key} has other places to fill than English"));
                }
                Some(other) if other.trim().is_empty() => {
                    broken.push(format!("{path}: {key} is empty"));
                }
                Some(_) => {}
            }
        }
        for key in these.keys().filter(|key| !english.contains_key(*key)) {
            broken.push(format!("{path}: {key} is not in English"));
        }
    }
    expect_none(&broken, "Every language has the same words (plural forms as English has them).");
}

/// Returns every text with the path of its key.
fn words(locale: &Value) -> BTreeMap<String, String> {
    fn collect(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    collect(&format!("{prefix}{dot}{key}"), value, into);
                }
            }
            Value::Array(list) => {
                for (place, value) in list.iter().enumerate() {
                    collect(&format!("{prefix}[{place}]"), value, into);
                }
            }
            Value::String(text) => {
                into.insert(prefix.to_owned(), text.clone());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                into.insert(prefix.to_owned(), value.to_string());
            }
        }
    }
    let mut words = BTreeMap::new();
    collect("", locale, &mut words);
    words
}

/// Returns the names in braces, sorted.
fn placeholders(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = text
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
