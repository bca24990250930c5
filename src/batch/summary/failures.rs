//! The number of failures per kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::outcome::FailureKind;

/// The number of failures per kind. serde writes it as a list of pairs `[kind, count]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureCounts(BTreeMap<FailureKind, u64>);

impl FailureCounts {
    /// Adds `count` failures of one kind.
    pub fn add(&mut self, kind: FailureKind, count: u64) {
        let sum = self.0.entry(kind).or_default();
        *sum = sum.saturating_add(count);
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &FailureCounts) {
        for (kind, count) in other.iter() {
            self.add(kind.clone(), count);
        }
    }

    /// The kinds that occurred, each with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&FailureKind, u64)> {
        self.0.iter().map(|(kind, &count)| (kind, count))
    }

    /// A map from the words of each kind to its count.
    pub fn json(&self) -> Value {
        self.iter().map(|(kind, count)| (kind.to_string(), count)).collect()
    }
}

impl Serialize for FailureCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for FailureCounts {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(FailureKind, u64)>::deserialize(source)?;
        let mut counts = FailureCounts::default();
        pairs.into_iter().for_each(|(kind, count)| counts.add(kind, count));
        Ok(counts)
    }
}
