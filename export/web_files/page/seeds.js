// Row seeds, as in every exported file: Threefry-2x32-20 (Salmon et al. 2011).

const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
];
const ROWS_STREAM = 4;

function threefry2x32(key, counter) {
  const schedule = [key[0], key[1], (key[0] ^ key[1] ^ 0x1bd11bda) >>> 0];
  let x0 = (counter[0] + schedule[0]) >>> 0;
  let x1 = (counter[1] + schedule[1]) >>> 0;
  for (let group = 0; group < 5; group++) {
    for (const distance of ROTATIONS[group % 2]) {
      x0 = (x0 + x1) >>> 0;
      x1 = (((x1 << distance) | (x1 >>> (32 - distance))) ^ x0) >>> 0;
    }
    x0 = (x0 + schedule[(group + 1) % 3]) >>> 0;
    x1 = (x1 + schedule[(group + 2) % 3] + group + 1) >>> 0;
  }
  return [x0, x1];
}

/** The int32 seeds of the first images of a seed from 0 to 2^31 - 1. */
export function rowSeeds(seed, count) {
  const [offset, stride] = threefry2x32([seed >>> 0, 0], [0, ROWS_STREAM]);
  return Int32Array.from({ length: count }, (_, row) => offset + Math.imul(stride | 1, row));
}
