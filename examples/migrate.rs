//! How does a program offer the whole migration? By one call.
//!
//! `cargo run --release --example migrate` rehearses with a generated account; with arguments it is
//! the program `leaddesk-to-intercom`.

fn main() -> std::process::ExitCode {
    leaddesk_to_intercom::cli::main()
}
