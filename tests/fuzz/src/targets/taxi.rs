//! TAXI from the other side: headers that a router passes on, and the messages of a link.

use bytes::Bytes;
use crosstalk::{
    taxi::{Header, MAX_HEADER, MAX_PATH, PayloadLength, TaxiError, TaxiMessage, wire::Wire},
    transactions::Numbers,
};

/// A message that was read is written as itself, with a `p` that is right; nobody speaks for
/// another behind a router, and no message passes the same node twice. A link's message that was
/// read means the same when it is sent on.
pub fn target(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    for ours in [Numbers::Even, Numbers::Odd] {
        check_wire(&bytes, ours);
    }
    let Ok((message, length)) = TaxiMessage::parse(&bytes) else {
        assert!(TaxiMessage::read(&bytes).is_err());
        return;
    };
    assert_eq!(TaxiMessage::read(&bytes).is_err(), length == PayloadLength::Mismatch);
    assert!(bytes.len() - message.body.len() <= MAX_HEADER);
    check_header(&message.header);
    match message.write() {
        Ok(written) => {
            assert_eq!(TaxiMessage::parse(&written), Ok((message, PayloadLength::Total)));
        }
        // With its quotation marks a long header may become too long.
        Err(error) => assert!(error == TaxiError::TooLong && bytes.len() > MAX_HEADER / 3),
    }
}

fn check_header(header: &Header) {
    let ours = header.clone().augmented_by("actor", "node");
    assert_eq!((ours.actor.as_deref(), ours.path), (Some("actor"), vec!["node".to_owned()]));
    assert_eq!(
        (&ours.tab, &ours.users, &ours.groups),
        (&header.tab, &header.users, &header.groups)
    );
    if let Ok(passed) = header.clone().forwarded_by("node") {
        assert!(passed.path.len() <= MAX_PATH);
        assert_eq!(passed.actor, header.actor);
        assert!(passed.forwarded_by("node").is_err(), "round and round");
    }
}

fn check_wire(bytes: &Bytes, ours: Numbers) {
    let theirs = match ours {
        Numbers::Even => Numbers::Odd,
        Numbers::Odd => Numbers::Even,
    };
    let Ok(message) = Wire::new(ours).read(bytes) else { return };
    // A bye that was made fit to be shown, and a head that was put together from classic keys, are
    // written otherwise than they came; after that nothing changes any more.
    let Ok(written) = Wire::new(theirs).write(message.clone()) else {
        panic!("read and cannot be written: {message:?}");
    };
    match Wire::new(ours).read(&written) {
        Ok(again) => assert_eq!(format!("{again:?}"), format!("{message:?}")),
        Err(error) => panic!("written and cannot be read: {error}"),
    }
}
