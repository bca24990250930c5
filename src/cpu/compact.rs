//! The running lanes first. Twin of `shaders/compact.wgsl`; the CPU's own descent needs neither,
//! there a lane that ends hands its column over.

/// Where each lane goes, the running ones first, both kinds in the order in which they stand; and
/// how many run.
pub fn rank(running: &[bool]) -> (Vec<u32>, u32) {
    let order =
        (0..running.len()).filter(|lane| running[*lane]).chain((0..running.len()).filter(|lane| !running[*lane]));
    let mut destinations = vec![0; running.len()];
    for (destination, lane) in order.enumerate() {
        destinations[lane] = destination as u32;
    }
    (destinations, running.iter().filter(|running| **running).count() as u32)
}

/// Row `lane` of `rows`, `words` each, at `destinations[lane]` of the answer.
///
/// # Panics
/// If a destination lies outside or `rows` is not of this length.
pub fn scatter(rows: &[u32], words: usize, destinations: &[u32]) -> Vec<u32> {
    assert_eq!(rows.len(), words * destinations.len(), "one row a lane");
    let mut moved = vec![0; rows.len()];
    for (row, destination) in rows.chunks_exact(words).zip(destinations) {
        moved[*destination as usize * words..][..words].copy_from_slice(row);
    }
    moved
}
