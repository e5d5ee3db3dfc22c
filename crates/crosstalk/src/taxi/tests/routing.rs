//! What a router does.

use super::*;

#[test]
fn a_sender_that_is_no_node_has_no_say_in_who_it_is_and_where_it_was() {
    let (message, _) = parse("a=admin,c=text,s={x,y},t=7,u=jim,z=1;hello").unwrap();
    let header = message.header.augmented_by("john", "gate");
    assert_eq!(header.actor.as_deref(), Some("john"));
    assert_eq!(header.path, ["gate"]);
    assert_eq!(header.tab.as_deref(), Some("7"));
    let message = TaxiMessage { header, body: message.body };
    assert_eq!(written(&message), "a=john,c=text,p=45,s=gate,t=7,u=jim,z=1;hello");
}

#[test]
fn nodes_prepend_themselves() {
    let header = Header::parse("a=john,s=first").unwrap();
    let header = header.forwarded_by("second").unwrap().forwarded_by("third").unwrap();
    assert_eq!(header.path, ["third", "second", "first"]);
    assert_eq!(header.actor.as_deref(), Some("john"));
    assert_eq!(written(&header.into()), "a=john,p=35,s={third,second,first};");
}

#[test]
fn a_message_that_comes_back_ends_there() {
    let header = Header::parse(r#"s={c,"b","a"}"#).unwrap();
    for node in ["a", "b", "c"] {
        assert_eq!(header.clone().forwarded_by(node), Err(Dropped::Loop), "{node}");
    }
    assert!(header.forwarded_by("A").is_ok());
}

#[test]
fn a_message_that_went_far_ends_there() {
    let mut header = Header::default();
    for node in 0..MAX_PATH {
        header = header.forwarded_by(node.to_string()).unwrap();
    }
    assert_eq!(header.clone().forwarded_by("one more"), Err(Dropped::TooFar));
    assert_eq!(header.forwarded_by("0"), Err(Dropped::Loop));
    let strange = Header::parse("s={a,b,c,d,e,f,g,h,i,j,k,l,m,n}").unwrap();
    assert_eq!(strange.clone().forwarded_by("x"), Err(Dropped::TooFar));
    // From somebody who is no node it is worth nothing anyway.
    assert_eq!(strange.augmented_by("john", "x").path, ["x"]);
}
