//! Everything that this crate asks of an API server, asked of a real one.

mod adopting;
mod applying;
mod bench;
mod deleting;
mod reading;
mod recording;
mod watching;
