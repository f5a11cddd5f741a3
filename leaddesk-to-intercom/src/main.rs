//! The program `leaddesk-to-intercom`.

fn main() -> std::process::ExitCode {
    leaddesk_to_intercom::cli::main()
}
