//! Who may know whom.

use std::process::Command;

use crate::{
    expect_none,
    repository::{files_ending, json, packages, root, text, toml},
};

/// What each package of the product may take in of the others. `peer` and `gateway` never see each
/// other, `crosstalk` sees nobody.
const MAY_USE: &[(&str, &[&str])] = &[
    ("crosstalk", &[]),
    ("carriers", &["crosstalk"]),
    ("sites", &["crosstalk"]),
    ("peer", &["crosstalk", "carriers", "sites"]),
    ("gateway", &["crosstalk", "carriers"]),
    ("desktop", &["crosstalk", "carriers", "peer", "gateway"]),
    ("veranda", &["desktop"]),
];

/// What the tests of a package may take in beside that.
const MAY_USE_IN_TESTS: &[(&str, &[&str])] = &[
    // The tests in which a gateway is reached over a real XMPP server.
    ("desktop", &["testkit"]),
    // The tests that open the app in a desktop of its own.
    ("veranda", &["testkit"]),
];

/// Crates that do what `crosstalk` leaves to others: input, output, waiting.
const DOES_IO: &[&str] =
    &["tokio", "hyper", "hyper-util", "h2", "rustls", "mio", "socket2", "async-std", "smol"];

/// What a window of ours must not be able to do, whatever is in its pages.
const BANNED_PLUGINS: &[&str] = &[
    "tauri-plugin-fs",
    "tauri-plugin-http",
    "tauri-plugin-shell",
    "@tauri-apps/plugin-fs",
    "@tauri-apps/plugin-http",
    "@tauri-apps/plugin-shell",
];

#[test]
fn dependencies_point_one_way() {
    let packages = packages();
    let mut broken = Vec::new();
    let is_ours = |name: &str| packages.iter().any(|package| package.name == name);
    for package in &packages {
        let rule = MAY_USE.iter().find(|(name, _)| *name == package.name);
        let Some((_, allowed)) = rule else {
            let product = package.folder.starts_with("crates/") || package.folder == "src-tauri";
            if product {
                broken.push(format!("{} has no line in MAY_USE", package.folder));
            }
            continue;
        };
        let in_tests = MAY_USE_IN_TESTS.iter().find(|(name, _)| *name == package.name);
        let in_tests: &[&str] = in_tests.map_or(&[], |(_, allowed)| allowed);
        for (kind, dependency, _) in package.dependencies() {
            let for_tests = kind == "dev-dependencies" && in_tests.contains(&dependency);
            if is_ours(dependency) && !allowed.contains(&dependency) && !for_tests {
                broken.push(format!("{} takes in {dependency}", package.name));
            }
        }
    }
    for (name, _) in MAY_USE {
        if !is_ours(name) {
            broken.push(format!("there is no package {name}"));
        }
    }
    expect_none(
        &broken,
        "Dependencies point one way (ARCHITECTURE.md, Invariants). Move what both sides need to \
         the crate below them; a new crate gets its line in tests/tidy/tests/promises/dependencies.rs.",
    );
}

#[test]
fn crosstalk_names_nothing_that_does_input_or_output() {
    let packages = packages();
    let crosstalk = packages.iter().find(|package| package.name == "crosstalk");
    let named = crosstalk.into_iter().flat_map(|package| package.dependencies());
    let broken: Vec<String> = named
        .filter(|(kind, name, _)| *kind == "dependencies" && DOES_IO.contains(name))
        .map(|(_, name, _)| format!("crates/crosstalk/Cargo.toml: {name}"))
        .collect();
    expect_none(&broken, "crosstalk does no input or output. Put this into crates/carriers.");
    let clippy = text("crates/crosstalk/clippy.toml");
    for banned in ["Instant::now", "SystemTime::now", "TcpStream", "fs::File", "thread::sleep"] {
        assert!(clippy.contains(banned), "crates/crosstalk/clippy.toml must ban {banned}");
    }
}

#[test]
fn crosstalk_brings_nothing_along_that_does_input_or_output() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = Command::new(cargo)
        .args(["tree", "-p", "crosstalk", "-e", "normal", "--prefix", "none", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "cargo tree -p crosstalk --locked: {error}");
    let tree = String::from_utf8_lossy(&tree.stdout);
    assert!(tree.starts_with("crosstalk "), "cargo tree says something else: {tree}");
    let broken: Vec<String> = tree
        .lines()
        .filter(|line| DOES_IO.contains(&line.split(' ').next().unwrap_or_default()))
        .map(str::to_owned)
        .collect();
    expect_none(
        &broken,
        "crosstalk's dependencies bring input and output with them; `cargo tree -p crosstalk -i \
         NAME` says which. Leave out the feature, or the dependency.",
    );
}

#[test]
fn every_package_is_a_member_and_inherits_the_lints() {
    let workspace = toml("Cargo.toml");
    let members = workspace["workspace"]["members"].as_array().cloned().unwrap_or_default();
    let mut broken = Vec::new();
    for package in packages() {
        let manifest = &package.manifest;
        if !members.iter().any(|member| member.as_str() == Some(&package.folder)) {
            broken.push(format!("{}: not in [workspace] members", package.folder));
        }
        let inherits = |table: &str, key: Option<&str>| {
            let table = manifest.get(table);
            let value = match key {
                Some(key) => table.and_then(|table| table.get(key)),
                None => table,
            };
            value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool)
                == Some(true)
        };
        if !inherits("lints", None) {
            broken.push(format!("{}: [lints] workspace = true", package.folder));
        }
        for key in ["version", "edition", "license", "publish"] {
            if !inherits("package", Some(key)) {
                broken.push(format!("{}: {key}.workspace = true", package.folder));
            }
        }
    }
    expect_none(&broken, "Every package is one of the workspace and has its lints. Add:");
}

#[test]
fn versions_stand_in_the_root_only() {
    let mut broken = Vec::new();
    for package in packages() {
        for (_, name, value) in package.dependencies() {
            let from_root = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
            if !from_root {
                broken.push(format!("{}/Cargo.toml: {name}", package.folder));
            }
        }
    }
    expect_none(
        &broken,
        "Versions stand in the root's [workspace.dependencies], once. Move them there, and write \
         `name.workspace = true`:",
    );
    let workspace = toml("Cargo.toml");
    let dependencies = workspace["workspace"]["dependencies"].as_table().unwrap();
    let broken: Vec<String> = dependencies
        .iter()
        .filter(|(_, value)| {
            let version = value.as_str().or_else(|| value.get("version")?.as_str());
            let ours = value.get("path").is_some();
            !ours && version.is_none_or(|version| version.contains(['*', '<', '>']))
        })
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    expect_none(&broken, "Cargo.toml: a dependency names one major version of the registry:");
}

#[test]
fn the_window_has_no_plugin_that_reaches_beyond_it() {
    let mut broken = Vec::new();
    for package in packages() {
        for (_, name, _) in package.dependencies() {
            if BANNED_PLUGINS.contains(&name) {
                broken.push(format!("{}/Cargo.toml: {name}", package.folder));
            }
        }
    }
    for path in files_ending(&["package.json"]) {
        for (name, _) in npm_dependencies(path) {
            if BANNED_PLUGINS.contains(&name.as_str()) {
                broken.push(format!("{path}: {name}"));
            }
        }
    }
    expect_none(
        &broken,
        "Whatever needs files, programs or the network is done by crates/desktop.",
    );
}

/// Returns what a package.json takes in, with versions.
fn npm_dependencies(path: &str) -> Vec<(String, String)> {
    let json = json(path);
    ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"]
        .into_iter()
        .filter_map(|kind| json.get(kind)?.as_object())
        .flatten()
        .map(|(name, version)| (name.clone(), version.as_str().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn packages_of_javascript_come_from_the_registry() {
    let mut broken = Vec::new();
    for path in files_ending(&["package.json"]) {
        let lock = path.replace("package.json", "package-lock.json");
        if !crate::repository::files().contains(&lock) {
            broken.push(format!("{lock} is missing"));
        }
        for (name, version) in npm_dependencies(path) {
            if !version.starts_with(|c: char| c.is_ascii_digit() || c == '^' || c == '~') {
                broken.push(format!("{path}: {name} {version}"));
            }
        }
    }
    expect_none(&broken, "A package names its version, and a lock file keeps it.");
}
