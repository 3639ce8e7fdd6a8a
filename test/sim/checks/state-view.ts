/** The machine beside the model: says in words where they differ, or nothing if they do not. Knows no invariant. */
import { byteString } from '../../../src/base/bytes.ts';
import type { LeaseId } from '../../../src/state/command.ts';
import type { Machine } from '../../../src/state/machine.ts';
import type { KeyValue } from '../../../src/state/outcome.ts';
import { range, text } from '../../state/commands.ts';
import type { Model, ModelEvent, ModelValue } from '../../state/model.ts';
import { resultOf } from '../../state/shapes.ts';
import { isEqual, show } from './equal.ts';

/** A lease as it must be; `lease` undefined: gone. */
export interface LeaseView {
  readonly id: LeaseId;
  readonly lease: { readonly stamp: number; readonly granted: number; readonly remaining: number } | undefined;
  /** In byte order. */
  readonly keys: readonly string[];
}

export function leaseView(model: Model, id: LeaseId): LeaseView {
  const lease = model.leases.get(id);
  return {
    id,
    lease: lease === undefined ? undefined : { ...lease },
    keys: lease === undefined ? [] : model.keysOf(id),
  };
}

export function differsInLease({ lessor }: Machine, { id, lease, keys }: LeaseView): string | undefined {
  const slot = lessor.slotOf(id);
  if (lease === undefined) return slot < 0 ? undefined : 'lives, and must be gone';
  if (slot < 0) return 'is gone, and must live';
  if (lessor.stampAt(slot) !== lease.stamp) return `stamp ${lessor.stampAt(slot)}, must be ${lease.stamp}`;
  if (lessor.grantedMsAt(slot) !== lease.granted)
    return `granted ${lessor.grantedMsAt(slot)}, must be ${lease.granted}`;
  if (lessor.remainingMsAt(slot) !== lease.remaining)
    return `remaining ${lessor.remainingMsAt(slot)}, must be ${lease.remaining}`;
  const attached = lessor.keysAt(slot).map((node) => node.key);
  return isEqual(attached, keys) ? undefined : `keys ${show(attached)}, must be ${show(keys)}`;
}

/** The events of a revision: which, in what order, with what before them. */
export function differsInEvents(
  machine: Machine,
  revision: number,
  expected: readonly ModelEvent[],
): string | undefined {
  const events = machine.history.eventsOf(revision);
  if (events.length !== expected.length) return `${events.length} events, must be ${expected.length}`;
  for (let i = 0; i < events.length; i++) {
    const [event, must] = [events[i], expected[i] as ModelEvent];
    if (event === undefined || event.type !== must.type || event.key !== must.key)
      return `event ${i} is a ${event?.type} of ${event?.key}, must be a ${must.type} of ${must.key}`;
    if (must.now === undefined ? event.kv.modRevision !== revision : !isValue(event.kv, must.now))
      return `event ${i} of ${must.key}: ${show(event.kv)}, must be ${show(must.now)}`;
    const before = event.prevKv();
    if (before === undefined ? must.before !== undefined : must.before === undefined || !isValue(before, must.before))
      return `event ${i} of ${must.key} before: ${show(before)}, must be ${show(must.before)}`;
  }
  return undefined;
}

export function isValue(kv: KeyValue, must: ModelValue): boolean {
  return (
    kv.createRevision === must.create &&
    kv.modRevision === must.mod &&
    kv.version === must.version &&
    kv.lease === must.lease &&
    byteString(kv.key) === must.key &&
    byteString(kv.value) === must.value
  );
}

/** Everything that can be asked of a machine in its present state. */
export function wholeDiffers(machine: Machine, model: Model): string | undefined {
  if (machine.revision !== model.revision) return `revision ${machine.revision}, must be ${model.revision}`;
  if (machine.compactRevision !== model.compacted)
    return `compacted is ${machine.compactRevision}, must be ${model.compacted}`;
  for (const revision of [model.compacted, model.compacted + 1, model.revision]) {
    const difference = differsInEvents(machine, revision, model.eventsOf(revision));
    if (difference !== undefined) return `revision ${revision}: ${difference}`;
  }
  const { newest, oldest } = pastOf(model);
  for (const revision of new Set([oldest, Math.floor((oldest + newest) / 2)])) {
    const all = range('\0', '\0', { revision });
    const [found, must] = [resultOf(machine.range(all)), model.range(all)];
    if (!isEqual(found, must)) return `keys at ${revision} ${show(found)}, must be ${show(must)}`;
  }
  const ids = [...model.leases.keys()].sort((a, b) => (a < b ? -1 : 1));
  if (!isEqual(machine.leases(), ids)) return `leases ${show(machine.leases())}, must be ${show(ids)}`;
  for (const id of ids) {
    const difference = differsInLease(machine, leaseView(model, id));
    if (difference !== undefined) return `lease ${id}: ${difference}`;
    const keys = machine.leaseKeys(id).map(text);
    if (!isEqual(keys, model.keysOf(id))) return `lease ${id}: keys ${show(keys)}`;
  }
  const all = range('\0', '\0');
  const [found, must] = [resultOf(machine.range(all)), model.range(all)];
  return isEqual(found, must) ? undefined : `keys ${show(found)}, must be ${show(must)}`;
}

/** The revisions that can still be asked for. */
function pastOf({ compacted, revision }: Model): { readonly oldest: number; readonly newest: number } {
  return { oldest: Math.max(1, compacted), newest: revision };
}
