//! Starts the command line and maps what comes of it to an exit code; nothing else.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Where this is unset, as in a container, Mesa's Vulkan layer complains about it on standard error whenever
        // adapters are listed. It looks for a display there, which a temporary folder has not either.
        // SAFETY: nothing else runs yet that could read the environment meanwhile.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
    cli::exit_code(cli::run())
}
