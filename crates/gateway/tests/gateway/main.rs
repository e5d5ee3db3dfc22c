//! The gateway as visitors and peers meet it: over real sockets, with real links.

mod hosts;
mod links;
mod names;
mod receipts;
mod stop;
mod visits;
mod world;
