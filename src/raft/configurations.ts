/**
 * Which configuration is in force: the one of the latest *appended* configuration entry, committed or not (Raft thesis
 * §4.1). When a suffix of the log is cut off, the configurations in it go with it. Invariant: R10.
 */
import { assert } from '../base/assert.ts';
import type { Entry, Index } from '../store/entry.ts';
import { decodeMembership } from './membership.ts';
import type { Configuration } from './types.ts';

interface InForce {
  readonly from: Index;
  readonly configuration: Configuration;
}

export class Configurations {
  #inForce: InForce[];

  /** `configuration` holds from `base` on; `entries` are the log behind it. */
  constructor(configuration: Configuration, base: Index, entries: readonly Entry[]) {
    this.#inForce = [{ from: base, configuration }];
    this.appended(entries);
  }

  get latest(): Configuration {
    return (this.#inForce.at(-1) as InForce).configuration;
  }

  /** The one in force at `index`, which is at or above the base. */
  at(index: Index): Configuration {
    return (this.#inForce.findLast(({ from }) => from <= index) ?? (this.#inForce[0] as InForce)).configuration;
  }

  /** Entries were added to the log. Those of peers were validated before, so each payload is readable. */
  appended(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.kind !== 'configuration') continue;
      const membership = decodeMembership(entry.payload);
      assert(membership !== undefined, 'R10: an unreadable configuration is in our log');
      this.#inForce.push({ from: entry.index, configuration: membership.configuration });
    }
  }

  /** The log was cut from `index` on. */
  cutFrom(index: Index): void {
    while (this.#inForce.length > 1 && (this.#inForce.at(-1) as InForce).from >= index) this.#inForce.pop();
  }

  /** The log was compacted to `index`: what was replaced below it is forgotten. */
  compact(index: Index): void {
    while (this.#inForce.length > 1 && (this.#inForce[1] as InForce).from <= index) this.#inForce.shift();
  }

  /** A snapshot took the place of everything up to `base`; `entries` were kept behind it. */
  install(configuration: Configuration, base: Index, entries: readonly Entry[]): void {
    this.#inForce = [{ from: base, configuration }];
    this.appended(entries);
  }
}
