/** Numbers on the command line of the simulators: seeds, and counts of things. `refuse` ends the program with its one line. */

/** A seed as it is written, in hexadecimal after `0x` or in decimals. */
export function seedOf(text: string, refuse: (why: string) => never): bigint {
  try {
    return BigInt.asUintN(64, BigInt(text));
  } catch {
    return refuse(`--seed=${text} is no whole number`);
  }
}

/** The value of a flag that counts something; `least` of it. */
export function countOf(name: string, given: string | number, least: 0 | 1, refuse: (why: string) => never): number {
  const value = Number(given);
  return Number.isInteger(value) && value >= least
    ? value
    : refuse(`--${name} must be a whole number, ${least} or more`);
}
