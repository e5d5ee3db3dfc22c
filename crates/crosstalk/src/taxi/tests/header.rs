//! The grammar, with the draft's own examples.

use proptest::prelude::*;

use super::*;

/// Every message in the draft: the bytes of its header and of its body, and what its `p` is worth.
#[test]
fn the_messages_of_the_draft_are_read() {
    use PayloadLength::{BodyOnly, Mismatch};
    let texts = "a=internalC,c=passTexts,p=256,t=1;texts;\n   \
                 <text id=\"1\" from=\"jim\">text abcedfg test</text>\n   \
                 <text id=\"2\" from=\"jim\">hey you guys</text>";
    for (message, header, body, expected) in [
        (r#"a=scott,c=text,p=10,t=1,u={"john","pa\"ul"};0987654321"#, 44, 10, BodyOnly),
        ("c=getTexts,p=0,t=1;", 19, 0, BodyOnly),
        ("a=jim,c=getTexts,p=0,t=1;", 25, 0, BodyOnly),
        ("c=deleteTexts,p=7,t=1;ids=1,2", 22, 7, BodyOnly),
        ("c=text,t=1,u=jim,p=156;hey you guys", 23, 12, Mismatch),
        ("a=john,c=text,p=156,s=serverA,t=1,u=jim;hey you guys", 40, 12, Mismatch),
        ("c=text,p=156,s=serverA,t=1,u=jim;hey you guys", 33, 12, Mismatch),
        (texts, 34, 105, Mismatch),
    ] {
        let (read, length) = parse(message).unwrap();
        assert_eq!(length, expected, "{message}");
        assert_eq!((message.len() - read.body.len(), read.body.len()), (header, body), "{message}");
        let strict = TaxiMessage::read(&Bytes::copy_from_slice(message.as_bytes()));
        let refused = (expected == Mismatch).then_some(TaxiError::Length);
        assert_eq!(strict.err(), refused, "{message}");
        // As we write it, `p` is right.
        let again = written(&read);
        assert_eq!(parse(&again), Ok((read, PayloadLength::Total)), "{again}");
    }
}

/// What the draft shows without a semicolon is a part of a message.
#[test]
fn the_headers_of_the_draft_are_read() {
    let header = Header::parse("a=scott,g={devs,admins},c=text").unwrap();
    assert_eq!(header.actor.as_deref(), Some("scott"));
    assert_eq!(header.command.as_deref(), Some("text"));
    assert_eq!(header.groups, names(&["devs", "admins"]));
    assert_eq!((header.users, header.tab, header.path), (None, None, vec![]));
    let spaces = Header::parse("a=scott,g={ admins },c=text").unwrap();
    assert_eq!(spaces.groups, names(&[" admins "]));
    assert_eq!(parse("a=scott,g={devs,admins},c=text"), Err(TaxiError::NoEnd));
    assert_eq!(Header::parse("a=scott;"), Err(TaxiError::Syntax(7)));
}

#[test]
fn the_augmented_message_of_the_draft_is_written_as_there() {
    let (message, _) = parse("c=text,t=1,u=jim,p=156;hey you guys").unwrap();
    let header = message.header.augmented_by("john", "serverA");
    let message = TaxiMessage { header, ..message };
    assert_eq!(written(&message), "a=john,c=text,p=51,s=serverA,t=1,u=jim;hey you guys");
}

#[test]
fn quoted_names_have_two_escapes() {
    for (list, expected) in [
        (r#"{"john","pa\"ul"}"#, vec!["john", "pa\"ul"]),
        (r#"{"a\\","b"}"#, vec!["a\\", "b"]),
        (r#"{"DOMAIN\user"}"#, vec![r"DOMAIN\user"]),
        (r"{DOMAIN\user}", vec![r"DOMAIN\user"]),
        (r"DOMAIN\user", vec![r"DOMAIN\user"]),
        (r#"{"\\\""}"#, vec![r#"\""#]),
        (r#"{a"b,{c=d;e}"#, vec!["a\"b", "{c=d;e"]),
        (r#"{ "a"}"#, vec![" \"a\""]),
        (r#"{"a;b,c=d}e"}"#, vec!["a;b,c=d}e"]),
        ("jim", vec!["jim"]),
        ("{jim}", vec!["jim"]),
        ("{}", vec![]),
        ("", vec![]),
        (r#"{""}"#, vec![""]),
        ("{,}", vec!["", ""]),
        ("Jürgen", vec!["Jürgen"]),
    ] {
        let (message, _) = parse(&format!("u={list};")).unwrap();
        assert_eq!(message.header.users, names(&expected), "{list}");
        assert_eq!(parse(&written(&message)).unwrap().0, message, "{list}");
    }
}

#[test]
fn a_star_is_everybody_and_a_quoted_one_is_a_name() {
    for (list, everybody, expected) in [
        ("*", true, vec![]),
        ("{*}", true, vec![]),
        ("{*,a}", true, vec!["a"]),
        (r#"{"*"}"#, false, vec!["*"]),
        (r#"{a,"*"}"#, false, vec!["a", "*"]),
        ("{ *}", false, vec![" *"]),
        ("**", false, vec!["**"]),
    ] {
        let header = Header::parse(&format!("g={list}")).unwrap();
        let names = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(header.groups, Some(Recipients { everybody, names }), "{list}");
        assert_eq!(header.names_everybody(), everybody, "{list}");
        assert!(!header.is_for_server());
        let message = TaxiMessage::from(header);
        assert_eq!(parse(&written(&message)).unwrap().0, message, "{list}");
    }
    assert_eq!(written(&star().into()), "p=8,u=*;");
    assert_eq!(Header::parse("u=").unwrap().users.map(|users| users.is_nobody()), Some(true));
    assert!(Header::parse("c=text").unwrap().is_for_server());
}

fn star() -> Header {
    Header { users: Some(Recipients::everybody()), ..Header::default() }
}

#[test]
fn white_space_outside_braces_is_nothing() {
    let (message, _) = parse(" a =\tjim ,\r\n c= text\n,u= {a} ; body ").unwrap();
    assert_eq!(message.header.actor.as_deref(), Some("jim"));
    assert_eq!(message.body, " body ");
    assert_eq!(written(&message), "a=jim,c=text,p=28,u=a; body ");
    assert_eq!(parse(" \n;x").unwrap().0.body, "x");
}

#[test]
fn other_keys_pass_as_they_are_and_all_in_order() {
    let (message, _) = parse("z=1,q={a},pp=,u=b,o={*,\"*\"},d0={},c=x,q2=*;").unwrap();
    assert_eq!(message.header.further.get("z").and_then(Value::as_text), Some("1"));
    assert_eq!(message.header.further.get("q").and_then(Value::as_text), Some("a"));
    assert_eq!(message.header.further.get("o").and_then(Value::as_text), None);
    assert_eq!(message.header.further.get("u"), None);
    let text = "c=x,d0={},o={*,\"*\"},p=48,pp=,q={a},q2=*,u=b,z=1;";
    assert_eq!((written(&message).as_str(), text.len()), (text, 48));
}

#[test]
fn a_further_key_has_a_name_of_its_own() {
    let mut header = Header::default();
    for key in ["a", "c", "g", "p", "s", "t", "u", "", "A", "0a", "a-b", "ä", "a=b"] {
        assert_eq!(header.further.set(key, Value::text("x")), Err(TaxiError::Key), "{key}");
    }
    header.further.set("x1Y", Value::text("a b")).unwrap();
    assert_eq!(written(&header.into()), "p=17,x1Y={\"a b\"};");
}

#[test]
fn p_counts_itself() {
    for (body, expected) in [(0, 4), (4, 8), (5, 9), (6, 11), (93, 98), (94, 99), (95, 101)] {
        let message = TaxiMessage { body: "x".repeat(body).into(), ..TaxiMessage::default() };
        let text = written(&message);
        assert!(text.starts_with(&format!("p={expected};")), "{text}");
        assert_eq!(text.len(), expected, "{text}");
    }
    // Where two numbers are right, the other one is as good.
    assert_eq!(parse("p=10;xxxxx").unwrap().1, PayloadLength::Total);
    assert_eq!(parse("p=9;xxxxx").unwrap().1, PayloadLength::Total);
    for (message, expected) in [
        (";", PayloadLength::Absent),
        ("c=x;abc", PayloadLength::Absent),
        ("p=3;abc", PayloadLength::BodyOnly),
        ("p={7};ab", PayloadLength::Mismatch),
        ("p={7};a", PayloadLength::Total),
        ("p=18446744073709551615;", PayloadLength::Mismatch),
    ] {
        assert_eq!(parse(message).unwrap().1, expected, "{message}");
    }
    for p in ["", "00", "01", "-1", "+1", "1e3", "0x1", "18446744073709551616", "٣"] {
        assert_eq!(parse(&format!("p={p};")), Err(TaxiError::Number), "{p}");
    }
}

#[test]
fn what_is_no_header_is_refused() {
    use TaxiError::{Duplicate, NoEnd, NotOne, Syntax};
    for (text, expected) in [
        ("", NoEnd),
        ("a", NoEnd),
        ("a=", NoEnd),
        ("a=b", NoEnd),
        ("a={b", NoEnd),
        ("a={b;", NoEnd),
        ("a={\"b", NoEnd),
        ("a={\"b\\\"};", NoEnd),
        ("a={\"b\"", NoEnd),
        ("a=b,;", Syntax(4)),
        (",a=b;", Syntax(0)),
        ("a=b,,c=d;", Syntax(4)),
        ("A=b;", Syntax(0)),
        ("1=b;", Syntax(0)),
        ("a-b=c;", Syntax(1)),
        ("a b=c;", Syntax(2)),
        ("=b;", Syntax(0)),
        ("a;", Syntax(1)),
        ("a=b=c;", Syntax(3)),
        ("a=b c;", Syntax(4)),
        ("a=\"b\";", Syntax(2)),
        ("a=b};", Syntax(3)),
        ("a=b{c};", Syntax(3)),
        ("a={b}c;", Syntax(5)),
        ("a={\"b\"c};", Syntax(6)),
        ("a={\"b\" };", Syntax(6)),
        ("a=b,a=b;", Duplicate(4)),
        ("u={a},u=b;", Duplicate(6)),
        ("x=1, x={};", Duplicate(5)),
        ("a={b,c};", NotOne("a")),
        ("c={b,c};", NotOne("c")),
        ("t={b,c};", NotOne("t")),
        ("p={1,2};", NotOne("p")),
        ("{\"REQUEST_METHOD\":\"GET\"}", Syntax(0)),
        ("\u{a0}a=b;", Syntax(0)),
    ] {
        assert_eq!(parse(text), Err(expected), "{text:?}");
    }
    let latin = Bytes::from_static(b"a=J\xfcrgen;");
    assert_eq!(TaxiMessage::parse(&latin), Err(TaxiError::NotText));
    let cut = Bytes::from_static(b"u={\"\xf0\x9f\"};");
    assert_eq!(TaxiMessage::parse(&cut), Err(TaxiError::NotText));
}

#[test]
fn bodies_are_any_bytes() {
    let body: Vec<u8> = (0..=255).chain(*b";p=1;,{").collect();
    let message = TaxiMessage { header: Header::command("data"), body: body.into() };
    let bytes = message.write().unwrap();
    assert_eq!(TaxiMessage::parse(&bytes), Ok((message, PayloadLength::Total)));
}

#[test]
fn a_header_has_an_end_and_a_list_too() {
    let longest = format!("a={};", "x".repeat(MAX_HEADER - 3));
    assert_eq!(parse(&longest).unwrap().0.header.actor.map(|a| a.len()), Some(MAX_HEADER - 3));
    let longer = format!("a={};", "x".repeat(MAX_HEADER - 2));
    assert_eq!(parse(&longer), Err(TaxiError::TooLong));
    assert_eq!(parse(&format!("a={{\"{}", "x".repeat(1 << 20))), Err(TaxiError::TooLong));
    assert_eq!(Header::parse(&longer[..MAX_HEADER]), Err(TaxiError::TooLong));
    // A quotation mark doubles when it is written, and `p` is added.
    let (message, _) = parse(&longest).unwrap();
    assert_eq!(message.write(), Err(TaxiError::TooLong));

    let list = |items: usize| format!("u={{{}}};", vec!["x"; items].join(","));
    assert_eq!(parse(&list(MAX_ITEMS)).unwrap().0.header.users.unwrap().names.len(), MAX_ITEMS);
    assert_eq!(parse(&list(MAX_ITEMS + 1)), Err(TaxiError::TooManyItems));
    let header = Header { groups: names(&["x"; MAX_ITEMS + 1]), ..Header::default() };
    assert_eq!(TaxiMessage::from(header).write(), Err(TaxiError::TooManyItems));
}

/// Text that is hard to quote.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,4}", "[ \"\\\\,;={}*\\r\\n\\t\\x00a]{0,6}", ".{0,6}", Just("*".into())]
}

fn any_recipients() -> impl Strategy<Value = Option<Recipients>> {
    let names = proptest::collection::vec(any_text(), 0..4);
    let recipients = (any::<bool>(), names);
    proptest::option::of(recipients.prop_map(|(everybody, names)| Recipients { everybody, names }))
}

fn any_value() -> impl Strategy<Value = Value> {
    let item = prop_oneof![Just(Item::Everybody), any_text().prop_map(Item::Name)];
    prop_oneof![
        any_text().prop_map(Value::text),
        proptest::collection::vec(item, 0..4).prop_map(Value::list),
    ]
}

prop_compose! {
    fn any_message()(
        actor in proptest::option::of(any_text()),
        command in proptest::option::of(any_text()),
        groups in any_recipients(),
        path in proptest::collection::vec(any_text(), 0..10),
        tab in proptest::option::of(any_text()),
        users in any_recipients(),
        further in proptest::collection::btree_map("[b-y][a-zA-Z0-9]{1,3}", any_value(), 0..4),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) -> TaxiMessage {
        let mut header = Header { actor, command, groups, path, tab, users, ..Header::default() };
        for (key, value) in further {
            header.further.set(&key, value).unwrap();
        }
        TaxiMessage { header, body: body.into() }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(message in any_message()) {
        let bytes = message.write().unwrap();
        prop_assert_eq!(TaxiMessage::parse(&bytes), Ok((message, PayloadLength::Total)));
    }

    #[test]
    fn white_space_around_pairs_changes_nothing(
        message in any_message(),
        white in "[ \\t\\r\\n]{0,3}",
    ) {
        let mut header = message.header;
        header.tab = None;
        let plain = String::from_utf8(TaxiMessage::from(header.clone()).write().unwrap().to_vec());
        let spaced = format!("{white}t{white}={white}x{white},{white}{}", plain.unwrap());
        header.tab = Some("x".to_owned());
        prop_assert_eq!(parse(&spaced).unwrap().0.header, header);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..100),
            "[acgpstux0-9={},;\"\\\\* ]{0,60}".prop_map(String::into_bytes),
        ],
    ) {
        let bytes = Bytes::from(bytes);
        if let Ok((message, _)) = TaxiMessage::parse(&bytes) {
            let again = message.write().unwrap();
            prop_assert_eq!(TaxiMessage::parse(&again), Ok((message, PayloadLength::Total)));
        }
    }
}
