// Configurations of a batch: which entries of a target exceed the observation's threshold. Twin of
// cpu/classify.rs.
//
// Targets and thresholds are f64 rounded to f32. The kernel compares their bits as integers, so
// neither flushed denormals nor fast arithmetic with infinities can change the result. Rounding
// keeps the order. So where the f32 values differ, the result is that of f64; where they are equal,
// the entry is marked as undecided and left to the host. NaN (unobserved) is neither active nor
// undecided.
//
// One workgroup per observation; each invocation computes whole words.

struct ClassifyParams {
    rows: u32,
    words: u32,
}

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> batch: ClassifyParams;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> thresholds: array<u32>;
@group(0) @binding(3) var<storage, read_write> active_words: array<u32>;
@group(0) @binding(4) var<storage, read_write> undecided_words: array<u32>;
@group(0) @binding(5) var<storage, read_write> active_counts: array<u32>;

var<workgroup> active_count: atomic<u32>;

const MAGNITUDE: u32 = 0x7fffffffu;
const INFINITY: u32 = 0x7f800000u;

// Maps the bits of an f32 (sign and magnitude) to an integer with the same order; both zeros map to
// the same integer.
fn in_order(bits: u32) -> u32 {
    let magnitude = bits & MAGNITUDE;
    return select(0x80000000u + magnitude, 0x80000000u - magnitude, bits > MAGNITUDE);
}

@compute @workgroup_size(WORKGROUP)
fn classify(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let observation = workgroup.x;
    let threshold = in_order(thresholds[observation]);
    if local == 0u {
        atomicStore(&active_count, 0u);
    }
    workgroupBarrier();
    for (var word = local; word < batch.words; word += WORKGROUP) {
        var is_active = 0u;
        var undecided = 0u;
        let rows_here = min(32u, batch.rows - word * 32u);
        for (var bit = 0u; bit < rows_here; bit++) {
            let bits = targets[observation * batch.rows + word * 32u + bit];
            if (bits & MAGNITUDE) <= INFINITY {
                let t = in_order(bits);
                is_active |= u32(t > threshold) << bit;
                undecided |= u32(t == threshold) << bit;
            }
        }
        active_words[observation * batch.words + word] = is_active;
        undecided_words[observation * batch.words + word] = undecided;
        atomicAdd(&active_count, countOneBits(is_active));
    }
    workgroupBarrier();
    if local == 0u {
        active_counts[observation] = atomicLoad(&active_count);
    }
}
