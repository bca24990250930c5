//! The identity of a run: everything that determines its bytes. Two runs with the same identity and
//! build write the same bytes.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::formats::extent::digest_of;
use crate::formats::npy::NpyReader;
use crate::network::Network;

/// An input file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The path as it was given, for messages. It does not count in comparisons.
    pub file: String,
    /// The digest of the contents.
    pub digest: String,
}

impl Source {
    /// Reads a file and computes its digest. Later, blocks of `rows` rows that have changed are
    /// refused; see [`NpyReader::pin`]. The digest of a stream is empty: it is known when all rows
    /// are read.
    pub fn pinned(file: &mut NpyReader, rows: usize) -> Result<Self> {
        let digest = if file.is_stream() { String::new() } else { file.pin(rows)? };
        Ok(Source { file: file.path().display().to_string(), digest })
    }
}

/// Everything that determines the bytes of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The version of this crate.
    pub version: String,
    /// The network, with the digest of its layers as read, so that the options of reading count.
    pub network: Source,
    /// The observations.
    pub observations: Source,
    /// The true codes, if they are known.
    pub truth: Option<Source>,
    /// The options that change answers: the names of their fields, with their values.
    pub options: Vec<(String, String)>,
    /// Number of observations in the whole file.
    pub count: u64,
    /// Number of observations per batch. Runs are resumed and shards are cut between batches.
    pub batch: u64,
    /// The first observation of this run.
    pub first: u64,
    /// The end of the run: its last observation plus one.
    pub end: u64,
    /// The report's file: the file name if it lies beside the codes, otherwise the whole path.
    pub report: Option<String>,
}

impl Identity {
    /// Number of observations of this run.
    pub fn length(&self) -> u64 {
        self.end.saturating_sub(self.first)
    }

    /// The differences of two runs in words, such as ``option `epsilon` 0.01 instead of 0.02``.
    /// `self` is the run found, `other` the run expected. Empty if the runs are the same.
    pub fn differences(&self, other: &Identity) -> Vec<String> {
        let mut differences = self.mixture(other);
        if (self.first, self.end) != (other.first, other.end) {
            let words = |run: &Identity| format!("{} to {}", run.first, run.end);
            differences.push(format!("option `shard`: observations {} instead of {}", words(self), words(other)));
        }
        if self.report != other.report {
            let words = |report: &Option<String>| report.clone().unwrap_or("none".to_owned());
            differences.push(format!("option `report` {} instead of {}", words(&self.report), words(&other.report)));
        }
        differences
    }

    /// [`Self::differences`] without shard and report: two shards of one run must agree in these.
    pub fn mixture(&self, other: &Identity) -> Vec<String> {
        let mut differences = Vec::new();
        if self.version != other.version {
            differences.push(format!("unrelu {} instead of {}", self.version, other.version));
        }
        let sources = [
            ("network", Some(&self.network), Some(&other.network)),
            ("observations", Some(&self.observations), Some(&other.observations)),
            ("option `truth`", self.truth.as_ref(), other.truth.as_ref()),
        ];
        for (what, own, other) in sources {
            match (own, other) {
                (Some(own), Some(other)) if own.digest == other.digest => {}
                (None, None) => {}
                (Some(own), Some(other)) if own.file == other.file => {
                    differences.push(format!("{what}: {} with other contents", own.file));
                }
                (own, other) => {
                    let words = |source: Option<&Source>| source.map_or("none", |source| &source.file).to_owned();
                    differences.push(format!("{what} {} instead of {}", words(own), words(other)));
                }
            }
        }
        let value = |identity: &Identity, name: &str| {
            let found = identity.options.iter().find(|(option, _)| option == name);
            found.map_or("not given".to_owned(), |(_, value)| value.clone())
        };
        let names = self.options.iter().map(|(name, _)| name);
        let further = other.options.iter().map(|(name, _)| name).filter(|name| !names.clone().any(|own| own == *name));
        for name in names.clone().chain(further) {
            let (own, other) = (value(self, name), value(other, name));
            if own != other {
                differences.push(format!("option `{name}` {own} instead of {other}"));
            }
        }
        if self.batch != other.batch {
            differences.push(format!("option `batch` {} instead of {}", self.batch, other.batch));
        }
        differences
    }
}

/// The digest of a network's layers: shapes, weights, biases, activations.
pub fn network_digest(network: &Network) -> String {
    let pieces = network.layers().iter().map(|layer| {
        let map = if layer.map().is_dense() { String::new() } else { layer.map().describe() };
        let sizes = format!("{}x{} {};{map}", layer.units(), layer.inputs(), layer.activation);
        let mut bytes = sizes.into_bytes();
        let numbers = layer.map().numbers().chain(layer.bias.iter());
        bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
        bytes.extend(layer.map().places().flat_map(|place| place.to_le_bytes()));
        bytes
    });
    let pieces: Vec<Vec<u8>> = pieces.collect();
    digest_of(pieces.iter().map(Vec::as_slice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::DVector;

    use crate::network::map::Resample;
    use crate::network::map::resample::AxisWeights;
    use crate::network::{Activation, Layer, Map};
    use crate::random::random_network;

    fn identity() -> Identity {
        let source = |file: &str| Source { file: file.to_owned(), digest: format!("digest of {file}") };
        Identity {
            version: "1".to_owned(),
            network: source("net"),
            observations: source("x.npy"),
            truth: None,
            options: vec![("method".to_owned(), "linf".to_owned()), ("epsilon".to_owned(), "0.1".to_owned())],
            count: 100,
            batch: 10,
            first: 0,
            end: 50,
            report: None,
        }
    }

    #[test]
    fn every_difference_is_named() {
        assert!(identity().differences(&identity()).is_empty());
        let change = |change: &dyn Fn(&mut Identity)| {
            let mut other = identity();
            change(&mut other);
            identity().differences(&other)
        };
        assert_eq!(change(&|other| other.version = "2".to_owned()), ["unrelu 1 instead of 2"]);
        assert_eq!(change(&|other| other.network.digest.clear()), ["network: net with other contents"]);
        assert_eq!(change(&|other| other.truth = Some(identity().network)), ["option `truth` none instead of net"]);
        assert_eq!(change(&|other| other.options[1].1 = "0.2".to_owned()), ["option `epsilon` 0.1 instead of 0.2"]);
        assert_eq!(change(&|other| other.options.truncate(1)), ["option `epsilon` 0.1 instead of not given"]);
        assert_eq!(change(&|other| other.batch = 5), ["option `batch` 10 instead of 5"]);
        assert_eq!(change(&|other| other.report = Some("r.csv".to_owned())), ["option `report` none instead of r.csv"]);
        assert_eq!(change(&|other| other.end = 60), ["option `shard`: observations 0 to 50 instead of 0 to 60"]);
        // The file name does not count.
        assert!(change(&|other| other.network.file.clear()).is_empty());
    }

    #[test]
    fn a_network_is_its_numbers_and_activations() {
        let network = random_network(&[2, 3, 4], Activation::Relu, 1).unwrap();
        let same = network_digest(&network);
        assert_eq!(network_digest(&random_network(&[2, 3, 4], Activation::Relu, 1).unwrap()), same);
        assert_ne!(network_digest(&random_network(&[2, 3, 4], Activation::Relu, 2).unwrap()), same);
        assert_ne!(network_digest(&random_network(&[2, 3, 4], Activation::LeakyRelu(0.1), 1).unwrap()), same);
        // The same weights at other places.
        let resampled = |factor: Option<f64>| {
            let axes = [AxisWeights::nearest(4, 6, factor), AxisWeights::nearest(2, 2, None)];
            let map = Map::Resample(Resample::new(1, axes).unwrap());
            let layer = Layer::new(map, DVector::zeros(12), Activation::Identity);
            network_digest(&Network::new(vec![layer], "a test network").unwrap())
        };
        assert_ne!(resampled(None), resampled(Some(1.9)));
    }
}
