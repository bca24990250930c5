//! Reads a network from a file. The format is detected from the contents, the layers from their
//! names. The activation comes from the options, from PReLUs, or from the file's metadata.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::activations::activations;
use super::assumption::Assumption;
use super::batch_norm::EPSILON;
use super::bounded::Bounded;
use super::described::Described;
use super::extent::unchanged_during;
use super::files::File;
use super::layer_names::LayerNames;
use super::layer_reading::{read_layer, stated_epsilon};
use super::layers_by_name::{Choice, resolve};
use super::left_out::{LeftOut, left_out};
use super::lfs;
use super::norms_by_name::NormNames;
use super::npz_network::NpzNetwork;
use super::numpy_names::translated;
use super::onnx::{OnnxFile, looks_like_onnx};
use super::operations::{listed_tensors, read_labelled};
use super::pytorch::{PytorchFile, START, looks_like_pytorch};
use super::safetensors::{OPERATIONS, SafetensorsFile, looks_like_safetensors};
use super::stated::{Named, join};
use super::tensor_file::TensorFile;
use crate::error::{Error, Result};
use crate::network::{Activation, Network};
use crate::setters::setters;

/// Most bytes of a list of operations.
const MOST_DOCUMENT: usize = 1 << 24;

/// Options for network files: information that the file lacks, or that replaces the file's.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct NetworkOptions {
    /// The names of the layers from the code to the output. Default: all layers of the file, if
    /// their order is unambiguous.
    ///
    /// A BatchNorm or PReLU whose place its name does not show is listed where it stands. After the
    /// word `activation`, a BatchNorm stands after the activation of the layer before it:
    /// `fc1, activation, bn1, fc2`.
    pub layers: Option<Vec<String>>,
    /// The activation of all layers, except the output if it has its own. Default: the file's.
    pub activation: Option<Activation>,
    /// The activation of the output layer. Default: the file's, or else that of the other layers.
    pub output_activation: Option<Activation>,
    /// The `ε` of BatchNorm, which files do not hold. Default: 1e-5, PyTorch's default.
    pub batch_norm_epsilon: Option<f64>,
    /// Tensors that are no part of the generator, although they could act on its layers: names of
    /// tensors, or of modules for all their tensors. Default: none, so that such a tensor is
    /// refused.
    pub ignore_tensors: Vec<String>,
    /// A JSON file that lists the operations of the generator and names its tensors; then the file
    /// of the network only holds the tensors. Of the other options only `ignore_tensors` may be
    /// given, too. `docs/OPERATIONS.md` has the format. Default: the list in the file's own
    /// metadata, if it has one.
    pub architecture: Option<PathBuf>,
}

setters!(NetworkOptions {
    architecture: Option<PathBuf>,
    layers: Option<Vec<String>>,
    activation: Option<Activation>,
    output_activation: Option<Activation>,
    batch_norm_epsilon: Option<f64>,
    ignore_tensors: Vec<String>,
});

/// A network, and how its file was read: the result of [`read_network`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReadNetwork {
    /// The network.
    pub network: Network,
    /// The shape of a code, as the file has it: `[k]`, or `[channels, rows, columns]`.
    pub code_shape: Vec<usize>,
    /// The shape of an output: `[n]`, or `[channels, rows, columns]` behind a convolution. Vectors
    /// are flattened in C order.
    pub image_shape: Vec<usize>,
    /// What the file does not say, and how it was read.
    pub assumptions: Vec<Assumption>,
    /// The names of the tensors that were left out, as option `ignore_tensors` says.
    pub ignored_tensors: Vec<String>,
}

impl ReadNetwork {
    fn of(described: Described, assumptions: Vec<Assumption>, ignored_tensors: Vec<String>) -> Self {
        let Described { network, code_shape, image_shape } = described;
        ReadNetwork { network, code_shape, image_shape, assumptions, ignored_tensors }
    }
}

/// Reads a network from a safetensors file, a PyTorch checkpoint, an ONNX model, or an `.npz` of
/// weights.
///
/// ```no_run
/// use unrelu::{Activation, NetworkOptions, load_network};
///
/// # fn main() -> unrelu::Result<()> {
/// // A checkpoint does not name its activations.
/// let options = NetworkOptions::default()
///     .layers(Some(vec!["fc3".to_owned(), "fc4".to_owned()]))
///     .activation(Some(Activation::Relu))
///     .output_activation(Some(Activation::Sigmoid));
/// let network = load_network("decoder.pth".as_ref(), &options)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Input`] if the file has another format, is damaged, or has ambiguous layers, or if
/// neither the file nor the options state the activation, or if the file changes while it is read.
/// Also if a tensor that could act on the layers has no known place. [`Error::Io`] if it cannot be
/// read.
pub fn load_network(path: &Path, options: &NetworkOptions) -> Result<Network> {
    read_network(path, options).map(|read| read.network)
}

/// Reads a network like [`load_network`], and returns also what was assumed where the file says
/// nothing.
///
/// # Errors
/// As for [`load_network`].
pub fn read_network(path: &Path, options: &NetworkOptions) -> Result<ReadNetwork> {
    unchanged_during(path, || {
        let file = open_tensor_file(path)?;
        if let Some(list) = list_of_operations(&*file, options)? {
            return list.network(&*file, &options.ignore_tensors);
        }
        let resolved = resolve_layers(&*file, options)?;
        build_network(&*file, resolved, options)
    })
}

/// A list of operations, and where it stands.
#[derive(Debug)]
pub(crate) enum OperationList {
    /// A document in JSON.
    Stated { document: String, source: String },
    /// The file itself describes them.
    OfFile,
}

impl OperationList {
    /// Makes the network, with the tensors of `file`. `ignore`: the option `ignore_tensors`.
    ///
    /// # Errors
    /// Those of [`read_labelled`]. Also if a tensor that is not listed clearly acts on the
    /// modules that are.
    pub fn network(&self, file: &dyn TensorFile, ignore: &[String]) -> Result<ReadNetwork> {
        let OperationList::Stated { document, source } = self else {
            let described = file.own_network().unwrap_or_else(|| {
                Err(Error::input(file.source(), "no operations", "a file that describes them", "use another file"))
            })?;
            return Ok(ReadNetwork::of(described, Vec::new(), Vec::new()));
        };
        let listed = listed_tensors(document, source)?;
        let LeftOut { ignored, told } = left_out(file, &listed, ignore, source)?;
        let described = read_labelled(document, source, &file, &[])?;
        let all = [
            (!told.is_empty()).then_some(Assumption::LeftOut { parts: told }),
            (!ignored.is_empty()).then(|| Assumption::Ignored { tensors: ignored.clone() }),
        ];
        Ok(ReadNetwork::of(described, all.into_iter().flatten().collect(), ignored))
    }

    /// The names of the tensors that it lists.
    pub fn tensors(&self, file: &dyn TensorFile) -> Result<BTreeSet<String>> {
        match self {
            OperationList::Stated { document, source } => Ok(listed_tensors(document, source)?.into_iter().collect()),
            OperationList::OfFile => Ok(file.tensors().iter().map(|tensor| tensor.name.clone()).collect()),
        }
    }
}

/// The list of operations that an option names, or that the file has in its metadata.
pub(crate) fn list_of_operations(file: &dyn TensorFile, options: &NetworkOptions) -> Result<Option<OperationList>> {
    let (list, source) = match &options.architecture {
        _ if file.describes_itself() => (OperationList::OfFile, file.source().to_owned()),
        Some(path) => {
            let (document, source) = (read_text(path)?, path.display().to_string());
            (OperationList::Stated { document, source: source.clone() }, source)
        }
        None => match file.metadata(OPERATIONS) {
            Some(document) => {
                let (document, source) = (document.to_owned(), file.source().to_owned());
                (OperationList::Stated { document, source: source.clone() }, source)
            }
            None => return Ok(None),
        },
    };
    let is_own = matches!(list, OperationList::OfFile);
    let others = [
        ("architecture", is_own && options.architecture.is_some()),
        ("ignore_tensors", is_own && !options.ignore_tensors.is_empty()),
        ("layers", options.layers.is_some()),
        ("activation", options.activation.is_some()),
        ("output_activation", options.output_activation.is_some()),
        ("batch_norm_epsilon", options.batch_norm_epsilon.is_some()),
    ];
    match others.into_iter().find(|(_, given)| *given) {
        Some((option, _)) => {
            let expected = "no such option: the list of operations says it";
            Err(Error::option(option, format!("given with the list of operations in {source}"), expected))
        }
        None => Ok(Some(list)),
    }
}

/// Reads a JSON file of an ordinary size.
fn read_text(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_DOCUMENT as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Error::io(path, "read", error))?;
    let refused = |found: String| {
        Error::input(path.display(), found, "a list of operations as JSON", "write it as docs/OPERATIONS.md says")
    };
    if bytes.len() > MOST_DOCUMENT {
        return Err(refused(format!("more than {MOST_DOCUMENT} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| refused("bytes that are no text".to_owned()))
}

/// The trained ReLU generator 20 → 60 → 784 that comes with the program; `examples/README.md` says
/// how it was made.
///
/// # Errors
/// None, unless the program was built from a damaged source.
pub fn bundled_generator() -> Result<Network> {
    const BYTES: &[u8] = include_bytes!("../../examples/mnist_relu_20_60_784.safetensors");
    let options = NetworkOptions::default();
    let file = SafetensorsFile::from_bytes(BYTES, "the bundled generator")?;
    let resolved = resolve_layers(&file, &options)?;
    build_network(&file, resolved, &options).map(|read| read.network)
}

/// The generator's layers in a file, and the tensors that were ignored.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub layers: Vec<LayerNames>,
    pub ignored: Vec<String>,
}

/// Finds the generator's layers in the file; the first half of [`read_network`].
pub(crate) fn resolve_layers(file: &dyn TensorFile, options: &NetworkOptions) -> Result<Resolved> {
    let choice =
        Choice { layers: options.layers.as_deref(), ignored: &options.ignore_tensors, activation: options.activation };
    resolve(file, choice).map(|(layers, ignored)| Resolved { layers, ignored })
}

/// Opens a file of named tensors, in the format that its contents show. Names of Flax and Keras are
/// translated.
pub fn open_tensor_file(path: &Path) -> Result<Box<dyn TensorFile>> {
    let file: Box<dyn TensorFile> = Box::new(Bounded(open_as_named(path)?));
    // Names of a file that describes itself mean nothing.
    Ok(if file.describes_itself() { file } else { translated(file) })
}

fn open_as_named(path: &Path) -> Result<Box<dyn TensorFile>> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(START as u64).read_to_end(&mut start))
        .map_err(|error| Error::io(path, "read", error))?;
    if start.starts_with(b"PK")
        && let Some(file) = NpzNetwork::open(path)?
    {
        return Ok(Box::new(file));
    }
    if start.starts_with(b"\x93NUMPY")
        && let Some(file) = PytorchFile::open_npy(path)?
    {
        return Ok(Box::new(file));
    }
    if looks_like_pytorch(&start) && !looks_like_safetensors(&start) {
        return Ok(Box::new(PytorchFile::open(path)?));
    }
    if looks_like_safetensors(&start) {
        return Ok(Box::new(SafetensorsFile::open(path)?));
    }
    if looks_like_onnx(&start, path) && lfs::refusal(&start, "").is_none() {
        return Ok(Box::new(OnnxFile::open(path)?));
    }
    if let Some(refusal) = lfs::refusal(&start, &path.display().to_string()) {
        return Err(refusal);
    }
    let (found, fix) = if start.is_empty() {
        ("an empty file", "copy or save the network again")
    } else if start.starts_with(b"\x93NUMPY") {
        ("a .npy array", "give the network first, then the observations or codes")
    } else {
        ("a file of another format", "convert the network to safetensors, or save its state_dict with torch.save")
    };
    Err(Error::input(path.display(), found, "a network as .safetensors, PyTorch .pth/.pt, .onnx, or NumPy .npz", fix))
}

/// Makes the network from the named tensors; the second half of [`read_network`].
pub(crate) fn build_network(
    file: &dyn TensorFile,
    resolved: Resolved,
    options: &NetworkOptions,
) -> Result<ReadNetwork> {
    let epsilon = options.batch_norm_epsilon;
    if let Some(epsilon) = epsilon
        && !(epsilon >= 0.0 && epsilon.is_finite())
    {
        return Err(Error::option("batch_norm_epsilon", epsilon.to_string(), "a finite number of 0 or more"));
    }
    let names = &resolved.layers;
    let paths: Vec<&str> = names.iter().map(|names| names.name.as_str()).collect();
    let named = Named { activation: options.activation, output_activation: options.output_activation };
    let (named, stated) = join(&file.stated_activations(&paths), &paths, file.source(), named)?;
    let (mut activations, mut output_is_assumed) = activations(file, named, names)?;
    for (activation, stated) in activations.iter_mut().zip(&stated) {
        *activation = stated.unwrap_or(*activation);
    }
    output_is_assumed &= !matches!(stated.last(), Some(Some(_)));
    let assumed_output = activations.last().copied().filter(|_| output_is_assumed);
    let layers = names.iter().zip(activations).map(|(names, activation)| read_layer(file, names, activation, epsilon));
    let network = Network::new(layers.collect::<Result<_>>()?, file.source())?;
    let assumptions = assumptions(file, &resolved, epsilon, assumed_output);
    let (code_shape, image_shape) = (vec![network.code_length()], vec![network.observation_length()]);
    let described = Described { network, code_shape, image_shape };
    Ok(ReadNetwork::of(described, assumptions, resolved.ignored))
}

/// What was assumed or decided, from the least certain to what was asked for.
fn assumptions(
    file: &dyn TensorFile,
    resolved: &Resolved,
    epsilon: Option<f64>,
    output: Option<Activation>,
) -> Vec<Assumption> {
    let layers = &resolved.layers;
    // Where the file states `ε`, nothing is assumed.
    let is_assumed = |norm: &NormNames| epsilon.is_some() || stated_epsilon(file, norm).is_none();
    let folded: Vec<(String, String)> = layers
        .iter()
        .flat_map(|layer| {
            layer.folded().filter(|norm| is_assumed(norm)).map(|norm| (norm.name.clone(), layer.name.clone()))
        })
        .collect();
    let norms = Assumption::BatchNormEpsilon {
        epsilon: epsilon.unwrap_or(EPSILON),
        given: epsilon.is_some(),
        folded: folded.clone(),
    };
    let slopes: Vec<_> = layers
        .iter()
        .filter_map(|layer| {
            layer.slope.as_ref().map(|slope| (slope.module.clone(), slope.activation(), layer.name.clone()))
        })
        .collect();
    let computed: Vec<_> =
        layers.iter().filter_map(|layer| layer.computed_by().map(|what| (layer.name.clone(), what))).collect();
    let all = [
        (!folded.is_empty()).then_some(norms),
        output.map(Assumption::OutputActivation),
        (!slopes.is_empty()).then_some(Assumption::Slopes { read: slopes }),
        (!computed.is_empty()).then_some(Assumption::Weights { computed }),
        (!resolved.ignored.is_empty()).then(|| Assumption::Ignored { tensors: resolved.ignored.clone() }),
    ];
    all.into_iter().flatten().collect()
}
