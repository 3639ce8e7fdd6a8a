import { cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createMember, memberExists } from '../../src/disk/data-dir.ts';
import { dataPaths, memberPaths } from '../../src/disk/data-paths.ts';
import { isThere } from '../../src/disk/durable.ts';
import { readIdentity, writeIdentity } from '../../src/disk/identity.ts';
import type { LogDisk } from '../../src/disk/log-disk.ts';
import { initialLog } from '../../src/raft/membership.ts';
import { scratchDirectory } from './scratch.ts';
import {
  boot,
  entryAt,
  expected,
  freshMember,
  generationOf,
  logs,
  machineAt,
  membership,
  run,
  stateAfterBoot,
  writeImage,
  writeLog,
} from './small-member.ts';

const creation = { identity: expected, initial: initialLog(membership.payload), logs };

describe('making a member', () => {
  test('a crash at any step leaves no member, or a whole one', async () => {
    const steps: string[] = [];
    const complete = dataPaths(await scratchDirectory());
    await createMember(complete, { ...creation, seam: (step) => void steps.push(step) });
    expect(steps.length).toBeGreaterThanOrEqual(6);
    for (const stop of steps) {
      const paths = dataPaths(await scratchDirectory());
      const crash = createMember(paths, {
        ...creation,
        seam: (step) => {
          if (step === stop) throw new Error('crash');
        },
      });
      await expect(crash, stop).rejects.toThrow('crash');
      expect(await memberExists(paths), stop).toBe(stop === 'sync the name');
      if (!(await memberExists(paths))) await createMember(paths, creation);
      const booted = await boot(paths);
      expect(booted.identity.boot).toBe(1);
      expect(booted.entries).toEqual(creation.initial.entries);
      await booted.disks.close();
      expect(await readdir(paths.root)).toEqual(['member']);
    }
  });

  test('where a member lives none is made; rights are ours alone', async () => {
    const paths = await freshMember();
    await expect(createMember(paths, creation)).rejects.toThrow(`${paths.member}: already holds a member`);
    for (const path of [paths.member, generationOf(paths).log, generationOf(paths).image]) {
      expect((await stat(path)).mode & 0o777).toBe(0o700);
    }
    for (const path of [memberPaths(paths.member).identity, memberPaths(paths.member).peers]) {
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    }
  });

  test('a disk that says no is named, without a stack', async () => {
    const paths = dataPaths(join(await scratchDirectory(), 'missing', 'deep'));
    await expect(createMember(paths, creation)).rejects.toThrow(/cannot make a member in it \(ENOENT\); check that/);
    const full: LogDisk = {
      ...logs,
      create: async () => {
        throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC', syscall: 'write' });
      },
    };
    const other = dataPaths(await scratchDirectory());
    const failed = createMember(other, { ...creation, logs: full });
    await expect(failed).rejects.toMatchObject({ trouble: 'fileSystem' });
    await expect(failed).rejects.toThrow(/cannot make a member in it \(ENOSPC\); free some space/);
    expect(await memberExists(other)).toBe(false);
  });
});

describe('boot', () => {
  test('every start raises the boot on disk and draws a token, before anything else can fail', async () => {
    const paths = await freshMember();
    const tokens = new Set<bigint>();
    for (let start = 1; start <= 3; start++) {
      const { identity, disks } = await boot(paths);
      expect(identity.boot).toBe(start);
      expect(await readIdentity(memberPaths(paths.member).identity)).toEqual(identity);
      tokens.add(identity.bootToken);
      await disks.close();
    }
    expect(tokens.size).toBe(3);
    await rm(generationOf(paths).log, { recursive: true });
    await expect(boot(paths)).rejects.toThrow(`${generationOf(paths).log}: the log is gone`);
    expect((await readIdentity(memberPaths(paths.member).identity)).boot).toBe(4);
  });

  test('image and log together give the state, wherever the image stopped', async () => {
    for (const imageEvery of [1, 7, 20, 1000]) {
      const paths = await freshMember();
      const digest = await run(paths, { upTo: 40, imageEvery });
      expect(digest).toBe(machineAt(40).digest());
      const booted = await boot(paths);
      expect(booted.machine.appliedIndex).toBe(imageEvery > 40 ? 0 : 40 - (40 % imageEvery));
      expect(booted.needsSnapshot).toBe(false);
      expect(booted.configuration).toEqual(imageEvery > 40 ? undefined : membership.membership.configuration);
      expect(await stateAfterBoot(booted)).toEqual({ digest, index: 40 });
    }
  });

  test('a log that was cut behind the image is fine, in many lives', async () => {
    const paths = await freshMember();
    let digest = '';
    for (let life = 1; life <= 5; life++) {
      digest = await run(paths, { upTo: life * 60, imageEvery: 20, dropLog: true });
      expect(digest).toBe(machineAt(life * 60).digest());
    }
    const booted = await boot(paths);
    expect(booted.base.index).toBeGreaterThan(0);
    expect(booted.machine.appliedIndex).toBe(300);
    expect(await stateAfterBoot(booted)).toEqual({ digest, index: 300 });
  });

  test('leftovers of other generations go, with a line; what nobody knows stays', async () => {
    const paths = await freshMember();
    await run(paths, { upTo: 5, imageEvery: 5 });
    for (const name of ['gen-2', 'gen-7', 'gen-x', 'notes'])
      await mkdir(join(paths.member, name, 'image'), { recursive: true });
    const lines: string[] = [];
    const booted = await boot(paths, { notice: (line) => void lines.push(line) });
    expect((await readdir(paths.member)).sort()).toEqual(['IDENTITY', 'PEERS', 'gen-1', 'gen-x', 'notes']);
    expect(lines.filter((line) => line.includes('removed')).length).toBe(2);
    expect((await stateAfterBoot(booted)).index).toBe(5);
  });

  test('an IDENTITY of before an install is refused, and the generation that counts is left alone', async () => {
    const paths = await freshMember();
    await run(paths, { upTo: 5, imageEvery: 5 });
    const identityFile = memberPaths(paths.member).identity;
    const older = await readIdentity(identityFile);
    await rename(generationOf(paths, 1).directory, generationOf(paths, 2).directory);
    await writeIdentity(identityFile, older);
    await expect(boot(paths)).rejects.toMatchObject({ trouble: 'missing' });
    expect(await isThere(generationOf(paths, 2).log)).toBe(true);
  });

  test('an image that reaches beyond the log shows that the log lost something: refused by name, nothing changed', async () => {
    const paths = await freshMember();
    await run(paths, { upTo: 10, imageEvery: 10 });
    // The whole log directory as it was before: an older copy that is good in itself.
    const older = await freshMember();
    await run(older, { upTo: 6, imageEvery: 1000 });
    await replace(generationOf(older).log, generationOf(paths).log);
    const refused = boot(paths);
    await expect(refused).rejects.toMatchObject({ trouble: 'damaged' });
    await expect(refused).rejects.toThrow(generationOf(paths).log);
    expect(await isThere(`${generationOf(paths).image}.damaged`)).toBe(false);
    await expect(boot(paths)).rejects.toThrow(generationOf(paths).log);
  });

  test('an image whose last entry has another term in the log is not of this log: rebuilt', async () => {
    const paths = await freshMember();
    const { disks, machine, entries } = await boot(paths);
    for (const entry of entries) machine.apply(entry);
    machine.apply(entryAt(2, 1));
    const batch = machine.takeImageBatch();
    await writeLog(disks, { hardState: undefined, entries: [entryAt(2, 1)] });
    if (batch !== undefined) await writeImage(disks, batch);
    await writeLog(disks, { hardState: { term: 2, vote: 0n, commit: 1 }, entries: [entryAt(2, 2)] });
    await disks.close();
    const lines: string[] = [];
    const booted = await boot(paths, { notice: (line) => void lines.push(line) });
    expect(booted.machine.appliedIndex).toBe(0);
    expect(lines.join()).toContain('index 2 is of term 1, the log has term 2 there');
    await booted.disks.close();
  });

  test('a directory of another member or cluster is refused before its boot is raised', async () => {
    const paths = await freshMember();
    await expect(boot(paths, { expected: { ...expected, memberId: 8n } })).rejects.toMatchObject({
      trouble: 'foreign',
    });
    await expect(boot(paths, { expected: { ...expected, clusterId: 1n } })).rejects.toMatchObject({
      trouble: 'foreign',
    });
    expect((await readIdentity(memberPaths(paths.member).identity)).boot).toBe(0);
  });
});

/** Puts a copy of one directory in the place of another. */
async function replace(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await cp(from, to, { recursive: true });
}
