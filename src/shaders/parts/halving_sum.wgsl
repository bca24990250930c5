// The sum over a workgroup without subgroup operations.

// A power of two, because the sum below halves it.
override WORKGROUP: u32 = 64u;

var<workgroup> partial_sums: array<f32, WORKGROUP>;

// The sum of `value` over the workgroup, in an order that depends only on WORKGROUP.
fn workgroup_sum(value: f32, local: u32) -> f32 {
    partial_sums[local] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local < half {
            partial_sums[local] += partial_sums[local + half];
        }
        workgroupBarrier();
    }
    return partial_sums[0];
}
