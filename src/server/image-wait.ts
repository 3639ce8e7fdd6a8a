/**
 * A member whose image is lost and to whom none comes: what it tells its operator, once in a wait and not at once. Owns the text and
 * the time. It cannot hear that nobody has an image left, for then nobody leads; but that is what it looks like (V4).
 */

/** An image of a million leases takes seconds; whoever waits this long waits in vain or for a member that is down. */
const tellAfterMs = 60_000;

export class ImageWait {
  #sinceMs: number | undefined;
  #told = false;

  /** Called often. A line for the log, if it is time for one. */
  note(nowMs: number, needsSnapshot: boolean, led: boolean): string | undefined {
    if (!needsSnapshot) {
      this.#sinceMs = undefined;
      this.#told = false;
      return undefined;
    }
    this.#sinceMs ??= nowMs;
    if (this.#told || nowMs - this.#sinceMs < tellAfterMs) return undefined;
    this.#told = true;
    if (led) return 'the image of this member is lost, and none has come from the leader yet: see its log';
    const others = 'start the members that are down; if every member says this, no image is left in the cluster';
    return `the image of this member is lost, and no member leads that could send one: ${others} (docs/OPERATING.md)`;
  }
}
