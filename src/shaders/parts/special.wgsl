// σ and σ' of the activations that are no part of a product, accurate to a few units in the last
// place. `a` is finite. ELU and SELU are scale · a above 0 and slope · (exp(a) − 1) below; softplus
// has β in `slope` and its threshold in `scale`.

const ACTIVATION_EXPONENTIAL: u32 = 3u;
const ACTIVATION_SOFTPLUS: u32 = 4u;
const ACTIVATION_SILU: u32 = 5u;
const ACTIVATION_GELU: u32 = 6u;
const ACTIVATION_GELU_TANH: u32 = 7u;

// exp is 0 in f32 below this.
const LEAST_EXPONENT: f32 = -104.0;

// exp of numbers up to 0. Written by the integer and the rest of log₂, because WGSL promises fewer
// digits of its own function the larger the argument is.
fn exp_below(a: vec4<f32>) -> vec4<f32> {
    let x = clamp(a, vec4<f32>(LEAST_EXPONENT), vec4<f32>());
    let whole = round(x * 1.44269504);
    // log 2 in two parts: the first has few bits, so its product is exact.
    let rest = fma(whole, vec4<f32>(2.12194440e-4), fma(whole, vec4<f32>(-0.693359375), x));
    var sum = fma(rest, vec4<f32>(1.98412698e-4), vec4<f32>(1.38888889e-3));
    sum = fma(rest, sum, vec4<f32>(8.33333333e-3));
    sum = fma(rest, sum, vec4<f32>(4.16666667e-2));
    sum = fma(rest, sum, vec4<f32>(1.66666667e-1));
    sum = fma(rest, sum, vec4<f32>(0.5));
    sum = fma(rest, sum, vec4<f32>(1.0));
    sum = fma(rest, sum, vec4<f32>(1.0));
    return ldexp(sum, vec4<i32>(whole));
}

// exp(a) − 1 of numbers up to 0: near 0 by its series.
fn exp_minus_one_below(a: vec4<f32>) -> vec4<f32> {
    let x = clamp(a, vec4<f32>(-0.5), vec4<f32>());
    var sum = fma(x, vec4<f32>(2.48015873e-5), vec4<f32>(1.98412698e-4));
    sum = fma(x, sum, vec4<f32>(1.38888889e-3));
    sum = fma(x, sum, vec4<f32>(8.33333333e-3));
    sum = fma(x, sum, vec4<f32>(4.16666667e-2));
    sum = fma(x, sum, vec4<f32>(1.66666667e-1));
    sum = fma(x, sum, vec4<f32>(0.5));
    return select(exp_below(a) - 1.0, fma(x * x, sum, x), a > vec4<f32>(-0.5));
}

fn logistic(a: vec4<f32>) -> vec4<f32> {
    let e = exp_below(-abs(a));
    return select(e, vec4<f32>(1.0), a > vec4<f32>()) / (1.0 + e);
}

// log(1 + u) for 0 ≤ u ≤ 1, as 2 artanh(u / (2 + u)).
fn log_one_plus(u: vec4<f32>) -> vec4<f32> {
    let s = u / (2.0 + u);
    let square = s * s;
    var sum = fma(square, vec4<f32>(5.88235294e-2), vec4<f32>(6.66666667e-2));
    sum = fma(square, sum, vec4<f32>(7.69230769e-2));
    sum = fma(square, sum, vec4<f32>(9.09090909e-2));
    sum = fma(square, sum, vec4<f32>(1.11111111e-1));
    sum = fma(square, sum, vec4<f32>(1.42857143e-1));
    sum = fma(square, sum, vec4<f32>(0.2));
    sum = fma(square, sum, vec4<f32>(3.33333333e-1));
    return 2.0 * fma(s * square, sum, s);
}

// The normal distribution function, from the complementary error function with a relative error of
// 1.2e-7 (Press et al., Numerical Recipes, `erfcc`).
fn normal_distribution(a: vec4<f32>) -> vec4<f32> {
    let x = min(abs(a), vec4<f32>(20.0));
    // Of x / √2. The exponent takes x itself, whose square is rounded less.
    let t = 1.0 / fma(x, vec4<f32>(0.35355339), vec4<f32>(1.0));
    var sum = fma(t, vec4<f32>(0.17087277), vec4<f32>(-0.82215223));
    sum = fma(t, sum, vec4<f32>(1.48851587));
    sum = fma(t, sum, vec4<f32>(-1.13520398));
    sum = fma(t, sum, vec4<f32>(0.27886807));
    sum = fma(t, sum, vec4<f32>(-0.18628806));
    sum = fma(t, sum, vec4<f32>(0.09678418));
    sum = fma(t, sum, vec4<f32>(0.37409196));
    sum = fma(t, sum, vec4<f32>(1.00002368));
    sum = fma(t, sum, vec4<f32>(-1.26551223));
    let tail = 0.5 * t * exp_below(fma(-0.5 * x, x, sum));
    return select(tail, 1.0 - tail, a > vec4<f32>());
}

const GELU_FACTOR: f32 = 0.79788456;
const GELU_CUBIC: f32 = 0.044715;

// Half of 1 + tanh of this is the logistic function of twice of it.
fn twice_gelu_argument(a: vec4<f32>) -> vec4<f32> {
    let x = clamp(a, vec4<f32>(-20.0), vec4<f32>(20.0));
    return 2.0 * GELU_FACTOR * fma(GELU_CUBIC * x * x, x, x);
}

// βa of softplus, without overflow. The host keeps β and the threshold within 10^±18.
fn scaled(beta: f32, a: vec4<f32>) -> vec4<f32> {
    let most = 1e20 / beta;
    return beta * clamp(a, vec4<f32>(-most), vec4<f32>(most));
}

fn curved(activation: u32, slope: f32, scale: f32, a: vec4<f32>) -> vec4<f32> {
    if activation == ACTIVATION_EXPONENTIAL {
        return select(slope * exp_minus_one_below(a), scale * a, a > vec4<f32>());
    }
    if activation == ACTIVATION_SOFTPLUS {
        let x = scaled(slope, a);
        let value = (max(x, vec4<f32>()) + log_one_plus(exp_below(-abs(x)))) / slope;
        return select(value, a, x > vec4<f32>(scale));
    }
    if activation == ACTIVATION_SILU {
        return a * logistic(a);
    }
    if activation == ACTIVATION_GELU {
        return a * normal_distribution(a);
    }
    return a * logistic(twice_gelu_argument(a));
}

fn curved_slope(activation: u32, slope: f32, scale: f32, a: vec4<f32>) -> vec4<f32> {
    if activation == ACTIVATION_EXPONENTIAL {
        return select(slope * exp_below(a), vec4<f32>(scale), a > vec4<f32>());
    }
    if activation == ACTIVATION_SOFTPLUS {
        let x = scaled(slope, a);
        return select(logistic(x), vec4<f32>(1.0), x > vec4<f32>(scale));
    }
    if activation == ACTIVATION_SILU {
        return logistic(a) * fma(a, logistic(-a), vec4<f32>(1.0));
    }
    let x = clamp(a, vec4<f32>(-20.0), vec4<f32>(20.0));
    if activation == ACTIVATION_GELU {
        return fma(x, 0.39894228 * exp_below(-0.5 * x * x), normal_distribution(a));
    }
    let u = twice_gelu_argument(a);
    let s = logistic(u);
    let inner = 2.0 * GELU_FACTOR * fma(vec4<f32>(3.0 * GELU_CUBIC) * x, x, vec4<f32>(1.0));
    return fma(x * s * logistic(-u), inner, s);
}
