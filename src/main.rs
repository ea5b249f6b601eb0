//! The `softscope` program: the window without a command, the command line with one.

fn main() -> std::process::ExitCode {
    softscope::cli::main()
}
