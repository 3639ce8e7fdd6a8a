/**
 * When growth is refused before it is proposed (S5), and when this member raises its NOSPACE alarm: its quota is reached, or its
 * disk has only its reserve left. Decided by the proposer, so that no option enters replicated state; what a raised alarm does
 * is decided at apply. Deletes, revokes and expiry always pass: they are what makes room again. Nothing here disarms an alarm.
 */
import { diskLowMsMax } from '../base/limits.ts';
import type { Command } from '../state/command.ts';
import { growthBytes, keptBytes } from '../state/growth.ts';
import type { Machine } from '../state/machine.ts';
import type { MemberId } from '../store/entry.ts';
import type { Proposals } from './proposals.ts';

/** Whose space it is, and how much of it. */
export interface SpaceOptions {
  readonly member: MemberId;
  readonly quotaBytes: number;
}

export class Space {
  readonly #options: SpaceOptions;
  readonly #proposals: Proposals;
  readonly #patienceMs: number;
  #diskLow = false;
  #lowSinceMs = 0;
  /** Our alarm is proposed, and what came of that is not known yet. */
  #raising = false;

  /** `patienceMs`: how long whoever met the alarm first waits until it is raised. */
  constructor(options: SpaceOptions, proposals: Proposals, patienceMs: number) {
    this.#options = options;
    this.#proposals = proposals;
    this.#patienceMs = patienceMs;
  }

  /** The disk has only its reserve left. */
  get diskLow(): boolean {
    return this.#diskLow;
  }

  /** Room that is only short makes no alarm, which would stay: the log that goes at once when the disk is low may be enough. */
  measured(freeBytes: number, reserveBytes: number, machine: Machine, nowMs: number): void {
    const low = freeBytes < reserveBytes;
    if (!this.#diskLow) this.#lowSinceMs = nowMs;
    this.#diskLow = low;
    if (low && (freeBytes < reserveBytes / 2 || nowMs - this.#lowSinceMs >= diskLowMsMax)) this.raise(machine, nowMs);
  }

  /** Whether this member has no room for what the command adds. */
  lacksRoomFor(command: Command, machine: Machine): boolean {
    const bytes = growthBytes(command);
    if (bytes === 0) return false;
    return this.#diskLow || machine.sizeBytes + bytes + keptBy(command, machine) >= this.#options.quotaBytes;
  }

  /** A command was applied: commands proposed side by side may pass the quota together. */
  applied(command: Command, machine: Machine, nowMs: number): void {
    if (machine.sizeBytes < this.#options.quotaBytes || machine.alarms.has('noSpace')) return;
    if (growthBytes(command) > 0) this.raise(machine, nowMs);
  }

  /**
   * Raises the alarm of this member, if it is not. `then` comes once it is raised or cannot be, so that a client that was
   * refused for it finds it; of many at once only the first waits, as the others' answer is the same.
   */
  raise(machine: Machine, nowMs: number, then: () => void = () => undefined): void {
    const { member } = this.#options;
    if (this.#raising || machine.alarms.hasOf(member, 'noSpace')) {
      then();
      return;
    }
    this.#raising = true;
    const settled = (): void => {
      this.#raising = false;
      then();
    };
    this.#proposals.submit(
      { type: 'alarm', action: 'activate', member, kind: 'noSpace' },
      this.#patienceMs,
      settled,
      nowMs,
    );
  }
}

/** `keptBytes` as of what this member has applied. */
export function keptBy(command: Command, machine: Machine): number {
  return keptBytes(command, (key) => machine.valueBytes(key));
}
