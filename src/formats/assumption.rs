//! What was assumed or decided when a network was read, because its file does not say it. The words
//! for people stand only here.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::network::Activation;

/// Something that the file of a network does not say, and how it was read.
///
/// Its text says which option decides it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Assumption {
    /// The BatchNorms that were folded into linear layers, and the `ε` in their square roots.
    BatchNormEpsilon {
        /// `ε`.
        epsilon: f64,
        /// Whether the options state it; otherwise it is PyTorch's default.
        given: bool,
        /// Each BatchNorm, and the layer that it was folded into.
        folded: Vec<(String, String)>,
    },
    /// The output layer has the activation of the other layers, because nothing else is stated.
    OutputActivation(Activation),
    /// Activations that were read from PReLUs of the file.
    Slopes {
        /// The name of each PReLU, its activation, and the layer that it follows.
        read: Vec<(String, Activation, String)>,
    },
    /// Layers whose weights were computed from parts.
    Weights {
        /// The name of each layer, and the normalisation.
        computed: Vec<(String, &'static str)>,
    },
    /// Parts of the model that a list of operations does not name, and that need not act on those
    /// that it names.
    LeftOut {
        /// The names of the modules, or of the tensors.
        parts: Vec<String>,
    },
    /// Tensors that were left out, as option `ignore_tensors` says.
    Ignored {
        /// Their names.
        tensors: Vec<String>,
    },
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Assumption::BatchNormEpsilon { epsilon, given, folded } => {
                let list = list(folded, |(norm, layer)| format!("`{norm}` into `{layer}`"));
                match given {
                    true => write!(f, "BatchNorm folded with eps {epsilon:e}, as given: {list}"),
                    false => write!(
                        f,
                        "BatchNorm folded with eps {epsilon:e}: {list}; a state_dict does not hold eps, so if the model \
                         has another, state it by option `batch_norm_epsilon`"
                    ),
                }
            }
            Assumption::OutputActivation(activation) => write!(
                f,
                "output activation {activation}, as in the other layers; if it is another, state it by option \
                 `output_activation`"
            ),
            Assumption::Slopes { read } => {
                let list = list(read, |(slope, activation, layer)| format!("{activation} after `{layer}` (`{slope}`)"));
                write!(f, "activations read from PReLU: {list}")
            }
            Assumption::Weights { computed } => {
                let list = list(computed, |(layer, what)| format!("`{layer}` ({what})"));
                write!(f, "weights computed from their parts: {list}")
            }
            Assumption::LeftOut { parts } => write!(
                f,
                "not in the list of operations, so taken for another part of the model: {}; if it acts, name it there; \
                 if not, option `ignore_tensors` says so",
                list(parts, |part| format!("`{part}`"))
            ),
            Assumption::Ignored { tensors } => {
                write!(f, "ignored, as given: {}", list(tensors, |tensor| format!("`{tensor}`")))
            }
        }
    }
}

/// Serialised as its text.
impl Serialize for Assumption {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Lists the first items.
fn list<T>(items: &[T], words: impl Fn(&T) -> String) -> String {
    const MOST: usize = 8;
    let shown = items.iter().take(MOST).map(words).collect::<Vec<_>>().join(", ");
    if items.len() > MOST { format!("{shown} and {} more", items.len() - MOST) } else { shown }
}
