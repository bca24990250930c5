//! Starts the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // If this variable is missing, as in a container, Mesa's Vulkan layer prints a warning on
        // standard error whenever adapters are listed. It looks there for a display; a temporary
        // folder has none.
        // SAFETY: no other thread runs yet that could read the environment at the same time.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
    unrelu::cli::run(std::env::args_os()).into()
}
