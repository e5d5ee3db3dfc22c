//! What a system must have, and why: one table, read by every installer and every complaint.

use clap::ValueEnum;

/// What the system is prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// To build and run the app.
    Run,
    /// To build everything and run all tests.
    Test,
    /// To run the benchmarks.
    Bench,
}

/// Something that a system must have.
pub(crate) struct Need {
    /// For what.
    pub(crate) purpose: Purpose,
    /// What it is for, to a person who is asked whether it may be installed.
    pub(crate) why: &'static str,
    /// The package in Debian; Ubuntu calls it the same unless [`Need::ubuntu`] differs.
    pub(crate) debian: &'static str,
    /// The package in Ubuntu, where the name differs.
    pub(crate) ubuntu: Option<&'static str>,
    /// How to see on any other Linux whether it is there.
    pub(crate) sign: Sign,
}

/// By what a thing is recognised where there is no list of packages that we know.
pub(crate) enum Sign {
    /// A library that `pkg-config` knows by this name.
    Library(&'static str),
    /// A program on the PATH, under one of these names.
    Program(&'static [&'static str]),
    /// A file that is under one of the usual library folders.
    SharedObject(&'static str),
    /// Nothing that can be looked at in a simple way; where it is missing, the test says so.
    None,
}

/// The table for Linux.
pub(crate) const NEEDS: &[Need] = &[
    need(Purpose::Run, "gcc", "links every program", Sign::Program(&["cc"])),
    need(Purpose::Run, "libc6-dev", "what every program is linked with", Sign::None),
    need(
        Purpose::Run,
        "pkg-config",
        "finds the libraries below",
        Sign::Program(&["pkg-config", "pkgconf"]),
    ),
    need(
        Purpose::Run,
        "libwebkit2gtk-4.1-dev",
        "draws the window (brings GTK 3)",
        Sign::Library("webkit2gtk-4.1"),
    ),
    need(
        Purpose::Run,
        "libdbus-1-dev",
        "talks to the desktop (tray, one window only)",
        Sign::Library("dbus-1"),
    ),
    need(
        Purpose::Run,
        "libayatana-appindicator3-1",
        "the tray icon; opened while the app runs",
        Sign::SharedObject("libayatana-appindicator3.so.1"),
    ),
    need(
        Purpose::Run,
        "xdg-utils",
        "opens links in the owner's browser",
        Sign::Program(&["xdg-open"]),
    ),
    need(
        Purpose::Test,
        "webkit2gtk-driver",
        "drives the real window",
        Sign::Program(&["WebKitWebDriver"]),
    ),
    need(Purpose::Test, "xvfb", "a screen that is not there", Sign::Program(&["Xvfb"])),
    need(
        Purpose::Test,
        "dbus-daemon",
        "a bus for each test's desktop",
        Sign::Program(&["dbus-daemon"]),
    ),
    need(
        Purpose::Test,
        "gnome-keyring",
        "a real keychain",
        Sign::Program(&["gnome-keyring-daemon"]),
    ),
    need(
        Purpose::Test,
        "libsecret-tools",
        "looks into the keychain from outside",
        Sign::Program(&["secret-tool"]),
    ),
    need(
        Purpose::Test,
        "libglib2.0-bin",
        "starts the app as a session does at login",
        Sign::Program(&["gio"]),
    ),
    need(
        Purpose::Test,
        "dunst",
        "receives notifications and remembers them",
        Sign::Program(&["dunst"]),
    ),
    need(Purpose::Test, "xfce4-panel", "shows the tray icon", Sign::Program(&["xfce4-panel"])),
    need(Purpose::Test, "openbox", "manages windows", Sign::Program(&["openbox"])),
    need(Purpose::Test, "xdotool", "types and clicks", Sign::Program(&["xdotool"])),
    need(Purpose::Test, "imagemagick", "takes screenshots", Sign::Program(&["import"])),
    need(Purpose::Test, "at-spi2-core", "GTK asks for it when a window opens", Sign::None),
    need(Purpose::Test, "adwaita-icon-theme", "icons of the folder dialog", Sign::None),
    need(Purpose::Test, "fonts-dejavu-core", "letters in screenshots", Sign::None),
    Need {
        ubuntu: Some("chromium-browser"),
        ..need(
            Purpose::Test,
            "chromium",
            "the visitor's browser",
            Sign::Program(&["chromium", "chromium-browser", "google-chrome"]),
        )
    },
    Need {
        ubuntu: Some("chromium-chromedriver"),
        ..need(
            Purpose::Test,
            "chromium-driver",
            "drives the visitor's browser",
            Sign::Program(&["chromedriver"]),
        )
    },
    need(
        Purpose::Test,
        "python3-h2",
        "an HTTP/2 that is not ours, as partner (brings python3)",
        Sign::None,
    ),
    need(
        Purpose::Test,
        "python3-pip",
        "fetches tnetstring3, TNetstrings that are not ours, as partner",
        Sign::None,
    ),
    need(Purpose::Test, "git", "lists the files that have to be tidy", Sign::Program(&["git"])),
    need(Purpose::Test, "curl", "a visitor that is not ours", Sign::Program(&["curl"])),
    need(
        Purpose::Test,
        "nginx-light",
        "the proxies between peer and gateway (Debian also starts it as a service; \
         `systemctl disable --now nginx` stops that)",
        Sign::Program(&["nginx"]),
    ),
    need(
        Purpose::Test,
        "prosody",
        "an XMPP server (Debian also starts it as a service; \
         `systemctl disable --now prosody` stops that)",
        Sign::Program(&["prosody"]),
    ),
    need(Purpose::Test, "lua-sec", "gives Prosody TLS", Sign::None),
    need(
        Purpose::Bench,
        "nginx-light",
        "what Veranda is compared with (Debian also starts it as a service; \
         `systemctl disable --now nginx` stops that)",
        Sign::Program(&["nginx"]),
    ),
    need(Purpose::Bench, "wrk", "makes the load", Sign::Program(&["wrk"])),
    need(
        Purpose::Bench,
        "prosody",
        "the server of both accounts in the XMPP lane (Debian also starts it as a service; \
         `systemctl disable --now prosody` stops that)",
        Sign::Program(&["prosody"]),
    ),
];

/// Returns what is needed for this.
pub(crate) fn needs_for(purpose: Purpose) -> impl Iterator<Item = &'static Need> {
    NEEDS.iter().filter(move |need| match purpose {
        Purpose::Run => need.purpose == Purpose::Run,
        Purpose::Test => need.purpose == Purpose::Run || need.purpose == Purpose::Test,
        Purpose::Bench => need.purpose == Purpose::Bench,
    })
}

const fn need(purpose: Purpose, debian: &'static str, why: &'static str, sign: Sign) -> Need {
    Need { purpose, why, debian, ubuntu: None, sign }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_package_is_asked_for_once() {
        for purpose in [Purpose::Run, Purpose::Test, Purpose::Bench] {
            let packages: Vec<_> = needs_for(purpose).map(|need| need.debian).collect();
            let names: HashSet<_> = packages.iter().collect();
            assert_eq!(names.len(), packages.len(), "{packages:?}");
        }
    }

    #[test]
    fn running_needs_less_than_testing() {
        let run: Vec<_> = needs_for(Purpose::Run).map(|need| need.debian).collect();
        assert!(run.contains(&"libwebkit2gtk-4.1-dev"));
        assert!(!run.contains(&"xvfb"));
        let test: Vec<_> = needs_for(Purpose::Test).map(|need| need.debian).collect();
        assert!(test.contains(&"libwebkit2gtk-4.1-dev") && test.contains(&"xvfb"));
    }
}
