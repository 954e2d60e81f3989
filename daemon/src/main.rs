//! The program `plumb`, also installed as `kubectl-plumb`.

use std::process::ExitCode;

fn main() -> ExitCode {
    plumb::cli::main()
}
