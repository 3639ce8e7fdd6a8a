/**
 * A history told by hand: what clients sent and heard and what the log took in, in the order of time, fed to the checks as a run
 * would. The state machine of the story is the real one, unless the story lies about it.
 */
import { encodeCommand, packCommands } from '../../../../src/state/codec.ts';
import type { Command, LeaseId } from '../../../../src/state/command.ts';
import type { EventView } from '../../../../src/state/history.ts';
import { Machine } from '../../../../src/state/machine.ts';
import type { AppliedCommand, Outcome } from '../../../../src/state/outcome.ts';
import type { Entry } from '../../../../src/store/entry.ts';
import { bytes, range } from '../../../state/commands.ts';
import type { CallRecord, CallResult, ClientCall, WatchRecord } from '../../history.ts';
import type { RunContext } from '../../observer.ts';
import { LeaseChecks } from '../lease-checks.ts';
import { checkLinearizable, linearOps } from '../linearizability.ts';
import { Lives } from '../lives.ts';
import { StateChecks } from '../state-checks.ts';
import { WatchChecks } from '../watch-checks.ts';
import { checkWhole } from '../whole-checks.ts';

/** One row of the table: a story and what must come of it. */
export interface Row {
  readonly name: string;
  /** The invariant that it breaks, or `legal`. */
  readonly expected: string;
  readonly tell: () => void;
}

type ClientCommand = Extract<ClientCall, { type: 'command' }>['command'];

const leader = 1n;
const context = { seed: 0n, members: [{ id: leader }], clocksInSpec: true } as unknown as RunContext;

export class Story {
  readonly machine = new Machine();
  readonly state = new StateChecks();
  readonly lives = new Lives();
  readonly leases = new LeaseChecks(this.lives, { electionTimeoutMs: 1_000, clocksInSpec: true });
  readonly watching = new WatchChecks(this.state.model);
  readonly calls: CallRecord[] = [];
  term = 1;
  readonly #outcomes = new Map<number, Outcome>();
  #seq = 0;

  // ── clients ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  send(call: ClientCall, sentMs: number): CallRecord {
    const record: CallRecord = {
      number: this.calls.length,
      client: this.calls.length,
      member: 0,
      call,
      sentMs,
      receivedMs: undefined,
      endedMs: undefined,
      outcome: 'open',
      result: undefined,
    };
    this.calls.push(record);
    this.leases.called(record);
    return record;
  }

  write(command: ClientCommand, sentMs: number, serverId = false): CallRecord {
    return this.send({ type: 'command', command, serverId }, sentMs);
  }

  /** What the log made of it, or what the story says. Nothing of both: its client never hears. */
  answer(record: CallRecord, endedMs: number, told?: CallResult): void {
    const outcome = this.#outcomes.get(record.number);
    const result = told ?? (outcome === undefined ? undefined : { type: 'outcome', outcome });
    record.result = result;
    record.endedMs = endedMs;
    const refused = result?.type === 'rangeRefused' || (result?.type === 'outcome' && !result.outcome.ok);
    if (result === undefined) record.outcome = 'unknown';
    else if (result.type === 'unavailable') record.outcome = 'notDone';
    else record.outcome = refused ? 'refused' : 'ok';
    this.leases.answered(record);
  }

  /** Its client gives up. */
  lose(record: CallRecord, endedMs: number): void {
    record.outcome = 'unknown';
    record.endedMs = endedMs;
  }

  /** Sent, applied and answered, each a millisecond after the other. */
  done(command: ClientCommand, atMs: number): CallRecord {
    const record = this.write(command, atMs);
    this.log(atMs + 1, record);
    this.answer(record, atMs + 2);
    return record;
  }

  /** A read of one key that was answered as of `revision`; 0: the present. */
  read(key: string, sentMs: number, endedMs: number, revision = 0, serializable = false): void {
    const record = this.send({ type: 'range', range: range(key), serializable }, sentMs);
    this.answer(record, endedMs, this.seen(key, revision));
  }

  /** What a reader sees of a key as of `revision`. */
  seen(key: string, revision = 0): Extract<CallResult, { type: 'range' }> {
    const result = this.machine.range(range(key, '', { revision }));
    if (result.type === 'refused') throw new Error(`the story reads revision ${revision}`);
    return { type: 'range', revision: revision === 0 ? this.machine.revision : revision, result };
  }

  keepAlive(id: LeaseId, sentMs: number, endedMs: number, ttlMs: number | 'gone'): void {
    const record = this.send({ type: 'keepAlive', id }, sentMs);
    this.answer(record, endedMs, leaseAnswer(ttlMs, typeof ttlMs === 'number' ? ttlMs : 0));
  }

  timeToLive(id: LeaseId, sentMs: number, endedMs: number, ttlMs: number, remainingMs: number): void {
    const record = this.send({ type: 'timeToLive', id }, sentMs);
    this.answer(record, endedMs, leaseAnswer(ttlMs, remainingMs));
  }

  // ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The next entry, with these calls' commands or the primary's own, is applied for the first time. */
  log(atMs: number, ...items: (CallRecord | Command)[]): readonly Outcome[] {
    const { entry, applied } = this.made(...items);
    this.take(atMs, entry, applied);
    return applied.map(({ outcome }) => outcome);
  }

  /** The next entry, applied by the machine and not yet told to the checks. */
  made(...items: (CallRecord | Command)[]): { entry: Entry; applied: readonly AppliedCommand[] } {
    const commands = items.map((item) => {
      const own = 'number' in item;
      const origin = { member: leader, boot: 1, seq: own ? ++this.#seq : 0 };
      const command = own ? (item.call as Extract<ClientCall, { type: 'command' }>).command : item;
      return encodeCommand({ origin, command });
    });
    const index = this.machine.appliedIndex + 1;
    const entry: Entry = { index, term: this.term, kind: 'commands', payload: packCommands(commands) };
    const applied = this.machine.apply(entry);
    items.forEach((item, i) => {
      if ('number' in item) this.#outcomes.set(item.number, (applied[i] as AppliedCommand).outcome);
    });
    return { entry, applied };
  }

  /** Tells the checks of an entry, or what the story says of it. */
  take(atMs: number, entry: Entry, applied: readonly AppliedCommand[], machine = this.machine): void {
    const place = this.state.appliedOn({ id: leader, machine }, entry, applied, atMs, leader);
    if (place !== undefined) this.leases.applied(this.lives.applied(place), atMs);
  }

  stampOf(id: LeaseId): number {
    const { lessor } = this.machine;
    return lessor.stampAt(lessor.slotOf(id));
  }

  // ── watches and the end ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Opens a watch on [key, rangeEnd) that was created at the present. */
  watch(key: string, rangeEnd: string, more: Partial<WatchRecord> = {}): WatchRecord {
    const { startRevision = 0 } = more;
    const watch: WatchRecord = {
      number: 0,
      client: 0,
      key: bytes(key),
      rangeEnd: bytes(rangeEnd),
      prevKv: false,
      noPut: false,
      noDelete: false,
      slowMs: 0,
      startRevision,
      sentMs: 0,
      createdRevision: this.machine.revision,
      connections: [],
      events: [],
      seenRevision: startRevision === 0 ? this.machine.revision : startRevision - 1,
      compactRevision: 0,
      endedMs: undefined,
      ...more,
    };
    this.watching.opened(watch);
    return watch;
  }

  /** The events of these revisions as the machine tells them. */
  events(prevKv: boolean, ...revisions: number[]): EventView[] {
    const { history } = this.machine;
    return revisions.flatMap((revision) => history.eventsOf(revision).map((event) => event.view(prevKv)));
  }

  /** The watch is given events, and told to have seen all up to `seen`: to the last of them, if not said. */
  give(watch: WatchRecord, events: readonly EventView[], seen = events.at(-1)?.kv.modRevision ?? 0): void {
    watch.events.push(...events);
    watch.seenRevision = Math.max(watch.seenRevision, seen);
    this.watching.watched(watch, events, this.machine.revision);
  }

  /** Judges the whole. */
  end(): void {
    checkWhole(context, this.calls, this.state, this.lives);
  }

  /** Judges the whole by search alone, without the log's word. */
  search(): void {
    checkLinearizable(linearOps(this.calls, [], ({ number }) => ({ happenedMs: undefined, hint: number })));
  }
}

function leaseAnswer(ttlMs: number | 'gone', remainingMs: number): CallResult {
  if (ttlMs === 'gone') return { type: 'lease', revision: 0, answer: { type: 'gone' } };
  return { type: 'lease', revision: 0, answer: { type: 'alive', grantedMs: ttlMs, remainingMs } };
}

/** The truth, but for what the story says instead. */
export function lying<T extends object>(truth: T, lies: Partial<Record<keyof T, unknown>>): T {
  return new Proxy(truth, {
    get(target, name) {
      if (name in lies) return lies[name as keyof T];
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
