//! The `softscope` program: the window without a command, the command line with one.

use softscope::cli::Program;
use std::env;
use std::process::ExitCode;

/// Into how many pieces candle cuts a product. Without it candle counts the machine's processors anew at every product,
/// which takes about as long as a product of a small model: with it a decode takes little over half the time.
const PIECES: &str = "RAYON_NUM_THREADS";

#[allow(unsafe_code)] // the environment is set once, see below
fn main() -> ExitCode {
    let program = match Program::from_arguments() {
        Ok(program) => program,
        Err(code) => return code,
    };
    if env::var_os(PIECES).is_none() {
        let pieces = program.product_pieces().to_string();
        // SAFETY: reading the arguments starts no thread, so that nobody reads the environment meanwhile.
        unsafe { env::set_var(PIECES, pieces) };
    }
    program.run()
}
