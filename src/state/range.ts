/**
 * Which keys a range answers, in what order (etcd's apply of RangeRequest): the count is of all keys in the range, filters
 * come before sorting, sorting before the limit. Ties are broken by key, so that every member gives the same answer.
 */
import { unreachable } from '../base/assert.ts';
import { byteString } from '../base/bytes.ts';
import type { Range } from './command.ts';
import { intervalOf, type KeyIndex, type KeyVersion } from './key-index.ts';
import type { Revisions } from './revision.ts';

/** What a range comes to, before anything is copied for its answer. */
export interface Selected {
  readonly versions: readonly KeyVersion[];
  readonly more: boolean;
  readonly count: number;
}

/** The revision was checked: it is not above the current one and not compacted. */
export function selectRange(index: KeyIndex, revisions: Revisions, range: Range): Selected {
  const present = range.revision <= 0 || (range.revision === revisions.current && !revisions.open);
  if (present && range.rangeEnd.length === 0) return selectKey(index.live(byteString(range.key)), range);
  const interval = intervalOf(byteString(range.key), byteString(range.rangeEnd));
  // Without an order and a filter etcd reads no more than the limit and one, in key order, and sorts only those.
  const ordered = range.sortOrder === 'none' || (range.sortOrder === 'ascend' && range.sortTarget === 'key');
  const readMax = ordered && !isFiltered(range) && range.limit > 0 ? range.limit + 1 : Number.POSITIVE_INFINITY;
  let count: number;
  let found: KeyVersion[] = [];
  if (present) {
    count = index.countLive(interval);
    if (!range.countOnly && count > 0) index.scanLive(interval, (version) => found.push(version) < readMax);
  } else {
    found = index.versionsAt(interval, range.revision);
    count = found.length;
    if (count > readMax) found.length = readMax;
  }
  if (range.countOnly) return { versions: [], more: false, count };
  if (isFiltered(range)) found = found.filter((version) => passes(range, version));
  sortVersions(range, found);
  const more = range.limit > 0 && found.length > range.limit;
  if (more) found.length = range.limit;
  return { versions: found, more, count };
}

/** Of one key, as it is now, there is nothing to sort and no limit to reach. */
function selectKey(version: KeyVersion | undefined, range: Range): Selected {
  if (version === undefined) return { versions: [], more: false, count: 0 };
  const shown = !range.countOnly && passes(range, version);
  return { versions: shown ? [version] : [], more: false, count: 1 };
}

function isFiltered(range: Range): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = range;
  return minModRevision !== 0 || maxModRevision !== 0 || minCreateRevision !== 0 || maxCreateRevision !== 0;
}

function passes(range: Range, { modRevision, createRevision }: KeyVersion): boolean {
  return (
    modRevision >= range.minModRevision &&
    (range.maxModRevision === 0 || modRevision <= range.maxModRevision) &&
    createRevision >= range.minCreateRevision &&
    (range.maxCreateRevision === 0 || createRevision <= range.maxCreateRevision)
  );
}

/** `found` ascends by key. A target without an order means ascending, as in etcd. */
function sortVersions(range: Range, found: KeyVersion[]): void {
  if (range.sortTarget === 'key') {
    if (range.sortOrder === 'descend') found.reverse();
    return;
  }
  const sign = range.sortOrder === 'descend' ? -1 : 1;
  const sortKey = sortKeyOf(range);
  // Array sort is stable, so equal ones stay in byte order.
  found.sort((a, b) => {
    const [x, y] = [sortKey(a), sortKey(b)];
    return x < y ? -sign : x > y ? sign : 0;
  });
}

function sortKeyOf(range: Range): (version: KeyVersion) => number | string {
  switch (range.sortTarget) {
    case 'key':
      return (version) => version.node.key;
    case 'version':
      return (version) => version.version;
    case 'create':
      return (version) => version.createRevision;
    case 'mod':
      return (version) => version.modRevision;
    case 'value':
      return (version) => version.value;
    default:
      return unreachable(range.sortTarget);
  }
}
