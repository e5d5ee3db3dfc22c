//! A folder that is a web site.

use anyhow::Context as _;
use serde_json::json;
use testkit::visitor::Visitor;

use crate::world::with_site;

const PAGE: &str = r#"<!doctype html><title>Holiday</title><link rel="stylesheet" href="style.css">
<h1>Holiday</h1><p id="from"></p><script src="/script.js"></script>"#;

#[tokio::test]
async fn a_session_url_shows_the_index_at_a_clean_address() {
    let files: &[(&str, &[u8])] = &[
        ("index.html", PAGE.as_bytes()),
        ("style.css", b"h1 { color: rgb(1, 2, 3) }"),
        ("script.js", b"document.querySelector('#from').textContent = 'from ' + document.referrer"),
    ];
    with_site("index", files, async |world| {
        world.enter().await?;
        assert_eq!(world.page().title().await?, "Holiday");
        assert_eq!(world.path().await?, "/");
        let colour = "return getComputedStyle(document.querySelector('h1')).color";
        assert_eq!(world.page().execute(colour, vec![]).await?, json!("rgb(1, 2, 3)"));
        let token = world.link.rsplit('/').next().context("no token")?;
        let text = world.wait_for_text("from").await?;
        assert!(!text.contains(token), "the page learns the secret: {text}");

        // The cookie is for this host, for the server alone, and not for others' requests.
        assert_eq!(world.page().execute("return document.cookie", vec![]).await?, json!(""));
        let cookies = world.browser.command("Network.getCookies", json!({})).await?;
        let cookies = cookies["cookies"].as_array().context("no cookies")?;
        let [cookie] = cookies.as_slice() else { panic!("not one cookie: {cookies:?}") };
        assert_eq!(cookie["httpOnly"], true);
        assert_eq!(cookie["sameSite"], "Lax");
        let host = world.page().current_url().await?.host_str().context("no host")?.to_owned();
        assert_eq!(cookie["domain"], host, "a domain cookie begins with a dot");

        // Coming back without the secret works: that is what the cookie is for.
        world.page().goto(world.origin()?).await?;
        assert_eq!(world.page().title().await?, "Holiday");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_session_url_may_lead_straight_to_a_file() {
    let files: &[(&str, &[u8])] = &[("letters/to me.txt", b"Dear me")];
    with_site("deep-link", files, async |world| {
        world.page().goto(&format!("{}/letters/to%20me.txt", world.link)).await?;
        assert_eq!(world.text().await?, "Dear me");
        assert_eq!(world.path().await?, "/letters/to%20me.txt");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn without_the_cookie_or_with_a_stale_one_there_is_a_page_to_read() {
    with_site("no-cookie", &[("index.html", PAGE.as_bytes())], async |world| {
        let origin = world.origin()?.to_owned();
        world.page().goto(&origin).await?;
        let stranger = world.text().await?;
        assert!(stranger.len() > 20, "not a page that a person can read: {stranger:?}");
        assert!(!stranger.contains("Holiday"));
        world.screenshot("not-found").await?;

        // Somebody who had been there before the link was taken back.
        world.enter().await?;
        assert_eq!(world.page().title().await?, "Holiday");
        let cookies = world.browser.command("Network.getCookies", json!({})).await?;
        let name = cookies["cookies"][0]["name"].as_str().context("no cookie")?;
        let stale = json!({ "name": name, "value": "AAAAAAAAAAAAAAAAAAAAAA", "url": origin });
        world.browser.command("Network.setCookie", stale).await?;
        world.page().goto(&origin).await?;
        assert_eq!(world.text().await?, stranger);
        let mut visitor = Visitor::stranger(&world.link)?;
        visitor.set_cookie(&format!("{name}=AAAAAAAAAAAAAAAAAAAAAA"));
        assert_eq!(visitor.get("/").await?.status(), 404);

        // And a link with a wrong secret is just as wrong.
        world.page().goto(&format!("{origin}/s/AAAAAAAAAAAAAAAAAAAAAA")).await?;
        assert_eq!(world.text().await?, stranger);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_player_can_jump_within_a_long_recording() {
    let recording = recording(300);
    let files: &[(&str, &[u8])] = &[("index.html", PAGE.as_bytes()), ("long.wav", &recording)];
    with_site("player", files, async |world| {
        world.enter().await?;
        let jump = "const done = arguments[0];
            const audio = new Audio('/long.wav');
            audio.onerror = () => done('error: ' + audio.error.message);
            audio.onloadedmetadata = () => { audio.currentTime = 290; };
            audio.onseeked = () => done([Math.round(audio.duration), audio.currentTime]);";
        let jumped = world.page().execute_async(jump, vec![]).await?;
        assert_eq!(jumped, json!([300, 290]));

        let range = "const done = arguments[0];
            fetch('/long.wav', { headers: { Range: 'bytes=4-7' } }).then(async (answer) =>
                done([answer.status, answer.headers.get('content-range'),
                    Array.from(new Uint8Array(await answer.arrayBuffer()))]));";
        let part = world.page().execute_async(range, vec![]).await?;
        let length = recording.len();
        assert_eq!(part, json!([206, format!("bytes 4-7/{length}"), &recording[4..8]]));
        Ok(())
    })
    .await;
}

/// Makes a sound file (RIFF WAVE, one channel, 16 bit) of this many seconds.
fn recording(seconds: u32) -> Vec<u8> {
    const RATE: u32 = 44_100;
    let size = seconds * RATE * 2;
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + size).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    let (format, channels) = (1_u16, 1_u16);
    file.extend(format.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(RATE.to_le_bytes());
    file.extend((RATE * 2).to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(16_u16.to_le_bytes());
    file.extend(b"data");
    file.extend(size.to_le_bytes());
    file.extend((0..size / 2).flat_map(|sample| ((sample % 200) as u16).to_le_bytes()));
    file
}
