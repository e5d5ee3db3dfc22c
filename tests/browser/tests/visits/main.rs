//! What visitors see who have nothing but a browser.

mod away;
mod downloads;
mod forwarded;
mod listing;
mod notes;
mod pages;
mod tab;
mod tus;
mod wish;
mod world;
