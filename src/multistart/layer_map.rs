//! The map of a network's layer as a [`LinearMap`], by the fast products of the CPU.

use nalgebra::DMatrix;

use crate::cpu::blocked::map::PackedMap;
use crate::cpu::blocked::product::{Columns, ColumnsMut, Finish};
use crate::linalg::linear_map::LinearMap;
use crate::network::Map;

/// A convolution, a resampling or a scaling.
#[derive(Debug)]
pub(super) struct LayerMap(PackedMap<f64>);

impl LayerMap {
    pub fn new(map: &Map) -> Self {
        LayerMap(PackedMap::new(map))
    }
}

impl LinearMap for LayerMap {
    fn inputs(&self) -> usize {
        self.0.inputs()
    }

    fn outputs(&self) -> usize {
        self.0.outputs()
    }

    fn apply(&self, inputs: &DMatrix<f64>) -> DMatrix<f64> {
        let mut outputs = DMatrix::zeros(self.outputs(), inputs.ncols());
        let given = Columns { entries: inputs.as_slice(), stride: inputs.nrows() };
        let made = ColumnsMut { stride: outputs.nrows(), entries: outputs.as_mut_slice() };
        self.0.apply(None, given, made, inputs.ncols(), Finish::Plain);
        outputs
    }

    fn adjoint(&self, outputs: &DMatrix<f64>) -> DMatrix<f64> {
        let mut inputs = DMatrix::zeros(self.inputs(), outputs.ncols());
        let given = Columns { entries: outputs.as_slice(), stride: outputs.nrows() };
        let made = ColumnsMut { stride: inputs.nrows(), entries: inputs.as_mut_slice() };
        self.0.apply_transposed(given, made, outputs.ncols(), Finish::Plain);
        inputs
    }
}
