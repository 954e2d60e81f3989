//! plumb.
fn main() {}
