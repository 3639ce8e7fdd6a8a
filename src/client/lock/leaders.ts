/** Who leads an election: asked once, or followed. The candidates are kept as the watch tells them, so that no leader is missed. */
import { sleep } from '../clock.ts';
import type { Core } from '../core.ts';
import { LeaseError } from '../errors.ts';
import { listAll, type Page } from '../kv/pages.ts';
import { KeyValue, raw } from '../kv/views.ts';
import type { CallSettings } from '../transport/calls.ts';
import { type KeyRange, type WireRange, withoutNamespace } from '../values.ts';
import type { WatchEvent } from '../watch/events.ts';
import { pauseAfter } from '../watch/lanes.ts';
import { Watch } from '../watch/watch.ts';
import type { QueueParts } from './queue.ts';
import { oldestRange } from './queue-wire.ts';

/** A leader as others see it. */
export interface Leader {
  /** What it proclaims. */
  readonly value: Uint8Array;
  /** The same as UTF-8. */
  readonly text: string;
  /** Greater than that of every leader before. */
  readonly token: bigint;
  /** Without the client's namespace. */
  readonly key: Uint8Array;
}

/** Who leads now. */
export async function oldest(core: Core, queue: WireRange, settings: CallSettings): Promise<Leader | undefined> {
  const { kvs } = await core.calls.call('range', oldestRange(queue), { kind: 'read' }, settings);
  return kvs[0] === undefined ? undefined : leaderOf(new KeyValue(kvs[0], { namespace: core.namespace, codec: raw }));
}

function leaderOf({ bytes, text, createRevision, key }: KeyValue): Leader {
  return { value: bytes, text, token: createRevision, key };
}

/** The present leader, then every other one. Ends when `stop` fires. Throws what the cluster refuses for good. */
export async function* leaders(
  { core, lanes }: QueueParts,
  queue: WireRange,
  stop: AbortSignal,
): AsyncGenerator<Leader | undefined, void, undefined> {
  const seen = new Candidates();
  const range = { prefix: withoutNamespace(queue.key, core.namespace) };
  try {
    const { items, revision } = await listed(core, range, stop);
    seen.list(items);
    yield* seen.unread();
    await using watch = new Watch(lanes, range, { from: revision + 1n, signal: stop });
    for (let events = await watch.batch(); events !== undefined; events = await watch.batch()) {
      seen.apply(events);
      yield* seen.unread();
    }
  } catch (error) {
    if (!stop.aborted || core.closed.aborted) throw error;
  }
}

/** Asks for all of them as often as it takes. */
async function listed(core: Core, range: KeyRange, stop: AbortSignal): Promise<Page<Uint8Array>> {
  for (let failures = 0; ; failures++) {
    try {
      return await listAll(core, range, { codec: raw, signal: stop });
    } catch (error) {
      if (stop.aborted || !(error instanceof LeaseError) || !error.retryable) throw error;
      await sleep(core.clock, pauseAfter(core, failures), stop);
    }
  }
}

/** Who stands in the queue, and who led meanwhile. */
class Candidates {
  readonly #kvs = new Map<string, KeyValue>();
  #told: KeyValue | undefined | 'nothing' = 'nothing';
  readonly #unread: (Leader | undefined)[] = [];

  list(items: readonly KeyValue[]): void {
    this.#kvs.clear();
    for (const kv of items) this.#kvs.set(nameOf(kv.key), kv);
    this.#look();
  }

  /** Each revision of them is a state of its own, and may have a leader of its own. */
  apply(events: readonly WatchEvent[]): void {
    let at = events[0]?.revision;
    for (const event of events) {
      if (event.revision !== at) this.#look();
      at = event.revision;
      if (event.type === 'put') this.#kvs.set(nameOf(event.key), event.kv);
      else if (event.type === 'delete') this.#kvs.delete(nameOf(event.key));
      else if (event.type === 'resync') this.list(event.items);
    }
    this.#look();
  }

  /** Leaders that were not told yet. */
  *unread(): Generator<Leader | undefined, void, undefined> {
    while (this.#unread.length > 0) yield this.#unread.shift();
  }

  #look(): void {
    let first: KeyValue | undefined;
    for (const kv of this.#kvs.values())
      if (first === undefined || kv.createRevision < first.createRevision) first = kv;
    const told = this.#told;
    if (
      told !== 'nothing' &&
      told?.createRevision === first?.createRevision &&
      told?.modRevision === first?.modRevision
    )
      return;
    this.#told = first;
    this.#unread.push(first === undefined ? undefined : leaderOf(first));
  }
}

/** Bytes as a key of a Map. */
function nameOf(key: Uint8Array): string {
  return String.fromCharCode(...key);
}
