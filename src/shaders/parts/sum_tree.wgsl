// The entry point of descend.wgsl that sums over a workgroup, for devices without subgroup
// operations; the sum is that of halving_sum.wgsl.

@compute @workgroup_size(WORKGROUP)
fn update(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    update_of_lane(workgroup.x, local);
}
