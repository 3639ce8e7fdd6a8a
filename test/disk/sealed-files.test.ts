import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DataDirError } from '../../src/disk/data-dir-error.ts';
import {
  assertExpected,
  identityText,
  nextBoot,
  parseIdentity,
  readIdentity,
  writeIdentity,
} from '../../src/disk/identity.ts';
import { KnownBoots, knownBootsText, parseKnownBoots } from '../../src/disk/known-boots.ts';
import { countOfText, idOfText, openSealed, seal } from '../../src/disk/sealed-text.ts';
import { scratchDirectory } from './scratch.ts';

const identity = { clusterId: 0xcdef_0123n, memberId: 2n ** 64n - 1n, generation: 3, boot: 17, bootToken: 99n };

/** Every single-bit change of `text`, every cut and some additions. */
function* damages(text: string): Generator<[string, Buffer]> {
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << bit);
      yield [`bit ${bit} of byte ${at}`, changed];
    }
    yield [`cut to ${at} bytes`, bytes.subarray(0, at)];
  }
  yield ['a byte more', Buffer.concat([bytes, Buffer.from('\n')])];
  yield ['twice', Buffer.concat([bytes, bytes])];
  yield ['zeros', Buffer.alloc(bytes.length)];
  yield ['windows line ends', Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1')];
}

describe('sealed text', () => {
  test('no change of a byte, no cut, is believed', () => {
    const text = seal('thing', 1, [
      ['a', 'b c'],
      ['d', ''],
    ]);
    expect(openSealed('thing', 1, Buffer.from(text))).toEqual({
      type: 'lines',
      lines: [
        ['a', 'b c'],
        ['d', ''],
      ],
    });
    for (const [what, bytes] of damages(text)) {
      expect(openSealed('thing', 1, bytes).type, what).toBe('damaged');
    }
  });

  test('another format is told apart from damage, another kind is damage', () => {
    expect(openSealed('thing', 1, Buffer.from(seal('thing', 2, [])))).toEqual({ type: 'format', format: 2 });
    expect(openSealed('thing', 1, Buffer.from(seal('other', 1, []))).type).toBe('damaged');
  });

  test('numbers and ids are read in one spelling only', () => {
    expect([countOfText('0'), countOfText('42'), countOfText(String(Number.MAX_SAFE_INTEGER))]).toEqual([
      0,
      42,
      Number.MAX_SAFE_INTEGER,
    ]);
    for (const bad of ['', '-1', '01', '1.5', '1e3', ' 1', '9007199254740992', undefined]) {
      expect(countOfText(bad)).toBeUndefined();
    }
    expect(idOfText('ffffffffffffffff')).toBe(2n ** 64n - 1n);
    for (const bad of ['', 'FFFFFFFFFFFFFFFF', '0x1', '1', undefined]) expect(idOfText(bad)).toBeUndefined();
  });
});

describe('IDENTITY', () => {
  test('says what was written, in a file of ours alone', async () => {
    const path = join(await scratchDirectory(), 'IDENTITY');
    await writeIdentity(path, identity);
    expect(await readIdentity(path)).toEqual(identity);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const next = nextBoot(identity);
    expect(next).toEqual({ ...identity, boot: 18, bootToken: next.bootToken });
    expect(nextBoot(identity).bootToken).not.toBe(next.bootToken);
    await writeIdentity(path, next);
    expect(await readIdentity(path)).toEqual(next);
  });

  test('a crash at any step of a rewrite leaves the old one or the new one', async () => {
    const steps = ['write new file', 'sync new file', 'rename', 'sync directory of renamed file'];
    for (const stop of steps) {
      const path = join(await scratchDirectory(), 'IDENTITY');
      await writeIdentity(path, identity);
      const next = nextBoot(identity);
      const crash = writeIdentity(path, next, (step) => {
        if (step === stop) throw new Error('crash');
      });
      await expect(crash).rejects.toThrow('crash');
      expect(await readIdentity(path), stop).toEqual(stop === steps[3] ? next : identity);
      await writeIdentity(path, next);
      expect(await readIdentity(path)).toEqual(next);
      expect(await readdir(join(path, '..'))).toEqual(['IDENTITY']);
    }
  });

  test('every damage is refused in one line that names the file and a remedy', () => {
    for (const [what, bytes] of damages(identityText(identity))) {
      let error: unknown;
      try {
        parseIdentity('/d/member/IDENTITY', bytes);
      } catch (caught) {
        error = caught;
      }
      expect(error, what).toBeInstanceOf(DataDirError);
      expect((error as DataDirError).trouble, what).toBe('damaged');
      expect((error as Error).message).toMatch(/^\/d\/member\/IDENTITY: .*(restore|new id)[^\n]*$/);
    }
  });

  test('a sealed text that lacks a line or has a wrong one is damage too', () => {
    const lines: [string, string][] = [
      ['cluster', '0000000000000001'],
      ['member', '0000000000000002'],
      ['generation', '1'],
      ['boot', '0'],
      ['token', '0000000000000000'],
    ];
    const read = (changed: [string, string][]) => () => parseIdentity('I', Buffer.from(seal('identity', 1, changed)));
    expect(read(lines)()).toMatchObject({ clusterId: 1n, memberId: 2n, generation: 1, boot: 0 });
    for (let at = 0; at < lines.length; at++) {
      expect(read(lines.filter((_, other) => other !== at))).toThrow(DataDirError);
      expect(read(lines.map((line, other) => (other === at ? [line[0], 'x'] : line)))).toThrow(DataDirError);
    }
    expect(read([...lines, ['more', '1']])).toThrow(DataDirError);
    expect(read(lines.map((line) => (line[0] === 'member' ? ['member', '0000000000000000'] : line)))).toThrow();
    expect(read(lines.map((line) => (line[0] === 'generation' ? ['generation', '0'] : line)))).toThrow();
  });

  test('missing, of a newer format, of another member or cluster: refused, told apart', async () => {
    const path = join(await scratchDirectory(), 'IDENTITY');
    await expect(readIdentity(path)).rejects.toMatchObject({ trouble: 'missing', path });
    await writeFile(path, seal('identity', 2, []));
    await expect(readIdentity(path)).rejects.toMatchObject({ trouble: 'format' });
    const refusal = (clusterId: bigint, memberId: bigint) => () =>
      assertExpected(path, identity, { clusterId, memberId });
    expect(refusal(identity.clusterId, identity.memberId)).not.toThrow();
    expect(refusal(1n, identity.memberId)).toThrow(/belongs to cluster .*--initial-cluster/);
    expect(refusal(identity.clusterId, 1n)).toThrow(/belongs to member .*--name/);
  });
});

describe('PEERS', () => {
  test('the highest boot is remembered over restarts; an older one changes nothing', async () => {
    const path = join(await scratchDirectory(), 'PEERS');
    await KnownBoots.create(path);
    const first = await KnownBoots.open(path);
    expect([first.seen(1n), first.check(1n, 1)]).toEqual([0, 'new']);
    await first.note(1n, 3, 30n);
    await first.note(2n ** 64n - 1n, 1);
    await first.note(1n, 2, 20n);
    const again = await KnownBoots.open(path);
    expect([again.seen(1n), again.seen(2n ** 64n - 1n), again.seen(5n)]).toEqual([3, 1, 0]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test('tells a start apart: same, newer, older, and the same number with another token', async () => {
    const path = join(await scratchDirectory(), 'PEERS');
    await KnownBoots.create(path);
    const known = await KnownBoots.open(path);
    await known.note(1n, 3, 30n);
    expect(known.check(1n, 3, 30n)).toBe('same');
    expect(known.check(1n, 3)).toBe('same');
    expect(known.check(1n, 3, 31n)).toBe('older');
    expect(known.check(1n, 2, 20n)).toBe('older');
    expect(known.check(1n, 4, 40n)).toBe('new');
  });

  test('overlapping notes are all on disk when they resolve', async () => {
    const path = join(await scratchDirectory(), 'PEERS');
    await KnownBoots.create(path);
    const known = await KnownBoots.open(path);
    const notes = Array.from({ length: 20 }, async (_, at) => {
      await known.note(BigInt(at % 5) + 1n, at + 1);
      const onDisk = parseKnownBoots(path, await readFile(path));
      expect(onDisk.get(BigInt(at % 5) + 1n)?.boot).toBeGreaterThanOrEqual(at + 1);
    });
    await Promise.all(notes);
  });

  test('a note that could not be written fails, and so do all later ones', async () => {
    const path = join(await scratchDirectory(), 'PEERS');
    await KnownBoots.create(path);
    let broken = true;
    const known = await KnownBoots.open(path, () => {
      if (broken) throw new Error('EIO');
    });
    await expect(known.note(1n, 1)).rejects.toThrow('EIO');
    broken = false;
    await expect(known.note(1n, 1)).rejects.toThrow('EIO');
    await expect(known.note(2n, 1)).rejects.toThrow('EIO');
  });

  test('every damage is refused by name, also a missing file and a newer format', async () => {
    const boots = new Map([
      [2n, { boot: 5, token: 1n }],
      [1n, { boot: 4, token: 0n }],
    ]);
    expect(parseKnownBoots('P', Buffer.from(knownBootsText(boots)))).toEqual(boots);
    for (const [what, bytes] of damages(knownBootsText(boots))) {
      expect(() => parseKnownBoots('/d/PEERS', bytes), what).toThrow(/^\/d\/PEERS: /);
    }
    for (const line of ['1', 'x 1 2', '0000000000000001 1', '0000000000000001 1 0000000000000000 more']) {
      expect(() => parseKnownBoots('P', Buffer.from(seal('peers', 1, [['peer', line]])))).toThrow(DataDirError);
    }
    const path = join(await scratchDirectory(), 'PEERS');
    await expect(KnownBoots.open(path)).rejects.toMatchObject({ trouble: 'missing' });
    await writeFile(path, seal('peers', 9, []));
    await expect(KnownBoots.open(path)).rejects.toMatchObject({ trouble: 'format' });
  });
});

test('a directory in the way of a file is the file system’s error, not a crash of ours', async () => {
  const path = join(await scratchDirectory(), 'IDENTITY');
  await mkdir(path);
  await expect(readIdentity(path)).rejects.toMatchObject({ code: 'EISDIR' });
  await chmod(path, 0o700);
});
