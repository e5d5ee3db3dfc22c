//! The types that the window is written against are those of this crate.

use std::{any::TypeId, collections::BTreeMap, collections::HashSet, fs, path::Path};

use desktop::{Request, View};
use ts_rs::{Config, TS, TypeVisitor};

/// What stands before the types.
const HEADER: &str =
    "// Made from crates/desktop by `cargo test -p desktop export_bindings`. Do not edit.\n";

/// Writes `ui/src/generated/bindings.ts` anew when it is not what this crate says, and fails once,
/// so that a forgotten file is noticed where tests run and mended where people work.
#[test]
fn export_bindings() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/generated/bindings.ts");
    let written = bindings();
    // Checkouts on Windows may have other line ends.
    let present = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
    if present != written {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, written).unwrap();
        panic!("ui/src/generated/bindings.ts was not fresh; it is now: commit it");
    }
}

#[test]
fn numbers_are_numbers_and_null_is_said() {
    let written = bindings();
    assert!(!written.contains("bigint"), "JSON has no bigint");
    assert!(written.contains("retryAt: number | null"));
    assert!(written.contains(r#""type": "useGateway""#), "{written}");
}

/// Returns the declarations of everything that a [`Request`] or a [`View`] is made of, by name.
fn bindings() -> String {
    // Every number here is below 2^53: sizes, and milliseconds since 1970.
    let config = Config::new().with_large_int("number");
    let mut all = Declarations { config, seen: HashSet::new(), declarations: BTreeMap::new() };
    all.visit::<Request>();
    all.visit::<View>();
    let declarations: Vec<String> = all.declarations.into_values().collect();
    format!("{HEADER}\n{}", declarations.join("\n"))
}

struct Declarations {
    config: Config,
    seen: HashSet<TypeId>,
    declarations: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if T::output_path().is_none() || !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        // What `ts-rs` writes is a note, imports, an empty line, and the declaration.
        let text = T::export_to_string(&self.config).expect("every type has a declaration");
        let (_, declaration) = text.split_once("\n\n").expect("a note and a declaration");
        let lines: Vec<&str> = declaration.trim().lines().map(str::trim_end).collect();
        self.declarations.insert(T::ident(&self.config), lines.join("\n") + "\n");
        T::visit_dependencies(self);
    }
}
