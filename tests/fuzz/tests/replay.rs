//! Replays every corpus, and damaged copies of each seed.

use std::{
    fs, io,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

use fuzz::{TARGETS, Target};

/// How many damaged copies of each seed are tried: enough that a broken property shows in
/// seconds, few enough for every run of the tests. A fuzzer finds more (README.md).
const COPIES: u64 = 100;

#[test]
fn every_corpus_keeps_the_properties() -> io::Result<()> {
    for (name, target) in TARGETS {
        for (path, seed) in corpus(name)? {
            check(*target, &path, &seed);
        }
    }
    Ok(())
}

#[test]
fn damaged_seeds_keep_the_properties() -> io::Result<()> {
    for (name, target) in TARGETS {
        let seeds = corpus(name)?;
        for (place, (path, seed)) in seeds.iter().enumerate() {
            let other = &seeds[(place + 1) % seeds.len()].1;
            for copy in 0..COPIES {
                check(*target, path, &damaged(seed, other, copy));
            }
        }
    }
    Ok(())
}

#[test]
fn every_target_has_a_corpus_and_a_fuzzer() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<String> = fs::read_dir(folder.join("corpus"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    folders.sort();
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(folders, names, "folders in corpus/ (left) and TARGETS in src/lib.rs (right)");
    let manifest = fs::read_to_string(folder.join("libfuzzer/Cargo.toml"))?;
    for name in names {
        assert!(corpus(name)?.len() >= 3, "corpus/{name} needs a good, a bad and a hostile seed");
        let wrapper = format!("fuzz_targets/{name}.rs");
        let text = fs::read_to_string(folder.join("libfuzzer").join(&wrapper))?;
        assert!(text.contains(&format!("fuzz::{name}::target")), "libfuzzer/{wrapper}");
        assert!(manifest.contains(&wrapper), "libfuzzer/Cargo.toml does not name {wrapper}");
    }
    Ok(())
}

/// Runs a target, and shows the input that broke its property.
fn check(target: Target, seed: &Path, bytes: &[u8]) {
    if catch_unwind(|| target(bytes)).is_err() {
        panic!("{} as \"{}\"", seed.display(), bytes.escape_ascii());
    }
}

fn corpus(name: &str) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut seeds = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let seed = fs::read(&path)?;
        seeds.push((path, seed));
    }
    seeds.sort();
    Ok(seeds)
}

/// Returns a copy with a few bytes changed, removed, doubled, or taken from another seed; the same
/// one for the same number.
fn damaged(seed: &[u8], other: &[u8], number: u64) -> Vec<u8> {
    const TELLING: &[u8] = b"\0\t\n\r \"#%&'()*+,-./:;<=>?@[\\]_{|}~\x7f\x80\xc3\xff09azAZ";
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or(0) % below.max(1)
    };
    let mut bytes = seed.to_vec();
    for _ in 0..=next(4) {
        let place = next(bytes.len() + 1);
        match next(5) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, TELLING[next(TELLING.len())]),
            2 if place < bytes.len() => bytes[place] = TELLING[next(TELLING.len())],
            3 => {
                let doubled = bytes[place..].to_vec();
                bytes.extend(doubled);
            }
            _ => {
                bytes.truncate(place);
                bytes.extend(&other[next(other.len() + 1)..]);
            }
        }
    }
    bytes
}
