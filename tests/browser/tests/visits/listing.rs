//! A folder that is just files.

use std::fs;

use serde_json::json;

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

        world.follow("Summer & winter/").await?;
        world.follow("100 % snow/").await?;
        world.follow("höhle #1?.txt").await?;
        assert_eq!(world.text().await?, "Tief");
        world.page().back().await?;
        world.page().back().await?;
        world.page().back().await?;
        assert_eq!(world.path().await?, "/");
        world.follow("readme.txt").await?;
        assert_eq!(world.text().await?, "Read me");
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
    "..%5c..%5csecret",
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
        // Whatever could have happened on showing it has happened now; each link leads to its own
        // file on this very site.
        let contents = "const done = arguments[0];
            const links = [...document.querySelectorAll('a[href]')];
            const own = links.filter((link) => link.origin === location.origin);
            Promise.all(own.map((link) => fetch(link.href).then((answer) => answer.text())))
                .then((texts) => done({
                    hurt: window.hurt ?? null, base: document.querySelector('base') !== null,
                    images: document.images.length, links: links.length, own: own.length, texts,
                }), (error) => done(String(error)));";
        let found = world.page().execute_async(contents, vec![]).await?;
        assert_eq!(found["hurt"], json!(null), "{found}");
        assert_eq!(found["base"], false);
        assert_eq!(found["images"], 0);
        assert_eq!(found["links"], found["own"], "a link leads elsewhere");
        let texts = found["texts"].as_array().cloned().unwrap_or_default();
        for (number, name) in HOSTILE.iter().enumerate() {
            assert!(texts.contains(&json!(number.to_string())), "{name:?} is not linked: {found}");
        }
        world.screenshot("hostile-names").await?;
        Ok(())
    })
    .await;
}
