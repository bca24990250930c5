// Moves the running lanes to the front, so that the products process only these. Twin of
// cpu/compact.rs.
//
// `rank` computes each lane's destination and the number of running lanes. Running lanes come
// first; both kinds keep their order. `scatter` moves the rows of one array to these destinations
// in another array of the same shape.

struct CompactParams {
    count: u32,
    words: u32,
}

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> compaction: CompactParams;
@group(0) @binding(1) var<storage, read> lanes: array<Lane>;
@group(0) @binding(2) var<storage, read_write> destinations: array<u32>;
@group(0) @binding(3) var<storage, read_write> running: array<u32>;

@group(0) @binding(4) var<storage, read> rows: array<u32>;
@group(0) @binding(5) var<storage, read_write> moved: array<u32>;

var<workgroup> running_here: array<u32, WORKGROUP>;

// One workgroup for all lanes; each invocation processes a consecutive share of them.
@compute @workgroup_size(WORKGROUP)
fn rank(@builtin(local_invocation_index) local: u32) {
    let share = (compaction.count + WORKGROUP - 1u) / WORKGROUP;
    let first = min(local * share, compaction.count);
    let end = min(first + share, compaction.count);
    var here = 0u;
    for (var lane = first; lane < end; lane++) {
        here += u32(lanes[lane].status == LANE_RUNNING);
    }
    running_here[local] = here;
    workgroupBarrier();
    var before = 0u;
    var total = 0u;
    for (var i = 0u; i < WORKGROUP; i++) {
        before += select(0u, running_here[i], i < local);
        total += running_here[i];
    }
    for (var lane = first; lane < end; lane++) {
        if lanes[lane].status == LANE_RUNNING {
            destinations[lane] = before;
            before++;
        } else {
            destinations[lane] = total + lane - before;
        }
    }
    if local == 0u {
        running[0] = total;
    }
}

// One workgroup per lane.
@compute @workgroup_size(WORKGROUP)
fn scatter(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let lane = workgroup.x;
    let to = destinations[lane];
    // Always so, but this makes the bounds independent of what an earlier kernel has stored.
    if to >= compaction.count {
        return;
    }
    for (var word = local; word < compaction.words; word += WORKGROUP) {
        moved[to * compaction.words + word] = rows[lane * compaction.words + word];
    }
}
