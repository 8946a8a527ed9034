//! Teal.
fn main() {}
