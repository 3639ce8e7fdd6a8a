/**
 * A whole history against the one true log, by revisions (reliability.md §3.6.2): every answer must be the model's at its header
 * revision, and the order of calls in real time must be the order of the log (K1). An acknowledged write is in the log (S1),
 * within its call and no earlier (K4); one that stayed unknown is there once or not at all, one that did not happen is not (K3);
 * serializable reads are a real prefix (K5), refusals of revisions are exact (K6). Leases are judged in `lease-checks.ts`.
 */
import { encodeCommand } from '../../../src/state/codec.ts';
import type { Command } from '../../../src/state/command.ts';
import type { AppliedCommand } from '../../../src/state/outcome.ts';
import type { MemberId } from '../../../src/store/entry.ts';
import type { Model } from '../../state/model.ts';
import { resultOf } from '../../state/shapes.ts';
import type { CallRecord, CallResult, TruthEntry } from '../history.ts';
import { isEqual, show } from './equal.ts';
import { fail } from './fail.ts';

/** A client's command in the log. */
export interface Item {
  /** Counted from 0. */
  readonly position: number;
  /** The command's place in its entry. */
  readonly among: number;
  /** Both in one number, to sort by. */
  readonly order: number;
  readonly atMs: number;
  readonly applied: AppliedCommand;
}

/** By call number: what became of its command in the log. Calls whose outcome stayed unknown are in it if they happened. */
export type Resolved = ReadonlyMap<number, Item>;

type Written = CallRecord & { readonly call: { readonly type: 'command' } };
type Read = CallRecord & { readonly call: { readonly type: 'range' } };

/** Checks it all, or throws. `model` has taken in all of `truth`. `idOf`: a member's id by its number. */
export function checkRevisions(
  calls: readonly CallRecord[],
  truth: readonly TruthEntry[],
  model: Model,
  idOf: (member: number) => MemberId,
): Resolved {
  const matched = matchCommands(calls, truth, idOf);
  const revisions = new Revisions(truth);
  for (const record of calls) if (isRead(record)) checkRead(record, model, revisions);
  checkOrder(calls, matched, revisions);
  return matched;
}

// ── whose commands are in the log ──────────────────────────────────────────────────────────────────────────────────────

/** Finds the call of every client's command in the log, and the command of every call that was answered. */
function matchCommands(
  calls: readonly CallRecord[],
  truth: readonly TruthEntry[],
  idOf: (member: number) => MemberId,
): Map<number, Item> {
  const asked = new Map<string, Written[]>();
  for (const record of calls) {
    if (!isWrite(record)) continue;
    const key = `${idOf(record.member)} ${signature(record.call.command)}`;
    const same = asked.get(key);
    if (same === undefined) asked.set(key, [record]);
    else same.push(record);
  }
  const matched = new Map<number, Item>();
  truth.forEach(({ commands, atMs }, position) => {
    for (const [among, applied] of commands.entries()) {
      const { origin, command } = applied;
      if (origin.seq === 0 || command.type === 'publish' || command.type === 'alarm') continue;
      const item: Item = { position, among, order: position + among / 10_000, atMs, applied };
      const same = asked.get(`${origin.member} ${signature(command)}`) ?? [];
      const record = callOf(item, same, matched);
      if (record === undefined) nobodysCommand(item, same);
      else matched.set(record.number, item);
    }
  });
  for (const record of calls)
    if (isWrite(record) && isCertain(record) && !matched.has(record.number)) lostCommand(record, truth, idOf);
  return matched;
}

/** Of the calls that may have made this command the one that has least time left, and one that was answered first of all. */
function callOf(
  { atMs, applied }: Item,
  same: readonly Written[],
  matched: ReadonlyMap<number, Item>,
): Written | undefined {
  let found: Written | undefined;
  for (const record of same) {
    if (matched.has(record.number) || record.sentMs > atMs || record.outcome === 'notDone') continue;
    if (isCertain(record)) {
      if ((record.endedMs as number) < atMs || !isEqual(outcomeOf(record), applied.outcome)) continue;
      if (found === undefined || !isCertain(found) || (record.endedMs as number) < (found.endedMs as number))
        found = record;
    } else found ??= record;
  }
  return found;
}

function nobodysCommand({ position, applied, atMs }: Item, same: readonly Written[]): never {
  const what = `the ${applied.command.type} at ${position + 1}, ${show(applied.command)},`;
  const early = same.find((record) => record.sentMs > atMs);
  if (same.some((record) => record.outcome === 'notDone' && record.sentMs <= atMs))
    fail('K3', `${what} took effect, and its client was told that it never would`);
  const answered = same.find((record) => isCertain(record) && record.sentMs <= atMs);
  if (answered !== undefined) wrongAnswer(answered, what, applied, atMs);
  fail(
    'K3',
    early === undefined
      ? `${what} took effect without a call, or twice`
      : `${what} took effect at ${atMs}, before it was sent`,
  );
}

function lostCommand(record: Written, truth: readonly TruthEntry[], idOf: (member: number) => MemberId): never {
  const { call, member } = record;
  const own = signature(call.command);
  for (const { commands, atMs } of truth) {
    for (const applied of commands) {
      if (applied.origin.member === idOf(member) && applied.origin.seq !== 0 && signature(applied.command) === own)
        wrongAnswer(record, `#${record.number}, ${show(call.command)},`, applied, atMs);
    }
  }
  return fail(
    'S1',
    `#${record.number}, ${show(call.command)}, was answered ${show(record.result)}, and is not in the log`,
  );
}

/** The call was answered, its command is in the log, and the two do not fit. */
function wrongAnswer(record: Written, what: string, { outcome }: AppliedCommand, atMs: number): never {
  const told = outcomeOf(record);
  if (!isEqual(told, outcome)) {
    const revisionOnly = isEqual({ ...(told as object), revision: 0 }, { ...outcome, revision: 0 });
    fail(revisionOnly ? 'K2' : 'K1', `${what} came to ${show(outcome)}, its client was told ${show(told)}`);
  }
  if ((record.endedMs as number) < atMs)
    fail('K4', `${what} was answered at ${record.endedMs}, and applied at ${atMs} only`);
  return fail('K3', `${what} was applied at ${atMs}, the call was sent at ${record.sentMs}; or it took effect twice`);
}

// ── reads ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

function checkRead(record: Read, model: Model, revisions: Revisions): void {
  const { result, call, number } = record;
  if (result?.type !== 'range' && result?.type !== 'rangeRefused') return;
  const { range, serializable } = call;
  const { revision } = result;
  const first = revisions.firstOf(revision);
  if (first === undefined) fail('K4', `read #${number} is of revision ${revision}, which never was`);
  if (first.atMs > (record.endedMs as number))
    fail('K4', `read #${number} shows revision ${revision} at ${record.endedMs}, it was applied at ${first.atMs} only`);
  const future = range.revision > revision;
  const { sentMs, endedMs } = record;
  if (result.type === 'rangeRefused') {
    const compacted = revisions.isCompacted(range.revision, endedMs as number);
    if (result.refusal === 'compacted' ? !compacted : !future)
      fail('K6', `read #${number} of revision ${range.revision} at ${revision} is refused: ${result.refusal}`);
    return;
  }
  if (future) fail('K6', `read #${number} of revision ${range.revision} is answered at ${revision}`);
  // A serializable read asks a member that may not have heard of a compaction yet.
  if (!serializable && revisions.isCompacted(range.revision, sentMs, true))
    fail('K6', `read #${number} of revision ${range.revision} is answered, it was compacted when it was sent`);
  const expected = model.look(range.revision > 0 ? range : { ...range, revision });
  const actual = resultOf(result.result);
  if (!isEqual(actual, expected))
    fail(serializable ? 'K5' : 'K1', `read #${number} at ${revision}: ${show(actual)}, must be ${show(expected)}`);
}

// ── order ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** K1: what ended before a call was sent comes before it in the log. */
function checkOrder(calls: readonly CallRecord[], matched: ReadonlyMap<number, Item>, revisions: Revisions): void {
  const ends: { readonly atMs: number; readonly position: number; readonly number: number }[] = [];
  for (const record of calls) {
    if (!isCertain(record)) continue;
    // A stale serializable read is no promise to others, but it shows that its revision was there.
    const position = isWrite(record)
      ? matched.get(record.number)?.position
      : revisions.firstOf(revisionOf(record.result))?.position;
    if (position !== undefined) ends.push({ atMs: record.endedMs as number, position, number: record.number });
  }
  ends.sort((a, b) => a.atMs - b.atMs);
  const sent = calls.toSorted((a, b) => a.sentMs - b.sentMs);
  let at = 0;
  let floor = { position: -1, number: -1 };
  for (const record of sent) {
    for (; at < ends.length && (ends[at] as { atMs: number }).atMs < record.sentMs; at++) {
      const end = ends[at] as { position: number; number: number };
      if (end.position > floor.position) floor = end;
    }
    const after = `after #${floor.number} ended at ${floor.position + 1} of the log`;
    if (isWrite(record)) {
      const position = matched.get(record.number)?.position;
      if (position !== undefined && position < floor.position)
        fail('K1', `#${record.number}, sent ${after}, stands at ${position + 1}`);
    } else if (isRead(record) && !record.call.serializable && isCertain(record)) {
      const revision = revisionOf(record.result);
      const last = revisions.lastOf(revision);
      if (last < floor.position)
        fail('K1', `read #${record.number}, sent ${after}, shows revision ${revision}, over at ${last + 1}`);
    }
  }
}

/** Where in the log each revision begins and ends. */
class Revisions {
  readonly #first = new Map<number, { readonly position: number; readonly atMs: number }>();
  readonly #last = new Map<number, number>();
  readonly #compactions: { readonly revision: number; readonly atMs: number }[] = [];

  constructor(truth: readonly TruthEntry[]) {
    this.#first.set(1, { position: -1, atMs: 0 });
    this.#last.set(1, -1);
    let before = 1;
    truth.forEach(({ revisionAfter, atMs, commands }, position) => {
      for (const { command, outcome } of commands)
        if (command.type === 'compact' && outcome.ok) this.#compactions.push({ revision: command.revision, atMs });
      // An entry may make several revisions; a reader sees only the last of them.
      for (let revision = before + 1; revision <= revisionAfter; revision++)
        this.#first.set(revision, { position, atMs });
      this.#last.set(revisionAfter, position);
      before = revisionAfter;
    });
  }

  /** Whether a compaction that was applied by `atMs` (before it, if `strictly`) took `revision`, 0 being the newest. */
  isCompacted(revision: number, atMs: number, strictly = false): boolean {
    if (revision <= 0) return false;
    return this.#compactions.some((one) => one.revision > revision && (strictly ? one.atMs < atMs : one.atMs <= atMs));
  }

  firstOf(revision: number): { readonly position: number; readonly atMs: number } | undefined {
    return this.#first.get(revision);
  }

  /** -1 for one that never was the newest after an entry. */
  lastOf(revision: number): number {
    return this.#last.get(revision) ?? this.#first.get(revision)?.position ?? -1;
  }
}

function isWrite(record: CallRecord): record is Written {
  return record.call.type === 'command';
}

function isRead(record: CallRecord): record is Read {
  return record.call.type === 'range';
}

function isCertain({ outcome }: CallRecord): boolean {
  return outcome === 'ok' || outcome === 'refused';
}

function outcomeOf({ result }: CallRecord): unknown {
  return result?.type === 'outcome' ? result.outcome : undefined;
}

/** Of what was answered about keys; a lease's answer carries an older one. */
function revisionOf(result: CallResult | undefined): number {
  if (result?.type === 'outcome') return result.outcome.revision;
  return result?.type === 'range' || result?.type === 'rangeRefused' ? result.revision : 0;
}

function signature(command: Command): string {
  return Buffer.from(encodeCommand({ origin: { member: 1n, boot: 1, seq: 1 }, command })).toString('latin1');
}
