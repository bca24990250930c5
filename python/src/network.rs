//! Networks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use nalgebra::{DMatrix, DVector};
use numpy::{PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArray1, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::device::Device as _;
use unrelu::internals::formats::operations::{NamedTensors, Tensor, operations_of, read_operations};
use unrelu::internals::layers::Layer as NetworkLayer;
use unrelu::{Activation, Dense, DenseLayer, Network, NetworkOptions, Operator, read_network};

use crate::arrays::{array, matrix};
use crate::errors::{exception, input};

/// A network of the library, with what was assumed when it was read.
#[pyclass(frozen, module = "unrelu._unrelu")]
pub struct NetworkCore {
    pub network: Arc<Network>,
    #[pyo3(get)]
    notes: Vec<String>,
    /// The shape of a code, as its source has it.
    #[pyo3(get)]
    code_shape: Vec<usize>,
    /// The shape of an output.
    #[pyo3(get)]
    image_shape: Vec<usize>,
    /// The network as its forward passes need it, made at the first.
    device: OnceLock<CpuDevice>,
}

impl NetworkCore {
    fn new(network: Network, notes: Vec<String>) -> Self {
        let (code_shape, image_shape) = (vec![network.code_length()], vec![network.observation_length()]);
        NetworkCore { network: Arc::new(network), notes, code_shape, image_shape, device: OnceLock::new() }
    }

    fn device(&self) -> &CpuDevice {
        self.device.get_or_init(|| CpuDevice::new(Arc::clone(&self.network)))
    }
}

/// A layer as Python has it: the weight, the bias and the activation.
type Layer<'py> = (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray1<f64>>, String);

/// A list of operations and its tensors.
type Operations<'py> = (String, BTreeMap<String, Bound<'py, PyArrayDyn<f64>>>);

/// Losses, and their gradients by the codes.
type Gradients<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray2<f64>>);

#[pymethods]
impl NetworkCore {
    /// Makes a network from its layers: the weight (units, inputs), the bias (units,) and the
    /// activation of each, from the code to the output.
    #[staticmethod]
    fn from_layers(layers: Vec<(Bound<'_, PyAny>, PyReadonlyArray1<'_, f64>, String)>) -> PyResult<Self> {
        let mut dense = Vec::with_capacity(layers.len());
        for (number, (weight, bias, name)) in (1..).zip(layers) {
            dense.push(DenseLayer {
                weight: matrix(&weight, &format!("the weight of layer {number}"))?.transpose(),
                bias: DVector::from_column_slice(bias.as_slice()?),
                activation: activation(&format!("layer {number}"), &name)?,
            });
        }
        Ok(Self::new(Network::dense(dense).map_err(exception)?, Vec::new()))
    }

    /// Makes a network from a list of operations, as JSON, and its tensors.
    #[staticmethod]
    fn from_operations(py: Python<'_>, document: &str, tensors: BTreeMap<String, Bound<'_, PyAny>>) -> PyResult<Self> {
        let tensor = |(name, array): (String, Bound<'_, PyAny>)| Ok((name.clone(), tensor(&array, &name)?));
        let tensors = NamedTensors(tensors.into_iter().map(tensor).collect::<PyResult<_>>()?);
        let read = py.detach(|| read_operations(document, "the list of operations", &tensors));
        Ok(Self::new(read.map_err(exception)?, Vec::new()))
    }

    #[staticmethod]
    #[pyo3(signature = (path, layers, activation, output_activation, batch_norm_epsilon, ignore_tensors,
                        architecture=None))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of Python's function")]
    fn from_file(
        py: Python<'_>,
        path: PathBuf,
        layers: Option<Vec<String>>,
        activation: Option<&str>,
        output_activation: Option<&str>,
        batch_norm_epsilon: Option<f64>,
        ignore_tensors: Vec<String>,
        architecture: Option<PathBuf>,
    ) -> PyResult<Self> {
        let named = |option: &str, name: Option<&str>| name.map(|name| self::activation(option, name)).transpose();
        let options = NetworkOptions::default()
            .layers(layers)
            .activation(named("option `activation`", activation)?)
            .output_activation(named("option `output_activation`", output_activation)?)
            .batch_norm_epsilon(batch_norm_epsilon)
            .ignore_tensors(ignore_tensors)
            .architecture(architecture);
        let read = py.detach(|| read_network(&path, &options)).map_err(exception)?;
        let notes = read.assumptions.iter().map(ToString::to_string).collect();
        let (code_shape, image_shape) = (read.code_shape, read.image_shape);
        Ok(NetworkCore { code_shape, image_shape, ..Self::new(read.network, notes) })
    }

    #[staticmethod]
    fn random(sizes: Vec<usize>, activation: &str, seed: u64) -> PyResult<Self> {
        let activation = self::activation("option `activation`", activation)?;
        Ok(Self::new(Network::random(&sizes, activation, seed).map_err(exception)?, Vec::new()))
    }

    fn random_codes<'py>(&self, py: Python<'py>, count: usize, seed: u64) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let codes = py.detach(|| self.network.random_codes(count, seed));
        array(py, codes)
    }

    fn save(&self, py: Python<'_>, path: PathBuf, force: bool) -> PyResult<()> {
        py.detach(|| self.network.save(&path, force)).map_err(exception)
    }

    /// Codes (count, k) to outputs (count, n).
    fn forward<'py>(&self, py: Python<'py>, codes: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let codes = matrix::<f64>(codes, "the codes")?;
        let outputs = py
            .detach(|| {
                self.network.check_codes(&codes)?;
                self.device().forward(0..self.network.depth(), &codes)
            })
            .map_err(exception)?;
        drop(codes);
        array(py, outputs)
    }

    /// [`Self::forward`] with products in f32.
    fn forward_f32<'py>(&self, py: Python<'py>, codes: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let codes = matrix::<f32>(codes, "the codes")?;
        let outputs = py.detach(|| self.device().forward_f32(&codes)).map_err(exception)?;
        array(py, outputs)
    }

    /// Codes (count, k) and observations (count, n) to losses (count,) and gradients (count, k).
    fn gradients<'py>(
        &self,
        py: Python<'py>,
        observations: &Bound<'py, PyAny>,
        codes: &Bound<'py, PyAny>,
        in_f32: bool,
    ) -> PyResult<Gradients<'py>> {
        let (observations, codes) = (matrix(observations, "the observations")?, matrix(codes, "the codes")?);
        let (losses, gradients) =
            py.detach(|| self.device().gradients(&observations, &codes, in_f32)).map_err(exception)?;
        Ok((PyArray1::from_vec(py, losses), array(py, gradients)?))
    }

    /// The list of operations of a network that is not dense, as JSON, and its tensors.
    fn operations<'py>(&self, py: Python<'py>) -> PyResult<Option<Operations<'py>>> {
        if self.network.is_dense() {
            return Ok(None);
        }
        let (document, tensors) = operations_of(&self.network);
        let array = |(name, tensor): (String, Tensor)| {
            Ok((name, PyArray1::from_vec(py, tensor.numbers).reshape(tensor.shape)?))
        };
        Ok(Some((document, tensors.into_iter().map(array).collect::<PyResult<_>>()?)))
    }

    /// What is other than a matrix with ReLU, LeakyReLU or, at the output, identity, sigmoid or
    /// tanh.
    fn beyond_dense_relu(&self) -> Option<String> {
        self.network.beyond_dense_relu()
    }

    /// The layers of a dense network.
    fn layers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Layer<'py>>> {
        if let Some((number, map)) = (1..).zip(self.network.layers()).find(|(_, layer)| !layer.map().is_dense()) {
            return Err(input(
                "the layers of this network",
                &format!("layer {number}, {}", map.map().describe()),
                "dense layers, which have a matrix each",
                "save the network; the file has its operations and tensors",
            ));
        }
        let layer = |layer: &NetworkLayer| {
            let weight = array(py, layer.weight().transpose())?;
            Ok((weight, PyArray1::from_slice(py, layer.bias.as_slice()), layer.activation.to_string()))
        };
        self.network.layers().iter().map(layer).collect()
    }

    /// The units, the inputs and the activation of each layer.
    fn shapes(&self) -> Vec<(usize, usize, String)> {
        let shape = |layer: &NetworkLayer| (layer.units(), layer.inputs(), layer.activation.to_string());
        self.network.layers().iter().map(shape).collect()
    }
}

/// An array of float64 or float32 of any shape.
fn tensor(array: &Bound<'_, PyAny>, name: &str) -> PyResult<Tensor> {
    if let Ok(array) = array.extract::<PyReadonlyArrayDyn<'_, f64>>() {
        let array = array.as_array();
        return Ok(Tensor { shape: array.shape().to_vec(), numbers: array.iter().copied().collect() });
    }
    if let Ok(array) = array.extract::<PyReadonlyArrayDyn<'_, f32>>() {
        let array = array.as_array();
        return Ok(Tensor { shape: array.shape().to_vec(), numbers: array.iter().map(|x| f64::from(*x)).collect() });
    }
    let found = array.get_type().name()?.to_string();
    Err(input(
        &format!("tensor `{name}`"),
        &found,
        "a NumPy array of float32 or float64",
        "convert it with numpy.asarray",
    ))
}

fn activation(what: &str, name: &str) -> PyResult<Activation> {
    name.parse().map_err(|error: String| {
        // The error names what was found, too.
        let expected = error.split_once("expected ").map_or(error.as_str(), |(_, expected)| expected);
        input(what, &format!("the activation `{name}`"), expected, "name one of these activations")
    })
}

/// The matrix of the command line's `--gaussian`, (measurements, pixels).
#[pyfunction]
pub fn gaussian_operator(
    py: Python<'_>,
    measurements: usize,
    pixels: usize,
    seed: u64,
) -> PyResult<Bound<'_, PyArray2<f64>>> {
    let dense = py.detach(|| Dense::gaussian(measurements, pixels, seed)).map_err(exception)?;
    let matrix: Option<DMatrix<f64>> = dense.matrix();
    array(py, matrix.unwrap_or_else(|| DMatrix::identity(pixels, pixels)).transpose())
}
