// The sums of squares that `residual` hands to `update`: one for each slice of SUMMED_ENTRIES
// entries of an observation. A tile of a product has a whole number of slices, so the sums do not
// depend on the tile.

const SUMMED_ENTRIES: u32 = 32u;
const SUMMED_QUADS: u32 = 8u;

fn slices(entries: u32) -> u32 {
    return (entries + SUMMED_ENTRIES - 1u) / SUMMED_ENTRIES;
}
