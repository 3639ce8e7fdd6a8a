/**
 * A range read page by page as it was at one revision: that of the first page, unless another is asked for. When that
 * revision is compacted before the last page, it ends with `compacted`: what is left could only be read as it is now,
 * and nobody was asked to mix.
 */
import type { Core } from '../core.ts';
import { LeaseError } from '../errors.ts';
import type { CallSettings } from '../transport/calls.ts';
import { count64, joined, type KeyRange, wireRange } from '../values.ts';
import { headerOf } from '../wire/codec.ts';
import type { ReadOptions } from './operations.ts';
import { codecOf, KeyValue } from './views.ts';

export interface ScanOptions<T = Uint8Array> extends CallSettings, Omit<ReadOptions<T>, 'serializable'> {
  /** Keys per question; 1,000 if not given. */
  readonly pageSize?: number | undefined;
  /** Leave the values out. */
  readonly keysOnly?: boolean | undefined;
}

export interface Page<T> {
  readonly items: readonly KeyValue<T>[];
  /** At which all pages are read. */
  readonly revision: bigint;
}

const pageSizeDefault = 1_000;
const attemptsMax = 5;
const zero = Uint8Array.of(0);

/**
 * At least one page, the last of which may be empty. `settings` hold for each page. Keys come in the order of their
 * bytes.
 */
export async function* listPages<T>(
  { calls, namespace }: Core,
  range: KeyRange,
  { pageSize = pageSizeDefault, revision: asked = 0n, codec, keysOnly = false, ...settings }: ScanOptions<T>,
): AsyncGenerator<Page<T>, void, undefined> {
  if (!Number.isSafeInteger(pageSize) || pageSize < 1)
    throw new LeaseError('invalid_argument', `pageSize ${pageSize} is not a positive whole number`);
  const reading = { namespace, codec: codecOf(codec) };
  const limit = BigInt(pageSize);
  let { key, rangeEnd } = wireRange(range, namespace);
  let revision = count64(asked, 'revision');
  for (;;) {
    const answer = await calls.call('range', { key, rangeEnd, limit, revision, keysOnly }, { kind: 'read' }, settings);
    if (revision === 0n) revision = headerOf(answer).revision;
    yield { items: answer.kvs.map((kv) => new KeyValue(kv, reading)), revision };
    const last = answer.kvs.at(-1);
    if (!answer.more || last === undefined) return;
    key = joined(last.key, zero);
  }
}

/** Everything in a range at one revision. Begins again, a few times, when a compaction overtakes it. */
export async function listAll<T>(core: Core, range: KeyRange, options: ScanOptions<T>): Promise<Page<T>> {
  for (let attempt = 1; ; attempt++) {
    const items: KeyValue<T>[] = [];
    let revision = 0n;
    try {
      for await (const page of listPages(core, range, options)) {
        items.push(...page.items);
        revision = page.revision;
      }
      return { items, revision };
    } catch (error) {
      if (!(error instanceof LeaseError) || error.code !== 'compacted' || attempt === attemptsMax) throw error;
    }
  }
}
