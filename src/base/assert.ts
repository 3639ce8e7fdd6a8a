/**
 * Assertions that stay on in production. A failed assert means *our own* state is wrong: the process exits and the log
 * replays. Nothing a client or a peer can send may reach one; such input is refused as a value.
 */

/** Thrown when an invariant of our own does not hold. Never caught inside the purity line. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/** Fails loudly when `condition` is false. `why` names the invariant, e.g. `'R9: next > match'`. */
export function assert(condition: boolean, why: string): asserts condition {
  if (!condition) throw new AssertionFailure(why);
}

/** Ends a `switch` over a union: the compiler proves it is exhaustive, the runtime refuses what slipped past it. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable: ${String(value)}`);
}
