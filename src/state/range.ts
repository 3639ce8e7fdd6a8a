/**
 * Which keys a range answers, in what order (etcd's apply of RangeRequest): the count is of all keys in the range, filters
 * come before sorting, sorting before the limit. Ties are broken by key, so that every member gives the same answer.
 */
import { unreachable } from '../base/assert.ts';
import { byteString } from '../base/bytes.ts';
import type { Range } from './command.ts';
import { intervalOf, type KeyIndex, type KeyVersion, keyValueOf } from './key-index.ts';
import type { RangeResult } from './outcome.ts';
import type { Revisions } from './revision.ts';

/** The revision was checked: it is not above the current one and not compacted. */
export function selectRange(index: KeyIndex, revisions: Revisions, range: Range): RangeResult {
  const interval = intervalOf(byteString(range.key), byteString(range.rangeEnd));
  const present = range.revision <= 0 || (range.revision === revisions.current && !revisions.open);
  const simple = isByKey(range) && !isFiltered(range);
  let count: number;
  let found: KeyVersion[] = [];
  if (present) {
    count = index.countLive(interval);
    // Nobody needs more than the limit if neither filter nor order may choose others.
    const enough = simple && range.sortOrder !== 'descend' && range.limit > 0 ? range.limit : count;
    if (!range.countOnly && enough > 0) index.scanLive(interval, (version) => found.push(version) < enough);
  } else {
    found = index.versionsAt(interval, range.revision);
    count = found.length;
  }
  if (range.countOnly) return { type: 'range', kvs: [], more: false, count };
  if (isFiltered(range)) found = found.filter((version) => passes(range, version));
  sortVersions(range, found);
  const more = range.limit > 0 && (found.length > range.limit || (simple && count > range.limit));
  if (range.limit > 0 && found.length > range.limit) found = found.slice(0, range.limit);
  return { type: 'range', kvs: found.map((version) => keyValueOf(version, !range.keysOnly)), more, count };
}

function isByKey(range: Range): boolean {
  return range.sortTarget === 'key';
}

function isFiltered(range: Range): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = range;
  return minModRevision > 0 || maxModRevision > 0 || minCreateRevision > 0 || maxCreateRevision > 0;
}

function passes(range: Range, version: KeyVersion): boolean {
  const { modRevision, createRevision } = version;
  return (
    (range.minModRevision <= 0 || modRevision >= range.minModRevision) &&
    (range.maxModRevision <= 0 || modRevision <= range.maxModRevision) &&
    (range.minCreateRevision <= 0 || createRevision >= range.minCreateRevision) &&
    (range.maxCreateRevision <= 0 || createRevision <= range.maxCreateRevision)
  );
}

/** `found` ascends by key. A target without an order means ascending, as in etcd. */
function sortVersions(range: Range, found: KeyVersion[]): void {
  if (isByKey(range)) {
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
