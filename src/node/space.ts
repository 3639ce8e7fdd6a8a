/**
 * When growth is refused (S5): above the quota, or when the disk has only its reserve left. Decided by the proposer, so that no
 * option enters replicated state. Deletes, revokes and expiry always pass: they are what makes room again.
 */
import type { Command } from '../state/command.ts';
import type { Machine } from '../state/machine.ts';

export class Space {
  readonly #quotaBytes: number;
  #diskLow = false;

  constructor(quotaBytes: number) {
    this.#quotaBytes = quotaBytes;
  }

  measured(freeBytes: number, reserveBytes: number): void {
    this.#diskLow = freeBytes < reserveBytes;
  }

  /** The disk has only its reserve left. */
  get diskLow(): boolean {
    return this.#diskLow;
  }

  noSpace(machine: Machine): boolean {
    return this.#diskLow || machine.sizeBytes >= this.#quotaBytes;
  }

  refuses(command: Command, machine: Machine): boolean {
    return grows(command) && this.noSpace(machine);
  }
}

function grows(command: Command): boolean {
  if (command.type === 'grant' || command.type === 'put') return true;
  return command.type === 'txn' && [...command.success, ...command.failure].some((op) => op.type === 'put');
}
