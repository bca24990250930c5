//! Reads a network from a file. The format is detected from the contents, the layers from their
//! names. The activation comes from the options or from the file's metadata.

use std::io::Read;
use std::path::Path;

use nalgebra::{DMatrix, DVector};

use super::batch_norm::BatchNorm;
use super::extent::unchanged_during;
use super::files::File;
use super::layers_by_name::{LayerNames, resolve};
use super::lfs;
use super::norms_by_name::NormNames;
use super::npz_network::NpzNetwork;
use super::numpy_names::translated;
use super::pytorch::{PytorchFile, START, looks_like_pytorch};
use super::safetensors::{ACTIVATION, OUTPUT_ACTIVATION, SafetensorsFile, looks_like_safetensors};
use super::stated::{Named, join};
use super::tensor_file::TensorFile;
use crate::error::{Error, Result};
use crate::network::{Activation, DenseLayer, Network};
use crate::setters::setters;

/// Options for network files: information that the file lacks, or that replaces the file's.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct NetworkOptions {
    /// The names of the layers from the code to the output. Default: all layers of the file, if
    /// their order is unambiguous.
    pub layers: Option<Vec<String>>,
    /// The activation of all layers, except the output if it has its own. Default: the file's.
    pub activation: Option<Activation>,
    /// The activation of the output layer. Default: the file's, or else that of the other layers.
    pub output_activation: Option<Activation>,
}

setters!(NetworkOptions {
    layers: Option<Vec<String>>,
    activation: Option<Activation>,
    output_activation: Option<Activation>,
});

/// Reads a network from a safetensors file or a PyTorch checkpoint.
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
/// [`Error::Io`] if it cannot be read.
pub fn load_network(path: &Path, options: &NetworkOptions) -> Result<Network> {
    unchanged_during(path, || {
        let file = open_tensor_file(path)?;
        build_network(&*file, &resolve_layers(&*file, options)?, options)
    })
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
    build_network(&file, &resolve_layers(&file, &options)?, &options)
}

/// Finds the generator's layers in the file; the first half of [`load_network`].
pub(crate) fn resolve_layers(file: &dyn TensorFile, options: &NetworkOptions) -> Result<Vec<LayerNames>> {
    resolve(file.tensors(), options.layers.as_deref(), file.source())
}

/// Opens a file of named tensors, in the format that its contents show. Names of Flax and Keras are
/// translated.
pub fn open_tensor_file(path: &Path) -> Result<Box<dyn TensorFile>> {
    open_as_named(path).map(translated)
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
    if let Some(refusal) = lfs::refusal(&start, &path.display().to_string()) {
        return Err(refusal);
    }
    let (found, fix) = if start.is_empty() {
        ("an empty file", "copy or save the network again")
    } else if start.starts_with(b"\x93NUMPY") {
        ("a .npy array", "give the network first, then the observations or codes")
    } else {
        ("a file with neither format", "convert the network to safetensors, or save its state_dict with torch.save")
    };
    Err(Error::input(path.display(), found, "a network as .safetensors, PyTorch .pth/.pt, or NumPy .npz", fix))
}

/// Makes the network from the named tensors; the second half of [`load_network`].
pub(crate) fn build_network(file: &dyn TensorFile, names: &[LayerNames], options: &NetworkOptions) -> Result<Network> {
    let paths: Vec<&str> = names.iter().map(|names| names.name.as_str()).collect();
    let named = Named { activation: options.activation, output_activation: options.output_activation };
    let (named, stated) = join(&file.stated_activations(&paths), &paths, file.source(), named)?;
    let options = options.clone().activation(named.activation).output_activation(named.output_activation);
    let activations = activations(file, &options, names.len())?;
    let activations = stated.iter().zip(activations).map(|(stated, activation)| stated.unwrap_or(activation));
    let layers = names.iter().zip(activations).map(|(names, activation)| read_layer(file, names, activation));
    Network::new(layers.collect::<Result<_>>()?, file.source())
}

/// The activation of each of `depth` layers: from the options, else from the file. The output layer
/// defaults to the activation of the others.
fn activations(file: &dyn TensorFile, options: &NetworkOptions, depth: usize) -> Result<Vec<Activation>> {
    let activation = options.activation.map_or_else(|| stored(file, ACTIVATION), |given| Ok(Some(given)))?;
    let output = options.output_activation.map_or_else(|| stored(file, OUTPUT_ACTIVATION), |given| Ok(Some(given)))?;
    let missing = |option: &str| {
        Error::input(
            file.source(),
            "no activation in the file",
            "an activation (a state_dict contains weights only)",
            format!(
                "name the network's activation, for example option `{option}: relu` or option `{option}: leaky_relu:0.1`"
            ),
        )
    };
    let output = output.or(activation).ok_or_else(|| missing("activation"))?;
    let hidden = match activation {
        Some(activation) => activation,
        None if depth > 1 => return Err(missing("activation")),
        None => output,
    };
    let mut all = vec![hidden; depth];
    if let Some(last) = all.last_mut() {
        *last = output;
    }
    Ok(all)
}

fn stored(file: &dyn TensorFile, key: &str) -> Result<Option<Activation>> {
    let Some(word) = file.metadata(key) else { return Ok(None) };
    word.parse().map(Some).map_err(|reason: String| {
        Error::input(
            file.source(),
            format!("metadata {key} = `{word}`"),
            "an activation that unrelu supports",
            format!("set option `{key}` ({reason})"),
        )
    })
}

fn read_layer(file: &dyn TensorFile, names: &LayerNames, activation: Activation) -> Result<DenseLayer> {
    // A weight without numbers says nothing about the size of the file: its bias could be any size.
    if names.units == 0 || names.inputs == 0 {
        return Err(Error::input(
            file.source(),
            format!("an empty weight `{}` ({} × {})", names.weight, names.units, names.inputs),
            "at least one unit and one input per layer",
            "leave the layer out, or export the network again",
        ));
    }
    let mut weight = DMatrix::from_row_slice(names.units, names.inputs, &file.read(&names.weight)?);
    let mut bias = match &names.bias {
        Some(name) => DVector::from_vec(file.read(name)?),
        None => DVector::zeros(names.units),
    };
    for norm in &names.norms {
        if bias.len() == names.units {
            read_norm(file, norm, names)?.fold_into(&mut weight, &mut bias);
        }
    }
    // A bias of the wrong length is refused later, when the network is made.
    Ok(DenseLayer { weight, bias, activation })
}

fn read_norm(file: &dyn TensorFile, names: &NormNames, layer: &LayerNames) -> Result<BatchNorm> {
    let optional = |name: &Option<String>| name.as_deref().map(|name| file.read(name)).transpose();
    let norm = BatchNorm {
        mean: file.read(&names.mean)?,
        variance: file.read(&names.variance)?,
        scale: optional(&names.scale)?,
        shift: optional(&names.shift)?,
    };
    let refuse = |found: String, expected: String| {
        Err(Error::input(file.source(), found, expected, "train or export the network again"))
    };
    if norm.features() != Some(layer.units) {
        return refuse(
            format!("vectors of different lengths in BatchNorm `{}`", names.name),
            format!("{} entries in each, one per unit of `{}`", layer.units, layer.name),
        );
    }
    match norm.variance.iter().find(|variance| variance.is_nan() || **variance < 0.0) {
        Some(variance) => refuse(
            format!("a running variance of {variance} in BatchNorm `{}`", names.name),
            "variances of 0 or more".into(),
        ),
        None => Ok(norm),
    }
}
