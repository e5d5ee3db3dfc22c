//! `veranda-peer` with an XMPP account that does not work.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    Home,
    command::{PASSPHRASE, Program, text},
};

/// Answers the header of a stream with one that offers PLAIN, and every password with no.
async fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    const OFFER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams' id='1' from='localhost' version='1.0'>\
        <stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
        <mechanism>PLAIN</mechanism></mechanisms></stream:features>";
    const NO: &str = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>\
        </stream:stream>";
    for (question, answer) in [("<stream:stream", OFFER), ("<auth", NO)] {
        let mut heard = String::new();
        while !(heard.contains(question) && heard.ends_with('>')) {
            heard.push(char::from(stream.read_u8().await?));
        }
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_ends_alike_whichever_wire_the_gateway_speaks() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let mut talks = JoinSet::new();
    talks.spawn(async move {
        let mut talks = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            talks.spawn(refuse(stream));
        }
    });
    let password = home.folder.path().join("password");
    std::fs::write(&password, "wrong").unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (folder, key) = (home.photos(), home.folder.path().join("key"));
    let data = home.folder.path().join("data");
    let mut common =
        vec!["publish", text(&folder), "--data", text(&data), "--key-file", text(&key)];
    common.extend(["--xmpp-jid", "anna@localhost", "--xmpp-password-file", text(&password)]);
    common.extend(["--xmpp-server", &server]);
    for gateway in [
        &["--gateway", "xmpp:gateway@localhost"][..],
        &["--classic-gateway", "gateway@localhost", "--classic-address", "http://localhost/anna"],
    ] {
        let words = [&common, gateway].concat();
        let (status, said) = Program::start(&home, &words, Some(PASSPHRASE)).end().await;
        assert!(said.contains("password"), "{said}");
        assert_eq!(status.code(), Some(6), "{gateway:?}: {said}");
    }
}
