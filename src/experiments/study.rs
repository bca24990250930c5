//! Shared code of all experiments: the folder and its settings, parallel runs that are recorded in
//! order, and pictures.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::folder::{Folder, Settings};
use super::record::{self, Record};
use super::{Options, Watch};
use crate::bench::subject::Subject;
use crate::error::{Error, Result};
use crate::formats::network_file::bundled_generator;
use crate::network::Network;
use crate::pictures::plot::{Plot, write_plot};
use crate::pictures::{Grid, write_grid};

/// The name of the bundled trained generator.
const BUNDLED: &str = "trained";

/// A folder with the settings of its runs.
pub struct Study<'a> {
    options: Options,
    folder: Folder,
    trained: Subject,
    watch: &'a dyn Watch,
}

impl<'a> Study<'a> {
    /// Opens the folder.
    ///
    /// # Errors
    /// [`Error::Input`] for a folder whose runs were made with other settings. [`Error::Output`]
    /// for a file, for a folder that holds files with an experiment's names but is not a study's,
    /// and for a folder that another study has open. [`Error::Io`] if reading or writing fails.
    pub fn open(options: Options, watch: &'a dyn Watch) -> Result<Self> {
        let trained = match &options.network {
            Some((name, network)) => Subject::new(name, Network::clone(network)),
            None => Subject::new(BUNDLED, bundled_generator()?),
        };
        let settings = Settings::new(options.quick, options.seed, &trained.network);
        let folder = Folder::open(&options.out, &settings)?;
        Ok(Study { options, folder, trained, watch })
    }

    /// `full`, or `quick` in a quick study.
    pub(super) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.options.quick { quick } else { full }
    }

    /// The trained generator.
    pub(super) fn trained(&self) -> &Subject {
        &self.trained
    }

    /// Number of threads for work that uses all of them.
    pub(super) fn threads(&self) -> usize {
        self.options.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get))
    }

    /// The seed for a sequence of numbers; another sequence gives another seed.
    pub(super) fn seed(&self, names: &[u64]) -> u64 {
        // The mixing of splitmix64 (Steele, Lea, Flood 2014).
        names.iter().fold(self.options.seed, |seed, name| {
            let mut mixed = (seed ^ name.rotate_left(32)).wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        })
    }

    /// The path of a file in the folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }

    /// The rows of `NAME.csv`, in complete groups of `rows`.
    ///
    /// # Errors
    /// Those of [`record::read`].
    pub(super) fn recorded<R: DeserializeOwned>(&self, name: &str, rows: usize) -> Result<Vec<R>> {
        Ok(record::read(&self.file(&format!("{name}.csv")), rows)?.0)
    }

    /// Runs the jobs that are not yet recorded in `NAME.csv`, on all threads. Each job makes `rows`
    /// rows, which are recorded in the order of the jobs. Returns the rows of all jobs.
    ///
    /// # Errors
    /// The first error of a job; [`Error::Cancelled`]. The rows before it are recorded.
    pub(super) fn runs<J: Sync, R: Serialize + DeserializeOwned + Send>(
        &self,
        name: &str,
        jobs: &[J],
        rows: usize,
        work: impl Fn(&J) -> Result<Vec<R>> + Sync,
    ) -> Result<Vec<R>> {
        self.runs_at_a_time(self.threads(), name, jobs, rows, work)
    }

    /// [`Self::runs`] with a limit on the jobs that run at the same time: one if time is measured,
    /// or if a job uses all threads.
    ///
    /// # Errors
    /// Those of [`Self::runs`].
    pub(super) fn runs_at_a_time<J: Sync, R: Serialize + DeserializeOwned + Send>(
        &self,
        threads: usize,
        name: &str,
        jobs: &[J],
        rows: usize,
        work: impl Fn(&J) -> Result<Vec<R>> + Sync,
    ) -> Result<Vec<R>> {
        let (mut record, mut known) = Record::<R>::open(&self.file(&format!("{name}.csv")), rows)?;
        let first = (known.len() / rows).min(jobs.len());
        self.watch.begin(name, first * rows, jobs.len() * rows);
        let (next, stop) = (AtomicUsize::new(first), AtomicBool::new(false));
        thread::scope(|scope| {
            let (send, receive) = mpsc::channel();
            for _ in 0..threads.min(jobs.len() - first) {
                let (send, next, stop, work) = (send.clone(), &next, &stop, &work);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = jobs.get(place) else { break };
                        // After an error, the receiver is gone.
                        if send.send((place, work(job))).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(send);
            // After a cancellation, running jobs are finished and recorded.
            in_order(receive, first, &stop, |made: Vec<R>| {
                for row in made {
                    record.add(&row)?;
                    known.push(row);
                }
                self.watch.done(known.len());
                if self.watch.cancelled() {
                    stop.store(true, Ordering::Relaxed);
                }
                Ok(())
            })
        })?;
        if known.len() < jobs.len() * rows { Err(Error::Cancelled) } else { Ok(known) }
    }

    /// Draws `plot` as `NAME.svg` and `NAME.png`.
    ///
    /// # Errors
    /// Those of [`write_plot`].
    pub(super) fn draw(&self, name: &str, plot: &Plot) -> Result<()> {
        for ending in ["svg", "png"] {
            write_plot(&self.file(&format!("{name}.{ending}")), plot, true)?;
        }
        Ok(())
    }

    /// Draws `grid` as `NAME.svg` and `NAME.png`.
    ///
    /// # Errors
    /// Those of [`write_grid`].
    pub(super) fn draw_grid(&self, name: &str, grid: &Grid) -> Result<()> {
        for ending in ["svg", "png"] {
            write_grid(&self.file(&format!("{name}.{ending}")), grid, true)?;
        }
        Ok(())
    }

    /// Writes the summary as `NAME.txt`, and returns it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn tell(&self, name: &str, text: String) -> Result<String> {
        let path: &Path = &self.file(&format!("{name}.txt"));
        fs::write(path, format!("{text}\n")).map_err(|error| Error::io(path, "write", error))?;
        Ok(text)
    }
}

/// Passes received results to `take` in the order of their places, until all senders are gone or an
/// error occurs; then `stop` is set.
fn in_order<T>(
    receive: mpsc::Receiver<(usize, Result<T>)>,
    first: usize,
    stop: &AtomicBool,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let mut waiting = std::collections::BTreeMap::new();
    let mut wanted = first;
    for (place, made) in receive {
        waiting.insert(place, made);
        while let Some(made) = waiting.remove(&wanted) {
            if let Err(error) = made.and_then(&mut take) {
                stop.store(true, Ordering::Relaxed);
                return Err(error);
            }
            wanted += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
