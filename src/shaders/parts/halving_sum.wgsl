// The sum over a workgroup without subgroup operations.

// A power of two, because the sum below halves it.
override WORKGROUP: u32 = 64u;

var<workgroup> partial_sums: array<f32, WORKGROUP>;

// The bits of the sum of `value` over the workgroup, in an order that depends only on WORKGROUP.
// They are loaded from memory, so that the caller can tell whether the sum has overflowed.
fn workgroup_sum(value: f32, local: u32) -> u32 {
    partial_sums[local] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local < half {
            partial_sums[local] += partial_sums[local + half];
        }
        workgroupBarrier();
    }
    return bitcast<u32>(partial_sums[0]);
}
