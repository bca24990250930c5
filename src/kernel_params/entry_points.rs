//! All entry points of the shaders: source text, bindings, workgroup shape and bounds.

use super::bounds::{self, Bounds};

/// How an entry point uses a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A uniform buffer.
    Uniform,
    /// A read-only storage buffer.
    Read,
    /// A read-write storage buffer.
    ReadWrite,
}

/// A binding of group 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The variable's name in WGSL.
    pub name: &'static str,
    /// Its number.
    pub number: u32,
    /// How it is used.
    pub access: Access,
}

/// The shape of an entry point's workgroup, in terms of the shader's override constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workgroup {
    /// `TILE_X` × `TILE_Y` invocations for a tile of a product, `ROWS` × 4 · `QUADS` output entries
    /// each.
    Tile,
    /// The same for one of the products of a batch, one per lane.
    LaneTile,
    /// `WORKGROUP` invocations for one observation; for `peak`, which has no observations, simply
    /// this number.
    Observation,
    /// `WORKGROUP` invocations of as many as the batch needs, whatever observation each is for.
    Entries,
    /// `WORKGROUP` invocations for the whole batch.
    Batch,
}

/// An entry point: the data from which its pipeline is made.
#[derive(Debug)]
pub struct EntryPoint {
    /// The function's name.
    pub name: &'static str,
    /// The shader that contains it, without `.wgsl`.
    pub kernel: &'static str,
    /// The text of the shader and of the parts that it needs.
    pub source: &'static str,
    /// The bindings it uses, by number.
    pub bindings: &'static [Binding],
    /// The shape of its workgroup.
    pub workgroup: Workgroup,
    /// Whether the device must support subgroup operations.
    pub subgroups: bool,
    /// How far it indexes its storage buffers.
    pub bounds: Bounds,
}

const fn binding(number: u32, name: &'static str, access: Access) -> Binding {
    Binding { name, number, access }
}

/// The text of a shader, followed by whole files of `shaders/parts/`: WGSL has no includes, and the
/// order does not matter.
macro_rules! shader {
    ($name:literal $(, $part:literal)*) => {
        concat!(
            include_str!(concat!("../shaders/", $name, ".wgsl"))
            $(, "\n", include_str!(concat!("../shaders/parts/", $part, ".wgsl")))*
        )
    };
}

const FORWARD_SOURCE: &str = shader!("forward", "finite", "layer", "activate", "product");
const RESIDUAL_SOURCE: &str =
    shader!("residual", "finite", "layer", "activate", "difference", "derivative", "slices", "product");
const CONVOLUTION_SOURCE: &str =
    shader!("convolution", "finite", "layer", "after", "activate", "derivative", "product");
const GATHER_SOURCE: &str = shader!("gather", "finite", "layer", "after", "activate", "derivative");
const CURVE_SOURCE: &str = shader!("curve", "finite", "special");
const COMPARE_SOURCE: &str = shader!("compare", "finite", "layer", "difference", "derivative", "slices");
const CLASSIFY_SOURCE: &str = shader!("classify");
const DESCEND_SOURCE: &str =
    shader!("descend", "finite", "layer", "lane", "derivative", "slices", "product", "halving_sum", "sum_tree");
const DESCEND_SUBGROUPS_SOURCE: &str =
    shader!("descend", "finite", "layer", "lane", "derivative", "slices", "product", "sum_subgroups");
const COMPACT_SOURCE: &str = shader!("compact", "lane");
const LEVENBERG_MARQUARDT_SOURCE: &str = shader!(
    "levenberg_marquardt",
    "finite",
    "layer",
    "lane",
    "damping",
    "difference",
    "derivative",
    "product",
    "halving_sum"
);
const GRAM_SOURCE: &str = shader!("gram", "finite", "layer", "damping", "difference", "product");

/// `forward`: one layer of a batch.
pub const FORWARD: EntryPoint = EntryPoint {
    name: "forward",
    kernel: "forward",
    source: FORWARD_SOURCE,
    bindings: &[
        binding(0, "layer", Access::Uniform),
        binding(1, "weight", Access::Read),
        binding(2, "bias", Access::Read),
        binding(3, "inputs", Access::Read),
        binding(4, "outputs", Access::ReadWrite),
    ],
    workgroup: Workgroup::Tile,
    subgroups: false,
    bounds: bounds::forward,
};

/// `convolve`: one phase of a convolution, a transposed one, or the gradient of one.
pub const CONVOLVE: EntryPoint = EntryPoint {
    name: "convolve",
    kernel: "convolution",
    source: CONVOLUTION_SOURCE,
    bindings: &[
        binding(0, "image", Access::Uniform),
        binding(1, "weight", Access::Read),
        binding(2, "bias", Access::Read),
        binding(3, "offsets", Access::Read),
        binding(4, "inputs", Access::Read),
        binding(5, "beside", Access::Read),
        binding(6, "outputs", Access::ReadWrite),
    ],
    workgroup: Workgroup::Tile,
    subgroups: false,
    bounds: bounds::convolve,
};

/// `gather`: a resampling, a scale, or the gradient of one.
pub const GATHER: EntryPoint = EntryPoint {
    name: "gather",
    kernel: "gather",
    source: GATHER_SOURCE,
    bindings: &[
        binding(0, "gather_params", Access::Uniform),
        binding(1, "weight", Access::Read),
        binding(2, "bias", Access::Read),
        binding(3, "sources", Access::Read),
        binding(4, "inputs", Access::Read),
        binding(5, "beside", Access::Read),
        binding(6, "outputs", Access::ReadWrite),
    ],
    workgroup: Workgroup::Entries,
    subgroups: false,
    bounds: bounds::gather,
};

/// `curve`: an activation that no product applies.
pub const CURVE: EntryPoint = EntryPoint {
    name: "curve",
    kernel: "curve",
    source: CURVE_SOURCE,
    bindings: &[
        binding(0, "layer", Access::Uniform),
        binding(1, "sums", Access::Read),
        binding(2, "outputs", Access::ReadWrite),
    ],
    workgroup: Workgroup::Entries,
    subgroups: false,
    bounds: bounds::curve,
};

/// `bend`: the derivative of such an activation.
pub const BEND: EntryPoint = EntryPoint {
    name: "bend",
    kernel: "curve",
    source: CURVE_SOURCE,
    bindings: &[
        binding(0, "layer", Access::Uniform),
        binding(1, "sums", Access::Read),
        binding(3, "bent", Access::ReadWrite),
    ],
    workgroup: Workgroup::Entries,
    subgroups: false,
    bounds: bounds::bend,
};

/// `compare`: `δ_d` and the sums of the squares of outputs that are there.
pub const COMPARE: EntryPoint = EntryPoint {
    name: "compare",
    kernel: "compare",
    source: COMPARE_SOURCE,
    bindings: &[
        binding(0, "layer", Access::Uniform),
        binding(1, "outputs", Access::Read),
        binding(2, "targets", Access::Read),
        binding(3, "deltas", Access::ReadWrite),
        binding(4, "squares", Access::ReadWrite),
    ],
    workgroup: Workgroup::Entries,
    subgroups: false,
    bounds: bounds::compare,
};

/// `classify`: the configurations of a batch, and the entries that f32 cannot decide.
pub const CLASSIFY: EntryPoint = EntryPoint {
    name: "classify",
    kernel: "classify",
    source: CLASSIFY_SOURCE,
    bindings: &[
        binding(0, "batch", Access::Uniform),
        binding(1, "targets", Access::Read),
        binding(2, "thresholds", Access::Read),
        binding(3, "active_words", Access::ReadWrite),
        binding(4, "undecided_words", Access::ReadWrite),
        binding(5, "active_counts", Access::ReadWrite),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
    bounds: bounds::classify,
};

/// `residual`: the last layer, `δ_d`, and the sums of the squares.
pub const RESIDUAL: EntryPoint = EntryPoint {
    name: "residual",
    kernel: "residual",
    source: RESIDUAL_SOURCE,
    bindings: &[
        binding(0, "layer", Access::Uniform),
        binding(1, "weight", Access::Read),
        binding(2, "bias", Access::Read),
        binding(3, "inputs", Access::Read),
        binding(4, "targets", Access::Read),
        binding(5, "deltas", Access::ReadWrite),
        binding(6, "squares", Access::ReadWrite),
    ],
    workgroup: Workgroup::Tile,
    subgroups: false,
    bounds: bounds::residual,
};

/// `backward`: `δ` of the layer below.
pub const BACKWARD: EntryPoint = EntryPoint {
    name: "backward",
    kernel: "descend",
    source: DESCEND_SOURCE,
    bindings: &[
        binding(5, "layer", Access::Uniform),
        binding(6, "transposed", Access::Read),
        binding(7, "deltas_above", Access::Read),
        binding(8, "inputs", Access::Read),
        binding(9, "deltas_below", Access::ReadWrite),
    ],
    workgroup: Workgroup::Tile,
    subgroups: false,
    bounds: bounds::backward,
};

/// `update`: the loss, the stop rule and the step.
pub const UPDATE: EntryPoint = EntryPoint {
    name: "update",
    kernel: "descend",
    source: DESCEND_SOURCE,
    bindings: &[
        binding(0, "descent", Access::Uniform),
        binding(1, "lanes", Access::ReadWrite),
        binding(2, "squares", Access::Read),
        binding(10, "gradients", Access::Read),
        binding(11, "codes", Access::ReadWrite),
        binding(12, "moments", Access::ReadWrite),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
    bounds: bounds::update,
};

/// [`UPDATE`] with subgroup operations.
pub const UPDATE_SUBGROUPS: EntryPoint = EntryPoint { source: DESCEND_SUBGROUPS_SOURCE, subgroups: true, ..UPDATE };

/// `rank`: the destination of each lane, and the number of running lanes.
pub const RANK: EntryPoint = EntryPoint {
    name: "rank",
    kernel: "compact",
    source: COMPACT_SOURCE,
    bindings: &[
        binding(0, "compaction", Access::Uniform),
        binding(1, "lanes", Access::Read),
        binding(2, "destinations", Access::ReadWrite),
        binding(3, "running", Access::ReadWrite),
    ],
    workgroup: Workgroup::Batch,
    subgroups: false,
    bounds: bounds::rank,
};

/// `scatter`: moves the rows of one array to these destinations.
pub const SCATTER: EntryPoint = EntryPoint {
    name: "scatter",
    kernel: "compact",
    source: COMPACT_SOURCE,
    bindings: &[
        binding(0, "compaction", Access::Uniform),
        binding(2, "destinations", Access::ReadWrite),
        binding(4, "rows", Access::Read),
        binding(5, "moved", Access::ReadWrite),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
    bounds: bounds::scatter,
};

/// `peak`: the peak arithmetic of a device.
pub const PEAK: EntryPoint = EntryPoint {
    name: "peak",
    kernel: "peak",
    source: include_str!("../shaders/peak.wgsl"),
    bindings: &[binding(0, "recurrence", Access::Uniform), binding(1, "ends", Access::ReadWrite)],
    workgroup: Workgroup::Observation,
    subgroups: false,
    bounds: bounds::peak,
};

/// `judge`: loss, acceptance and damping of a Levenberg–Marquardt step.
pub const JUDGE: EntryPoint = EntryPoint {
    name: "judge",
    kernel: "levenberg_marquardt",
    source: LEVENBERG_MARQUARDT_SOURCE,
    bindings: &[
        binding(0, "levenberg_marquardt", Access::Uniform),
        binding(1, "lanes", Access::ReadWrite),
        binding(2, "dampings", Access::ReadWrite),
        binding(3, "outputs", Access::Read),
        binding(4, "targets", Access::Read),
        binding(11, "trials", Access::ReadWrite),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
    bounds: bounds::judge,
};

/// `tangent`: one layer of the Jacobian's columns.
pub const TANGENT: EntryPoint = EntryPoint {
    name: "tangent",
    kernel: "levenberg_marquardt",
    source: LEVENBERG_MARQUARDT_SOURCE,
    bindings: &[
        binding(3, "outputs", Access::Read),
        binding(5, "layer", Access::Uniform),
        binding(6, "weight", Access::Read),
        binding(7, "tangents_below", Access::Read),
        binding(8, "tangents", Access::ReadWrite),
    ],
    workgroup: Workgroup::Tile,
    subgroups: false,
    bounds: bounds::tangent,
};

/// `normal`: `JᵀJ` and `Jᵀr`.
pub const NORMAL: EntryPoint = EntryPoint {
    name: "normal",
    kernel: "levenberg_marquardt",
    source: LEVENBERG_MARQUARDT_SOURCE,
    bindings: &[
        binding(0, "levenberg_marquardt", Access::Uniform),
        binding(2, "dampings", Access::ReadWrite),
        binding(3, "outputs", Access::Read),
        binding(4, "targets", Access::Read),
        binding(9, "jacobian", Access::Read),
        binding(10, "normals", Access::ReadWrite),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
    bounds: bounds::normal,
};

/// `gram`: `JᵀJ` of long codes.
pub const GRAM: EntryPoint = EntryPoint {
    name: "gram",
    kernel: "gram",
    source: GRAM_SOURCE,
    bindings: &[
        binding(0, "batch", Access::Uniform),
        binding(1, "dampings", Access::Read),
        binding(2, "targets", Access::Read),
        binding(3, "jacobian", Access::Read),
        binding(4, "normals", Access::ReadWrite),
    ],
    workgroup: Workgroup::LaneTile,
    subgroups: false,
    bounds: bounds::gram,
};

/// `advance`: the damped step.
pub const ADVANCE: EntryPoint = EntryPoint {
    name: "advance",
    kernel: "levenberg_marquardt",
    source: LEVENBERG_MARQUARDT_SOURCE,
    bindings: &[
        binding(0, "levenberg_marquardt", Access::Uniform),
        binding(1, "lanes", Access::ReadWrite),
        binding(2, "dampings", Access::ReadWrite),
        binding(10, "normals", Access::ReadWrite),
        binding(11, "trials", Access::ReadWrite),
        binding(12, "codes", Access::ReadWrite),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
    bounds: bounds::advance,
};

/// All entry points.
pub const ENTRY_POINTS: [&EntryPoint; 19] = [
    &FORWARD,
    &CONVOLVE,
    &GATHER,
    &CURVE,
    &BEND,
    &COMPARE,
    &CLASSIFY,
    &RESIDUAL,
    &BACKWARD,
    &UPDATE,
    &UPDATE_SUBGROUPS,
    &RANK,
    &SCATTER,
    &JUDGE,
    &TANGENT,
    &NORMAL,
    &GRAM,
    &ADVANCE,
    &PEAK,
];
