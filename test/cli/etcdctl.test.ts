/**
 * leasectl beside the real etcdctl, against a real etcd: the same command lines, the same bytes and exit codes. Where the
 * two programs are not installed the recorded texts of `leasectl.test.ts` have to do, and this says that it was skipped.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { leasectl } from '../../src/cli/leasectl.ts';
import { type ToolRun, tool } from './run-tool.ts';

const installed = spawnSync('etcd', ['--version']).status === 0 && spawnSync('etcdctl', ['version']).status === 0;

let dir = '';
let etcd: ChildProcess | undefined;
let endpoint = '';

beforeAll(async () => {
  if (!installed) return;
  dir = mkdtempSync(join(tmpdir(), 'etcdctl-'));
  const [client, peer] = [await freePort(), await freePort()];
  endpoint = `127.0.0.1:${client}`;
  const [clientUrl, peerUrl] = [`http://${endpoint}`, `http://127.0.0.1:${peer}`];
  const flags = {
    'listen-client-urls': clientUrl,
    'advertise-client-urls': clientUrl,
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
  };
  const argv = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  etcd = spawn('etcd', ['--name', 'e1', '--data-dir', dir, '--initial-cluster', `e1=${peerUrl}`, ...argv], {
    stdio: 'ignore',
  });
  for (;;) if ((await etcdctl(['get', 'ready', '--command-timeout=1s'])).code === 0) return;
});

afterAll(async () => {
  if (etcd === undefined) return;
  const gone = new Promise((resolve) => etcd?.once('exit', resolve));
  etcd.kill('SIGKILL');
  await gone;
  rmSync(dir, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** etcdctl's answer without the retry warnings that its library logs (they hold random ids). */
function etcdctl(argv: readonly string[]): Promise<ToolRun> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ETCDCTL_API: '3' }, encoding: 'latin1' as const };
    const child = execFile('etcdctl', ['--endpoints', endpoint, ...argv], options, (error, out, err) => {
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
      resolve({ code, out, err: err.replace(/^\{"level":"warn".*\n/gm, '') });
    });
    child.stdin?.end();
  });
}

const ours = (argv: readonly string[]) => tool(['--endpoints', endpoint, ...argv]);

/** What differs from run to run and not from tool to tool. Widths of table columns follow their texts. */
function masked(run: ToolRun): ToolRun {
  const mask = (text: string): string =>
    text
      .replace(/[\d.]+(ms|µs|Âµs)/g, 'TIME')
      .replace(
        /("revision":|"Revision" : |"raftIndex":|"raftAppliedIndex":|"RaftIndex" : |"RaftAppliedIndex" : )\d+/g,
        '$1N',
      )
      .replace(/(, 2, )\d+, \d+,/g, '$1N, N,')
      .replace(/ +\d+ \| +\d+ \| +\|/g, ' N | N | |')
      .replace(/-{4,}/g, '-')
      .replace(/ {2,}/g, ' ');
  return { code: run.code, out: mask(run.out), err: mask(run.err) };
}

/** Asks both and compares; reads only, so that the second sees what the first saw. */
async function same(...lines: readonly string[]): Promise<void> {
  for (const line of lines) {
    const argv = line.split(' ').map((word) => (word === "''" ? '' : word));
    const [theirs, mine] = [masked(await etcdctl(argv)), masked(await ours(argv))];
    expect(mine, line).toEqual(theirs);
  }
}

it('reads, in every format', async (ctx) => {
  if (!installed) ctx.skip('etcd and etcdctl are not installed');
  await etcdctl(['lease', 'grant', '1000']);
  const lease = (await etcdctl(['lease', 'grant', '9000000'])).out.split(' ')[1] ?? '';
  await etcdctl(['put', 'k1', 'v1', `--lease=${lease}`]);
  await etcdctl(['put', 'k1', 'a"b<c>&\n\té']);
  await etcdctl(['put', 'k2', 'v2', `--lease=${lease}`]);
  // A lease of its own: etcd lists a lease's keys in the order of a Go map, which is none.
  const another = (await etcdctl(['lease', 'grant', '9000000'])).out.split(' ')[1] ?? '';
  await etcdctl(['put', 'k2b', '', `--lease=${another}`]);
  for (const format of ['simple', 'json', 'fields', 'table']) {
    await same(
      `get k1 -w ${format}`,
      `get k --prefix -w ${format}`,
      `get k --prefix --keys-only -w ${format}`,
      `get k --prefix --limit=1 --order=DESCEND --sort-by=MODIFY -w ${format}`,
      `get '' --prefix --limit=2 -w ${format}`,
      `get k2 --from-key -w ${format}`,
      `get k1 k3 --consistency=s --sort-by=VALUE --order=ASCEND -w ${format}`,
      `get k --prefix --hex -w ${format}`,
      `get none -w ${format}`,
      `get k --prefix --print-value-only -w ${format}`,
      `lease timetolive ${lease} -w ${format}`.replace(lease, '77'),
      `lease timetolive ${lease} --keys -w ${format}`.replace(lease, '77'),
      `member list -w ${format}`,
      `endpoint status -w ${format}`,
    );
  }
  await same(
    `lease timetolive ${lease} --keys`,
    `lease keep-alive --once ${lease}`,
    `lease keep-alive --once ${lease} -w json`,
    'endpoint health',
  );
});

it('command lines that cannot be read: the same exit codes', async (ctx) => {
  if (!installed) ctx.skip('etcd and etcdctl are not installed');
  const lines = ['nosuch', 'get a --nosuch', '--nosuch', 'get a --limit', 'get a --limit=x', 'get a --keys-only=maybe'];
  lines.push(
    'get a --command-timeout=x',
    'get',
    'put',
    'lease grant',
    'lease grant x',
    'lease revoke zz',
    'get a -w bad',
  );
  for (const line of lines) {
    const argv = line.split(' ');
    expect((await ours(argv)).code, line).toBe((await etcdctl(argv)).code);
  }
  // etcdctl takes a misspelt second word for a cry for help and ends with 0: a script must hear of it.
  expect([(await etcdctl(['lease', 'grnt', '5'])).code, (await ours(['lease', 'grnt', '5'])).code]).toEqual([0, 1]);
});

it('writes: each tool does it in turn', async (ctx) => {
  if (!installed) ctx.skip('etcd and etcdctl are not installed');
  for (const format of ['simple', 'json', 'fields']) {
    const pair = async (...argvs: readonly (readonly string[])[]): Promise<void> => {
      const both: ToolRun[][] = [];
      for (const run of [etcdctl, ours]) {
        await etcdctl(['del', 'w', '--prefix']);
        const runs: ToolRun[] = [];
        for (const argv of argvs) runs.push(masked(await run([...argv, '-w', format])));
        both.push(runs);
      }
      const noIds = (runs: readonly ToolRun[] | undefined) =>
        runs?.map((one) => ({
          ...one,
          out: one.out.replace(/\b\d{16,}\b|\b[0-9a-f]{16}\b/g, 'ID').replace(/_revision":\d+|Revision" : \d+/g, 'rev'),
        }));
      expect(noIds(both[1]), format).toEqual(noIds(both[0]));
    };
    await pair(
      ['put', 'w1', 'a'],
      ['put', 'w1', 'b', '--prev-kv'],
      ['put', 'w1', '--ignore-value'],
      ['put', 'w1', 'c', '--ignore-lease', '--prev-kv'],
      ['put', 'w2', 'x'],
      ['del', 'w1', '--prev-kv'],
      ['del', 'w', '--prefix'],
      ['del', 'w'],
      ['lease', 'grant', '100'],
      ['lease', 'grant', '0'],
    );
  }
});

it('compaction: each tool compacts where the other has not been', async (ctx) => {
  if (!installed) ctx.skip('etcd and etcdctl are not installed');
  const answers = (run: typeof ours) => async (revision: number) => {
    const runs = [];
    for (const more of [[], ['--physical'], ['-w', 'json']]) {
      await etcdctl(['put', 'c', 'v']);
      runs.push(await run(['compaction', ...more, String(revision)]));
    }
    return runs.map((one) => ({ ...one, out: one.out.replace(/\d+/, 'N') }));
  };
  const theirs = await answers(etcdctl)(1);
  const mine = await answers(ours)(2);
  expect(mine).toEqual(theirs);
  expect(mine.map(({ code }) => code)).toEqual([0, 1, 1]);
});

it('mistakes and refusals', async (ctx) => {
  if (!installed) ctx.skip('etcd and etcdctl are not installed');
  await same(
    'lease grant',
    'lease grant abc',
    'lease grant 9999999999999',
    'lease revoke zz',
    'lease revoke 12345',
    'lease keep-alive --once 12345',
    'lease keep-alive 12345',
    'put',
    'put k v --lease=1234',
    'put k v --ignore-value',
    "put '' v",
    'get',
    'get a --rev=99999',
    'get a --sort-by=foo',
    'get a --prefix --from-key',
    'del a b c',
    'compaction',
    'compaction 1 2',
    'compaction x',
    'compaction 99999',
    'compaction --physical 99999 -w json',
    'compaction -- -1',
    '-w bad get a',
  );
});

/**
 * What a watch prints up to and with the line that names this key, in whatever way its format has. What follows is left
 * out: etcdctl writes an event in several pieces, and the interrupt may come between them.
 */
async function watched(line: string, mark: string): Promise<readonly [ToolRun['out'], ToolRun['out']]> {
  const argv = ['--endpoints', endpoint, 'watch', ...line.split(' ')];
  const hex = [...Buffer.from(mark)].map((byte) => `\\x${byte.toString(16)}`).join('');
  const marks = [mark, hex, Buffer.from(mark).toString('base64')];
  const upToMark = (out: string): string | undefined => {
    const at = Math.max(...marks.map((text) => out.indexOf(text)));
    const end = at < 0 ? -1 : out.indexOf('\n', at);
    return end < 0 ? undefined : out.slice(0, end + 1);
  };
  const child = spawn('etcdctl', argv, { env: { ...process.env, ETCDCTL_API: '3' } });
  let theirs = '';
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.stdout.on('data', (bytes: Buffer) => {
    theirs += bytes.toString('latin1');
    if (upToMark(theirs) !== undefined) child.kill('SIGINT');
  });
  await gone;
  const interrupt = new AbortController();
  let mine = '';
  const out = (text: string | Uint8Array): void => {
    mine += Buffer.from(text as string).toString('latin1');
    if (upToMark(mine) !== undefined) setImmediate(() => interrupt.abort());
  };
  const world = { env: {}, interrupted: interrupt.signal, input: async () => Buffer.alloc(0) };
  await leasectl(argv, { ...world, sink: { out, err: () => {} } });
  return [upToMark(theirs) ?? theirs, upToMark(mine) ?? mine];
}

it('watches, in every format', async (ctx) => {
  if (!installed) ctx.skip('etcd and etcdctl are not installed');
  const { out } = await etcdctl(['put', 'watched', 'old', '-w', 'json']);
  const rev = /"revision":(\d+)/.exec(out)?.[1] ?? '';
  await etcdctl(['put', 'watched', 'a"b<c>&\n\té']);
  await etcdctl(['put', 'watching', '']);
  await etcdctl(['del', 'watched']);
  await etcdctl(['put', 'watchlast', 'v']);
  await etcdctl(['put', 'watchover', 'v']);
  const lines = ['simple', 'json', 'fields'].map((format) => `watch --prefix --prev-kv -w ${format}`);
  for (const line of [...lines, 'watch --prefix --hex', 'watched x']) {
    const [theirs, mine] = await watched(`${line} --rev=${rev}`, 'watchover');
    expect(mine, line).toBe(theirs);
  }
  await same('watch', 'watch a b --prefix');
  // etcdctl finds out when the first event has come.
  expect((await ours(['watch', 'a', '-w', 'table'])).code).toBe(4);
});
