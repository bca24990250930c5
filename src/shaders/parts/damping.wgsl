// The damping state of a run of Levenberg–Marquardt.

struct Damping {
    lambda: f32,
    growth: f32,
    predicted: f32,
    scale: f32,
    is_fresh: u32,
}
