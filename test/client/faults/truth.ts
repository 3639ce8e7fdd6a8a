/**
 * Who owns the lock, as the cluster has it: the oldest key of the queue in the newest state that any member has applied. Looked at after
 * every step of virtual time, so that the moment at which another one is let in is the moment at which this changes.
 */
import type { TestMember } from '../../../src/client/testing/member.ts';
import type { Range } from '../../../src/state/command.ts';

export class Truth {
  readonly #oldest: Range;
  #revision = 0;
  #owner: bigint | undefined;
  /** Every token that ever owned. */
  readonly tokens = new Set<bigint>();
  /** How often it changed. */
  changes = 0;

  constructor(prefix: string) {
    const rangeEnd = Buffer.from(prefix);
    rangeEnd[rangeEnd.length - 1] = (rangeEnd.at(-1) ?? 0) + 1;
    const unbound = { minModRevision: 0, maxModRevision: 0, minCreateRevision: 0, maxCreateRevision: 0 };
    const oldestFirst = { sortOrder: 'ascend', sortTarget: 'create', limit: 1 } as const;
    const plain = { revision: 0, keysOnly: true, countOnly: false };
    this.#oldest = { type: 'range', key: Buffer.from(prefix), rangeEnd, ...oldestFirst, ...plain, ...unbound };
  }

  /** Its token: the create revision of its key. */
  get owner(): bigint | undefined {
    return this.#owner;
  }

  /** True: somebody else owns it than at the last look, or nobody. */
  look(members: readonly TestMember[]): boolean {
    let newest: TestMember['node'];
    for (const { node } of members)
      if (node !== undefined && node.machine.revision > (newest?.machine.revision ?? this.#revision)) newest = node;
    if (newest === undefined) return false;
    this.#revision = newest.machine.revision;
    const found = newest.machine.range(this.#oldest);
    const kv = found.type === 'range' ? found.kvs[0] : undefined;
    const token = kv === undefined ? undefined : BigInt(kv.createRevision);
    if (token === this.#owner) return false;
    this.#owner = token;
    if (token !== undefined) this.tokens.add(token);
    this.changes++;
    return true;
  }
}
