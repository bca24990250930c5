//! A shard: a part of the observations, in whole batches, so that merged shards have the bytes of
//! one run.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Shard `index` of `of` shards, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    of: u64,
}

impl Shard {
    /// All observations, as one shard.
    pub const WHOLE: Shard = Shard { index: 1, of: 1 };

    /// The observations of this shard, of `count` observations in batches of `batch`. Shards
    /// consist of whole batches and differ by at most one batch. The range is empty if there are
    /// more shards than batches.
    pub fn range(self, count: u64, batch: u64) -> Range<u64> {
        let batch = batch.max(1);
        let batches = u128::from(count.div_ceil(batch));
        // The quotient is at most `batches`, so the cast is exact.
        let begin = |index: u64| (batches * u128::from(index) / u128::from(self.of)) as u64;
        begin(self.index - 1).saturating_mul(batch).min(count)..begin(self.index).saturating_mul(batch).min(count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    /// Reads what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Shard { index, of }),
            Some((_, of)) if of > 0 => Err(format!("shards are counted from 1: expected 1/{of} to {of}/{of}")),
            _ => Err("expected I/N, the shard's number and the number of shards, such as 2/4".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_whole_batches_and_cover_everything_once() {
        for (count, batch, of) in [(1000, 64, 4), (10, 3, 7), (1, 256, 5), (u64::MAX, 256, 3), (12, 4, 3)] {
            let mut next = 0;
            for index in 1..=of {
                let range = Shard { index, of }.range(count, batch);
                assert_eq!(range.start, next);
                assert!(range.start.is_multiple_of(batch) || range.start == count);
                next = range.end;
            }
            assert_eq!(next, count);
        }
    }

    #[test]
    fn only_shards_that_exist_are_read() {
        assert_eq!("2/4".parse::<Shard>().unwrap().to_string(), "2/4");
        assert!("0/4".parse::<Shard>().unwrap_err().contains("counted from 1: expected 1/4 to 4/4"));
        for text in ["5/4", "1/0", "4", "a/b", "-1/4", ""] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
