/** How every check fails. */
import { Violation } from '../violation.ts';

export function fail(invariant: string, what: string): never {
  throw new Violation(invariant, what);
}
