//! Chooses the tile of a product: large tiles if there is enough work to fill a card with them,
//! otherwise small ones. The results do not depend on the choice (`shaders/parts/product.wgsl`).

/// A tile of the output: `x` × `y` invocations with `rows` × 4 · `quads` entries each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Invocations along an observation's entries, `quads` times four each.
    pub x: u32,
    /// Invocations along the observations, `rows` each.
    pub y: u32,
    /// 4 or 8.
    pub rows: u32,
    /// 1, or 2 with 8 rows.
    pub quads: u32,
}

impl Tile {
    /// Number of workgroups in x and y, for `entries` per row and `count` observations.
    pub fn workgroups(self, entries: usize, count: usize) -> (u32, u32) {
        let [width, height] = [4 * self.x * self.quads, self.y * self.rows];
        (entries.div_ceil(width as usize) as u32, count.div_ceil(height as usize) as u32)
    }

    /// Asserts what `shaders/parts/product.wgsl` and `shaders/residual.wgsl` need to stay within
    /// their arrays.
    ///
    /// # Panics
    /// If this is not such a tile.
    pub fn assert_is_supported(self) {
        let Tile { x, y, rows, quads } = self;
        let shape = matches!((rows, quads), (4, 1) | (8, 1) | (8, 2)) && matches!(x, 8 | 16);
        // `lost_rows` has four words of 32 rows, which the first four invocations clear.
        let lost_rows = x * y >= 4 && y * rows <= 128;
        // Whole parts of both factors' tiles for each invocation.
        let is_part = |quads: u32, among: u32| quads.is_multiple_of(among) && matches!(quads / among, 1 | 2 | 4);
        let parts = y > 0 && is_part(4 * rows, x) && is_part(16 * quads, y);
        // The squares of all entries fit the left factor's tile.
        let squares = quads * x <= 20;
        assert!(shape && lost_rows && parts && squares, "a tile that the product cannot compute: {self:?}");
    }

    /// Bytes of shared memory that both factors' tiles take.
    pub fn workgroup_bytes(self) -> u32 {
        16 * (5 * self.y * self.rows + 16 * self.x * self.quads)
    }
}

/// Multiprocessors of a large card; an adapter does not report its number.
const MULTIPROCESSORS: u32 = 132;

const BLOCK: usize = 0;
const SLIM: usize = 1;
const NARROW: usize = 2;

/// The number of workgroups from which a large tile fills a card. A workgroup of `BLOCK` has 64
/// invocations, so each multiprocessor needs two; one of `SLIM` has 128.
const ENOUGH: [u32; 2] = [2 * MULTIPROCESSORS, MULTIPROCESSORS];

/// The tiles of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiles {
    /// For many observations of many entries; for many of at most 32 entries; for few observations.
    pub variants: [Tile; 3],
}

impl Tiles {
    /// The tiles that the limits allow, with at most 12 KiB of shared memory. Only the one for few
    /// entries depends on the limits: every device has 64 invocations.
    pub fn for_limits(limits: &wgpu::Limits) -> Self {
        let slim = (limits.max_compute_invocations_per_workgroup / 8).min(16);
        // A power of two.
        let slim = 1 << slim.max(1).ilog2();
        Tiles {
            variants: [
                Tile { x: 8, y: 8, rows: 8, quads: 2 },
                Tile { x: 8, y: slim, rows: 8, quads: 1 },
                Tile { x: 16, y: 4, rows: 4, quads: 1 },
            ],
        }
    }

    /// The index in [`Self::variants`] of the tile for a product with `entries` per row and `count`
    /// observations.
    pub fn choose(&self, entries: usize, count: usize) -> usize {
        self.choose_for(entries, count, 1)
    }

    /// The same for `products` of these products in one dispatch.
    pub fn choose_for(&self, entries: usize, count: usize, products: usize) -> usize {
        let large = Self::large(entries);
        let (x, y) = self.variants[large].workgroups(entries, count);
        let workgroups = u64::from(x) * u64::from(y) * products as u64;
        if workgroups >= u64::from(ENOUGH[large]) { large } else { NARROW }
    }

    fn large(entries: usize) -> usize {
        if entries <= 32 { SLIM } else { BLOCK }
    }

    /// Maximum number of workgroups in x for a product with `entries` per row.
    pub fn most_workgroups(&self, entries: usize) -> u32 {
        let x = |variant: usize| self.variants[variant].workgroups(entries, 1).0;
        x(NARROW).max(x(Self::large(entries)))
    }

    /// Number of observations in the smallest tile.
    pub fn fewest_observations(&self) -> u32 {
        self.variants.iter().map(|tile| tile.y * tile.rows).min().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiles(invocations: u32) -> Tiles {
        Tiles::for_limits(&wgpu::Limits {
            max_compute_invocations_per_workgroup: invocations,
            ..wgpu::Limits::default()
        })
    }

    #[test]
    fn tiles_keep_within_the_limits() {
        for invocations in [64, 100, 128, 256, 1024] {
            for tile in tiles(invocations).variants {
                tile.assert_is_supported();
                assert!(tile.x * tile.y <= invocations, "{tile:?} of {invocations}");
                assert!(tile.workgroup_bytes() <= 16 << 10, "{tile:?}");
            }
        }
    }

    #[test]
    fn few_observations_take_the_small_tile_and_many_a_large_one() {
        let tiles = tiles(256);
        for count in [1, 15, 65] {
            assert_eq!((tiles.choose(784, count), tiles.choose(20, count)), (NARROW, NARROW));
        }
        // 13 tiles of 64 entries: 264 workgroups need 21 tiles of 64 observations.
        assert_eq!((tiles.choose(784, 1280), tiles.choose(784, 1281)), (NARROW, BLOCK));
        assert_eq!((tiles.choose(20, 131 * 128), tiles.choose(20, 131 * 128 + 1)), (NARROW, SLIM));
        assert_eq!((tiles.choose_for(64, 64, 263), tiles.choose_for(64, 64, 264)), (NARROW, BLOCK));
        assert_eq!(tiles.variants[BLOCK].workgroups(784, 1281), (13, 21));
        assert_eq!(tiles.variants[NARROW].workgroups(65, 17), (2, 2));
    }

    #[test]
    fn other_tiles_are_refused() {
        let block = tiles(256).variants[BLOCK];
        for wrong in [
            Tile { rows: 4, ..block },
            Tile { rows: 2, ..block },
            Tile { quads: 4, ..block },
            Tile { y: 32, ..block },
            Tile { y: 0, ..block },
            Tile { x: 16, ..block },
            Tile { x: 4, ..block },
        ] {
            assert!(std::panic::catch_unwind(|| wrong.assert_is_supported()).is_err(), "{wrong:?}");
        }
    }
}
