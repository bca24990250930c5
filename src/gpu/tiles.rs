//! Chooses the tile of a product: large tiles if there is enough work to fill a card with them,
//! otherwise small ones. The results do not depend on the choice (`shaders/parts/product.wgsl`).

/// A tile of the output: `x` × `y` invocations with `rows` × 4 entries each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Invocations along an observation's entries, four each.
    pub x: u32,
    /// Invocations along the observations, `rows` each.
    pub y: u32,
    /// 4 or 8.
    pub rows: u32,
}

impl Tile {
    /// Number of workgroups in x and y, for `entries` per row and `count` observations.
    pub fn workgroups(self, entries: usize, count: usize) -> (u32, u32) {
        (entries.div_ceil(4 * self.x as usize) as u32, count.div_ceil((self.y * self.rows) as usize) as u32)
    }

    /// Asserts what `shaders/parts/product.wgsl` needs to stay within its arrays.
    ///
    /// # Panics
    /// If this is not such a tile.
    pub fn assert_is_supported(self) {
        let Tile { x, y, rows } = self;
        // `lost_rows` has four words of 32 rows, which the first four invocations clear.
        let is_supported = matches!(rows, 4 | 8) && (4..=256).contains(&(x * y)) && y * rows <= 128;
        assert!(is_supported, "a tile that the product cannot compute: {self:?}");
    }

    /// Bytes of shared memory that both factors' tiles take.
    pub fn workgroup_bytes(self) -> u32 {
        16 * (5 * self.y * self.rows + 16 * self.x)
    }
}

/// Number of workgroups that is assumed to fill a card; an adapter does not report its number of
/// cores.
const ENOUGH_WORKGROUPS: u32 = 96;

const WIDE: usize = 0;
const SLIM: usize = 1;
const NARROW: usize = 2;

/// The tiles of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiles {
    /// For many observations of many entries; for many of at most 32 entries; for few observations.
    pub variants: [Tile; 3],
}

impl Tiles {
    /// The largest tiles that the limits allow, with at most 14 KiB of shared memory.
    pub fn for_limits(limits: &wgpu::Limits) -> Self {
        let large = |x: u32| Tile { x, y: (limits.max_compute_invocations_per_workgroup / x).min(16), rows: 8 };
        let wide = if limits.max_compute_invocations_per_workgroup >= 128 { large(16) } else { large(8) };
        Tiles { variants: [wide, large(8), Tile { x: 16, y: 4, rows: 4 }] }
    }

    /// The index in [`Self::variants`] of the tile for a product with `entries` per row and `count`
    /// observations.
    pub fn choose(&self, entries: usize, count: usize) -> usize {
        let large = Self::large(entries);
        let (x, y) = self.variants[large].workgroups(entries, count);
        if x.saturating_mul(y) >= ENOUGH_WORKGROUPS { large } else { NARROW }
    }

    fn large(entries: usize) -> usize {
        if entries <= 32 { SLIM } else { WIDE }
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
        for invocations in [64, 128, 256, 1024] {
            for tile in tiles(invocations).variants {
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
        assert_eq!((tiles.choose(784, 1001), tiles.choose(20, 20_000)), (WIDE, SLIM));
        assert_eq!(tiles.variants[WIDE].workgroups(784, 1001), (13, 8));
        assert_eq!(tiles.variants[NARROW].workgroups(65, 17), (2, 2));
    }
}
