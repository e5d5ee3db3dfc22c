use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

fn parse(text: impl AsRef<[u8]>) -> Result<Value, TnetstringError> {
    let bytes = Bytes::copy_from_slice(text.as_ref());
    let value = Value::parse(&bytes);
    // The two layers agree about every input of every test.
    let checked = Element::whole(&bytes).and_then(|element| element.check());
    assert_eq!(value.clone().map(drop), checked, "{bytes:?}");
    value
}

fn written(value: impl Into<Value>) -> Bytes {
    value.into().to_bytes(MAX_SIZE).unwrap()
}

/// Reads a value in the only form it has.
fn check(text: &str, value: impl Into<Value>) {
    let value = value.into();
    assert_eq!(parse(text), Ok(value.clone()), "{text}");
    assert_eq!(written(value), text);
    for length in 0..text.len() {
        let Ok(Measure::Missing(missing)) = measure(&text.as_bytes()[..length], MAX_SIZE) else {
            panic!("{text} is not whole after {length} bytes");
        };
        assert!((1..=text.len() - length).contains(&missing), "{text} after {length}: {missing}");
    }
    let more = format!("{text}0:~");
    assert_eq!(measure(more.as_bytes(), MAX_SIZE), Ok(Measure::Whole(text.len())), "{text}");
    assert_eq!(parse(&more), Err(TnetstringError::Trailing));
}

fn refused(text: impl AsRef<[u8]>, error: TnetstringError) {
    assert_eq!(parse(text.as_ref()), Err(error), "{}", text.as_ref().escape_ascii());
}

fn finite(value: f64) -> Finite {
    Finite::new(value).unwrap()
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| vec![inner].into())
}

#[test]
fn every_kind_has_one_form() {
    check("5:hello,", "hello");
    check("0:,", "");
    check("3:\u{fc}\n,", "\u{fc}\n");
    check("1:0#", 0);
    check("2:12#", 12);
    check("2:-1#", -1);
    check("19:9223372036854775807#", i64::MAX);
    check("20:-9223372036854775808#", i64::MIN);
    check("3:1.5^", finite(1.5));
    check("4:-0.0^", finite(-0.0));
    check("4:true!", true);
    check("5:false!", false);
    check("0:~", Value::Null);
    check("0:]", Vec::new());
    check("0:}", Dictionary::new());
    check("8:2:hi,0:~]", vec![Value::from("hi"), Value::Null]);
    check(
        "16:1:b,2:12#1:a,0:]}",
        Dictionary::from([("b", Value::from(12)), ("a", Value::List(vec![]))]),
    );
    let bytes: Vec<u8> = (0..=255).collect();
    let whole = written(Bytes::from(bytes.clone()));
    assert_eq!(whole, [b"256:", &bytes[..], b","].concat());
    assert_eq!(parse(whole), Ok(Bytes::from(bytes).into()));
}

#[test]
fn what_the_seed_sends_is_read_and_written() {
    check(
        "44:7:version,3:0.1,5:ident,4:0123,4:user,3:joe,}",
        Dictionary::from([("version", "0.1"), ("ident", "0123"), ("user", "joe")]),
    );
    check(
        "48:7:allowed,4:true!7:version,3:0.1,5:ident,4:abcd,}",
        Dictionary::from([
            ("allowed", Value::from(true)),
            ("version", "0.1".into()),
            ("ident", "abcd".into()),
        ]),
    );
    check("18:7:allowed,5:false!}", Dictionary::from([("allowed", false)]));
    check("7:WELCOME,", "WELCOME");
    check("7:go away,", "go away");
    let mut pair = Bytes::from_static(b"0:}2:hi,");
    assert_eq!(Whole::split(&mut pair).unwrap().into_value(), Ok(Dictionary::new().into()));
    assert_eq!(Whole::split(&mut pair).unwrap().into_string(), Ok(Bytes::from_static(b"hi")));
    assert_eq!(Whole::split(&mut pair).map(drop), Err(TnetstringError::Cut));
}

#[test]
fn sizes_are_plain_numbers() {
    for text in ["05:hello,", "00:,", ":,", " 5:hello,", "+5:hello,", "-1:,", "5 :hello,", "x"] {
        refused(text, TnetstringError::Size);
    }
    refused("1000000000:", TnetstringError::Size);
    refused("9999999999999999999999:", TnetstringError::Size);
    refused("999999999:", TnetstringError::Cut);
    refused("", TnetstringError::Cut);
    refused("5", TnetstringError::Cut);
    refused("5:hello", TnetstringError::Cut);
}

#[test]
fn a_size_is_refused_before_its_bytes_arrive() {
    assert_eq!(measure(b"65536:", 65_536), Ok(Measure::Missing(65_537)));
    assert_eq!(measure(b"65537:", 65_536), Err(TnetstringError::TooLarge));
    assert_eq!(measure(b"65537", 65_536), Err(TnetstringError::TooLarge));
    assert_eq!(measure(b"6554", 65_536), Ok(Measure::Missing(6_556)));
    assert_eq!(measure(b"999999999:", MAX_SIZE), Ok(Measure::Missing(1_000_000_000)));
    assert_eq!(measure(b"0:", 0), Ok(Measure::Missing(1)));
    assert_eq!(measure(b"1", 0), Err(TnetstringError::TooLarge));
    assert_eq!(measure(b"", 0), Ok(Measure::Missing(3)));
    assert_eq!(measure(b"0", 0), Ok(Measure::Missing(2)));
    assert_eq!(measure(b"01", 9), Err(TnetstringError::Size));
    assert_eq!(measure(b"1:xx", 9), Err(TnetstringError::Type));
}

#[test]
fn a_size_claimed_inside_cannot_leave_its_payload() {
    refused("4:9:a,]b,", TnetstringError::Trailing);
    refused("4:9:a,]", TnetstringError::Cut);
    refused("2:1:]1,", TnetstringError::Trailing);
    refused("12:999999999:a,]", TnetstringError::Cut);
}

#[test]
fn what_other_readers_forgive_is_an_error() {
    refused("3:yes!", TnetstringError::Boolean);
    refused("4:TRUE!", TnetstringError::Boolean);
    refused("0:!", TnetstringError::Boolean);
    refused("1:x~", TnetstringError::Null);
    for text in ["3:012#", "3:+12#", "2:-0#", "3: 12#", "0:#", "1:-#", "4:0x12#", "3:1_2#", "2:1.#"]
    {
        refused(text, TnetstringError::Integer);
    }
    refused("19:9223372036854775808#", TnetstringError::Integer);
    refused("20:-9223372036854775809#", TnetstringError::Integer);
    refused("8:1:1#1:b,}", TnetstringError::Key);
    refused("4:1:a,}", TnetstringError::Value);
    refused("16:1:a,1:1#1:a,1:2#}", TnetstringError::Duplicate);
    refused("2:hi;", TnetstringError::Type);
    refused("2:hi\0", TnetstringError::Type);
}

#[test]
fn floats_are_finite_and_written_plainly() {
    for text in [
        "nan", "inf", "-inf", "infinity", "1e999", "", "-", "+1.5", ".5", "1.", "01.5", "1e",
        "1e+", "0x1p3", "1_0.5", " 1.5", "1.5 ",
    ] {
        refused(format!("{}:{text}^", text.len()), TnetstringError::Float);
    }
    for (text, value) in [
        ("1e5", 1e5),
        ("1E+5", 1e5),
        ("15e-1", 1.5),
        ("5", 5.0),
        ("1.500000", 1.5),
        ("1e-999", 0.0),
        ("-0", -0.0),
    ] {
        assert_eq!(parse(format!("{}:{text}^", text.len())), Ok(finite(value).into()), "{text}");
    }
    for (value, text) in
        [(1e5, "8:100000.0^"), (0.1 + 0.2, "19:0.30000000000000004^"), (-2.5e-7, "11:-0.00000025^")]
    {
        assert_eq!(written(finite(value)), text);
    }
    for value in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, f64::from_bits(1)] {
        let text = written(finite(value));
        assert!(!text.contains(&b'e') && text.contains(&b'.'), "{text:?}");
        assert_eq!(parse(text), Ok(finite(value).into()));
    }
    assert!(parse(format!("{MAX_FLOAT}:1.{}^", "0".repeat(MAX_FLOAT - 2))).is_ok());
    refused(format!("{}:1.{}^", MAX_FLOAT + 1, "0".repeat(MAX_FLOAT - 1)), TnetstringError::Float);
    assert_eq!([f64::NAN, f64::INFINITY].map(Finite::new), [None, None]);
}

#[test]
fn nesting_ends_at_its_depth() {
    assert_eq!(parse(written(nested(MAX_DEPTH))), Ok(nested(MAX_DEPTH)));
    assert_eq!(nested(MAX_DEPTH + 1).to_bytes(MAX_SIZE), Err(TnetstringError::Depth));
    let mut deep = String::new();
    for _ in 0..=MAX_DEPTH {
        deep = format!("{}:{deep}]", deep.len());
    }
    refused(&deep, TnetstringError::Depth);
    refused(format!("{}:1:k,{deep}}}", deep.len() + 4), TnetstringError::Depth);
    for _ in 0..20_000 {
        deep = format!("{}:{deep}]", deep.len());
    }
    refused(&deep, TnetstringError::Depth);
}

#[test]
fn a_key_is_once_there_however_many_there_are() {
    for count in [1, 11, 12, 13, 40] {
        let keys: Vec<String> = (0..count).map(|number| format!("key {number}")).collect();
        let written = |again: Option<&String>| {
            let mut out = BytesMut::new();
            dictionary(&mut out, |dictionary| {
                for key in keys.iter().chain(again) {
                    dictionary.integer(key.as_bytes(), 1);
                }
            });
            out.freeze()
        };
        assert!(parse(written(None)).is_ok());
        for key in &keys {
            refused(written(Some(key)), TnetstringError::Duplicate);
        }
    }
}

#[test]
fn writing_keeps_to_its_limit() {
    let value = Value::from("hello");
    assert_eq!(value.to_bytes(4), Err(TnetstringError::TooLarge));
    assert_eq!(value.to_bytes(5), Ok(Bytes::from_static(b"5:hello,")));
    let list = Value::from(vec![value, true.into(), 10.into(), finite(0.5).into(), Value::Null]);
    let bytes = written(list.clone());
    let payload = bytes.len() - "31:]".len();
    assert_eq!(list.to_bytes(payload), Ok(bytes));
    assert_eq!(list.to_bytes(payload - 1), Err(TnetstringError::TooLarge));
    let mut out = BytesMut::from("kept");
    assert_eq!(list.write(&mut out, 1), Err(TnetstringError::TooLarge));
    assert_eq!(out, "kept");
}

#[test]
fn enclosing_writes_any_length_at_any_place() {
    for length in (0..1200).chain([9_990, 10_000, 99_999, 100_000, 1_000_000]) {
        let inner = vec![b'x'; length];
        let mut out = BytesMut::from("before");
        list(&mut out, |list| {
            list.string(&inner);
        });
        let string = format!("{length}:{},", "x".repeat(length));
        assert_eq!(out, format!("before{}:{string}]", string.len()));
        assert_eq!(written_length(length), string.len());
    }
    assert_eq!(&*prefix(usize::MAX), format!("{}:", usize::MAX).as_bytes());
}

#[test]
fn the_cursor_finds_what_the_writer_wrote() {
    let mut out = BytesMut::new();
    dictionary(&mut out, |head| {
        head.integer(b"id", 7).boolean(b"end", false).string(b"type", b"open");
        head.list(b"headers", |headers| {
            headers.list(|header| {
                header.string(b"host").string(b"a.example");
            });
        });
        head.dictionary(b"more", |more| null(more.key(b"nothing")));
    });
    let mut seen = Vec::new();
    for entry in Element::whole(&out).unwrap().dictionary().unwrap() {
        let (key, element) = entry.unwrap();
        match key {
            b"id" => assert_eq!(element.integer(), Ok(7)),
            b"end" => assert_eq!(element.boolean(), Ok(false)),
            b"type" => assert_eq!(element.string(), Ok(&b"open"[..])),
            b"headers" => {
                let header = element.list().unwrap().next().unwrap().unwrap();
                let texts: Result<Vec<_>, _> =
                    header.list().unwrap().map(|e| e?.string()).collect();
                assert_eq!(texts, Ok(vec![&b"host"[..], b"a.example"]));
                assert_eq!(element.string(), Err(TnetstringError::Not(Kind::String)));
            }
            b"more" => {
                let (key, value) = element.dictionary().unwrap().next().unwrap().unwrap();
                assert_eq!((key, value.null()), (&b"nothing"[..], Ok(())));
            }
            other => panic!("{}", other.escape_ascii()),
        }
        seen.push(key);
    }
    assert_eq!(seen, [&b"id"[..], b"end", b"type", b"headers", b"more"]);
}

#[test]
fn a_body_is_taken_without_a_copy() {
    let mut buffer = BytesMut::from("0:}5:hello,3:ab");
    let Taken::Whole(header) = take(&mut buffer, 9).unwrap() else { panic!("not whole") };
    assert_eq!(header.element().dictionary().unwrap().count(), 0);
    let place = buffer[2..].as_ptr();
    let Taken::Whole(body) = take(&mut buffer, 9).unwrap() else { panic!("not whole") };
    let body = body.into_string().unwrap();
    assert_eq!((&body[..], body.as_ptr()), (&b"hello"[..], place));
    assert!(matches!(take(&mut buffer, 9), Ok(Taken::Missing(2))));
    assert_eq!(buffer, "3:ab");
    assert_eq!(take(&mut buffer, 2).map(drop), Err(TnetstringError::TooLarge));
    assert_eq!(buffer, "3:ab");
    buffer.extend(b"c#");
    let Taken::Whole(number) = take(&mut buffer, 9).unwrap() else { panic!("not whole") };
    assert_eq!(number.kind(), Kind::Integer);
    assert_eq!(number.clone().into_string(), Err(TnetstringError::Not(Kind::String)));
    assert_eq!(number.into_value(), Err(TnetstringError::Integer));

    let whole = Bytes::from_static(b"8:1:a,1:b,]");
    let Ok(Value::List(values)) = Value::parse(&whole) else { panic!("no list") };
    let [Value::String(a), Value::String(_)] = &values[..] else { panic!("no strings") };
    assert_eq!(a.as_ptr(), whole[4..].as_ptr());
}

#[test]
fn an_iterator_ends_after_its_error() {
    let mut elements = Element::whole(b"7:1:xx0:~]").unwrap().list().unwrap();
    assert!(matches!(elements.next(), Some(Err(TnetstringError::Type))));
    assert!(elements.next().is_none());
}

/// Any value that the format can carry.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-20i64..20).prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", Finite::new).prop_map(Value::from),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(|b| Bytes::from(b).into()),
    ];
    leaf.prop_recursive(6, 60, 12, |inner| {
        let key = proptest::collection::vec(any::<u8>(), 0..4);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..12).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..16).prop_map(|entries| {
                let mut dictionary = Dictionary::new();
                for (key, value) in entries {
                    dictionary.insert(key, value);
                }
                dictionary.into()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_comes_back_as_it_went(value in any_value()) {
        let bytes = written(value.clone());
        prop_assert_eq!(measure(&bytes, MAX_SIZE), Ok(Measure::Whole(bytes.len())));
        prop_assert_eq!(parse(&bytes), Ok(value));
    }

    #[test]
    fn a_changed_value_is_another_or_none(
        value in any_value(),
        place in any::<prop::sample::Index>(),
        byte in prop::sample::select(&b"0123456789:,#^!~}]-.e+ truefalsx\0\xff"[..]),
    ) {
        let bytes = written(value);
        let mut changed = bytes.to_vec();
        changed[place.index(bytes.len())] = byte;
        if let Ok(read) = parse(&changed) {
            let again = written(read.clone());
            prop_assert_eq!(parse(&again), Ok(read));
        }
    }

    #[test]
    fn bytes_arrive_in_any_pieces(
        values in proptest::collection::vec(any_value(), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole: Vec<u8> = values.iter().flat_map(|value| written(value.clone())).collect();
        let (first, second) = whole.split_at(cut.index(whole.len() + 1));
        let mut buffer = BytesMut::new();
        let mut read = Vec::new();
        for piece in [first, second] {
            buffer.extend(piece);
            while let Taken::Whole(whole) = take(&mut buffer, MAX_SIZE).unwrap() {
                read.push(whole.into_value().unwrap());
            }
        }
        prop_assert_eq!(read, values);
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse(bytes);
    }
}
