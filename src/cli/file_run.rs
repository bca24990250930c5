//! A run from file to file as a person sees it: what the device has to say, where it begins, how far it is, and how to go on with one
//! that was stopped.

use std::path::Path;

use crate::batch::engine::Engine;
use crate::batch::summary::Summary;
use crate::error::Result;
use crate::run::request::{Begun, FileRun, Stopped};

use super::progress::{Progress, StatusLine};
use super::{CommandLine, flags, interrupt, print, resume_command};

/// Carries it out. `label` says what is being done: `inverting`; `begun` gets the status line beside the count;
/// `command` is what the user typed.
pub fn carry_out(
    run: FileRun,
    engine: &dyn Engine,
    label: &str,
    command: &CommandLine,
    begun: impl FnOnce(StatusLine),
) -> Result<Summary> {
    let runtime = engine.runtime();
    run.check(engine)?;
    // What auto chose is said before the work, not after it.
    if let Some(notice) = runtime.notice() {
        print::note(&flags::words(notice));
    }
    interrupt::listen();
    let codes = run.codes.clone();
    let run = run.start(engine)?;
    let (done, total) = (run.done(), run.total());
    say_where_it_begins(run.begun(), done, total, &codes);
    let mut progress = Progress::going_on(label, done, total);
    begun(progress.status_line());
    let mut device_warned = false;
    let result = run.run(
        |done| {
            progress.set(done);
            if let (false, Some(warning)) = (device_warned, runtime.warning()) {
                device_warned = true;
                print::note(&flags::words(&warning));
            }
        },
        &interrupt::token(),
    );
    progress.finish();
    result.map_err(|Stopped { error, safe }| {
        if safe > 0 {
            print::note(&format!("{safe} of {total} observations are done and safe on the disk; to go on from there:"));
            print::note(&format!("  {}", resume_command::resume_command(command)));
        }
        error
    })
}

fn say_where_it_begins(begun: Begun, done: u64, total: u64, codes: &Path) {
    match begun {
        Begun::Afresh => {}
        Begun::NothingToResume => print::note("nothing to resume: beginning at the beginning"),
        Begun::Resumed { lost: 0, .. } => print::note(&format!("going on after {done} of {total} observations")),
        Begun::Resumed { lost, .. } => print::note(&format!(
            "going on after {done} of {total} observations; {lost} that were written are not on the disk as they should be, and are done again"
        )),
        Begun::AlreadyFinished => print::note(&format!("{} is finished already: nothing to do", codes.display())),
    }
    if total == 0 {
        print::note("this shard has no observations: there are more shards than batches");
    }
}
