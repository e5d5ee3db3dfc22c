//! What gateway and peer say to each other, without any input or output.
//!
//! A **transaction** is one visitor's HTTP exchange. The gateway hands it to the peer as an
//! `http::Request<Body>` and gets an `http::Response<Body>` back, both streaming; every carrier
//! meets there. This crate holds what both ends must agree on and nothing that touches a socket,
//! a clock or a file:
//!
//! - [`transaction`]: the body and handler types in which all carriers and sites meet;
//! - [`transactions`]: the multiplexer of all carriers that move messages;
//! - [`taxi`]: the header of the TAXI draft, its routing, and a link's messages in it;
//! - [`petrichor`]: the hello and the messages of Petrichor, in TNetstrings;
//! - [`poll`]: the JSON objects of the long poll;
//! - [`object`]: CrossTalk's request and response objects, and their conversion from and to `http`;
//! - [`proof`]: the one proof of identity, a short EdDSA token;
//! - [`label`] and [`address`]: names of sites, and addresses of gateways;
//! - [`control`]: what the gateway tells the peer about its transactions (receipts);
//! - [`registry`]: what a peer asks of a gateway (names);
//! - [`members`]: messages between visitors and owners;
//! - [`xmpp`]: CrossTalk in the stanzas of XMPP;
//! - [`tnetstring`]: the values of which Petrichor's messages are made;
//! - [`forwarded`] and [`hop`]: headers that a hop writes or removes;
//! - [`limits`]: every size that both ends know.

pub mod address;
pub mod control;
pub mod forwarded;
pub mod hop;
pub mod label;
pub mod limits;
pub mod members;
pub mod object;
pub mod petrichor;
pub mod poll;
pub mod proof;
pub mod registry;
pub mod taxi;
pub mod tnetstring;
pub mod transaction;
pub mod transactions;
pub mod xmpp;
