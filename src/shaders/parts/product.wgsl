// A matrix product by tiles, shared by forward.wgsl, residual.wgsl, `backward` of descend.wgsl and
// `tangent` of levenberg_marquardt.wgsl.
//
// out[r][c] = Σ_k left[r][k] · right[k][c], where r is an observation. A workgroup computes a tile
// of TILE_Y · ROWS observations × TILE_X · QUADS quads from tiles of both factors in shared memory,
// sixteen k deep. Each invocation keeps ROWS × QUADS quads of sums in registers, 8 × 8 sums in the
// largest tile. While it computes with one tile of the factors, it loads its part of the next one
// into registers. The kernel defines the factors and the operation on a sum, in `left`, `right` and
// `finish`; `place` tells the quads of an invocation apart. `left` returns bits. An observation
// with an entry that is not finite or beyond `limit` is lost: `finish` is told so. The limit is
// such that the sums of the other observations cannot overflow (gpu/limits.rs), so every sum is
// finite.
//
// Every sum runs over k from first to last in one register, by fma. So an entry depends neither on
// the shape of the tiles nor on its place in a tile. A batch may be split, compacted or computed
// with other tiles, and every bit stays the same.
//
// Registers are variables with numbers instead of arrays, because not every compiler keeps arrays
// in registers. Branches on the override constants are decided when a pipeline is made.

// 8 or 16.
override TILE_X: u32 = 16u;
override TILE_Y: u32 = 4u;
// 4 or 8.
override ROWS: u32 = 4u;
// Quads of an invocation in a row: 1, or 2 with 8 rows.
override QUADS: u32 = 1u;

const DEPTH_QUADS: u32 = 4u;
// One quad longer than the depth of the tile, to avoid memory bank conflicts between invocations in
// the same column.
const LEFT_STRIDE: u32 = 5u;

// Never set. naga (30.0) makes an override without a name of an expression in an array's type, and
// panics if a kernel uses another override only after such an array.
override LEFT_LENGTH: u32 = TILE_Y * ROWS * LEFT_STRIDE;
override RIGHT_LENGTH: u32 = 4u * DEPTH_QUADS * TILE_X * QUADS;

// [observation][k quad] and [k][quad].
var<workgroup> left_tile: array<vec4<f32>, LEFT_LENGTH>;
var<workgroup> right_tile: array<vec4<f32>, RIGHT_LENGTH>;
// One bit per observation of the tile, of which there are at most 128: whether it is lost.
var<workgroup> lost_rows: array<atomic<u32>, 4>;

// The sum, after adding the products of four more k.
fn accumulate(sum: vec4<f32>, l: vec4<f32>, r0: vec4<f32>, r1: vec4<f32>, r2: vec4<f32>, r3: vec4<f32>) -> vec4<f32> {
    return fma(vec4<f32>(l.w), r3, fma(vec4<f32>(l.z), r2, fma(vec4<f32>(l.y), r1, fma(vec4<f32>(l.x), r0, sum))));
}

// Quad `i` of the left factor's tile from k = 4 · first_quad on; 0 beyond the factor.
fn load_left(tile: u32, i: u32, first_quad: u32, count: u32, inner: u32) -> vec4<u32> {
    let observation = tile * TILE_Y * ROWS + i / DEPTH_QUADS;
    let quad = first_quad + i % DEPTH_QUADS;
    if observation < count && quad < quads(inner) {
        return left(observation, quad);
    }
    return vec4<u32>();
}

// The same of the right factor's tile.
fn load_right(tile: u32, i: u32, first_quad: u32, inner: u32, width: u32) -> vec4<f32> {
    let k = 4u * first_quad + i / (TILE_X * QUADS);
    let quad = tile * TILE_X * QUADS + i % (TILE_X * QUADS);
    if k < inner && quad < quads(width) {
        return right(k, quad);
    }
    return vec4<f32>();
}

fn keep_left(i: u32, bits: vec4<u32>, limit: u32) {
    let row = i / DEPTH_QUADS;
    if !all(are_within(bits, limit)) {
        atomicOr(&lost_rows[row / 32u], 1u << (row % 32u));
    }
    left_tile[row * LEFT_STRIDE + i % DEPTH_QUADS] = within_or_zeros(bits, limit);
}

fn product(tile: vec2<u32>, local: vec2<u32>, count: u32, inner: u32, width: u32, limit: u32) {
    let invocations = TILE_X * TILE_Y;
    let invocation = local.y * TILE_X + local.x;
    // An invocation's parts of the tiles of the factors: 1, 2 or 4 quads of each.
    let left_loads = 4u * ROWS / TILE_X;
    let right_loads = 16u * QUADS / TILE_Y;
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
    var sum8 = vec4<f32>();
    var sum9 = vec4<f32>();
    var sum10 = vec4<f32>();
    var sum11 = vec4<f32>();
    var sum12 = vec4<f32>();
    var sum13 = vec4<f32>();
    var sum14 = vec4<f32>();
    var sum15 = vec4<f32>();
    var next_left0 = vec4<u32>();
    var next_left1 = vec4<u32>();
    var next_left2 = vec4<u32>();
    var next_left3 = vec4<u32>();
    var next_right0 = vec4<f32>();
    var next_right1 = vec4<f32>();
    var next_right2 = vec4<f32>();
    var next_right3 = vec4<f32>();
    next_left0 = load_left(tile.y, invocation, 0u, count, inner);
    if left_loads > 1u {
        next_left1 = load_left(tile.y, invocation + invocations, 0u, count, inner);
    }
    if left_loads > 2u {
        next_left2 = load_left(tile.y, invocation + 2u * invocations, 0u, count, inner);
        next_left3 = load_left(tile.y, invocation + 3u * invocations, 0u, count, inner);
    }
    next_right0 = load_right(tile.x, invocation, 0u, inner, width);
    if right_loads > 1u {
        next_right1 = load_right(tile.x, invocation + invocations, 0u, inner, width);
    }
    if right_loads > 2u {
        next_right2 = load_right(tile.x, invocation + 2u * invocations, 0u, inner, width);
        next_right3 = load_right(tile.x, invocation + 3u * invocations, 0u, inner, width);
    }
    // Rows TILE_Y apart belong to one invocation, and quads TILE_X apart.
    let stride = TILE_Y * LEFT_STRIDE;
    let row_quads = TILE_X * QUADS;
    for (var first_quad = 0u; first_quad < quads(inner); first_quad += DEPTH_QUADS) {
        keep_left(invocation, next_left0, limit);
        if left_loads > 1u {
            keep_left(invocation + invocations, next_left1, limit);
        }
        if left_loads > 2u {
            keep_left(invocation + 2u * invocations, next_left2, limit);
            keep_left(invocation + 3u * invocations, next_left3, limit);
        }
        right_tile[invocation] = next_right0;
        if right_loads > 1u {
            right_tile[invocation + invocations] = next_right1;
        }
        if right_loads > 2u {
            right_tile[invocation + 2u * invocations] = next_right2;
            right_tile[invocation + 3u * invocations] = next_right3;
        }
        workgroupBarrier();
        if first_quad + DEPTH_QUADS < quads(inner) {
            next_left0 = load_left(tile.y, invocation, first_quad + DEPTH_QUADS, count, inner);
            if left_loads > 1u {
                next_left1 = load_left(tile.y, invocation + invocations, first_quad + DEPTH_QUADS, count, inner);
            }
            if left_loads > 2u {
                next_left2 = load_left(tile.y, invocation + 2u * invocations, first_quad + DEPTH_QUADS, count, inner);
                next_left3 = load_left(tile.y, invocation + 3u * invocations, first_quad + DEPTH_QUADS, count, inner);
            }
            next_right0 = load_right(tile.x, invocation, first_quad + DEPTH_QUADS, inner, width);
            if right_loads > 1u {
                next_right1 = load_right(tile.x, invocation + invocations, first_quad + DEPTH_QUADS, inner, width);
            }
            if right_loads > 2u {
                next_right2 = load_right(tile.x, invocation + 2u * invocations, first_quad + DEPTH_QUADS, inner, width);
                next_right3 = load_right(tile.x, invocation + 3u * invocations, first_quad + DEPTH_QUADS, inner, width);
            }
        }
        for (var step = 0u; step < DEPTH_QUADS; step++) {
            let below = 4u * step * row_quads + local.x;
            let beside = local.y * LEFT_STRIDE + step;
            let r0 = right_tile[below];
            let r1 = right_tile[below + row_quads];
            let r2 = right_tile[below + 2u * row_quads];
            let r3 = right_tile[below + 3u * row_quads];
            let l0 = left_tile[beside];
            let l1 = left_tile[beside + stride];
            let l2 = left_tile[beside + 2u * stride];
            let l3 = left_tile[beside + 3u * stride];
            sum0 = accumulate(sum0, l0, r0, r1, r2, r3);
            sum1 = accumulate(sum1, l1, r0, r1, r2, r3);
            sum2 = accumulate(sum2, l2, r0, r1, r2, r3);
            sum3 = accumulate(sum3, l3, r0, r1, r2, r3);
            if ROWS > 4u {
                let l4 = left_tile[beside + 4u * stride];
                let l5 = left_tile[beside + 5u * stride];
                let l6 = left_tile[beside + 6u * stride];
                let l7 = left_tile[beside + 7u * stride];
                sum4 = accumulate(sum4, l4, r0, r1, r2, r3);
                sum5 = accumulate(sum5, l5, r0, r1, r2, r3);
                sum6 = accumulate(sum6, l6, r0, r1, r2, r3);
                sum7 = accumulate(sum7, l7, r0, r1, r2, r3);
                if QUADS > 1u {
                    let s0 = right_tile[below + TILE_X];
                    let s1 = right_tile[below + TILE_X + row_quads];
                    let s2 = right_tile[below + TILE_X + 2u * row_quads];
                    let s3 = right_tile[below + TILE_X + 3u * row_quads];
                    sum8 = accumulate(sum8, l0, s0, s1, s2, s3);
                    sum9 = accumulate(sum9, l1, s0, s1, s2, s3);
                    sum10 = accumulate(sum10, l2, s0, s1, s2, s3);
                    sum11 = accumulate(sum11, l3, s0, s1, s2, s3);
                    sum12 = accumulate(sum12, l4, s0, s1, s2, s3);
                    sum13 = accumulate(sum13, l5, s0, s1, s2, s3);
                    sum14 = accumulate(sum14, l6, s0, s1, s2, s3);
                    sum15 = accumulate(sum15, l7, s0, s1, s2, s3);
                }
            }
        }
        workgroupBarrier();
    }
    let quad = tile.x * row_quads + local.x;
    let first = tile.y * TILE_Y * ROWS;
    finish_within(vec2<u32>(first, local.y), vec2<u32>(count, width), quad, 0u, sum0);
    finish_within(vec2<u32>(first, local.y + TILE_Y), vec2<u32>(count, width), quad, 1u, sum1);
    finish_within(vec2<u32>(first, local.y + 2u * TILE_Y), vec2<u32>(count, width), quad, 2u, sum2);
    finish_within(vec2<u32>(first, local.y + 3u * TILE_Y), vec2<u32>(count, width), quad, 3u, sum3);
    if ROWS > 4u {
        finish_within(vec2<u32>(first, local.y + 4u * TILE_Y), vec2<u32>(count, width), quad, 4u, sum4);
        finish_within(vec2<u32>(first, local.y + 5u * TILE_Y), vec2<u32>(count, width), quad, 5u, sum5);
        finish_within(vec2<u32>(first, local.y + 6u * TILE_Y), vec2<u32>(count, width), quad, 6u, sum6);
        finish_within(vec2<u32>(first, local.y + 7u * TILE_Y), vec2<u32>(count, width), quad, 7u, sum7);
        if QUADS > 1u {
            finish_within(vec2<u32>(first, local.y), vec2<u32>(count, width), quad + TILE_X, 8u, sum8);
            finish_within(vec2<u32>(first, local.y + TILE_Y), vec2<u32>(count, width), quad + TILE_X, 9u, sum9);
            finish_within(vec2<u32>(first, local.y + 2u * TILE_Y), vec2<u32>(count, width), quad + TILE_X, 10u, sum10);
            finish_within(vec2<u32>(first, local.y + 3u * TILE_Y), vec2<u32>(count, width), quad + TILE_X, 11u, sum11);
            finish_within(vec2<u32>(first, local.y + 4u * TILE_Y), vec2<u32>(count, width), quad + TILE_X, 12u, sum12);
            finish_within(vec2<u32>(first, local.y + 5u * TILE_Y), vec2<u32>(count, width), quad + TILE_X, 13u, sum13);
            finish_within(vec2<u32>(first, local.y + 6u * TILE_Y), vec2<u32>(count, width), quad + TILE_X, 14u, sum14);
            finish_within(vec2<u32>(first, local.y + 7u * TILE_Y), vec2<u32>(count, width), quad + TILE_X, 15u, sum15);
        }
    }
}

// `row` is the first row of the tile, and one of its rows.
fn finish_within(row: vec2<u32>, sizes: vec2<u32>, quad: u32, place: u32, sum: vec4<f32>) {
    let observation = row.x + row.y;
    if observation < sizes.x && quad < quads(sizes.y) {
        let is_lost = (atomicLoad(&lost_rows[row.y / 32u]) >> (row.y % 32u) & 1u) == 1u;
        finish(observation, quad, place, sum, is_lost);
    }
}
