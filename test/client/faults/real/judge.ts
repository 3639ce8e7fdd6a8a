/** Holds what holders said of themselves against the moments at which the cluster let the next one in. Numbers in, sentences out. */
import type { Admission, HolderSaid } from './records.ts';

export interface Verdict {
  /** Broken promises. */
  readonly violations: readonly string[];
  /** Owners that were followed by another. */
  readonly handovers: number;
  /** Of them: the holder stood still at that moment, and found out when it looked. */
  readonly asleep: number;
  /** Of them: the holder ran, and had been told by its signal before. */
  readonly told: number;
  readonly holds: number;
  readonly writes: number;
  /** The shortest time between the end of a belief that a running process lost and the next one's admission. */
  readonly closestMs: number;
}

interface Hold {
  readonly who: string;
  readonly fromMs: number;
  toMs: number;
  why: string;
  lastWriteMs: number;
}

/** `ttlMs`: of all holds. */
export function judge(records: readonly HolderSaid[], admissions: readonly Admission[], ttlMs: number): Verdict {
  const holds = new Map<string, Hold>();
  const violations: string[] = [];
  let writes = 0;
  for (const record of records) {
    if (record.type === 'stood') continue;
    const key = `${record.lock} ${record.token}`;
    const hold = holds.get(key);
    if (record.type === 'held')
      holds.set(key, { who: record.who, fromMs: record.atMs, toMs: Number.POSITIVE_INFINITY, why: '', lastWriteMs: 0 });
    else if (hold === undefined) violations.push(`F3: ${record.who} says ${record.type} of ${key}, and never held it`);
    else if (record.type === 'write') {
      writes++;
      hold.lastWriteMs = Math.max(hold.lastWriteMs, record.atMs);
    } else if (record.atMs < hold.toMs) {
      hold.toMs = record.atMs;
      hold.why = record.why;
    }
  }
  const stood = records.filter((record) => record.type === 'stood');
  const counts = { handovers: 0, asleep: 0, told: 0 };
  let closestMs = Number.POSITIVE_INFINITY;
  for (const { previous, next } of handovers(admissions)) {
    const hold = holds.get(`${previous.lock} ${previous.token}`);
    if (hold === undefined) continue;
    counts.handovers++;
    const { atMs } = next;
    const about = `${hold.who} with ${previous.token} of ${previous.lock}, followed by ${next.token}`;
    if (hold.lastWriteMs > atMs)
      violations.push(`F7: ${about}, writes ${(hold.lastWriteMs - atMs).toFixed(1)} ms later`);
    const sleep = stood.find(({ who, fromMs, toMs }) => who === hold.who && fromMs <= atMs && atMs <= toMs);
    if (hold.toMs <= atMs) {
      if (hold.why !== 'lost') continue;
      counts.told++;
      closestMs = Math.min(closestMs, atMs - hold.toMs);
    } else if (sleep === undefined)
      violations.push(`F6: ${about}, runs and believes for ${(hold.toMs - atMs).toFixed(1)} ms more`);
    else counts.asleep++;
  }
  for (const { who, fromMs, toMs, looks } of stood)
    for (const look of looks)
      if (look.held && toMs - fromMs > ttlMs)
        violations.push(`F7: ${who} says held of ${look.token} after ${(toMs - fromMs).toFixed(1)} ms`);
  return { violations, ...counts, holds: holds.size, writes, closestMs };
}

function* handovers(admissions: readonly Admission[]): Generator<{ previous: Admission; next: Admission }> {
  const owners = new Map<string, Admission>();
  for (const next of admissions) {
    const previous = owners.get(next.lock);
    if (previous !== undefined) yield { previous, next };
    owners.set(next.lock, next);
  }
}
