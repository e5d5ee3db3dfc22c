//! Saying why a test failed.

/// Returns why a test failed, and the lines of this repository that the error came through, as far
/// as a backtrace was taken: `RUST_LIB_BACKTRACE=1`, as in `cargo xtask test`.
///
/// The whole backtrace has some fifty frames of the runtime and the test runner, between which
/// nobody would find the reason in a log.
#[must_use]
pub fn reason(error: &anyhow::Error) -> String {
    let backtrace = error.backtrace().to_string();
    let places = backtrace.lines().filter_map(place);
    std::iter::once(format!("{error:#}"))
        .chain(places.map(|place| format!("    at {place}")))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns the place that a line of a backtrace names, unless it is in other people's code.
fn place(line: &str) -> Option<&str> {
    let place = line.trim_start().strip_prefix("at ")?;
    let is_ours = place.contains(".rs:")
        && !["/rustc/", "/registry/"].iter().any(|foreign| place.contains(foreign));
    is_ours.then_some(place)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn says_the_whole_reason_first() {
        let error = Err::<(), _>(anyhow!("no such file")).context("nothing arrived").unwrap_err();
        assert!(reason(&error).starts_with("nothing arrived: no such file"));
    }

    #[test]
    fn only_our_own_lines_are_named() {
        let ours = "             at ./../tests/desktop/handing_over.rs:52:9";
        assert_eq!(place(ours), Some("./../tests/desktop/handing_over.rs:52:9"));
        for line in [
            "   2: {async_closure#0}",
            "             at /rustc/5980/library/std/src/thread/local.rs:513:12",
            "             at /home/a/.cargo/registry/src/index/tokio-1.54.1/src/runtime/mod.rs:1:2",
            "             at ./nptl/pthread_create.c:442:8",
        ] {
            assert_eq!(place(line), None, "{line}");
        }
    }
}
