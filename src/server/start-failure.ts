/** The member cannot start, for a reason the operator can mend; its message is one line that names the flag or file and the fix. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
}
