/** Brings what the machine says and what the model says into one shape, so that a test can demand that they are equal. */
import { expect } from 'vitest';
import type { Machine } from '../../src/state/machine.ts';
import { range, text } from './commands.ts';
import type { Model, ModelEvent } from './model.ts';
import { modelValue, resultOf } from './shapes.ts';

export function eventsOf(machine: Machine, revision: number): ModelEvent[] {
  return machine.history.eventsOf(revision).map((event) => {
    const before = event.prevKv();
    const now = modelValue(event.kv);
    expect(event.key).toBe(now.key);
    expect(now.mod).toBe(revision);
    if (event.type === 'delete')
      expect(now).toEqual({ key: now.key, value: '', create: 0, mod: revision, version: 0, lease: 0n });
    return {
      type: event.type,
      key: now.key,
      now: event.type === 'put' ? now : undefined,
      before: before === undefined ? undefined : modelValue(before),
    };
  });
}

/** By member, then NOSPACE before CORRUPT, as in etcd's enumeration. */
function placeOf(alarm: string): number {
  const [member, kind] = alarm.split('/') as [string, string];
  return Number(member) * 2 + (kind === 'corrupt' ? 1 : 0);
}

/** Everything that can be asked of a machine, against the model; `why` goes into the failure. */
export function expectAlike(machine: Machine, model: Model, why: string): void {
  expect(machine.revision, why).toBe(model.revision);
  expect([machine.compactRevision, machine.compaction.position], why).toEqual([model.compacted, model.sweepAt]);
  expect(machine.sizeBytes, why).toBe(model.sizeBytes);
  expect(machine.keyCount, why).toBe(model.keys.size);
  const ids = [...model.leases.keys()].sort((a, b) => (a < b ? -1 : 1));
  expect(machine.leases(), why).toEqual(ids);
  expect(machine.lessor.count, why).toBe(ids.length);
  let attached = 0;
  for (const [id, lease] of model.leases) {
    const slot = machine.lessor.slotOf(id);
    expect(machine.lessor.isLive(slot), why).toBe(true);
    expect(machine.lessor.idAt(slot), why).toBe(id);
    const { stamp, granted, remaining } = lease;
    expect(
      [machine.lessor.stampAt(slot), machine.lessor.grantedMsAt(slot), machine.lessor.remainingMsAt(slot)],
      why,
    ).toEqual([stamp, granted, remaining]);
    const keys = model.keysOf(id);
    expect(machine.leaseKeys(id).map(text), why).toEqual(keys);
    expect(machine.lessor.keyCountAt(slot), why).toBe(keys.length);
    attached += keys.length;
  }
  expect(machine.lessor.attachedKeyCount, why).toBe(attached);
  const members = [...model.members]
    .map(([id, attributes]) => ({ id, ...attributes }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  expect(machine.members(), why).toEqual(members);
  const alarms = machine.alarms.list().map(({ member, kind }) => `${member}/${kind}`);
  expect(alarms, why).toEqual([...model.alarms].sort((a, b) => placeOf(a) - placeOf(b)));
  for (let revision = Math.max(1, model.revision - 4); revision <= model.revision; revision++) {
    const all = range('\0', '\0', { revision });
    expect(resultOf(machine.range(all)), why).toEqual(model.range(all));
    expect(eventsOf(machine, revision), why).toEqual(model.eventsOf(revision));
  }
}
