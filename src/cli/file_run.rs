//! A run from file to file as the user sees it: notes about the device, the starting point, the
//! progress, and the command that continues a stopped run.

use std::path::Path;

use crate::batch::engine::Engine;
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::run::file_run::Finished;
use crate::run::journal::Shard;
use crate::run::request::{Begun, FileRun, Stopped};

use super::progress::{Progress, StatusLine};
use super::{CommandLine, flags, interrupt, print, resume_command};

/// Carries out the run. `label` names the work, for example `inverting`. `begun` receives the
/// status line beside the count. `command` is what the user typed.
pub fn carry_out(
    mut run: FileRun,
    engine: &dyn Engine,
    label: &str,
    command: &CommandLine,
    begun: impl FnOnce(StatusLine),
) -> Result<Finished> {
    let runtime = engine.runtime();
    run.check(engine)?;
    for sentence in run.how_read() {
        print::note(&flags::words(&sentence));
    }
    // Print what `auto` chose before the work starts.
    engine.prepare(&CancelToken::new());
    for note in engine.notes() {
        print::note(&flags::words(&note));
    }
    interrupt::listen_for(run.stream().is_some());
    let codes = run.codes.clone();
    let is_part = run.shard != Shard::WHOLE;
    let run = run.start(engine)?;
    let (done, total) = (run.done(), run.total());
    say_where_it_begins(run.begun(), (done, total), &codes, is_part);
    let mut progress = Progress::starting_at(label, done, total);
    begun(progress.status_line());
    let (mut device_warned, mut range_warned) = (None, false);
    let result = run.run(
        |done| {
            progress.set(done);
            let warning = runtime.warning();
            if warning != device_warned {
                warning.iter().for_each(|warning| print::note(&flags::words(warning)));
                device_warned = warning;
            }
            if let (false, Some(warning)) = (range_warned, engine.data_warning()) {
                range_warned = true;
                print::note(&format!("warning: {}", flags::words(warning)));
            }
        },
        &interrupt::token(),
    );
    progress.finish();
    result.map_err(|Stopped { error, safe }| {
        if safe > 0 {
            print::note(&format!("{safe} of {total} observations are saved on disk; to continue:"));
            print::note(&format!("  {}", resume_command::resume_command(command)));
        }
        error
    })
}

fn say_where_it_begins(begun: Begun, (done, total): (u64, u64), codes: &Path, is_part: bool) {
    match begun {
        Begun::Afresh => {}
        Begun::Once { stream } => {
            print::note(&format!("{stream} goes by once: this run keeps no journal, and cannot be resumed"))
        }
        Begun::NothingToResume => print::note("nothing to resume: starting at the first observation"),
        Begun::Resumed { lost: 0, .. } => print::note(&format!("continuing after {done} of {total} observations")),
        Begun::Resumed { lost, .. } => print::note(&format!(
            "continuing after {done} of {total} observations; {lost} more were written, but are missing or damaged on \
             disk and are computed again"
        )),
        Begun::AlreadyFinished => print::note(&format!("{} is already finished: nothing to do", codes.display())),
    }
    if total == 0 {
        let why = if is_part { "the file has none, or there are more shards than batches" } else { "there are none" };
        print::note(&format!("no observations: {why}"));
    }
}
