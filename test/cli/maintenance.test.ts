/** alarm, defrag, move-leader, snapshot: etcdctl 3.4.23's lines, recorded on 2026-11-25; and our own snapshot files. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { snapshotBodyBytes, snapshotHeadText } from '../../src/base/snapshot-head.ts';
import { tool } from './run-tool.ts';
import { type Script, ScriptedServer } from './scripted-server.ts';

const member = '13668033151171901709';
const header = { cluster_id: '15118495548433857066', member_id: member, revision: '4', raft_term: '2' };

let server: ScriptedServer | undefined;
let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'leasectl-'));
});
afterEach(() => {
  server?.stop();
  server = undefined;
  rmSync(home, { recursive: true, force: true });
});

async function serve(script: Script): Promise<(...argv: string[]) => ReturnType<typeof tool>> {
  server = await ScriptedServer.start(script);
  const { endpoint } = server;
  return (...argv) => tool(['--endpoints', endpoint, ...argv]);
}

describe('alarm', () => {
  const alarms = [{ alarm: 1 }, { memberID: member, alarm: 2 }, { memberID: '5' }, { memberID: '5', alarm: 7 }];

  it('list, in every format that can', async () => {
    const run = await serve({ Alarm: () => ({ alarms }) });
    const lines = ['alarm:NOSPACE ', `memberID:${member} alarm:CORRUPT `, 'memberID:5 ', 'memberID:5 alarm:7 '];
    expect(await run('alarm', 'list')).toEqual({ code: 0, out: `${lines.join('\n')}\n`, err: '' });
    const json = `{"alarms":[{"alarm":1},{"memberID":${member},"alarm":2},{"memberID":5},{"memberID":5,"alarm":7}]}\n`;
    expect((await run('alarm', 'list', '-w', 'json')).out).toBe(json);
    expect((await run('alarm', 'list', '-w', 'fields')).out).toContain(
      `"MemberID" : 0\n"AlarmType" : NOSPACE\n\n"MemberID" : ${member}\n"AlarmType" : CORRUPT\n\n`,
    );
    const table = await run('alarm', 'list', '-w', 'table');
    expect([table.code, table.err]).toEqual([4, 'Error: table not supported as output format\n']);
  });

  it('list of nothing prints nothing', async () => {
    const run = await serve({ Alarm: () => ({}) });
    expect(await run('alarm', 'list')).toEqual({ code: 0, out: '', err: '' });
    expect((await run('alarm', 'list', '-w', 'json')).out).toBe('{}\n');
    expect((await run('alarm', 'disarm', '-w', 'json')).out).toBe('{}\n');
  });

  it('disarm asks for all and disarms each, and prints what was disarmed', async () => {
    const run = await serve({
      Alarm: (request) => ({ alarms: request['action'] === 'DEACTIVATE' ? [{ alarm: 1 }] : alarms.slice(0, 1) }),
    });
    expect(await run('alarm', 'disarm')).toEqual({ code: 0, out: 'alarm:NOSPACE \n', err: '' });
    expect(server?.requests.map(({ request }) => request)).toEqual([{}, { action: 'DEACTIVATE', alarm: 'NOSPACE' }]);
  });

  it('takes no arguments', async () => {
    for (const verb of ['list', 'disarm']) {
      const err = `Error: alarm ${verb} command accepts no arguments\n`;
      expect(await tool(['alarm', verb, 'x'])).toEqual({ code: 128, out: '', err });
    }
  });
});

describe('defrag', () => {
  it('names each member that is done, and each that is not', async () => {
    let run = await serve({ Defragment: () => ({}) });
    const done = `Finished defragmenting etcd member[${server?.endpoint}]\n`;
    expect(await run('defrag')).toEqual({ code: 0, out: done, err: '' });
    server?.stop();
    run = await serve({ Defragment: () => ({ code: 14, details: 'leasehold: not now' }) });
    const failed = `Failed to defragment etcd member[${server?.endpoint}] (leasehold: not now)\n`;
    expect(await run('defrag')).toEqual({ code: 1, out: '', err: failed });
  });
});

describe('move-leader', () => {
  it('is asked of the leader', async () => {
    const run = await serve({ Status: () => ({ header, leader: member }), MoveLeader: () => ({}) });
    const out = 'Leadership transferred from bdae9bbc11dd390d to abc\n';
    expect(await run('move-leader', 'abc')).toEqual({ code: 0, out, err: '' });
    expect(server?.requests.at(-1)?.request).toEqual({ targetID: '2748' });
    expect((await run('move-leader', 'abc', '-w', 'json')).out).toBe('{}\n');
  });

  it('says when no endpoint leads, and what is wrong with an id', async () => {
    const run = await serve({ Status: () => ({ header, leader: '5' }) });
    expect(await run('move-leader', 'abc')).toEqual({
      code: 128,
      out: '',
      err: `Error: no leader endpoint given at [${server?.endpoint}]\n`,
    });
    for (const [argv, why] of [
      [[], 'move-leader command needs 1 argument'],
      [['a', 'b'], 'move-leader command needs 1 argument'],
      [['zz'], 'strconv.ParseUint: parsing "zz": invalid syntax'],
      [['1ffffffffffffffff'], 'strconv.ParseUint: parsing "1ffffffffffffffff": value out of range'],
    ] as const)
      expect(await run('move-leader', ...argv)).toEqual({ code: 128, out: '', err: `Error: ${why}\n` });
  });
});

describe('snapshot', () => {
  const head = {
    cluster: '00000000000000aa',
    member: 'fedcba9876543210',
    index: 9,
    term: 2,
    revision: 4,
    digest: `60201aea${'0'.repeat(24)}`,
    versions: 7,
    records: 9,
    bytes: 19_900,
  };
  const body = Buffer.alloc(snapshotBodyBytes(head.bytes), 'x');
  body.fill(0, 0, 512);
  body.write(snapshotHeadText(head));
  const whole = Buffer.concat([body, createHash('sha256').update(body).digest()]);
  const messages = [0, 8_192, 16_384, body.length]
    .map((from, i, cuts) => whole.subarray(from, cuts[i + 1] ?? whole.length))
    .map((blob) => ({ blob }));

  it('save stores the file under its name when it is whole, readable by its owner alone', async () => {
    const run = await serve({ Snapshot: () => ({ messages }) });
    const file = join(home, 's.db');
    expect(await run('snapshot', 'save', file)).toEqual({ code: 0, out: `Snapshot saved at ${file}\n`, err: '' });
    expect(readFileSync(file).equals(whole)).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(existsSync(`${file}.part`)).toBe(false);
  });

  it('save leaves nothing of a stream that is cut, changed, refused or of something else', async () => {
    const file = join(home, 's.db');
    const changed = Buffer.from(whole);
    changed[1_000] = 1;
    const cases: readonly [Script, RegExp][] = [
      [{ Snapshot: () => ({ messages: messages.slice(0, -1) }) }, /has 20480 bytes, and must have 20512/],
      [{ Snapshot: () => ({ messages: [{ blob: changed }] }) }, /its SHA-256 does not fit/],
      [{ Snapshot: () => ({ messages: messages.slice(0, 1), code: 14, details: 'cut' }) }, /^Error: cut\n$/],
      [{ Snapshot: () => ({ messages: [{ blob: Buffer.alloc(4_096) }] }) }, /not a snapshot of leasehold/],
      [{ Snapshot: () => ({ messages: [] }) }, /not a snapshot of leasehold/],
    ];
    for (const [script, text] of cases) {
      const run = await serve(script);
      const { code, out, err } = await run('snapshot', 'save', file);
      expect([code, out]).toEqual([1, '']);
      expect(err).toMatch(text);
      expect(err.split('\n')).toHaveLength(2);
      expect([existsSync(file), existsSync(`${file}.part`)]).toEqual([false, false]);
      server?.stop();
    }
  });

  it('status says what is in a file, in every format', async () => {
    const file = join(home, 's.db');
    writeFileSync(file, whole);
    const out = async (...more: string[]) => (await tool(['snapshot', 'status', file, ...more])).out;
    expect(await out()).toBe('60201aea, 4, 7, 20 kB\n');
    expect(await out('-w', 'json')).toBe('{"hash":1612716778,"revision":4,"totalKey":7,"totalSize":20480}\n');
    expect(await out('-w', 'fields')).toBe('"Hash" : 1612716778\n"Revision" : 4\n"Keys" : 7\n"Size" : 20480\n');
    expect(await out('-w', 'table')).toBe(
      [
        '+----------+----------+------------+------------+',
        '|   HASH   | REVISION | TOTAL KEYS | TOTAL SIZE |',
        '+----------+----------+------------+------------+',
        '| 60201aea |        4 |          7 |      20 kB |',
        '+----------+----------+------------+------------+\n',
      ].join('\n'),
    );
  });

  it('says in one line what is wrong', async () => {
    for (const [argv, code, text] of [
      [['save'], 128, 'snapshot save expects one argument'],
      [['status'], 128, 'snapshot status requires exactly one argument'],
      [['status', join(home, 'none')], 1, 'ENOENT'],
      [
        ['save', '--endpoints=a:1,b:2', 'x'],
        1,
        'snapshot must be requested to one selected node, not multiple [a:1 b:2]',
      ],
    ] as const) {
      const run = await tool(['snapshot', ...argv]);
      expect(run.code).toBe(code);
      expect(run.err).toMatch(/^Error: .*\n$/);
      expect(run.err).toContain(text);
    }
    for (const verb of ['save', 'status'])
      expect((await tool(['snapshot', verb, '--help'])).out).toContain('<filename>');
  });
});
