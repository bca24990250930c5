//! Faults that a test injects into the operations on the files of one folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Operation;

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Any operation fails with EIO.
    Broken,
    /// An operation that needs space fails with ENOSPC. A write first writes half of its bytes, as
    /// a disk does that becomes full.
    Full,
    /// A read or write handles half of its bytes. This is no error.
    Short,
}

/// The operations of a folder, and which of them has a fault.
#[derive(Debug)]
struct Plan {
    folder: PathBuf,
    fault: Fault,
    /// The number of the operation, counted from 1, among those that can have the fault.
    at: usize,
    /// Whether all later operations have the fault too.
    lasting: bool,
    /// The file whose next write fails: half of the one before was written.
    half_written: Option<PathBuf>,
    seen: Seen,
}

/// What a test has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Number of operations that can have the fault.
    pub operations: usize,
    /// Number of operations that had it.
    pub injected: usize,
}

static PLANS: Mutex<Vec<Plan>> = Mutex::new(Vec::new());

fn plans<T>(work: impl FnOnce(&mut Vec<Plan>) -> T) -> T {
    work(&mut PLANS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Carries out `work`. Operation number `at` on the files of `folder` has the fault, on whatever
/// thread; if `lasting`, all later ones have it too.
pub fn injected<T>(folder: &Path, fault: Fault, at: usize, lasting: bool, work: impl FnOnce() -> T) -> (T, Seen) {
    let folder = folder.to_owned();
    let plan = Plan { folder: folder.clone(), fault, at, lasting, half_written: None, seen: Seen::default() };
    plans(|plans| plans.push(plan));
    let outcome = work();
    let seen = plans(|plans| {
        let place = plans.iter().position(|plan| plan.folder == folder).expect("the plan of this test");
        plans.remove(place).seen
    });
    (outcome, seen)
}

/// How many of `length` bytes the next operation may handle, or its error.
pub(super) fn next(operation: Operation, path: &Path, length: usize) -> io::Result<usize> {
    plans(|plans| match plans.iter_mut().find(|plan| path.starts_with(&plan.folder)) {
        Some(plan) => plan.next(operation, path, length),
        None => Ok(length),
    })
}

impl Plan {
    fn next(&mut self, operation: Operation, path: &Path, length: usize) -> io::Result<usize> {
        let no_space = || Err(io::Error::new(io::ErrorKind::StorageFull, "injected: no space left on device"));
        if operation == Operation::Write && self.half_written.as_deref() == Some(path) {
            self.half_written = None;
            return no_space();
        }
        let applies = match self.fault {
            Fault::Broken => true,
            Fault::Full => {
                matches!(operation, Operation::Create | Operation::Write | Operation::Sync | Operation::Rename)
            }
            Fault::Short => matches!(operation, Operation::Read | Operation::Write) && length > 1,
        };
        if !applies {
            return Ok(length);
        }
        self.seen.operations += 1;
        let number = self.seen.operations;
        if number != self.at && !(self.lasting && number > self.at) {
            return Ok(length);
        }
        self.seen.injected += 1;
        match self.fault {
            Fault::Broken => Err(io::Error::other("injected: input/output error")),
            Fault::Full if operation == Operation::Write && length > 1 && !self.lasting => {
                self.half_written = Some(path.to_owned());
                Ok(length / 2)
            }
            Fault::Full => no_space(),
            Fault::Short => Ok(length / 2),
        }
    }
}
