//! Moves the running lanes to the front. Twin of `shaders/compact.wgsl`. The CPU's own descent uses
//! neither function: there, the next run takes the column of an ended lane.

/// The destination of each lane, and the number of running lanes. Running lanes come first; both
/// kinds keep their order.
pub fn rank(running: &[bool]) -> (Vec<u32>, u32) {
    let order =
        (0..running.len()).filter(|lane| running[*lane]).chain((0..running.len()).filter(|lane| !running[*lane]));
    let mut destinations = vec![0; running.len()];
    for (destination, lane) in order.enumerate() {
        destinations[lane] = destination as u32;
    }
    (destinations, running.iter().filter(|running| **running).count() as u32)
}

/// Moves row `lane` of `rows` (`words` words per row) to the place `destinations[lane]` of the
/// result.
///
/// # Panics
/// If a destination is out of range, or `rows` has another length.
pub fn scatter(rows: &[u32], words: usize, destinations: &[u32]) -> Vec<u32> {
    assert_eq!(rows.len(), words * destinations.len(), "one row per lane");
    let mut moved = vec![0; rows.len()];
    for (row, destination) in rows.chunks_exact(words).zip(destinations) {
        moved[*destination as usize * words..][..words].copy_from_slice(row);
    }
    moved
}
