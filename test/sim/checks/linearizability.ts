/**
 * Is there any order of calls, within the time each took, in which a simple store would have answered as it did? The search of Wing and
 * Gong with Lowe's memory of visited states, as in Porcupine (reliability.md §3.6.3); trusts no revision and no log order. Cut
 * into components of keys and leases that some call joins. A search that is given up is a failure, never a pass. K1.
 */
import type { LeaseId } from '../../../src/state/command.ts';
import type { Outcome } from '../../../src/state/outcome.ts';
import type { CallRecord } from '../history.ts';
import { show } from './equal.ts';
import { fail } from './fail.ts';
import { components } from './linear-components.ts';
import { emptyState, hashOf, type LinearAnswer, type LinearOp, type LinearState, step } from './linear-model.ts';

/** A life that expired: granted by which call, and between when (L1's bound) and when (its first application) it ended. */
export interface Expiry {
  readonly id: LeaseId;
  readonly grantedBy: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly hint: number;
}

/** What is known of a call from elsewhere. */
export interface CallKnowledge {
  /** When a call that was not answered happened; undefined leaves it open. */
  readonly happenedMs: number | 'never' | undefined;
  /** What it then came to, if that is known. */
  readonly outcome?: Outcome | undefined;
  readonly hint: number;
}

/** Calls as operations. Those that were answered have the time they took; one that certainly did nothing is not looked at. */
export function linearOps(
  calls: readonly CallRecord[],
  expiries: readonly Expiry[],
  known: (call: CallRecord) => CallKnowledge,
): LinearOp[] {
  const ops: LinearOp[] = [];
  for (const record of calls) {
    const { call, number, outcome, sentMs, endedMs } = record;
    if (outcome === 'notDone' || (call.type === 'range' && call.serializable)) continue;
    const answer = answerOf(record);
    const { happenedMs, outcome: cameTo, hint } = known(record);
    if (answer !== undefined)
      ops.push({ number, fromMs: sentMs, toMs: endedMs as number, hint, action: { type: 'call', call, answer } });
    else if (call.type === 'command' && happenedMs !== 'never') {
      const toMs = happenedMs ?? Number.POSITIVE_INFINITY;
      const became: LinearAnswer | undefined = cameTo === undefined ? undefined : { type: 'outcome', outcome: cameTo };
      ops.push({ number, fromMs: sentMs, toMs, hint, action: { type: 'call', call, answer: became } });
    }
  }
  expiries.forEach(({ id, grantedBy, fromMs, toMs, hint }, i) => {
    ops.push({ number: -1 - i, fromMs, toMs, hint, action: { type: 'expire', id, life: grantedBy } });
  });
  return ops;
}

/** Throws unless every component has such an order. `stepsMax`: for each of them. */
export function checkLinearizable(ops: readonly LinearOp[], stepsMax = 1_000_000): void {
  for (const component of components(ops)) search(component, stepsMax);
}

// ── the search ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A call or a return, in a doubly linked list in the order of time. */
interface Event {
  readonly op: LinearOp;
  /** Of a call its return, of a return nothing. */
  readonly ret: Event | undefined;
  /** Its place among the calls. */
  readonly place: number;
  next: Event | undefined;
  previous: Event | undefined;
}

/** One state on the way, and the operations that may come next there, the likeliest first. */
interface Frame {
  readonly state: LinearState;
  readonly candidates: readonly Event[];
  next: number;
  /** What was tried last from here. */
  taken: Event | undefined;
}

function search(ops: readonly LinearOp[], stepsMax: number): void {
  const head = linked(ops);
  const done = new Uint8Array(ops.length);
  const visited = new Set<string>();
  let steps = 0;
  let furthest: LinearOp | undefined;
  const frames: Frame[] = [frameOf(head, emptyState)];
  while (head.next !== undefined) {
    const frame = frames.at(-1);
    if (frame === undefined) fail('K1', `no order of calls explains ${describe(furthest)}`);
    if (frame.taken !== undefined) {
      // It led nowhere.
      unlift(frame.taken);
      done[frame.taken.place] = 0;
      frame.taken = undefined;
    }
    const call = frame.candidates[frame.next++];
    if (call === undefined) {
      const late = firstReturn(head);
      if (furthest === undefined || (late !== undefined && late.toMs > furthest.toMs)) furthest = late;
      frames.pop();
      continue;
    }
    if (++steps > stepsMax)
      fail(
        'K1-undecided',
        `the search over ${ops.length} calls was given up after ${stepsMax} steps; stuck at ${describe(furthest)}`,
      );
    const after = step(frame.state, call.op.number, call.op.action);
    if (after === undefined) continue;
    done[call.place] = 1;
    if (after !== frame.state) {
      const key = `${memory(done)}|${hashOf(after)}`;
      if (visited.has(key)) {
        done[call.place] = 0;
        continue;
      }
      visited.add(key);
    }
    // What changes nothing and was answered as it had to be here need not be tried later as well.
    else if (isAnswered(call.op)) frame.next = frame.candidates.length;
    frame.taken = call;
    lift(call);
    frames.push(frameOf(head, after));
  }
}

/** Whoever was called before the first return may come next. Those that only look come first, then as the hints say. */
function frameOf(head: { readonly next: Event | undefined }, state: LinearState): Frame {
  const candidates: Event[] = [];
  for (let at = head.next; at?.ret !== undefined; at = at.next) candidates.push(at);
  const looks = candidates.find(({ op }) => isAnswered(op) && step(state, op.number, op.action) === state);
  if (looks !== undefined) return { state, candidates: [looks], next: 0, taken: undefined };
  candidates.sort((a, b) => a.op.hint - b.op.hint || a.place - b.place);
  return { state, candidates, next: 0, taken: undefined };
}

function isAnswered({ action }: LinearOp): boolean {
  return action.type === 'call' && action.answer !== undefined;
}

function firstReturn(head: { readonly next: Event | undefined }): LinearOp | undefined {
  let at = head.next;
  while (at?.ret !== undefined) at = at.next;
  return at?.op;
}

/** Calls before returns where times are equal, so that they overlap. */
function linked(ops: readonly LinearOp[]): { next: Event | undefined } {
  const sorted = ops.toSorted((a, b) => a.fromMs - b.fromMs);
  const events: { readonly atMs: number; readonly event: Event }[] = [];
  sorted.forEach((op, place) => {
    const ret: Event = { op, ret: undefined, place, next: undefined, previous: undefined };
    events.push(
      { atMs: op.fromMs, event: { op, ret, place, next: undefined, previous: undefined } },
      { atMs: op.toMs, event: ret },
    );
  });
  events.sort((a, b) => a.atMs - b.atMs || Number(a.event.ret === undefined) - Number(b.event.ret === undefined));
  const head: Event = {
    op: undefined as unknown as LinearOp,
    ret: undefined,
    place: -1,
    next: undefined,
    previous: undefined,
  };
  let tail = head;
  for (const { event } of events) {
    tail.next = event;
    event.previous = tail;
    tail = event;
  }
  return head;
}

function lift(call: Event): void {
  for (const event of [call, call.ret as Event]) {
    (event.previous as Event).next = event.next;
    if (event.next !== undefined) event.next.previous = event.previous;
  }
}

function unlift(call: Event): void {
  for (const event of [call.ret as Event, call]) {
    (event.previous as Event).next = event;
    if (event.next !== undefined) event.next.previous = event;
  }
}

/** Which operations are done: all before the first that is not, and those listed. */
function memory(done: Uint8Array): string {
  let first = 0;
  while (done[first] === 1) first++;
  let text = `${first}`;
  for (let at = done.indexOf(1, first); at >= 0; at = done.indexOf(1, at + 1)) text += `,${at}`;
  return text;
}

function answerOf({ result }: CallRecord): LinearAnswer | undefined {
  if (result?.type === 'outcome') return result;
  if (result?.type === 'range') return result;
  return result?.type === 'lease' ? { type: result.answer.type } : undefined;
}

function describe(op: LinearOp | undefined): string {
  if (op === undefined) return 'anything';
  const { action, number, fromMs, toMs } = op;
  const what =
    action.type === 'expire'
      ? `the end of lease ${action.id}`
      : `#${number} ${show(action.call)}, answered ${show(action.answer)}`;
  return `${what}, from ${fromMs} to ${toMs}`;
}
