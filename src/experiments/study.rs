//! What all experiments share: the folder and its settings, runs carried out side by side and recorded in order, pictures.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::record::Record;
use super::{Options, Watch};
use crate::bench::subject::Subject;
use crate::error::{Error, Result};
use crate::formats::network_file::bundled_generator;
use crate::network::Network;
use crate::pictures::plot::{Plot, write_plot};
use crate::pictures::{Grid, write_grid};

const SETTINGS: &str = "settings.json";
/// What `all` calls the trained generator that comes with the program.
const BUNDLED: &str = "trained";

/// A folder with the settings that its runs were made with.
pub struct Study<'a> {
    options: Options,
    trained: Subject,
    watch: &'a dyn Watch,
}

/// What may not change from one run into a folder to the next.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    unrelu: String,
    quick: bool,
    seed: u64,
    network: String,
}

impl<'a> Study<'a> {
    /// Opens the folder.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] for a folder whose runs were made with other settings.
    pub fn open(options: Options, watch: &'a dyn Watch) -> Result<Self> {
        let trained = match &options.network {
            Some((name, network)) => Subject::new(name, Network::clone(network)),
            None => Subject::new(BUNDLED, bundled_generator()?),
        };
        let settings = Settings {
            unrelu: env!("CARGO_PKG_VERSION").to_owned(),
            quick: options.quick,
            seed: options.seed,
            network: fingerprint(&trained.network),
        };
        if options.out.exists() && !options.out.is_dir() {
            return Err(Error::Output {
                path: options.out,
                found: "is a file".to_owned(),
                fix: "give the folder to write into with --out".to_owned(),
            });
        }
        fs::create_dir_all(&options.out).map_err(|error| Error::io(&options.out, "create the folder", error))?;
        let path = options.out.join(SETTINGS);
        if path.exists() {
            let text = fs::read_to_string(&path).map_err(|error| Error::io(&path, "read", error))?;
            let wanted = serde_json::to_string(&settings).unwrap_or_default();
            if serde_json::from_str::<Settings>(&text).ok().as_ref() != Some(&settings) {
                let fix = "give another --out, or go on with the version, seed and network of before";
                return Err(Error::input(path.display(), text.trim(), wanted, fix));
            }
        } else {
            let text = serde_json::to_string(&settings).unwrap_or_default() + "\n";
            fs::write(&path, text).map_err(|error| Error::io(&path, "write", error))?;
        }
        Ok(Study { options, trained, watch })
    }

    /// `full`, or `quick` in a quick study.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.options.quick { quick } else { full }
    }

    /// The trained generator.
    pub fn trained(&self) -> &Subject {
        &self.trained
    }

    /// Threads for work that has them all.
    pub fn threads(&self) -> usize {
        self.options.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get))
    }

    /// A seed for what these numbers name; others give another.
    pub fn seed(&self, names: &[u64]) -> u64 {
        // The mixing of splitmix64 (Steele, Lea, Flood 2014).
        names.iter().fold(self.options.seed, |seed, name| {
            let mut mixed = (seed ^ name.rotate_left(32)).wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        })
    }

    /// The file of this name in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.options.out.join(name)
    }

    /// Carries out the jobs that are not yet recorded in `NAME.csv`, on all threads; each makes `rows` rows, which are recorded in the
    /// order of the jobs. Returns the rows of all jobs.
    ///
    /// # Errors
    /// The first that a job had; [`Error::Cancelled`]. What came before it is recorded.
    pub fn runs<J: Sync, R: Serialize + DeserializeOwned + Send>(
        &self,
        name: &str,
        jobs: &[J],
        rows: usize,
        work: impl Fn(&J) -> Result<Vec<R>> + Sync,
    ) -> Result<Vec<R>> {
        self.carry_out(name, jobs, rows, self.threads(), work)
    }

    /// [`Self::runs`], one job after the other: where time is measured, or a job has all threads.
    ///
    /// # Errors
    /// Those of [`Self::runs`].
    pub fn runs_one_by_one<J: Sync, R: Serialize + DeserializeOwned + Send>(
        &self,
        name: &str,
        jobs: &[J],
        rows: usize,
        work: impl Fn(&J) -> Result<Vec<R>> + Sync,
    ) -> Result<Vec<R>> {
        self.carry_out(name, jobs, rows, 1, work)
    }

    fn carry_out<J: Sync, R: Serialize + DeserializeOwned + Send>(
        &self,
        name: &str,
        jobs: &[J],
        rows: usize,
        threads: usize,
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
                        // Nobody listens any more after an error.
                        if send.send((place, work(job))).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(send);
            let listened = in_order(receive, first, |made: Vec<R>| {
                for row in made {
                    record.add(&row)?;
                    known.push(row);
                }
                self.watch.done(known.len());
                if self.watch.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
            });
            stop.store(true, Ordering::Relaxed);
            listened
        })?;
        Ok(known)
    }

    /// Draws `plot` as `NAME.svg` and `NAME.png`.
    ///
    /// # Errors
    /// Those of [`write_plot`].
    pub fn draw(&self, name: &str, plot: &Plot) -> Result<()> {
        for ending in ["svg", "png"] {
            write_plot(&self.file(&format!("{name}.{ending}")), plot, true)?;
        }
        Ok(())
    }

    /// Draws `grid` as `NAME.svg` and `NAME.png`.
    ///
    /// # Errors
    /// Those of [`write_grid`].
    pub fn draw_grid(&self, name: &str, grid: &Grid) -> Result<()> {
        for ending in ["svg", "png"] {
            write_grid(&self.file(&format!("{name}.{ending}")), grid, true)?;
        }
        Ok(())
    }

    /// Writes what is to be seen as `NAME.txt`, and returns it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn tell(&self, name: &str, text: String) -> Result<String> {
        let path: &Path = &self.file(&format!("{name}.txt"));
        fs::write(path, format!("{text}\n")).map_err(|error| Error::io(path, "write", error))?;
        Ok(text)
    }
}

/// Hands what arrives to `take`, in the order of its places.
fn in_order<T>(
    receive: mpsc::Receiver<(usize, Result<T>)>,
    first: usize,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let mut waiting = std::collections::BTreeMap::new();
    let mut wanted = first;
    for (place, made) in receive {
        waiting.insert(place, made);
        while let Some(made) = waiting.remove(&wanted) {
            take(made?)?;
            wanted += 1;
        }
    }
    Ok(())
}

/// Of the weights and everything else that makes a network.
fn fingerprint(network: &Network) -> String {
    let mut hash = blake3::Hasher::new();
    for layer in network.layers() {
        hash.update(format!("{:?} {:?}", layer.weight.shape(), layer.activation).as_bytes());
        layer.weight.iter().chain(layer.bias.iter()).for_each(|entry| {
            hash.update(&entry.to_le_bytes());
        });
    }
    hash.finalize().to_hex().as_str()[..16].to_owned()
}

#[cfg(test)]
mod tests;
