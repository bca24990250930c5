// The entry points of descend.wgsl that add up over a workgroup, for a device with subgroup
// operations: two barriers instead of one a halving. A module that so much as names these
// operations is refused by a device without them.

override WORKGROUP: u32 = 64u;

// The subgroup's number, how many there are, and the invocation's number within it.
var<private> subgroup: vec3<u32>;
// One sum a subgroup, which may be as small as one invocation.
var<workgroup> partial_sums: array<f32, WORKGROUP>;

// The sum of `value` over the workgroup, in an order that the device's subgroups decide.
fn workgroup_sum(value: f32, local: u32) -> f32 {
    // After loops of different lengths: what adds up together has to have met again.
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
