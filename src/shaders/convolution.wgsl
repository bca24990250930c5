// A convolution, a transposed one, or the gradient of either: a product whose left factor is
// gathered from an image. Twin of cpu/convolution.rs.
//
// Images are stored with the channels innermost, in quads: [image][pixel][channel quad]. The
// product is that of parts/product.wgsl: a row is an output pixel of an image, k runs over taps and
// the input channels of each, and columns are output channels. A tap is an offset between pixels;
// outside the image, the factor is 0. A convolution is one such product. A transposed one of stride
// s is s² of them: each computes the output pixels of one phase, s apart in both directions, with
// the taps that reach them (gpu/phases.rs).
//
// `after` says what becomes of the sums: bias and σ are applied, or they are multiplied by σ' of
// the outputs `beside`, one image of these for each `per_lane` images, or they stay as they are.

struct ImageParams {
    count: u32,
    phase_rows: u32,
    phase_columns: u32,
    first_row: u32,
    first_column: u32,
    row_stride: u32,
    column_stride: u32,
    row_step: u32,
    column_step: u32,
    input_rows: u32,
    input_columns: u32,
    input_quads: u32,
    output_rows: u32,
    output_columns: u32,
    output_quads: u32,
    taps: u32,
    per_lane: u32,
    after: u32,
    activation: u32,
    slope: f32,
    limit: u32,
}

@group(0) @binding(0) var<uniform> image: ImageParams;
// [tap · input channel][output channel quad].
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
// [output pixel][channel quad].
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
// Rows and columns from the pixel where a row of the product starts, modulo 2³².
@group(0) @binding(3) var<storage, read> offsets: array<vec2<u32>>;
// Bits of f32, as all images.
@group(0) @binding(4) var<storage, read> inputs: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> beside: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> outputs: array<vec4<u32>>;

fn left(row: u32, quad: u32) -> vec4<u32> {
    let pixels = image.phase_rows * image.phase_columns;
    let pixel = row % pixels;
    let offset = offsets[quad / image.input_quads];
    // Before the first row or column is far behind the last one, because u32 wraps.
    let input_row = pixel / image.phase_columns * image.row_step + offset.x;
    let input_column = pixel % image.phase_columns * image.column_step + offset.y;
    if input_row >= image.input_rows || input_column >= image.input_columns {
        return vec4<u32>();
    }
    let at = (row / pixels * image.input_rows + input_row) * image.input_columns + input_column;
    return inputs[at * image.input_quads + quad % image.input_quads];
}

fn right(k: u32, quad: u32) -> vec4<f32> {
    return weight[k * image.output_quads + quad];
}

fn finish(row: u32, quad: u32, place: u32, sum: vec4<f32>, is_lost: bool) {
    let pixels = image.phase_rows * image.phase_columns;
    let pixel = row % pixels;
    let output_row = image.first_row + pixel / image.phase_columns * image.row_stride;
    let output_column = image.first_column + pixel % image.phase_columns * image.column_stride;
    let within = (output_row * image.output_columns + output_column) * image.output_quads + quad;
    let length = image.output_rows * image.output_columns * image.output_quads;
    let number = row / pixels;
    var output = sum;
    if image.after == AFTER_BEND {
        let of_lane = beside[number / image.per_lane * length + within];
        output = sum * derivative(image.activation, image.slope, of_lane);
    } else if image.after == AFTER_ACTIVATE {
        output = activate(image.activation, image.slope, sum + bias[within]);
    }
    outputs[number * length + within] = stored(output, is_lost, quad, 4u * image.output_quads);
}

@compute @workgroup_size(TILE_X, TILE_Y)
fn convolve(
    @builtin(workgroup_id) tile: vec3<u32>,
    @builtin(num_workgroups) tiles: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    // There may be more rows of tiles than workgroups in one dimension.
    let at = vec2<u32>(tile.x, tile.z * tiles.y + tile.y);
    let rows = image.count * image.phase_rows * image.phase_columns;
    product(at, local.xy, rows, 4u * image.taps * image.input_quads, 4u * image.output_quads, image.limit);
}
