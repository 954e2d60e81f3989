//! Everything that this crate asks of an API server, asked of a real one.

// The attribute tells clippy that the helpers among these are tests as well.
#[cfg(test)]
mod adopting;
#[cfg(test)]
mod applying;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod cutting;
#[cfg(test)]
mod deleting;
mod handing_over;
#[cfg(test)]
mod impersonating;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod recording;
#[cfg(test)]
mod tenures;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod watching;
