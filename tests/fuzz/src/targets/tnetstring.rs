//! TNetstrings: read by three readers that must agree, and written as they were.

use bytes::{Bytes, BytesMut};
use crosstalk::tnetstring::{
    Element, MAX_DEPTH, MAX_SIZE, Measure, Taken, TnetstringError, Value, Whole, measure, take,
};

/// A limit that some inputs pass and some do not.
const LIMIT: usize = 24;

/// What was read is written byte for byte as it was, but for floats, which have no only form.
/// Whoever reads piece by piece finds the same as who has it all, and what is not a value is
/// refused without being waited for.
pub fn target(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let value = Value::parse(&bytes);
    let in_place = Element::whole(&bytes).and_then(|element| element.check());
    assert_eq!(value.as_ref().map(drop), in_place.as_ref().copied(), "both readers agree");
    check_pieces(&bytes, MAX_SIZE);
    check_pieces(&bytes, LIMIT);
    check_limit(&bytes);
    if let Ok(value) = value {
        check_value(&bytes, &value);
    }
}

fn check_value(bytes: &Bytes, value: &Value) {
    assert!(depth(value) <= MAX_DEPTH);
    let written = value.to_bytes(MAX_SIZE);
    let Ok(written) = written else { panic!("what was read cannot be written: {written:?}") };
    if has_float(value) {
        assert_eq!(Value::parse(&written).as_ref(), Ok(value));
    } else {
        assert_eq!(written, bytes);
    }
    let mut payload = 0;
    each_string(value, &mut |string| {
        payload += string.len();
        let inside = bytes.as_ptr_range();
        let part = string.as_ptr_range();
        let is_inside = inside.start <= part.start && part.end <= inside.end;
        assert!(string.is_empty() || is_inside, "a string is a part of the input");
    });
    assert!(payload < bytes.len());
}

/// Says of every beginning how much is missing, never too much, and reads the same at the end.
fn check_pieces(bytes: &Bytes, max: usize) {
    // The beginnings of long inputs say nothing new.
    let ends = (0..bytes.len().min(40)).chain([bytes.len()]);
    let mut whole = None;
    for end in ends {
        match measure(&bytes[..end], max) {
            Ok(Measure::Whole(length)) => {
                assert!(0 < length && length <= end);
                assert!(whole.is_none_or(|before| before == length), "it does not change");
                whole = Some(length);
            }
            Ok(Measure::Missing(missing)) => {
                assert!(whole.is_none() && missing > 0 && missing <= max + "999999999:,".len());
                if let Ok(Measure::Whole(length)) = measure(bytes, max) {
                    assert!(missing <= length - end, "never more than there is to come");
                }
            }
            Err(error) => {
                assert!(whole.is_none());
                assert_eq!(measure(bytes, max), Err(error), "an error does not go away");
            }
        }
    }
    let mut buffer = BytesMut::from(&bytes[..]);
    let taken = take(&mut buffer, max);
    match (measure(bytes, max), taken) {
        (Ok(Measure::Missing(missing)), Ok(Taken::Missing(same))) => {
            assert_eq!((missing, &buffer[..]), (same, &bytes[..]));
        }
        (Ok(Measure::Whole(length)), Ok(Taken::Whole(taken))) => {
            assert_eq!(buffer, bytes[length..]);
            let mut rest = bytes.clone();
            let split = Whole::split(&mut rest);
            let Ok(split) = split else { panic!("taken and not split: {split:?}") };
            assert_eq!((rest, split.kind()), (bytes.slice(length..), taken.kind()));
            let value = Value::parse(&bytes.slice(..length));
            assert_eq!(split.into_value(), value);
            if let Ok(string) = taken.clone().into_string() {
                assert_eq!(Ok(Value::String(string)), value);
            }
            assert_eq!(taken.into_value(), value);
        }
        (Err(one), Err(other)) => assert_eq!((one, &buffer[..]), (other, &bytes[..])),
        (one, other) => panic!("{one:?} and {other:?}"),
    }
}

/// A smaller limit only ever refuses more.
fn check_limit(bytes: &Bytes) {
    match (measure(bytes, LIMIT), measure(bytes, MAX_SIZE)) {
        (Err(TnetstringError::TooLarge), _) => {}
        (one, other) => assert_eq!(one, other),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::List(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Dictionary(values) => {
            1 + values.iter().map(|(_, value)| depth(value)).max().unwrap_or(0)
        }
        Value::Null
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::String(_) => 0,
    }
}

fn has_float(value: &Value) -> bool {
    match value {
        Value::Float(_) => true,
        Value::List(values) => values.iter().any(has_float),
        Value::Dictionary(values) => values.iter().any(|(_, value)| has_float(value)),
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::String(_) => false,
    }
}

fn each_string(value: &Value, see: &mut impl FnMut(&Bytes)) {
    match value {
        Value::String(string) => see(string),
        Value::List(values) => values.iter().for_each(|value| each_string(value, see)),
        Value::Dictionary(values) => {
            for (key, value) in values.iter() {
                see(key);
                each_string(value, see);
            }
        }
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => {}
    }
}
