// The entry point of descend.wgsl that sums over a workgroup, for devices with subgroup operations:
// three barriers per sum instead of one per halving. A device without these operations rejects any
// module that names them.

override WORKGROUP: u32 = 64u;

// The subgroup's number, how many there are, and the invocation's number within it.
var<private> subgroup: vec3<u32>;
// One sum per subgroup; a subgroup may be as small as one invocation.
var<workgroup> partial_sums: array<f32, WORKGROUP>;

var<workgroup> whole_sum: f32;

// The bits of the sum of `value` over the workgroup, in an order that depends on the device's
// subgroups. They are loaded from memory, so that the caller can tell whether the sum has
// overflowed.
fn workgroup_sum(value: f32, local: u32) -> u32 {
    // The loops before have different lengths, so the invocations must synchronise before the sum.
    workgroupBarrier();
    let sum = subgroupAdd(value);
    if subgroup.z == 0u {
        partial_sums[subgroup.x] = sum;
    }
    workgroupBarrier();
    if local == 0u {
        var total = 0.0;
        for (var i = 0u; i < subgroup.y; i++) {
            total += partial_sums[i];
        }
        whole_sum = total;
    }
    workgroupBarrier();
    return bitcast<u32>(whole_sum);
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
