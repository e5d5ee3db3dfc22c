//! When the owner's computer is away.

use testkit::visitor::Visitor;

use crate::world::with_site;

#[tokio::test]
async fn the_away_page_goes_away_by_itself() {
    let files: &[(&str, &[u8])] = &[("index.html", b"<title>Home</title>Welcome home")];
    with_site("away", files, async |world| {
        world.enter().await?;
        world.wait_for_text("Welcome home").await?;

        world.whole.stop_peer().await;
        world.page().refresh().await?;
        let text = world.text().await?;
        assert!(!text.contains("Welcome") && text.len() > 20, "no page to read: {text:?}");
        world.screenshot("away").await?;
        let answer = Visitor::stranger(&world.link)?.get("/").await?;
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));

        world.whole.start_peer().await?;
        world.whole.session_url().await?;
        // Nobody touches the browser.
        world.wait_for_text("Welcome home").await?;
        Ok(())
    })
    .await;
}
