//! A folder that is just files.

#[cfg(unix)]
use {
    anyhow::Context as _,
    serde_json::json,
    std::fs,
    testkit::visitor::{self, Visitor},
};

use crate::world::with_site;

#[tokio::test]
async fn a_visitor_clicks_through_the_folders() {
    let files: &[(&str, &[u8])] = &[
        ("readme.txt", b"Read me"),
        ("Summer & winter/100 % snow/höhle #1?.txt", "Tief".as_bytes()),
        (".secret", b"not for visitors"),
    ];
    with_site("listing", files, async |world| {
        world.enter().await?;
        let text = world.text().await?;
        assert!(text.contains("readme.txt") && !text.contains(".secret"), "{text}");
        world.screenshot("listing").await?;

        world.follow("Summer & winter").await?;
        world.follow("100 % snow").await?;
        world.follow("höhle #1?.txt").await?;
        assert_eq!(world.wait_for_text("Tief").await?, "Tief");
        // One step at a time: where a step back leads depends on the page that is shown.
        for folder in ["/Summer%20%26%20winter/100%20%25%20snow/", "/Summer%20%26%20winter/", "/"] {
            world.page().back().await?;
            world.wait_for_path(folder).await?;
        }
        world.follow("readme.txt").await?;
        assert_eq!(world.wait_for_text("Read me").await?, "Read me");
        Ok(())
    })
    .await;
}

/// Names as a hostile owner of a shared folder, or a hostile sender of files, would choose them.
#[cfg(unix)]
const HOSTILE: &[&str] = &[
    "<img src=x onerror=window.hurt=1>.txt",
    "\"><svg onload=window.hurt=1>.txt",
    "'onmouseover='window.hurt=1.txt",
    "javascript:window.hurt=1",
    "<base href=http:elsewhere.example>",
    "%2e%2e%2fetc%2fpasswd",
    "%5c..%5csecret",
    "?query=1.txt",
    "#fragment.txt",
    "&amp;&lt;b&gt;.txt",
    "back\\slash.txt",
    "two\nlines.txt",
    "\u{202e}gpj.exe",
    " spaces ",
    "${window.hurt=1}`.txt",
    "{{window.hurt=1}}.txt",
];

#[cfg(unix)]
#[tokio::test]
async fn hostile_names_do_nothing_but_name_their_files() {
    with_site("hostile-names", &[], async |world| {
        for (number, name) in HOSTILE.iter().enumerate() {
            fs::write(world.whole.folder().join(name), number.to_string())?;
        }
        world.enter().await?;
        // Whatever could have happened on showing it has happened now.
        let look = r#"return {
            hurt: window.hurt ?? null,
            strangers: document.querySelectorAll('base, img, iframe, object, script[src]').length,
            scripts: document.scripts.length,
            elsewhere: [...document.links].filter((link) => link.origin !== location.origin).length,
            paths: [...document.querySelectorAll('a.name')].map((link) => link.pathname + link.search),
        };"#;
        let found = world.page().execute(look, vec![]).await?;
        assert_eq!(found["hurt"], json!(null), "{found}");
        assert_eq!(found["strangers"], 0, "{found}");
        assert_eq!(found["scripts"], 1, "only the one of the box for notes: {found}");
        assert_eq!(found["elsewhere"], 0, "{found}");

        // And each link leads to its own file.
        let (visitor, _) = Visitor::enter(&world.link).await?;
        let mut linked = Vec::new();
        for path in found["paths"].as_array().context("no links")? {
            let file = visitor.get(path.as_str().context("no path")?).await?;
            linked.push(visitor::text(&file));
        }
        for (number, name) in HOSTILE.iter().enumerate() {
            assert!(linked.contains(&number.to_string()), "{name:?} is not linked: {found}");
        }
        assert_eq!(linked.len(), HOSTILE.len());
        world.screenshot("hostile-names").await?;
        Ok(())
    })
    .await;
}
