// What becomes of the sums of a map; any other number keeps them.

const AFTER_ACTIVATE: u32 = 0u;
const AFTER_BEND: u32 = 1u;
