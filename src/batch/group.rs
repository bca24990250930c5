//! Consecutive batches that are solved together. A batch of a few hundred observations fills only a
//! small part of a card ([`Device::observations_at_once`](crate::device::Device)), but its size is
//! part of a run's identity: journals and shards are cut between batches. So batches stay as they
//! are, and the pipeline hands several of them to the device as one matrix. No result depends on
//! another observation, so the results are those of the batches, one by one.

use nalgebra::DMatrix;

use super::{BatchTimes, InvertedBatch};
use crate::error::Result;
use crate::observation::{Observations, View};

/// Maximum number of bytes of the observations of several batches together. A larger batch is alone
/// in its group.
const MOST_BYTES: usize = 64 << 20;

/// A batch with its observations and its tag.
pub(super) struct Solved<T> {
    pub observations: Observations,
    pub tag: T,
    pub batch: InvertedBatch,
}

/// Batches of consecutive observations.
pub(super) struct Group<T> {
    first_index: u64,
    /// The columns of all batches.
    observations: Observations,
    /// Each batch's number of observations, and its tag.
    batches: Vec<(usize, T)>,
}

/// Forms groups of the batches of a source.
pub(super) struct Groups<S, T> {
    source: S,
    first_index: u64,
    /// Read, but not part of the last group.
    next: Option<Result<(Observations, T)>>,
}

impl<T, S: Iterator<Item = Result<(Observations, T)>>> Groups<S, T> {
    /// `first_index`: the index of the first observation in the whole run.
    pub fn new(source: S, first_index: u64) -> Self {
        Groups { source, first_index, next: None }
    }

    /// Reads the next group: as many whole batches as there are in `most` observations, at least
    /// one. An error of the source comes after the batches before it. `None` at the end, or if
    /// `stop` says so.
    pub fn next(&mut self, most: usize, stop: &impl Fn() -> bool) -> Option<Result<Group<T>>> {
        let (mut observations, tag) = match self.next.take().or_else(|| self.source.next())? {
            Ok(first) => first,
            Err(error) => return Some(Err(error)),
        };
        let mut count = observations.view().ncols();
        let most = most.min(MOST_BYTES / (observations.entry_bytes() * observations.view().nrows().max(1)));
        let mut batches = vec![(count, tag)];
        // A source may have any number of empty batches.
        while count < most && batches.len() < most {
            if stop() {
                return None;
            }
            match self.source.next() {
                None => break,
                Some(Ok((more, tag))) if observations.fits(&more) && count + more.view().ncols() <= most => {
                    count += more.view().ncols();
                    batches.push((more.view().ncols(), tag));
                    observations.append(&more);
                }
                other => {
                    self.next = other;
                    break;
                }
            }
        }
        let group = Group { first_index: self.first_index, observations, batches };
        self.first_index += count as u64;
        Some(Ok(group))
    }
}

impl<T> Group<T> {
    /// Solves the batches together. `solve`: as for one batch, of observations and the index of the
    /// first.
    ///
    /// # Errors
    /// That of `solve`, for all batches.
    pub fn solve(
        self,
        solve: impl FnOnce(View<'_>, u64) -> Result<InvertedBatch>,
    ) -> Result<impl ExactSizeIterator<Item = Solved<T>>> {
        let Group { first_index, observations, batches } = self;
        let together = solve(observations.view(), first_index)?;
        Ok(Parts { observations, together, batches: batches.into_iter(), done: 0 })
    }
}

/// The batches of a group, each with its part of the results.
struct Parts<T> {
    /// Those of all batches; empty when the only batch has taken them.
    observations: Observations,
    together: InvertedBatch,
    batches: std::vec::IntoIter<(usize, T)>,
    done: usize,
}

impl<T> Iterator for Parts<T> {
    type Item = Solved<T>;

    fn next(&mut self) -> Option<Solved<T>> {
        let (count, tag) = self.batches.next()?;
        let total = self.observations.view().ncols();
        let together = &mut self.together;
        if self.done == 0 && self.batches.len() == 0 {
            // The usual case on the CPU: nothing is copied.
            let nothing = || DMatrix::zeros(0, 0);
            let observations = std::mem::replace(&mut self.observations, nothing().into());
            let codes = std::mem::replace(&mut together.codes, nothing());
            let rows = std::mem::take(&mut together.rows);
            let batch = InvertedBatch { codes, rows, first_index: together.first_index, times: together.times };
            return Some(Solved { observations, tag, batch });
        }
        let batch = InvertedBatch {
            first_index: together.first_index + self.done as u64,
            codes: together.codes.columns(self.done, count).into_owned(),
            rows: together.rows.drain(..count).collect(),
            times: together.times.part(count, total),
        };
        let observations = self.observations.columns(self.done, count);
        self.done += count;
        Some(Solved { observations, tag, batch })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.batches.size_hint()
    }
}

impl<T> ExactSizeIterator for Parts<T> {}

impl BatchTimes {
    /// The part of the time that belongs to `count` of `total` observations.
    fn part(&self, count: usize, total: usize) -> BatchTimes {
        let share = count as f64 / total.max(1) as f64;
        let BatchTimes { layers, descent, search, refine, residuals } = self;
        let [descent, search, refine, residuals] = [descent, search, refine, residuals].map(|time| time.mul_f64(share));
        BatchTimes { layers: layers.part(share), descent, search, refine, residuals }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::empty_row;
    use crate::error::Error;
    use crate::outcome::Status;

    /// The sizes of the groups' batches, until the end or an error.
    fn sizes(source: Vec<Result<(Observations, usize)>>, most: usize) -> (Vec<Vec<usize>>, bool) {
        let mut groups = Groups::new(source.into_iter(), 7);
        let mut found: Vec<Vec<usize>> = Vec::new();
        while let Some(group) = groups.next(most, &|| false) {
            let Ok(group) = group else { return (found, true) };
            assert_eq!(group.first_index, 7 + found.iter().flatten().sum::<usize>() as u64);
            found.push(group.batches.iter().map(|(count, _)| *count).collect());
        }
        (found, false)
    }

    fn batch(rows: usize, count: usize) -> Result<(Observations, usize)> {
        Ok((DMatrix::<f64>::zeros(rows, count).into(), count))
    }

    fn single(rows: usize, count: usize) -> Result<(Observations, usize)> {
        Ok((DMatrix::<f32>::zeros(rows, count).into(), count))
    }

    #[test]
    fn a_group_has_as_many_whole_batches_as_fit() {
        let source = || [3, 3, 3, 0, 4, 9, 1].map(|count| batch(2, count)).into();
        assert_eq!(sizes(source(), 1), (vec![vec![3], vec![3], vec![3], vec![0], vec![4], vec![9], vec![1]], false));
        assert_eq!(sizes(source(), 6), (vec![vec![3, 3], vec![3, 0], vec![4], vec![9], vec![1]], false));
        assert_eq!(sizes(source(), 100), (vec![vec![3, 3, 3, 0, 4, 9, 1]], false));
    }

    #[test]
    fn a_group_ends_before_another_precision() {
        let source = vec![batch(2, 1), batch(2, 2), single(2, 1), single(2, 4), batch(2, 3)];
        assert_eq!(sizes(source, 100), (vec![vec![1, 2], vec![1, 4], vec![3]], false));
    }

    #[test]
    fn a_group_ends_before_an_error_and_before_another_length() {
        let source = vec![batch(2, 1), batch(2, 1), batch(3, 1), batch(3, 2), Err(Error::Cancelled), batch(3, 1)];
        assert_eq!(sizes(source, 100), (vec![vec![1, 1], vec![1, 2]], true));
    }

    #[test]
    fn long_observations_are_not_gathered_without_limit() {
        let length = MOST_BYTES / size_of::<f64>() / 4;
        let source = (0..5).map(|_| batch(length, 2)).collect();
        assert_eq!(sizes(source, 8192).0, [vec![2, 2], vec![2, 2], vec![2]]);
        let source = (0..5).map(|_| single(length, 2)).collect();
        assert_eq!(sizes(source, 8192).0, [vec![2; 4], vec![2]]);
    }

    #[test]
    fn nothing_is_started_after_a_stop() {
        let source = (0..5).map(|_| batch(1, 1));
        let mut groups = Groups::new(source, 0);
        assert!(groups.next(3, &|| true).is_none());
    }

    #[test]
    fn each_batch_gets_its_columns_rows_and_share_of_the_time() {
        let counts = [2, 0, 5];
        let entry = |row: usize, column: usize| (10 * column + row) as f64;
        let mut from = 0;
        let source = counts.map(|count| {
            from += count;
            Ok((DMatrix::from_fn(2, count, |row, column| entry(row, from - count + column)).into(), from - count))
        });
        let mut groups = Groups::new(source.into_iter(), 40);
        let group = groups.next(100, &|| false).unwrap().unwrap();
        let second = std::time::Duration::from_secs(7);
        let parts = group.solve(|observations, first_index| {
            let observations = &*observations.double();
            assert_eq!((observations.shape(), first_index), ((2, 7), 40));
            let rows = (0..7).map(|place| empty_row(first_index + place, Status::Converged)).collect();
            let times = BatchTimes { descent: second, ..BatchTimes::default() };
            Ok(InvertedBatch { first_index, codes: observations * 2.0, rows, times })
        });
        let parts: Vec<Solved<usize>> = parts.unwrap().collect();
        assert_eq!(parts.iter().map(|part| part.batch.rows.len()).collect::<Vec<_>>(), counts);
        for Solved { observations, tag, batch } in &parts {
            let expected = DMatrix::from_fn(2, batch.rows.len(), |row, column| entry(row, tag + column));
            assert_eq!((observations, &batch.codes), (&expected.clone().into(), &(&expected * 2.0)));
            assert_eq!(batch.first_index, 40 + *tag as u64);
            assert!(batch.rows.iter().map(|row| row.index).eq((batch.first_index..).take(batch.rows.len())));
            let seconds = batch.times.descent.as_secs_f64();
            assert!((seconds - batch.rows.len() as f64).abs() < 1e-6, "{seconds}");
        }
    }
}
