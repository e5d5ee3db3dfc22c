mod header;
mod routing;
mod wire;

use bytes::Bytes;

use super::*;

/// Reads a message and what its `p` is worth.
fn parse(message: &str) -> Result<(TaxiMessage, PayloadLength), TaxiError> {
    TaxiMessage::parse(&Bytes::copy_from_slice(message.as_bytes()))
}

fn written(message: &TaxiMessage) -> String {
    String::from_utf8(message.write().unwrap().to_vec()).unwrap()
}

fn names(names: &[&str]) -> Option<Recipients> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Some(Recipients { everybody: false, names })
}
