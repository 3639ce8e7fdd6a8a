/** Who leads an election: asked once, or followed. The candidates are kept as the watch tells them, so that no leader is missed. */
import { onAbort } from '../abort.ts';
import { sleep } from '../clock.ts';
import type { Core } from '../core.ts';
import { closedError, LeaseError } from '../errors.ts';
import type { CallSettings } from '../transport/calls.ts';
import { textOf, type WireRange, withoutNamespace } from '../values.ts';
import { headerOf } from '../wire/codec.ts';
import type { Event, KeyValue } from '../wire/messages.ts';
import type { KeyWatchSink } from './key-watches.ts';
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

const pauseMsMin = 100;
const pauseMsMax = 5_000;
/** Leaders that are kept for a slow reader; one that is further behind goes on with the leader of then. */
const unreadMax = 1_000;

/** Who leads now. */
export async function oldest(core: Core, queue: WireRange, settings: CallSettings): Promise<Leader | undefined> {
  const { kvs } = await core.calls.call('range', oldestRange(queue), { kind: 'read' }, settings);
  return leaderOf(kvs[0], core);
}

/** The present leader, then every other one. Waits for a cluster that cannot be reached; throws what it refuses for good. */
export async function* leaders(
  { core, watches }: QueueParts,
  queue: WireRange,
  stop: AbortSignal,
): AsyncGenerator<Leader | undefined, void, undefined> {
  const seen = new Candidates();
  for (let failures = 0; !stop.aborted; ) {
    try {
      if (seen.revision === undefined) {
        const { kvs, ...answer } = await core.calls.call('range', queue, { kind: 'read' }, { signal: stop });
        seen.list(kvs, headerOf(answer).revision);
      }
      const end = watches.watch({ ...queue, startRevision: seen.next }, seen);
      try {
        for (;;) {
          for (let found = seen.read(); found !== undefined; found = seen.read()) {
            failures = 0;
            yield leaderOf(found.first, core);
          }
          if (seen.failure !== undefined) throw seen.failure;
          await seen.changed(stop, core.closed);
          if (core.closed.aborted) throw closedError('the client');
          if (stop.aborted) return;
        }
      } finally {
        end();
      }
    } catch (error) {
      if (core.closed.aborted) throw closedError('the client');
      if (stop.aborted) return;
      if (!(error instanceof LeaseError) || !(error.retryable || error.code === 'compacted')) throw error;
      const pauseMs = Math.min(pauseMsMax, pauseMsMin * 2 ** failures++) * (0.5 + core.clock.random());
      await sleep(core.clock, pauseMs, stop);
      seen.again(error);
    }
  }
}

/** Who stands in the queue, as of `revision`, and who led meanwhile. */
class Candidates implements KeyWatchSink {
  /** Undefined: it has to be listed. */
  revision: bigint | undefined;
  /** Why the watch told its last. */
  failure: LeaseError | undefined;
  readonly #kvs = new Map<string, KeyValue>();
  #told: { readonly first: KeyValue | undefined } | undefined;
  #unread: { readonly first: KeyValue | undefined }[] = [];
  #wake = (): void => {};

  /** Where the watch goes on. */
  get next(): bigint {
    return (this.revision ?? 0n) + 1n;
  }

  list(kvs: readonly KeyValue[], revision: bigint): void {
    this.#kvs.clear();
    for (const kv of kvs) this.#kvs.set(nameOf(kv), kv);
    this.revision = revision;
    this.#look();
  }

  /** Each revision of them is a state of its own, and may have a leader of its own. */
  events(events: readonly Event[], revision: bigint): void {
    let at: bigint | undefined;
    for (const { type, kv } of events) {
      if (kv === undefined || kv === null) continue;
      if (at !== undefined && kv.modRevision !== at) this.#look();
      at = kv.modRevision;
      if (type === 0) this.#kvs.set(nameOf(kv), kv);
      else this.#kvs.delete(nameOf(kv));
    }
    this.#look();
    this.revision = at ?? revision;
    this.#wake();
  }

  broken(error: LeaseError): void {
    this.failure ??= error;
    this.#wake();
  }

  read(): { readonly first: KeyValue | undefined } | undefined {
    return this.#unread.shift();
  }

  /** Resolves when there may be something new. */
  async changed(...signals: readonly AbortSignal[]): Promise<void> {
    let undo: readonly (() => void)[] = [];
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      undo = signals.map((signal) => onAbort(signal, resolve));
      if (this.#unread.length > 0 || this.failure !== undefined) resolve();
    });
    for (const each of undo) each();
  }

  /** Another watch follows; what compaction took away cannot be watched, so all is listed anew. */
  again({ code }: LeaseError): void {
    this.failure = undefined;
    if (code === 'compacted') this.revision = undefined;
  }

  #look(): void {
    let first: KeyValue | undefined;
    for (const kv of this.#kvs.values())
      if (first === undefined || kv.createRevision < first.createRevision) first = kv;
    const told = this.#told;
    if (
      told !== undefined &&
      told.first?.createRevision === first?.createRevision &&
      told.first?.modRevision === first?.modRevision
    )
      return;
    this.#told = { first };
    if (this.#unread.length >= unreadMax) this.#unread = [];
    this.#unread.push(this.#told);
  }
}

function leaderOf(kv: KeyValue | undefined, { namespace }: Core): Leader | undefined {
  if (kv === undefined) return undefined;
  return {
    value: kv.value,
    text: textOf(kv.value),
    token: kv.createRevision,
    key: withoutNamespace(kv.key, namespace),
  };
}

/** Bytes as a key of a Map. */
function nameOf({ key }: KeyValue): string {
  return String.fromCharCode(...key);
}
