/**
 * From an image to the state it holds, a record at a time, so that whoever loads a large one can do other things in between. Checks
 * everything: order, checksums, digest, references (S2, D3). Damage is a value that says what is wrong. Owns the order in which an
 * image is taken over; what a record means is its owner's.
 */
import { assert } from '../base/assert.ts';
import type { ImageRecord } from '../store/image.ts';
import type { MemberRecord, VersionRecord } from './image-records.ts';
import { ImageDamage, ImageVerifier } from './image-verifier.ts';
import { Machine } from './machine.ts';

/** One image's worth. Of no use any more once it has said that something is damaged. */
export class MachineLoader {
  readonly #machine: Machine;
  readonly #verifier = new ImageVerifier();
  readonly #versions: VersionRecord[] = [];
  readonly #members: MemberRecord[] = [];

  /** `seed` as for `Machine`. */
  constructor(seed?: number) {
    this.#machine = new Machine(seed);
  }

  /** Takes the next record, in key order. Keeps nothing of it but its key, until the next one. */
  add(record: ImageRecord): ImageDamage | undefined {
    const read = this.#verifier.read(record);
    if (read instanceof ImageDamage) return read;
    if (read.type === 'lease') {
      if (!this.#machine.lessor.restore(read)) return new ImageDamage('a lease is out of bounds, or is there twice');
    } else if (read.type === 'version') this.#versions.push(read);
    else if (read.type === 'member') this.#members.push(read);
    else if (read.type === 'alarms') this.#machine.alarms.restore(read.raised);
    return undefined;
  }

  /** All records were added. The rest takes a step for each version and each key. */
  *finishing(): Generator<void, Machine | ImageDamage> {
    const machine = this.#machine;
    const meta = this.#verifier.finish();
    if (meta instanceof ImageDamage) return meta;
    const { sums } = this.#verifier;
    if (!machine.restoreMeta(meta)) return new ImageDamage('a sweep stands where nothing is');
    if (!machine.lessor.restored(meta.stamps, sums.lease))
      return new ImageDamage('a lease has a stamp that was never given out');
    if (!(yield* machine.restoringKeys(this.#versions, sums.version)))
      return new ImageDamage('key records do not fit together');
    for (const member of this.#members) machine.restoreMember(member);
    assert(machine.digest() === meta.digest, 'D3: a restored state has the digest of its image');
    return machine;
  }

  /** The same, at once. */
  finish(): Machine | ImageDamage {
    const steps = this.finishing();
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    return step.value;
  }
}

/** The state an image holds, in steps of about a record. Give it up anywhere. */
export function* loadingMachine(records: Iterable<ImageRecord>, seed?: number): Generator<void, Machine | ImageDamage> {
  const loader = new MachineLoader(seed);
  for (const record of records) {
    const damage = loader.add(record);
    if (damage !== undefined) return damage;
    yield;
  }
  return yield* loader.finishing();
}

/** The state an image holds, at once, or what is wrong with the image. */
export function loadMachine(records: Iterable<ImageRecord>, seed?: number): Machine | ImageDamage {
  const loader = new MachineLoader(seed);
  for (const record of records) {
    const damage = loader.add(record);
    if (damage !== undefined) return damage;
  }
  return loader.finish();
}
