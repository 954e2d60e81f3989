//! A worker process for the tests, as `plumb git-worker` is one for the daemon.

use std::{env, io, path::PathBuf};

use plumb_git::worker::{Settings, serve};

fn main() -> io::Result<()> {
    let safe_directories = env::args_os().skip(1).map(PathBuf::from).collect();
    serve(io::stdin(), io::stdout(), Settings { safe_directories })
}
