/**
 * Time and chance as services see them, as a port: the host's, or a test's that moves by itself. Owns no rule. The node needs neither:
 * its time is the reading that each turn is given.
 */

/** A step that waits for its time. */
export interface HostTimer {
  cancel(): void;
}

export interface HostClock {
  /** Milliseconds from some fixed point; never goes back. */
  nowMs(): number;
  /** Runs `step` once, after `ms`. Keeps no process alive. */
  after(ms: number, step: () => void): HostTimer;
  /** Runs `step` again and again, `ms` apart. Keeps no process alive. */
  every(ms: number, step: () => void): HostTimer;
  /** In [0, 1): spreads what would otherwise happen at once. */
  random(): number;
}

/** The host's own. */
export const hostClock: HostClock = {
  nowMs: () => performance.now(),
  after(ms, step) {
    const timer = setTimeout(step, ms).unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every(ms, step) {
    const timer = setInterval(step, ms).unref();
    return { cancel: () => clearInterval(timer) };
  },
  random: () => Math.random(),
};
