//! Starts the command line; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Without this variable, as in a container, Mesa's Vulkan layer complains on standard error
        // whenever adapters are listed. It looks for a display there; a temporary folder has none.
        // SAFETY: nothing else runs yet that could read the environment meanwhile.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
    unrelu::cli::run(std::env::args_os()).into()
}
