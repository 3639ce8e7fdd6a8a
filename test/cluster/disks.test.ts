/**
 * Disks that fill up, or go bad, below running members: growth is refused before the disk refuses, what makes room goes on, and a
 * write that fails, or an image that cannot be read, ends the member with nothing lost. Real processes; on a real small file system
 * where the test may mount one. S1, S4, S5, V4.
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ClusterSettings, type MemberProcess, ProcessCluster, pause } from './processes.ts';
import { Caller, disksOf, insist, type Line, lineTo, settledDigests } from './wire.ts';

const mebibyte = 1024 * 1024;
const noSpace = { code: 8, text: 'etcdserver: mvcc: database space exceeded' };

let home = '';
const open: ProcessCluster[] = [];
const lines: Line[] = [];
const mounts: string[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'leasehold-disks-'));
});
afterEach(async () => {
  for (const line of lines.splice(0)) line.close();
  for (const cluster of open.splice(0)) await cluster.stop();
  for (const mount of mounts.splice(0)) execFileSync('umount', [mount]);
  rmSync(home, { recursive: true, force: true });
});

async function start(settings: ClusterSettings): Promise<ProcessCluster> {
  const cluster = await ProcessCluster.start({ proxied: false, ...settings });
  open.push(cluster);
  await cluster.ready(60_000);
  return cluster;
}

function callerOf(member: MemberProcess): Caller {
  const line = lineTo(member.endpoint);
  lines.push(line);
  return new Caller(line.client);
}

async function see(what: () => boolean | Promise<boolean>, why: string, limitMs = 30_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  for (; !(await what()); await pause(10))
    if (performance.now() > endMs) throw new Error(`in vain waited until ${why}`);
}

/** Puts of a quarter of a mebibyte that were acknowledged, under keys of their own. */
class Fill {
  readonly #caller: Caller;
  readonly prefix: string;
  readonly #value = Buffer.alloc(mebibyte / 4, 'fill');
  #tries = 0;
  count = 0;

  constructor(caller: Caller, prefix: string) {
    this.#caller = caller;
    this.prefix = prefix;
  }

  /** What one more put is answered; undefined if it is acknowledged. */
  async put(): Promise<unknown> {
    const key = `${this.prefix}${this.#tries++}`;
    const refusal = await this.#caller.put(key, this.#value).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (refusal === undefined) this.count++;
    return refusal;
  }

  /** Puts until space is refused, and refused for a while: the log of what is in the image goes first. */
  async untilRefused(): Promise<void> {
    for (let refused = 0; refused < 20; ) {
      const refusal = await this.put();
      if (refusal === undefined) refused = 0;
      else {
        expect(refusal).toEqual(noSpace);
        refused++;
        await pause(100);
      }
      expect(this.count).toBeLessThan(1_000);
    }
  }

  async expectThere(caller: Caller, deleted = 0): Promise<void> {
    const found = await insist(() => caller.count(this.prefix, `${this.prefix}~`));
    expect(found).toBe(this.count - deleted);
  }
}

/** A file system of our own for the data directory of n1, or why there is none. */
function mountSmall(mebibytes: number): string | Error {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return new Error('only root may mount a small disk');
  const mount = join(home, 'n1');
  mkdirSync(mount);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', mount], { stdio: 'pipe' });
  } catch (error) {
    return new Error(`no small disk can be mounted here: ${String(error).split('\n')[0]}`);
  }
  mounts.push(mount);
  return mount;
}

function resize(mount: string, mebibytes: number): void {
  execFileSync('mount', ['-o', `remount,size=${mebibytes}m`, mount]);
}

test('S5: a small disk, really: growth is refused before it is full, the rest goes on, and room is used again', {
  timeout: 240_000,
}, async ({ skip }) => {
  const mount = mountSmall(48);
  if (mount instanceof Error) return skip(mount.message);
  const cluster = await start({ members: 1, dataDirs: home });
  const member = cluster.members[0] as MemberProcess;
  const caller = callerOf(member);
  // 1. Two segments of log leave less than the reserve: nothing may grow from the first request on.
  await expect(caller.put('a')).rejects.toEqual(noSpace);
  await expect(caller.grant(60)).rejects.toEqual(noSpace);
  expect(await caller.delete('a')).toBe(0);

  // 2. A larger disk: with the alarm disarmed it serves, without a restart. Then it fills up.
  resize(mount, 256);
  await see(async () => {
    await caller.disarm();
    return (
      (await caller.put('room').then(
        () => true,
        () => false,
      )) && (await caller.delete('room')) === 1
    );
  }, 'the alarm stays disarmed');
  writeFileSync(join(mount, 'ballast'), Buffer.alloc(64 * mebibyte, 1));
  const kept = await insist(() => caller.grant(3_600));
  const revoked = await insist(() => caller.grant(3_600));
  const short = await insist(() => caller.grant(15));
  for (const [key, lease] of [['kept', kept] as const, ['revoked', revoked] as const, ['short', short] as const])
    await insist(() => caller.put(`lease/${key}`, 'x', lease));
  const fill = new Fill(caller, 'fill/');
  await fill.untilRefused();
  expect(fill.count).toBeGreaterThan(40);

  // 3. From the reserve: deletes, revokes, expiry; more of them than the reserve has bytes.
  expect(await caller.delete('fill/0')).toBe(1);
  await caller.revoke(revoked);
  expect(await caller.count('lease/revoked')).toBe(0);
  for (let i = 0; i < 80; i++) expect(await caller.delete(`${i}`.padEnd(mebibyte, 'x'))).toBe(0);
  await see(async () => (await caller.count('lease/short')) === 0, 'the short lease ends', 60_000);
  expect((await caller.leases()).sort()).toEqual([kept]);

  // 4. Killed on the full disk, it starts there again, with all of it.
  await fill.untilRefused();
  await member.stop('SIGKILL');
  member.start();
  await cluster.ready(60_000);
  const again = callerOf(member);
  await fill.expectThere(again, 1);
  await expect(again.put('b')).rejects.toEqual(noSpace);

  // 5. Somebody makes room, and disarms the alarm.
  rmSync(join(mount, 'ballast'));
  const more = new Fill(again, 'more/');
  await see(
    async () => {
      await again.disarm();
      return (await more.put()) === undefined;
    },
    'puts are taken again',
    10_000,
  );

  // 6. Somebody else takes the reserve too: the disk's own refusal ends the member, and not what it acknowledged.
  try {
    for (;;) appendFileSync(join(mount, 'ballast'), Buffer.alloc(mebibyte, 1));
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  }
  let deleted = 0;
  await see(async () => {
    const key = `fill/${deleted + 1}`;
    deleted += await again.delete(key).catch(() => 0);
    return !member.running;
  }, 'the disk is full');
  expect(member.exits.at(-1)).toBe('1');
  expect(member.logTail()).toMatch(/leasehold: .*(no space|ENOSPC)/i);
  rmSync(join(mount, 'ballast'));
  member.start();
  await cluster.ready(60_000);
  const last = callerOf(member);
  expect((await last.leases()).sort()).toEqual([kept]);
  const left = await last.count('fill/', 'fill/~');
  // The last delete may have happened, and was not acknowledged.
  expect([fill.count - 1 - deleted, fill.count - 2 - deleted]).toContain(left);
  await more.expectThere(last);
});

test('S5: a log that finds no space for its next segment refuses growth at once, whatever the file system counts', async () => {
  const full = join(home, 'disk');
  const cluster = await start({ members: 1, strange: { STRANGE_FULL: full } });
  const member = cluster.members[0] as MemberProcess;
  const caller = callerOf(member);
  writeFileSync(`${full}.log`, '');
  const fill = new Fill(caller, 'fill/');
  // 64 fill a segment, the next one is there already, the one behind it cannot be made.
  await fill.untilRefused();
  expect(fill.count).toBeLessThan(100);
  expect(await caller.delete('fill/0')).toBe(1);
  rmSync(`${full}.log`);
  await see(
    async () => {
      await caller.disarm();
      return (await fill.put()) === undefined;
    },
    'puts are taken again',
    10_000,
  );
  expect(member.exits).toEqual([]);
  await fill.expectThere(caller, 1);
});

test('S4: an image that cannot be written for want of space: exit 1, no further ack, and nothing is lost', async () => {
  const full = join(home, 'disk');
  const cluster = await start({ members: 1, strange: { STRANGE_FULL: full } });
  const member = cluster.members[0] as MemberProcess;
  const caller = callerOf(member);
  const acknowledged: string[] = [];
  const put = async (key: string): Promise<boolean> => {
    const ok = await caller.put(key).then(
      () => true,
      () => false,
    );
    if (ok) acknowledged.push(key);
    return ok;
  };
  for (let i = 0; i < 20; i++) await put(`key/${i}`);
  writeFileSync(`${full}.image`, '');
  for (let i = 20; member.running && i < 10_000; i++) if (!(await put(`key/${i}`))) break;
  await see(() => !member.running, 'it ends');
  expect(member.exits).toEqual(['1']);
  expect(member.logTail()).toMatch(/\nleasehold: .*No space left on device/);
  rmSync(`${full}.image`);
  member.start();
  await cluster.ready(60_000);
  const again = callerOf(member);
  for (const key of acknowledged) expect(await again.count(key)).toBe(1);
});

test('V4: a leader whose image is damaged while it runs hands over and ends; the next start gets it from the others', {
  timeout: 240_000,
}, async () => {
  const cluster = await start({});
  const leader = await cluster.leader();
  const late = cluster.members.find((member) => member !== leader) as MemberProcess;
  await late.stop('SIGTERM');
  // More than the leader keeps log for (`logTrailingBytesMax`), so that the late one needs an image.
  const caller = callerOf(leader);
  const value = Buffer.alloc(mebibyte, 'large');
  for (let i = 0; i < 100; i += 4)
    await Promise.all([0, 1, 2, 3].map((j) => insist(() => caller.put(`large/${i + j}`, value))));
  await pause(1_500);
  expect(damageTables(disksOf(leader).image)).toBeGreaterThan(0);

  late.start();
  await see(() => !leader.running, 'the leader ends', 60_000);
  expect(leader.exits).toEqual(['1']);
  const told = leader.logTail(1_000).split('\n');
  const last = told.filter((line) => !line.startsWith('{'));
  expect(last).toHaveLength(1);
  expect(last[0]).toMatch(/^leasehold: .*\/image: the image is damaged \(.*\); the next start rebuilds it/);
  expect(leader.logTail(1_000)).toContain('handed leadership over');
  await see(async () => (await cluster.leader()) !== leader, 'another one leads');

  leader.start();
  await cluster.ready(120_000);
  expect(leader.logTail(1_000)).toMatch(/image is lost \(.*\); it is rebuilt from another member/);
  expect((await settledDigests(cluster)).size).toBe(1);
  const back = callerOf(leader);
  expect(await insist(() => back.count('large/', 'large/~'))).toBe(100);
});

/** Changes a few bytes in the middle of every table. Returns how many tables. */
function damageTables(directory: string): number {
  const tables = readdirSync(directory).filter((name) => name.endsWith('.ldb'));
  for (const name of tables) {
    const path = join(directory, name);
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.from('damage'), 0, 6, Math.floor(statSync(path).size / 2));
    closeSync(file);
  }
  return tables.length;
}
