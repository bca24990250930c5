// One run of gradient descent.

struct Lane {
    anchor: f32,
    unchanged: u32,
    iterations: u32,
    status: u32,
    first_weight: f32,
    second_weight: f32,
    rounding: f32,
    origin: u32,
}

const LANE_RUNNING: u32 = 0u;
const LANE_RESTED: u32 = 1u;
const LANE_CAPPED: u32 = 2u;
const LANE_DIVERGED: u32 = 3u;
