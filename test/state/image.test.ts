/** The image: batches, frozen layouts, and that damage of every kind is found (S2). The random logs are in machine-model.test.ts. */
import { describe, expect, it } from 'vitest';
import { leasesMax } from '../../src/base/limits.ts';
import { Prng } from '../../src/base/prng.ts';
import type { Command } from '../../src/state/command.ts';
import { LEASES_PER_PAGE, Opener, sealed } from '../../src/state/image-records.ts';
import { ImageDamage, verifyRecords } from '../../src/state/image-verifier.ts';
import { Machine } from '../../src/state/machine.ts';
import { loadMachine } from '../../src/state/machine-loader.ts';
import type { ImageRecord } from '../../src/store/image.ts';
import { bytes, Feeder, INT64_MIN, put, randomLog, text } from './commands.ts';
import { ImageDouble } from './image-double.ts';

/** A small state with every kind of record. */
function small(): { machine: Machine; feeder: Feeder } {
  const machine = new Machine();
  machine.apply({ index: 1, term: 1, kind: 'configuration', payload: bytes('configuration') });
  const feeder = new Feeder(machine);
  feeder.entry(
    { type: 'grant', id: 5n, ttlMs: 2 ** 33 },
    { type: 'grant', id: INT64_MIN, ttlMs: 1_000 },
    put('a', 'one', { lease: 5n }),
    put('b\xff', 'two'),
    { type: 'deleteRange', key: bytes('b\xff'), rangeEnd: bytes(''), prevKv: false },
    { type: 'checkpoint', term: 1, leases: [{ id: 5n, stamp: 1, remainingMs: 77 }] },
    { type: 'publish', member: 3n, name: 'n3', clientUrls: ['http://n3:2379'] },
  );
  return { machine, feeder };
}

function imageOf(machine: Machine): ImageDouble {
  const image = new ImageDouble();
  const batch = machine.takeImageBatch();
  if (batch !== undefined) image.write(batch);
  return image;
}

const damageOf = (records: Iterable<ImageRecord>): string => {
  const [loaded, verified] = [loadMachine(records), verifyRecords(records)];
  expect(verified instanceof ImageDamage).toBe(loaded instanceof ImageDamage);
  return loaded instanceof ImageDamage ? loaded.what : 'none';
};

describe('records', () => {
  it('have the frozen bytes of image format 3', () => {
    const lines = imageOf(small().machine)
      .records()
      .map(({ key, value }) => `${Buffer.from(key).toString('hex')} ${Buffer.from(value).toString('hex')}`);
    expect(lines).toEqual([
      '00 0003000000000000000200000000000000010000000000000004ffffffffffffffff0000000000000002ed334de8fc19fc1c588d8156c2ac194b00000000000000000000000000000000000000000000000000000000636f6e66696775726174696f6e6c75016b',
      '0100000000 00000003000000000000000500000000000000010000000200000000000000000000004d8000000000000000000000000000000200000000000003e8000000000000000097d27d66',
      '02000000000000000200000000 00000000000000020000000000000001000000000000000500000001616f6e65e6cca766',
      '02000000000000000300000000 0000000000000003000000000000000100000000000000000000000262ff74776f32b5b410',
      '02000000000000000400000000 0000000000000000000000000000000000000000000000000000000262ff877927a3',
      '030000000000000003 92a26e33ae687474703a2f2f6e333a32333739f8aa840b',
    ]);
  });

  it('hold the alarms that are raised, all in one, and none once they are disarmed', () => {
    const { machine, feeder } = small();
    const lineOf = () => {
      const record = imageOf(machine)
        .records()
        .find(({ key }) => key[0] === 4);
      return record && `${Buffer.from(record.key).toString('hex')} ${Buffer.from(record.value).toString('hex')}`;
    };
    expect(lineOf()).toBeUndefined();
    const [noSpace, corrupt] = [
      { type: 'alarm', member: 3n, kind: 'noSpace' },
      { type: 'alarm', member: 0x1fedcba987654321n, kind: 'corrupt' },
    ] as const;
    feeder.entry({ ...corrupt, action: 'activate' }, { ...noSpace, action: 'activate' });
    expect(lineOf()).toBe('04 0000000000000003011fedcba98765432102c196d310');
    feeder.entry({ ...corrupt, action: 'deactivate' }, { ...noSpace, action: 'deactivate' });
    expect(lineOf()).toBe('04 d56f2b94');
  });

  it('are opened only with their checksum', () => {
    const record = imageOf(small().machine).records()[1] as ImageRecord;
    const opener = new Opener();
    const unsealed = (one: ImageRecord) => opener.open(one);
    const open = unsealed(record);
    expect(open && sealed(open)).toEqual(record);
    expect(unsealed({ key: record.key, value: record.value.subarray(1) })).toBeUndefined();
    expect(unsealed({ key: new Uint8Array(0), value: record.value })).toBeUndefined();
    expect(unsealed({ key: record.key, value: new Uint8Array(3) })).toBeUndefined();
  });
});

describe('batches', () => {
  it('hold one change a page of leases, however often it changed, and nothing twice', () => {
    const { machine, feeder } = small();
    machine.takeImageBatch();
    const base = machine.lessor.stampsGiven;
    for (let i = 0; i < 50; i++) {
      const stamp = machine.lessor.stampAt(machine.lessor.slotOf(5n));
      feeder.do({ type: 'checkpoint', term: 1, leases: [{ id: 5n, stamp, remainingMs: 10 + i }] });
      feeder.do({ type: 'clear', term: 1, leases: [{ id: 5n, stamp }] });
      feeder.do({ type: 'grant', id: 9n, ttlMs: 5 });
      feeder.do({ type: 'revoke', id: 9n });
    }
    expect(machine.lessor.stampsGiven).toBe(base + 100);
    const batch = machine.takeImageBatch();
    const puts = [...(batch?.ops ?? [])]
      .filter((op) => op.value !== undefined)
      .map((op) => Buffer.from(op.key).toString('hex'));
    expect(puts).toEqual(['0100000000', '00']);
    expect(batch?.ops.length).toBe(2);
  });

  it('carry the applied index even where no record changed', () => {
    const { machine } = small();
    const image = imageOf(machine);
    machine.apply({ index: 3, term: 4, kind: 'empty', payload: bytes('') });
    expect(machine.pendingImageBytes).toBeGreaterThan(0);
    const batch = machine.takeImageBatch();
    expect(batch?.ops.length).toBe(1);
    if (batch !== undefined) image.write(batch);
    const loaded = image.load();
    expect([loaded.appliedIndex, loaded.appliedTerm, text(loaded.configuration)]).toEqual([3, 4, 'configuration']);
    expect(loaded.takeImageBatch()).toBeUndefined();
  });

  it('stay as they were taken, whatever is applied before they are read (D3)', () => {
    const { machine, feeder } = small();
    for (let n = 0; n < 100; n++) feeder.entry({ type: 'grant', id: BigInt(100 + n), ttlMs: 9 }, put(`k${n}`, 'first'));
    const batch = machine.takeImageBatch();
    const read = (): string[] =>
      [...(batch?.ops ?? [])].map(({ key, value }) => `${Buffer.from(key).toString('hex')} ${value?.toString() ?? ''}`);
    const before = read();
    expect(before).toHaveLength(batch?.ops.length ?? 0);
    expect(before.length).toBeGreaterThan(100);
    for (const id of machine.leases()) feeder.do({ type: 'revoke', id });
    for (let n = 0; n < 100; n++) feeder.entry({ type: 'grant', id: BigInt(100 + n), ttlMs: 7 }, put(`k${n}`, 'later'));
    expect(machine.takeImageBatch()?.ops.length).toBeGreaterThan(100);
    expect(read()).toEqual(before);
  });

  it('announce about as many bytes as they have', () => {
    const machine = new Machine();
    for (const _ of randomLog(new Prng(3, 'bytes'), machine, 300));
    const announced = machine.pendingImageBytes;
    const ops = [...(machine.takeImageBatch()?.ops ?? [])];
    const real = ops.reduce((sum, op) => sum + op.key.length + (op.value?.length ?? 0), 0);
    expect(announced).toBeGreaterThan(real * 0.7);
    expect(announced).toBeLessThan(real * 1.7);
  });
});

describe('pages of leases', () => {
  const grants = (from: number, to: number): Command[] =>
    Array.from({ length: to - from }, (_, i) => ({ type: 'grant', id: BigInt(from + i) * 7n, ttlMs: 1_000 + i }));
  const revoke = (n: number): Command => ({ type: 'revoke', id: BigInt(n) * 7n });

  it('touch one record for neighbouring slots, and are deleted when their last lease ends', () => {
    const machine = new Machine();
    const feeder = new Feeder(machine);
    const image = new ImageDouble();
    const written = (): string[] => {
      const announced = machine.pendingImageBytes;
      const batch = machine.takeImageBatch();
      if (batch === undefined) return [];
      image.write(batch);
      const real = [...batch.ops].reduce((sum, op) => sum + op.key.length + (op.value?.length ?? 0), 0);
      expect(Math.abs(announced - real)).toBeLessThan(64);
      return [...batch.ops].map(
        ({ key, value }) => `${Buffer.from(key).toString('hex')}${value === undefined ? ' gone' : ''}`,
      );
    };
    feeder.entry(...grants(1, 101));
    expect(written()).toEqual(['0100000000', '0100000001', '0100000002', '0100000003', '00']);
    feeder.entry(revoke(33));
    expect(written()).toEqual(['0100000001', '00']);
    feeder.entry(...Array.from({ length: 31 }, (_, i) => revoke(34 + i)));
    expect(written()).toEqual(['0100000001 gone', '00']);
    // A restored member has the same slots, and gives the free ones out again before new ones.
    const loaded = image.load();
    expect(loaded.digest()).toBe(machine.digest());
    expect(loaded.lessor.slotCount).toBe(100);
    for (const id of machine.leases()) expect(loaded.lessor.slotOf(id)).toBe(machine.lessor.slotOf(id));
    new Feeder(loaded).entry(...grants(201, 233));
    expect(loaded.lessor.slotCount).toBe(100);
    expect(loaded.takeImageBatch()?.ops.length).toBe(2);
  });

  it('refuse a lease that is in two of them', () => {
    const machine = new Machine();
    new Feeder(machine).entry(...grants(1, 40));
    const [meta, first] = imageOf(machine).records() as [ImageRecord, ImageRecord];
    const open = new Opener().open(first);
    if (open === undefined) throw new Error('the page opens');
    const again = Buffer.from(open.bytes);
    again.writeUInt32BE(1, 1);
    const twice = sealed({ bytes: again, keyLength: open.keyLength });
    const loaded = loadMachine([meta, first, twice]);
    expect(loaded instanceof ImageDamage && loaded.what).toContain('twice');
  });
});

describe('damage', () => {
  const records = imageOf(small().machine).records();

  it('is not seen where there is none', () => {
    expect(damageOf(records)).toBe('none');
    expect(loadMachine(records)).toBeInstanceOf(Machine);
  });

  it('is found in every bit of every record', () => {
    for (const [at, record] of records.entries()) {
      for (const part of ['key', 'value'] as const) {
        for (let bit = 0; bit < record[part].length * 8; bit++) {
          const bad = Buffer.from(record[part]);
          bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
          const image = records.with(at, { ...record, [part]: bad });
          expect(damageOf(image), `record ${at} ${part} bit ${bit}`).toContain('checksum');
        }
      }
    }
  });

  it('is found where records are lost, doubled, swapped or cut short', () => {
    records.forEach((record, at) => {
      expect(damageOf(records.toSpliced(at, 1))).toMatch(/digest|meta record is missing/);
      expect(damageOf(records.toSpliced(at, 0, record))).toContain('out of order');
      if (at > 0)
        expect(damageOf(records.toSpliced(at - 1, 2, record, records[at - 1] as ImageRecord))).toContain(
          'out of order',
        );
    });
    expect(damageOf([])).toContain('missing');
  });

  it('is found where a record is an older one of its own, or comes from elsewhere', () => {
    const { machine, feeder } = small();
    const image = imageOf(machine);
    feeder.do({ type: 'checkpoint', term: 1, leases: [{ id: 5n, stamp: 1, remainingMs: 3 }] });
    const batch = machine.takeImageBatch();
    if (batch !== undefined) image.write(batch);
    const newer = image.records();
    for (const [at, record] of newer.entries()) {
      const older = records[at] as ImageRecord;
      if (Buffer.from(record.value).equals(Buffer.from(older.value))) continue;
      expect(damageOf(newer.with(at, older)), `record ${at}`).toContain('digest');
    }
  });

  it('names what it does not know', () => {
    const foreign = (key: string, body: string) =>
      sealed({ bytes: Buffer.concat([bytes(key), bytes(body), Buffer.alloc(4)]), keyLength: key.length });
    expect(damageOf([...records, foreign('\x09', 'x')])).toContain('unknown family 9');
    expect(damageOf([foreign('\0', `\0\x01${'\0'.repeat(60)}`)])).toContain('format 1');
    expect(damageOf([foreign('\0', `\0\x03${'\0'.repeat(60)}`)])).toContain('wrong size');
    const one = `${'\0'.repeat(7)}\x05`.repeat(3);
    const page = (slots: string, leases: string) => foreign('\x01\0\0\0\x09', slots + leases);
    expect(damageOf([page('\0\0\0\x01', '')])).toContain('wrong size');
    expect(damageOf([page('\0\0\0\0', '')])).toContain('wrong size');
    expect(damageOf([page('\0\0\0\x03', one + '\0'.repeat(8))])).toContain('wrong size');
    const beyond = Buffer.alloc(4);
    beyond.writeUInt32BE(leasesMax / LEASES_PER_PAGE);
    const far = foreign(`\x01${beyond.toString('latin1')}`, `\0\0\0\x01${one}${'\0'.repeat(8)}`);
    expect(damageOf([far])).toContain('beyond all slots');
    expect(damageOf([...records, foreign(`\x03${'\0'.repeat(7)}\x09`, 'x')])).toContain('member record');
    for (const body of ['\0'.repeat(8), `${'\0'.repeat(8)}\x03`, `${'\0'.repeat(8)}\x01x`])
      expect(damageOf([...records, foreign('\x04', body)])).toContain('alarm record');
    expect(damageOf([...records, foreign('\x03\xff', 'x')])).toContain('member record');
  });
});
