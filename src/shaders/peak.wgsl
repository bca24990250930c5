// Measures the peak arithmetic of a device: x ← factor · x + addend, fused multiply–adds in
// registers. Twin of cpu/peak.rs.
//
// Every invocation advances eight independent chains, PEAK_STEPS steps per round. The steps are
// unrolled, because a loop would cost part of the measured time. The final values are written, so
// that no compiler removes the chains.

struct PeakParams {
    rounds: u32,
    factor: f32,
    addend: f32,
}

const PEAK_CHAINS: u32 = 8u;
const PEAK_STEPS: u32 = 32u;

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> recurrence: PeakParams;
@group(0) @binding(1) var<storage, read_write> ends: array<f32>;

// The start value of chain `chain`: one of 1,024 numbers from 1 to below 2.
fn start(chain: u32) -> f32 {
    return 1.0 + f32(chain % 1024u) / 1024.0;
}

fn starts(chain: u32) -> vec4<f32> {
    return vec4<f32>(start(chain), start(chain + 1u), start(chain + 2u), start(chain + 3u));
}

// A quarter of a round.
fn eight_steps(chains: vec4<f32>, factor: vec4<f32>, addend: vec4<f32>) -> vec4<f32> {
    var x = fma(chains, factor, addend);
    x = fma(x, factor, addend);
    x = fma(x, factor, addend);
    x = fma(x, factor, addend);
    x = fma(x, factor, addend);
    x = fma(x, factor, addend);
    x = fma(x, factor, addend);
    return fma(x, factor, addend);
}

@compute @workgroup_size(WORKGROUP)
fn peak(@builtin(global_invocation_id) invocation: vec3<u32>) {
    let first = invocation.x * PEAK_CHAINS;
    let factor = vec4<f32>(recurrence.factor);
    let addend = vec4<f32>(recurrence.addend);
    var low = starts(first);
    var high = starts(first + 4u);
    for (var done = 0u; done < recurrence.rounds; done++) {
        low = eight_steps(low, factor, addend);
        high = eight_steps(high, factor, addend);
        low = eight_steps(low, factor, addend);
        high = eight_steps(high, factor, addend);
        low = eight_steps(low, factor, addend);
        high = eight_steps(high, factor, addend);
        low = eight_steps(low, factor, addend);
        high = eight_steps(high, factor, addend);
    }
    for (var i = 0u; i < 4u; i++) {
        ends[first + i] = low[i];
        ends[first + 4u + i] = high[i];
    }
}
