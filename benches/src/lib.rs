//! Benches of the migration crates.
