// The entry points of descend.wgsl that sum over a workgroup, for devices with subgroup operations:
// two barriers in total instead of one per halving. A device without these operations rejects any
// module that names them.

override WORKGROUP: u32 = 64u;

// The subgroup's number, how many there are, and the invocation's number within it.
var<private> subgroup: vec3<u32>;
// One sum per subgroup; a subgroup may be as small as one invocation.
var<workgroup> partial_sums: array<f32, WORKGROUP>;

// The sum of `value` over the workgroup, in an order that depends on the device's subgroups.
fn workgroup_sum(value: f32, local: u32) -> f32 {
    // The loops before have different lengths, so the invocations must synchronise before the sum.
    workgroupBarrier();
    let sum = subgroupAdd(value);
    if subgroup.z == 0u {
        partial_sums[subgroup.x] = sum;
    }
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < subgroup.y; i++) {
        total += partial_sums[i];
    }
    return total;
}

@compute @workgroup_size(WORKGROUP)
fn residual(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) number: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_invocation_id) invocation: u32,
) {
    subgroup = vec3<u32>(number, subgroups, invocation);
    residual_of_lane(workgroup.x, local);
}

@compute @workgroup_size(WORKGROUP)
fn update(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) number: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_invocation_id) invocation: u32,
) {
    subgroup = vec3<u32>(number, subgroups, invocation);
    update_of_lane(workgroup.x, local);
}
