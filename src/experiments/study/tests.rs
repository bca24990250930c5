//! Runs are made once, whatever interrupts them, and settings do not mix.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use serde::{Deserialize, Serialize};

use super::*;

struct Onlooker {
    /// Cancels when this number of rows is done.
    until: usize,
    begun: Mutex<Vec<(String, usize, usize)>>,
    done: AtomicUsize,
}

impl Onlooker {
    fn patient(until: usize) -> Self {
        Onlooker { until, begun: Mutex::default(), done: AtomicUsize::new(0) }
    }
}

impl Watch for Onlooker {
    fn begin(&self, what: &str, done: usize, total: usize) {
        self.begun.lock().unwrap().push((what.to_owned(), done, total));
    }
    fn done(&self, done: usize) {
        self.done.store(done, Ordering::Relaxed);
    }
    fn cancelled(&self) -> bool {
        self.done.load(Ordering::Relaxed) >= self.until
    }
}

fn options(out: &Path) -> Options {
    Options { out: out.to_owned(), quick: true, seed: 5, network: None, threads: Some(3) }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    job: usize,
    half: u8,
}

#[test]
fn an_interrupted_experiment_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let jobs: Vec<usize> = (0..40).collect();
    let carried_out = AtomicUsize::new(0);
    let work = |job: &usize| {
        carried_out.fetch_add(1, Ordering::Relaxed);
        // Some jobs overtake earlier ones.
        std::thread::sleep(std::time::Duration::from_millis(if job.is_multiple_of(3) { 4 } else { 1 }));
        Ok((0..2).map(|half| Row { job: *job, half }).collect())
    };
    let impatient = Onlooker::patient(20);
    let study = Study::open(options(folder.path()), &impatient).unwrap();
    assert!(matches!(study.runs("runs", &jobs, 2, work), Err(Error::Cancelled)));
    drop(study);
    let done = impatient.done.load(Ordering::Relaxed);
    assert!((20..80).contains(&done), "{done}");
    // Only jobs that ran when it stopped are run twice.
    let before = carried_out.swap(0, Ordering::Relaxed);
    assert!(before < 40);
    let patient = Onlooker::patient(usize::MAX);
    let study = Study::open(options(folder.path()), &patient).unwrap();
    let rows: Vec<Row> = study.runs("runs", &jobs, 2, work).unwrap();
    assert_eq!(carried_out.load(Ordering::Relaxed), 40 - done / 2);
    assert_eq!(*patient.begun.lock().unwrap(), [("runs".to_owned(), done, 80)]);
    let expected: Vec<Row> = jobs.iter().flat_map(|&job| [0, 1].map(|half| Row { job, half })).collect();
    assert_eq!(rows, expected);
    // Once more, with nothing left to do.
    carried_out.store(0, Ordering::Relaxed);
    assert_eq!(study.runs::<_, Row>("runs", &jobs, 2, work).unwrap(), expected);
    assert_eq!(carried_out.load(Ordering::Relaxed), 0);
}

#[test]
fn an_error_ends_the_runs_and_leaves_what_came_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let onlooker = Onlooker::patient(usize::MAX);
    let study = Study::open(options(folder.path()), &onlooker).unwrap();
    let jobs: Vec<usize> = (0..9).collect();
    let work = |job: &usize| match job {
        4 => Err(Error::NothingMeasured("the fourth".into())),
        _ => Ok(vec![Row { job: *job, half: 0 }]),
    };
    let error = study.runs::<_, Row>("runs", &jobs, 1, work).unwrap_err();
    assert!(error.to_string().contains("the fourth"), "{error}");
    let (_, rows) = Record::<Row>::open(&study.file("runs.csv"), 1).unwrap();
    assert_eq!(rows.len(), 4);
}

#[test]
fn other_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let onlooker = Onlooker::patient(usize::MAX);
    Study::open(options(folder.path()), &onlooker).unwrap();
    Study::open(Options { threads: None, ..options(folder.path()) }, &onlooker).unwrap();
    // While another study has the folder open, and for a folder with other content.
    let other = Study::open(options(folder.path()), &onlooker).unwrap();
    let error = Study::open(options(folder.path()), &onlooker).err().unwrap();
    assert!(error.is_usage() && error.to_string().contains("another run"), "{error}");
    drop(other);
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("figure1.png"), "mine").unwrap();
    let error = Study::open(options(&taken), &onlooker).err().unwrap();
    assert!(error.is_usage() && error.to_string().contains("figure1.png"), "{error}");
    let error = Study::open(Options { seed: 6, ..options(folder.path()) }, &onlooker).err().unwrap();
    assert!(error.is_usage() && error.to_string().contains("settings.json"), "{error}");
}

#[test]
fn seeds_differ() {
    let folder = tempfile::tempdir().unwrap();
    let onlooker = Onlooker::patient(usize::MAX);
    let study = Study::open(options(folder.path()), &onlooker).unwrap();
    let mut seeds: Vec<u64> =
        (0..50).flat_map(|a| (0..50).map(move |b| [a, b])).map(|names| study.seed(&names)).collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 2500);
}
