// A matrix product by tiles, shared by forward.wgsl, residual.wgsl, `backward` of descend.wgsl and
// `tangent` of levenberg_marquardt.wgsl.
//
// out[r][c] = Σ_k left[r][k] · right[k][c], where r is an observation. A workgroup computes a tile
// of TILE_Y · ROWS observations × TILE_X quads from tiles of both factors in shared memory, sixteen
// k deep. Each invocation keeps ROWS × 4 sums in registers. The kernel defines the factors and the
// operation on a sum, in `left`, `right` and `finish`; `place` tells the quads of an invocation
// apart. `left` returns bits. An observation with an
// entry that is not finite or beyond `limit` is lost: `finish` is told so. The limit is such that
// the sums of the other observations cannot overflow (gpu/limits.rs), so every sum is finite.
//
// Every sum runs over k from first to last in one register, by fma. So an entry depends neither on
// the shape of the tiles nor on its place in a tile. A batch may be split, compacted or computed
// with other tiles, and every bit stays the same.

override TILE_X: u32 = 16u;
override TILE_Y: u32 = 16u;
// 4 or 8.
override ROWS: u32 = 8u;

const DEPTH_QUADS: u32 = 4u;
// One quad longer than the depth of the tile, to avoid memory bank conflicts between invocations in
// the same column.
const LEFT_STRIDE: u32 = 5u;

// [observation][k quad] and [k][quad].
var<workgroup> left_tile: array<vec4<f32>, TILE_Y * ROWS * LEFT_STRIDE>;
var<workgroup> right_tile: array<vec4<f32>, 4u * DEPTH_QUADS * TILE_X>;
// One bit per observation of the tile, of which there are at most 128: whether it is lost.
var<workgroup> lost_rows: array<atomic<u32>, 4>;

// The sum, after adding the products of four more k.
fn accumulate(sum: vec4<f32>, l: vec4<f32>, r0: vec4<f32>, r1: vec4<f32>, r2: vec4<f32>, r3: vec4<f32>) -> vec4<f32> {
    return fma(vec4<f32>(l.w), r3, fma(vec4<f32>(l.z), r2, fma(vec4<f32>(l.y), r1, fma(vec4<f32>(l.x), r0, sum))));
}

fn load_tiles(tile: vec2<u32>, invocation: u32, first_quad: u32, count: u32, inner: u32, width: u32, limit: u32) {
    for (var i = invocation; i < TILE_Y * ROWS * DEPTH_QUADS; i += TILE_X * TILE_Y) {
        let row = i / DEPTH_QUADS;
        let observation = tile.y * TILE_Y * ROWS + row;
        let quad = first_quad + i % DEPTH_QUADS;
        var bits = vec4<u32>();
        if observation < count && quad < quads(inner) {
            bits = left(observation, quad);
        }
        if !all(are_within(bits, limit)) {
            atomicOr(&lost_rows[row / 32u], 1u << (row % 32u));
        }
        left_tile[row * LEFT_STRIDE + i % DEPTH_QUADS] = within_or_zeros(bits, limit);
    }
    for (var i = invocation; i < 4u * DEPTH_QUADS * TILE_X; i += TILE_X * TILE_Y) {
        let k = 4u * first_quad + i / TILE_X;
        let quad = tile.x * TILE_X + i % TILE_X;
        var value = vec4<f32>();
        if k < inner && quad < quads(width) {
            value = right(k, quad);
        }
        right_tile[i] = value;
    }
}

fn product(tile: vec2<u32>, local: vec2<u32>, count: u32, inner: u32, width: u32, limit: u32) {
    let invocation = local.y * TILE_X + local.x;
    if invocation < 4u {
        atomicStore(&lost_rows[invocation], 0u);
    }
    workgroupBarrier();
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    var sum4 = vec4<f32>();
    var sum5 = vec4<f32>();
    var sum6 = vec4<f32>();
    var sum7 = vec4<f32>();
    // Rows TILE_Y apart belong to one invocation.
    let stride = TILE_Y * LEFT_STRIDE;
    for (var first_quad = 0u; first_quad < quads(inner); first_quad += DEPTH_QUADS) {
        load_tiles(tile, invocation, first_quad, count, inner, width, limit);
        workgroupBarrier();
        for (var step = 0u; step < DEPTH_QUADS; step++) {
            let below = 4u * step * TILE_X + local.x;
            let r0 = right_tile[below];
            let r1 = right_tile[below + TILE_X];
            let r2 = right_tile[below + 2u * TILE_X];
            let r3 = right_tile[below + 3u * TILE_X];
            let beside = local.y * LEFT_STRIDE + step;
            sum0 = accumulate(sum0, left_tile[beside], r0, r1, r2, r3);
            sum1 = accumulate(sum1, left_tile[beside + stride], r0, r1, r2, r3);
            sum2 = accumulate(sum2, left_tile[beside + 2u * stride], r0, r1, r2, r3);
            sum3 = accumulate(sum3, left_tile[beside + 3u * stride], r0, r1, r2, r3);
            if ROWS > 4u {
                sum4 = accumulate(sum4, left_tile[beside + 4u * stride], r0, r1, r2, r3);
                sum5 = accumulate(sum5, left_tile[beside + 5u * stride], r0, r1, r2, r3);
                sum6 = accumulate(sum6, left_tile[beside + 6u * stride], r0, r1, r2, r3);
                sum7 = accumulate(sum7, left_tile[beside + 7u * stride], r0, r1, r2, r3);
            }
        }
        workgroupBarrier();
    }
    let quad = tile.x * TILE_X + local.x;
    if quad >= quads(width) {
        return;
    }
    let first = tile.y * TILE_Y * ROWS;
    finish_within(first, local.y, count, quad, 0u, sum0);
    finish_within(first, local.y + TILE_Y, count, quad, 1u, sum1);
    finish_within(first, local.y + 2u * TILE_Y, count, quad, 2u, sum2);
    finish_within(first, local.y + 3u * TILE_Y, count, quad, 3u, sum3);
    if ROWS > 4u {
        finish_within(first, local.y + 4u * TILE_Y, count, quad, 4u, sum4);
        finish_within(first, local.y + 5u * TILE_Y, count, quad, 5u, sum5);
        finish_within(first, local.y + 6u * TILE_Y, count, quad, 6u, sum6);
        finish_within(first, local.y + 7u * TILE_Y, count, quad, 7u, sum7);
    }
}

fn finish_within(first: u32, row: u32, count: u32, quad: u32, place: u32, sum: vec4<f32>) {
    if first + row < count {
        let is_lost = (atomicLoad(&lost_rows[row / 32u]) >> (row % 32u) & 1u) == 1u;
        finish(first + row, quad, place, sum, is_lost);
    }
}
