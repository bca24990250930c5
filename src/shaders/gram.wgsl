// JᵀJ of each lane of Levenberg–Marquardt whose trial was accepted, for long codes: a product by
// tiles, where `normal` of levenberg_marquardt.wgsl has one sum per entry. Twin of cpu/gram.rs.
//
// The product is that of parts/product.wgsl, once for each lane: rows and columns are the
// directions, and k runs over the observation. Both factors are the Jacobian, which is stored by
// columns, so `right` gathers four of them. Unobserved entries count as 0. An entry of J that is
// not finite or beyond its limit makes NaN of its row.

struct GramParams {
    observation_length: u32,
    code_length: u32,
    limit: u32,
}

@group(0) @binding(0) var<uniform> batch: GramParams;
@group(0) @binding(1) var<storage, read> dampings: array<Damping>;
// Bits of f32; see parts/finite.wgsl. NaN is unobserved.
@group(0) @binding(2) var<storage, read> targets: array<vec4<u32>>;
// [lane · k + direction][quad].
@group(0) @binding(3) var<storage, read> jacobian: array<vec4<u32>>;
// The lower triangle of JᵀJ by rows, followed by Jᵀr, which is not written here.
@group(0) @binding(4) var<storage, read_write> normals: array<u32>;

var<private> lane: u32;
var<workgroup> is_wanted: u32;

fn left(row: u32, quad: u32) -> vec4<u32> {
    let length = quads(batch.observation_length);
    let entries = jacobian[(lane * batch.code_length + row) * length + quad];
    return select(vec4<u32>(), entries, are_observed(targets[lane * length + quad]));
}

fn right(entry: u32, quad: u32) -> vec4<f32> {
    let length = quads(batch.observation_length);
    if !are_observed(targets[lane * length + entry / 4u])[entry % 4u] {
        return vec4<f32>();
    }
    let direction = 4u * quad;
    return vec4<f32>(
        one_of(direction, entry),
        one_of(direction + 1u, entry),
        one_of(direction + 2u, entry),
        one_of(direction + 3u, entry),
    );
}

// An entry of J, 0 beyond its last column.
fn one_of(direction: u32, entry: u32) -> f32 {
    if direction >= batch.code_length {
        return 0.0;
    }
    let length = quads(batch.observation_length);
    let at = (lane * batch.code_length + direction) * length + entry / 4u;
    return within_or_zero(jacobian[at][entry % 4u], batch.limit);
}

fn finish(row: u32, quad: u32, place: u32, sum: vec4<f32>, is_lost: bool) {
    let k = batch.code_length;
    let first = lane * (k * (k + 3u) / 2u) + row * (row + 1u) / 2u;
    for (var entry = 0u; entry < 4u; entry++) {
        let column = 4u * quad + entry;
        if column <= row {
            normals[first + column] = select(bitcast<u32>(sum[entry]), NOT_A_NUMBER, is_lost);
        }
    }
}

@compute @workgroup_size(TILE_X, TILE_Y)
fn gram(
    @builtin(workgroup_id) tile: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    lane = tile.z;
    if invocation == 0u {
        is_wanted = dampings[lane].is_fresh;
    }
    if workgroupUniformLoad(&is_wanted) == 0u {
        return;
    }
    product(tile.xy, local.xy, batch.code_length, batch.observation_length, batch.code_length, batch.limit);
}
