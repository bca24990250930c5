//! What the kernels without checks rest on: a buffer that is too small for the parameters is
//! refused before anything is dispatched.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytemuck::bytes_of;
use unrelu::internals::gpu::buffers::storage;
use unrelu::internals::gpu::kernel::Kernel;
use unrelu::internals::kernel_params::entry_points::{
    ADVANCE, Access, BACKWARD, BEND, CLASSIFY, COMPARE, CONVOLVE, CURVE, EntryPoint, FORWARD, GATHER, GRAM, JUDGE,
    NORMAL, PEAK, RANK, RESIDUAL, SCATTER, TANGENT, UPDATE,
};
use unrelu::internals::kernel_params::{
    ClassifyParams, CompactParams, CompareParams, CurveParams, DescendParams, GatherParams, GramParams, ImageParams,
    LayerParams, MarquardtParams, OPTIMIZER_ADAM, OPTIMIZER_PLAIN, ResidualParams, TangentParams,
};

use crate::fixtures::gpu;

with_both_modules!(a_buffer_one_word_too_short_is_refused);

/// Nothing but these sizes matters: 7 units, 5 inputs.
fn layer(count: u32) -> LayerParams {
    LayerParams { units: 7, inputs: 5, count, activation: 0, slope: 0.0, limit: 0 }
}

fn descent(optimizer: u32) -> DescendParams {
    DescendParams { observation_length: 33, code_length: 5, optimizer, ..bytemuck::Zeroable::zeroed() }
}

fn marquardt() -> MarquardtParams {
    MarquardtParams { observation_length: 7, code_length: 5, ..bytemuck::Zeroable::zeroed() }
}

fn tangent(is_first: u32) -> TangentParams {
    TangentParams { units: 7, inputs: 9, rows: 30, code_length: 5, is_first, ..bytemuck::Zeroable::zeroed() }
}

fn a_buffer_one_word_too_short_is_refused() {
    let context = gpu::context(None);
    // Words per buffer, counted by hand: a lane has 8, a damping 5; 7 entries take 8 words, as 5
    // do.
    let (layer, classes, compaction) =
        (layer(3), ClassifyParams { rows: 33, words: 2 }, CompactParams { count: 3, words: 11 });
    let (plain, adam, marquardt) = (descent(OPTIMIZER_PLAIN), descent(OPTIMIZER_ADAM), marquardt());
    // 33 units take two sums of squares.
    let residual = ResidualParams { units: 33, inputs: 5, count: 3, ..bytemuck::Zeroable::zeroed() };
    let gram = GramParams { observation_length: 7, code_length: 5, limit: 0 };
    // Images of 2 × 3 pixels of two quads become ones of 3 × 2 of one quad, by two taps.
    let images = [0, 1].map(|after| ImageParams { after, ..image() });
    let gathers = [0, 1].map(|after| GatherParams {
        count: 3,
        input_quads: 2,
        output_quads: 5,
        terms: 3,
        per_lane: 2,
        after,
        ..bytemuck::Zeroable::zeroed()
    });
    let curved = CurveParams { count: 3, length: 5, per_lane: 2, ..bytemuck::Zeroable::zeroed() };
    let compared = CompareParams { units: 33, count: 3, ..bytemuck::Zeroable::zeroed() };
    let [later, first] = [0, 1].map(tangent);
    let cases: [(&'static EntryPoint, &[u8], u64, &[usize]); 22] = [
        (&FORWARD, bytes_of(&layer), 1, &[5 * 8, 8, 3 * 8, 3 * 8]),
        (&CONVOLVE, bytes_of(&images[0]), 1, &[2 * 8 * 4, 24, 4, 3 * 48, 0, 3 * 24]),
        (&CONVOLVE, bytes_of(&images[1]), 1, &[2 * 8 * 4, 0, 4, 3 * 48, 2 * 24, 3 * 24]),
        (&GATHER, bytes_of(&gathers[0]), 1, &[5 * 3 * 4, 20, 15, 3 * 8, 0, 3 * 20]),
        (&GATHER, bytes_of(&gathers[1]), 1, &[5 * 3 * 4, 0, 15, 3 * 8, 2 * 20, 3 * 20]),
        (&CURVE, bytes_of(&curved), 1, &[3 * 20, 3 * 20]),
        (&BEND, bytes_of(&curved), 1, &[2 * 20, 3 * 20]),
        (&COMPARE, bytes_of(&compared), 1, &[3 * 36, 3 * 36, 3 * 36, 3 * 2]),
        (&BACKWARD, bytes_of(&layer), 1, &[7 * 8, 3 * 8, 3 * 8, 3 * 8]),
        (&CLASSIFY, bytes_of(&classes), 3, &[3 * 33, 3, 6, 6, 3]),
        (&RESIDUAL, bytes_of(&residual), 1, &[5 * 36, 36, 3 * 8, 3 * 36, 3 * 36, 3 * 2]),
        (&UPDATE, bytes_of(&plain), 3, &[24, 6, 24, 24, 0]),
        (&UPDATE, bytes_of(&adam), 3, &[24, 6, 24, 24, 48]),
        (&RANK, bytes_of(&compaction), 1, &[24, 3, 1]),
        (&SCATTER, bytes_of(&compaction), 3, &[3, 33, 33]),
        (&JUDGE, bytes_of(&marquardt), 3, &[24, 15, 24, 24, 24]),
        (&TANGENT, bytes_of(&later), 1, &[6 * 8, 9 * 8, 30 * 12, 30 * 8]),
        (&TANGENT, bytes_of(&first), 1, &[6 * 8, 9 * 8, 0, 30 * 8]),
        (&NORMAL, bytes_of(&marquardt), 3, &[15, 24, 24, 3 * 5 * 8, 3 * 20]),
        (&GRAM, bytes_of(&gram), 3, &[15, 24, 3 * 5 * 8, 3 * 20]),
        (&ADVANCE, bytes_of(&marquardt), 3, &[24, 15, 3 * 20, 24, 24]),
        (&PEAK, &[], 2, &[2 * 64 * 8]),
    ];
    for (entry, params, workgroups, words) in cases {
        let kernel = Kernel::new(&context, entry);
        let fits = |words: &[usize]| {
            let mut storage_sizes = words.iter();
            let buffers: Vec<wgpu::Buffer> = entry
                .bindings
                .iter()
                .map(|binding| match binding.access {
                    Access::Uniform => storage(&context, 32),
                    _ => storage(&context, *storage_sizes.next().unwrap()),
                })
                .collect();
            let buffers: Vec<&wgpu::Buffer> = buffers.iter().collect();
            catch_unwind(AssertUnwindSafe(|| kernel.assert_within(params, workgroups, &buffers))).is_ok()
        };
        assert!(fits(words), "{}", entry.name);
        for short in (0..words.len()).filter(|place| words[*place] > 0) {
            let mut fewer = words.to_vec();
            fewer[short] -= 1;
            assert!(!fits(&fewer), "{}, binding {short}", entry.name);
        }
    }
}

fn image() -> ImageParams {
    ImageParams {
        count: 3,
        phase_rows: 2,
        phase_columns: 1,
        row_stride: 2,
        column_stride: 2,
        first_column: 1,
        input_rows: 2,
        input_columns: 3,
        input_quads: 2,
        output_rows: 3,
        output_columns: 2,
        output_quads: 1,
        taps: 2,
        per_lane: 2,
        ..bytemuck::Zeroable::zeroed()
    }
}

/// Parameters that contradict each other, or exceed the arrays in workgroup memory.
#[test]
fn parameters_that_no_kernel_can_take_are_refused() {
    let refused = |entry: &EntryPoint, params: &[u8]| catch_unwind(|| (entry.bounds)(params, 1)).is_err();
    for rows in [64, 65, 96] {
        assert_eq!(refused(&CLASSIFY, bytes_of(&ClassifyParams { rows, words: 2 })), rows > 64, "{rows}");
    }
    for code_length in [0, 1, 64, 65] {
        let params = MarquardtParams { code_length, ..marquardt() };
        for entry in [&NORMAL, &ADVANCE] {
            assert_eq!(refused(entry, bytes_of(&params)), !(1..=64).contains(&code_length), "{code_length}");
        }
    }
    for first_row in [0, 5, 6] {
        let params = MarquardtParams { first_row, ..marquardt() };
        assert_eq!(refused(&NORMAL, bytes_of(&params)), first_row > 5, "{first_row}");
    }
    let fits = image();
    assert!(!refused(&CONVOLVE, bytes_of(&fits)));
    for wrong in [
        ImageParams { phase_rows: 0, ..fits },
        ImageParams { phase_rows: 3, ..fits },
        ImageParams { first_column: 2, ..fits },
        ImageParams { input_quads: 0, ..fits },
        ImageParams { per_lane: 0, ..fits },
        ImageParams { count: 1 << 31, ..fits },
        ImageParams { taps: 1 << 28, ..fits },
    ] {
        assert!(refused(&CONVOLVE, bytes_of(&wrong)), "{wrong:?}");
    }
    for (output_quads, per_lane) in [(0, 1), (1, 0)] {
        let params = GatherParams { output_quads, per_lane, ..bytemuck::Zeroable::zeroed() };
        assert!(refused(&GATHER, bytes_of(&params)));
        let params = CurveParams { length: output_quads, per_lane, ..bytemuck::Zeroable::zeroed() };
        assert!(refused(&BEND, bytes_of(&params)));
    }
    assert!(refused(&COMPARE, bytes_of(&CompareParams { units: 0, count: 1, ..bytemuck::Zeroable::zeroed() })));
    assert!(refused(&TANGENT, bytes_of(&TangentParams { code_length: 0, ..tangent(0) })));
}
