//! The repository as the tests see it: what is committed, or would be with `git add`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use toml::Table;

/// The one package outside the workspace: fuzzers need a compiler and dependencies of their own.
const OUTSIDE: &str = "tests/fuzz/libfuzzer/Cargo.toml";

/// A package of the workspace.
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its folder, from the root, with slashes.
    pub(crate) folder: String,
    /// Its manifest.
    pub(crate) manifest: Table,
}

impl Package {
    /// Returns everything that the manifest takes in: the kind of table, the name, the value.
    pub(crate) fn dependencies(&self) -> Vec<(&'static str, &str, &toml::Value)> {
        let targets = self.manifest.get("target").and_then(toml::Value::as_table);
        let targets = targets.into_iter().flat_map(Table::values).filter_map(toml::Value::as_table);
        let mut found = Vec::new();
        for table in targets.chain([&self.manifest]) {
            for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
                let these = table.get(kind).and_then(toml::Value::as_table);
                found.extend(
                    these.into_iter().flatten().map(|(name, value)| (kind, name.as_str(), value)),
                );
            }
        }
        found
    }
}

/// Returns the folder of the repository.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().nth(2).unwrap_or(here).to_owned()
    });
    &ROOT
}

/// Returns every file that is committed or new and not ignored, from the root, with slashes.
pub(crate) fn files() -> &'static [String] {
    static FILES: LazyLock<Vec<String>> = LazyLock::new(|| {
        // The repository may belong to somebody else, as in a container; it is only listed.
        let list = Command::new("git")
            .args(["-c", "safe.directory=*", "ls-files", "-z"])
            .args(["--cached", "--others", "--exclude-standard"])
            .current_dir(root())
            .output();
        let list = match list {
            Ok(output) if output.status.success() => output.stdout,
            Ok(output) => panic!("git ls-files: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => panic!("These tests need git and a clone of the repository: {error}"),
        };
        let list = String::from_utf8_lossy(&list);
        let mut files: Vec<String> = list.split_terminator('\0').map(str::to_owned).collect();
        // A file that somebody just removed is still listed.
        files.retain(|path| root().join(path).is_file());
        files.sort();
        files.dedup();
        files
    });
    &FILES
}

/// Returns the files whose names end like this.
pub(crate) fn files_ending(endings: &[&str]) -> impl Iterator<Item = &'static str> {
    let fits = move |path: &&str| endings.iter().any(|ending| path.ends_with(ending));
    let fitting: Vec<&str> = files().iter().map(String::as_str).filter(fits).collect();
    fitting.into_iter()
}

/// Returns the text of a file that must be there.
pub(crate) fn text(path: &str) -> String {
    match fs::read(root().join(path)) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => panic!("{path} is needed: {error}"),
    }
}

/// Returns a TOML file that must be there.
pub(crate) fn toml(path: &str) -> Table {
    text(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns a JSON file that must be there.
pub(crate) fn json(path: &str) -> serde_json::Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the packages of the workspace.
pub(crate) fn packages() -> Vec<Package> {
    let manifests = files_ending(&["/Cargo.toml"]).filter(|path| *path != OUTSIDE);
    manifests
        .map(|path| {
            let manifest = toml(path);
            let name = manifest.get("package").and_then(|package| package.get("name"));
            let name = name.and_then(toml::Value::as_str).unwrap_or_default().to_owned();
            let folder = path.trim_end_matches("/Cargo.toml").to_owned();
            Package { name, folder, manifest }
        })
        .collect()
}
