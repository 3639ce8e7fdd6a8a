/**
 * The alarms that are raised, by member and kind, and what they refuse (etcd: alarm store, applierV3Capped, applierV3Corrupt).
 * Replicated: every member refuses the same, at apply. A raised alarm stays until it is disarmed, whatever became of its reason.
 * Who raises one, and why, is not known here. Keeps S5, D1.
 */
import { unreachable } from '../base/assert.ts';
import { alarmsMax } from '../base/limits.ts';
import type { MemberId } from '../store/entry.ts';
import type { RaisedAlarm } from './alarm-record.ts';
import type { Alarm, AlarmKind, Command } from './command.ts';
import { growthBytes } from './growth.ts';
import { ImageQueue } from './image-queue.ts';
import { alarmsRecord } from './image-records.ts';
import { type Refused, refused } from './kv.ts';
import type { DoneResult, Refusal } from './outcome.ts';
import { isReadOnly } from './txn.ts';

export class Alarms {
  /** Ascending by member, then by kind. */
  #raised: readonly RaisedAlarm[] = [];
  #recorded = false;
  /** The one record of all alarms, for the image, and its sum. */
  readonly records = new ImageQueue();

  /** Ascending by member, then by kind. */
  list(): readonly RaisedAlarm[] {
    return this.#raised;
  }

  /** Whether any member has raised it. */
  has(kind: AlarmKind): boolean {
    return this.#raised.some((alarm) => alarm.kind === kind);
  }

  /** Whether this member has raised it. */
  hasOf(member: MemberId, kind: AlarmKind): boolean {
    return this.#raised.some((alarm) => alarm.member === member && alarm.kind === kind);
  }

  /** Raises or disarms; `touched` 0: it was so already. */
  apply({ action, member, kind }: Alarm): DoneResult | Refused {
    const raised = this.hasOf(member, kind);
    if (raised === (action === 'activate')) return { type: 'done', touched: 0 };
    if (action === 'activate' && this.#raised.length >= alarmsMax) return refused('tooManyAlarms');
    const others = this.#raised.filter((alarm) => alarm.member !== member || alarm.kind !== kind);
    this.#set(action === 'activate' ? [...others, { member, kind }] : others);
    return { type: 'done', touched: 1 };
  }

  /** What a raised alarm has against a command; corruption weighs more. */
  refusalOf(command: Command): Refusal | undefined {
    if (this.#raised.length === 0) return undefined;
    if (this.has('corrupt') && isFrozen(command)) return 'corrupt';
    if (this.has('noSpace') && growthBytes(command) > 0) return 'noSpace';
    return undefined;
  }

  /** Takes over the record of an image. */
  restore(raised: readonly RaisedAlarm[]): void {
    this.#raised = raised;
    this.#recorded = true;
    this.records.addToSum(alarmsRecord(raised));
  }

  #set(raised: readonly RaisedAlarm[]): void {
    if (this.#recorded) this.records.takeFromSum(alarmsRecord(this.#raised));
    this.#recorded = true;
    this.#raised = [...raised].sort(compareAlarms);
    this.records.putRecord(alarmsRecord(this.#raised));
  }
}

/** The order of the record: by member, then by kind. */
function compareAlarms(a: RaisedAlarm, b: RaisedAlarm): number {
  if (a.member !== b.member) return a.member < b.member ? -1 : 1;
  return a.kind === b.kind ? 0 : a.kind === 'noSpace' ? -1 : 1;
}

/**
 * Whether the command would change keys or leases: none of that happens in a cluster whose members disagree. Nothing expires
 * then either, as in etcd; what is left of leases is still written down, and keep-alives are answered.
 */
function isFrozen(command: Command): boolean {
  switch (command.type) {
    case 'grant':
    case 'revoke':
    case 'put':
    case 'deleteRange':
    case 'expire':
    case 'compact':
      return true;
    case 'txn':
      return !isReadOnly(command);
    case 'checkpoint':
    case 'clear':
    case 'publish':
    case 'alarm':
    case 'sweep':
      return false;
    default:
      return unreachable(command);
  }
}
