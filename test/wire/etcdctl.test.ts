/**
 * The stock etcdctl 3.4 against three members of ours, each command through another member, and against three real etcds: same
 * output, same exit code, but for ids, ports and times. Skipped, with the reason, where Debian's packages are missing.
 *
 * Not compared: `check perf` and `check datascale` (a minute of load, and a verdict on the machine), `snapshot status` and
 * `snapshot restore` (they read bbolt files on the client's own disk and call no member; a snapshot of ours is none).
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { pause } from '../cluster/processes.ts';
import type { Target } from '../support/etcd-cluster.ts';
import { etcdctl, Mask, type Run, Running } from './etcdctl-run.ts';
import { debian, missing, startBoth } from './targets.ts';

const { 'etcd-server': server, 'etcd-client': client } = debian;
const lacking = missing({ 'etcd-server': server, 'etcd-client': client });

let targets: Awaited<ReturnType<typeof startBoth>> | undefined;

beforeAll(async () => {
  if (lacking === undefined) targets = await startBoth();
});

afterAll(async () => {
  await targets?.ours.stop();
  await targets?.etcd.stop();
});

beforeEach(({ skip }) => {
  if (lacking !== undefined) skip(lacking);
});

const ours = (): Target => (targets as NonNullable<typeof targets>).ours;
const etcd = (): Target => (targets as NonNullable<typeof targets>).etcd;

/** A cluster, its mask, and how its commands go round. */
class Side {
  readonly #target: Target;
  readonly mask: Mask;
  #turn = 0;
  /** etcd's lists of leases come from the member that is asked, and may lag: there all goes through one member. */
  readonly #round: boolean;
  /** The lease of the last `lease grant`. */
  lease = '';

  constructor(target: Target, round: boolean) {
    this.#target = target;
    this.#round = round;
    this.mask = new Mask(Object.fromEntries(target.endpoints.map((endpoint, i) => [endpoint, `<member ${i}>`])));
  }

  get endpoint(): string {
    const turn = this.#round ? this.#turn++ : 0;
    return this.#target.endpoints[turn % 3] as string;
  }

  get all(): string {
    return this.#target.endpoints.join(',');
  }

  async run(line: string | readonly string[], input = '', endpoints = this.endpoint): Promise<Run> {
    const words = typeof line === 'string' ? line.split(' ') : line;
    const run = await etcdctl(
      endpoints,
      words.map((word) => word.replaceAll('$L', this.lease)),
      input,
    );
    this.lease = /^lease ([0-9a-f]{14,16}) granted/.exec(run.out)?.[1] ?? this.lease;
    return run;
  }

  /** One script, in masked words. timetolive may be off by a second. */
  async transcript(script: readonly (string | readonly [string | readonly string[], string])[]): Promise<string[]> {
    const lines: string[] = [];
    for (const step of script) {
      const [line, input] = typeof step === 'string' ? [step, ''] : step;
      const { out, code } = await this.run(line, input);
      const masked = this.mask.of(out).replace(/remaining\(<time>\)|"ttl":\d+/g, 'remaining');
      lines.push(`$ ${typeof line === 'string' ? line : line.join(' ')} ${input}\n${masked}exit ${code}`);
    }
    return lines;
  }
}

async function same(see: (side: Side) => Promise<unknown>): Promise<unknown> {
  const [one, other] = await Promise.all([see(new Side(ours(), true)), see(new Side(etcd(), false))]);
  expect(one).toEqual(other);
  return one;
}

const leaseScript = [
  'lease grant 60',
  'put foo bar --lease=$L',
  'put other x',
  'lease timetolive $L',
  'lease timetolive $L --keys',
  'lease keep-alive --once $L',
  'lease keep-alive --once $L -w json',
  'lease list',
  'lease list -w json',
  'lease list -w fields',
  'lease timetolive $L --keys -w json',
  'get foo',
  'get foo -w fields',
  'get --prefix f --keys-only',
  'get foo --print-value-only',
  'put foo baz --ignore-lease',
  'put foo --ignore-value --lease=$L',
  'put foo qux --prev-kv --lease=$L',
  'put foo x --ignore-lease --lease=$L',
  'put missing --ignore-value',
  'put nolease x --lease=7',
  'lease revoke $L',
  'get foo',
  'get other',
  'lease revoke $L',
  'lease timetolive $L --keys',
  'lease timetolive $L -w json',
  'lease keep-alive --once $L',
  'lease list',
  'lease grant 0',
  'lease grant 1 -w json',
  'lease grant x',
  'lease revoke nonsense',
  'lease timetolive 123456789 --keys',
  'lease grant 9000000001',
  'del other --prev-kv',
  'del other',
];

const keyScript = [
  'put k/a 1',
  'put k/b 2 -w json',
  'put k/a 3 --prev-kv -w json',
  'put k/c 4 -w fields',
  'get k/a -w json',
  'get k/a -w fields',
  'get k/ --prefix -w json',
  'get k/ --prefix --keys-only -w json',
  'get k/ --prefix --limit=1 -w json',
  'get k/ --prefix --order=DESCEND --sort-by=MODIFY',
  'get k/ --prefix --order=ASCEND --sort-by=VERSION',
  'get k/ --prefix --order=ASCEND --sort-by=CREATE',
  'get k/ --prefix --order=DESCEND --sort-by=VALUE --print-value-only',
  'get k/ --prefix --order=sideways',
  'get k/b k/z',
  'get k/b --from-key --limit=1',
  'get k/a --rev=2',
  'get k/a --rev=1000000',
  'get k/a --consistency=s',
  'get k/a --consistency=q',
  'get missing',
  'get k/a --hex',
  'get',
  'put k/a',
  'del k/b k/c --prev-kv -w json',
  'del k/ --prefix --prev-kv',
  'del nothing -w fields',
  'del k/ --prefix --from-key',
];

const txn = (what: string, flags = ''): readonly [readonly string[], string] => [`txn${flags}`.split(' '), what];

const txnScript = [
  'put t/a 1',
  txn('value("t/a") = "1"\n\nput t/a 2\nget t/a\n\nput t/b 1\n\n'),
  txn('value("t/a") = "1"\n\nput t/a 3\n\nput t/b 1\nget t/b\ndel t/b --prev-kv\n\n'),
  txn(
    'version("t/a") > "1"\ncreate("t/none") = "0"\nmod("t/a") > "0"\n\nget t/ --prefix --keys-only\n\n\n',
    ' -w json',
  ),
  txn('version("t/a") = "0"\n\nget t/a\n\nget t/b\n\n', ' -w fields'),
  txn('value("t/a") < "1"\n\n\nget t/a\n\n', ' -w simple'),
  txn('\n\nput t/a 1\nput t/a 2\n\n\n'),
  txn('\nput t/x 1 --lease=7\n\n\n'),
  txn('nonsense\n\nput t/a 1\n\n\n'),
  'get t/ --prefix',
];

test('leases: the same output and exit codes', async () => {
  await same((side) => side.transcript(leaseScript));
});

test('keys: every option of put, get and del, in every format', async () => {
  await same((side) => side.transcript(keyScript));
});

test('transactions, from standard input', async () => {
  await same((side) => side.transcript(txnScript));
});

test('a lease is kept alive until the command is ended, and ends soon after', async () => {
  const seen = await same(async (side) => {
    await side.run('lease grant 2');
    await side.run('put kept x --lease=$L');
    const keeping = new Running(side.endpoint, ['lease', 'keep-alive', side.lease]);
    await keeping.says(/(keepalived with TTL\(2\)\n(.|\n)*){4}/);
    const kept = await side.run('get kept');
    await keeping.interrupt();
    for (let tries = 0; (await side.run('get kept')).out !== '' && tries < 100; tries++) await pause(50);
    return [kept, side.mask.of(keeping.out.split('\n')[0] ?? ''), await side.run('get kept')];
  });
  expect(JSON.stringify(seen)).toContain('kept\\nx');
});

test('watches: from a revision, a prefix, what was before, commands for each event, by hand', async () => {
  await same(async (side) => {
    const first = await side.run('put w/a 1 -w json');
    const revision = Number(/"revision":(\d+)/.exec(first.out)?.[1]);
    await side.run('lease grant 60');
    await side.run('put w/b 2 --lease=$L');
    await side.run('put w/c 2 --lease=$L');
    await side.run('lease revoke $L');
    await side.run('put w/end x');
    const endpoint = side.endpoint;
    const watches: Record<string, readonly string[]> = {
      prefix: ['watch', 'w/', '--prefix', `--rev=${revision}`, '--prev-kv'],
      json: ['watch', 'w/', '--prefix', `--rev=${revision}`, '-w', 'json'],
      fields: ['watch', 'w/', '--prefix', `--rev=${revision + 1}`, '-w', 'fields'],
      range: ['watch', 'w/b', 'w/f', `--rev=${revision}`],
      run: [
        'watch',
        'w/b',
        'w/f',
        `--rev=${revision}`,
        '--',
        'sh',
        '-c',
        'env | grep ^ETCD_WATCH | grep -v REVISION | sort',
      ],
    };
    const seen: Record<string, string> = {};
    for (const [name, args] of Object.entries(watches)) {
      const watch = new Running(endpoint, args);
      // The last event, and where a command is run for each, the last run.
      await watch.says(name === 'run' ? /ETCD_WATCH_KEY="w\/end"\nETCD_WATCH_VALUE="x"\n/ : /w\/end|dy9lbmQ=/);
      await watch.says(/x\n|eA==|"x"/);
      seen[name] = side.mask.of((await watch.interrupt()).out);
    }
    const byHand = new Running(endpoint, ['watch', '-i']);
    byHand.write(`watch w/a --rev=${revision}\n`);
    await byHand.says('PUT\nw/a\n1\n');
    byHand.write('progress\n');
    await byHand.says(/progress notify: \d+/);
    byHand.write('nonsense\n');
    byHand.child.stdin.end();
    seen['by hand'] = side.mask.of((await byHand.ended).out).replace(/notify: \d+/, 'notify');
    return seen;
  });
});

test('compaction: what is left, what is refused, a watch from before', async () => {
  await same(async (side) => {
    const revisionOf = ({ out }: Run): number => Number(/"revision":(\d+)/.exec(out)?.[1]);
    const first = revisionOf(await side.run('put c/a 1 -w json'));
    await side.run('put c/a 2');
    await side.run('del c/a');
    await side.run('put c/a 3');
    const { out } = await side.run(`compaction ${first + 2}`);
    const said = [
      out.replace(String(first + 2), '<revision>'),
      await side.run(`get c/a --rev=${first + 1}`),
      await side.run(`get c/a --rev=${first + 2}`),
      await side.run('get c/a'),
      await side.run(`compaction ${first + 2}`),
      await side.run('compaction 1000000'),
      await side.run('compaction x'),
      (await side.run(`compaction ${first + 3} --physical`)).code,
    ];
    const watch = new Running(side.endpoint, ['watch', 'c/a', `--rev=${first}`]);
    const ended = await watch.ended;
    return [said, ended.out.replace(/\d+/g, '#'), ended.code];
  });
});

test('alarms: listed, what they refuse, disarmed', async () => {
  await same(async (side) => {
    const raised = await fetch(`http://${side.endpoint}/v3/maintenance/alarm`, {
      method: 'POST',
      body: '{"action":"ACTIVATE","memberID":"5","alarm":"NOSPACE"}',
    });
    const seen = [
      raised.status,
      await side.run('alarm list'),
      await side.run('put alarmed x'),
      await side.run('lease grant 60'),
    ];
    seen.push(await side.run('del alarmed'), await side.run('get alarmed'), await side.run('endpoint health'));
    seen.push(await side.run('alarm disarm'), await side.run('alarm list'), await side.run('put alarmed x'));
    return seen.map((each) => (typeof each === 'number' ? each : [side.mask.of(each.out), each.code]));
  });
});

test('locks: held by one, waited for, given up with the command', async () => {
  await same(async (side) => {
    const holding = new Running(side.endpoint, ['lock', 'door', '--ttl=5']);
    await holding.says(/^door\/[0-9a-f]+\n/);
    const waiting = new Running(side.endpoint, [
      'lock',
      'door',
      'sh',
      '-c',
      'echo "$ETCD_LOCK_KEY $ETCD_LOCK_REV"; exit 3',
    ]);
    for (
      let tries = 0;
      (await side.run('get door --prefix --keys-only')).out.trim().split('\n\n').length < 2 && tries < 100;
    )
      tries++;
    const before = waiting.out;
    const held = await holding.interrupt();
    const { out, code } = await waiting.ended;
    const left = await side.run('get door --prefix');
    return [/^door\/[0-9a-f]+\n$/.test(held.out), held.code, before, /^door\/[0-9a-f]+ \d+\n/.test(out), code, left];
  });
});

test('elections: a leader, a candidate, an observer', async () => {
  await same(async (side) => {
    const observer = new Running(side.endpoint, ['elect', 'chair', '-l']);
    const one = new Running(side.endpoint, ['elect', 'chair', 'one']);
    await one.says(/^chair\/[0-9a-f]+\none\n/);
    await observer.says('one\n');
    const two = new Running(side.endpoint, ['elect', 'chair', 'two']);
    await pause(300);
    const before = two.out;
    await one.interrupt();
    await two.says(/^chair\/[0-9a-f]+\ntwo\n/);
    await observer.says('two\n');
    await two.interrupt();
    const watched = await observer.interrupt();
    return [before, watched.out.replace(/chair\/[0-9a-f]+/g, '<key>'), await side.run('get chair --prefix')];
  });
});

test('members and endpoints: lists, health, status, hashes', async () => {
  await same(async (side) => {
    const list = (await side.run('member list', '', side.all)).out
      .trim()
      .split('\n')
      .map((line) => line.replace(/^[0-9a-f]+, |http:\/\/127\.0\.0\.1:\d+/g, ''))
      .sort();
    const formats = await Promise.all(
      ['table', 'json', 'fields'].map(async (format) =>
        (await side.run(`member list -w ${format}`)).out
          .replace(/\b\d{4,}\b|\b[0-9a-f]{14,16}\b/g, '#')
          .replace(/"raft_term":\d+|"RaftTerm" : \d+/g, 'raft term')
          .replace(/ +|-+/g, ' ')
          .replace(/n[123]/g, 'n'),
      ),
    );
    const health = async (args: string): Promise<string> => {
      const { out, code } = await side.run(args, '', side.all);
      return `${side.mask.of(out).trim().split('\n').sort().join('\n')} exit ${code}`;
    };
    const hashes = (await side.run('endpoint hashkv', '', side.all)).out.trim().split('\n');
    const status = await side.run('endpoint status', '', side.all);
    return {
      list,
      formats,
      health: [await health('endpoint health'), await health('endpoint health --cluster')],
      hashes: [hashes.length, new Set(hashes.map((line) => line.split(', ')[1])).size],
      leaders: status.out.split('\n').filter((line) => line.split(', ')[4] === 'true').length,
      alarms: await side.run('alarm list'),
    };
  });
});

test('commands about single endpoints take URLs: etcdctl dials each under its own', async () => {
  const endpoints = ours().endpoints.map((endpoint) => `http://${endpoint}`);
  const all = endpoints.join(',');
  const one = endpoints[0] as string;
  const names = (out: string): string[] => [...out.matchAll(/^http:\/\/[^, ]+/gm)].map(([name]) => name).sort();
  for (const [given, args] of [
    [all, ['endpoint', 'status']],
    [one, ['endpoint', 'status', '--cluster']],
    [all, ['endpoint', 'hashkv']],
    [one, ['endpoint', 'hashkv', '--cluster']],
    [all, ['endpoint', 'health']],
    [one, ['endpoint', 'health', '--cluster']],
  ] as const) {
    const { out, code } = await etcdctl(given, args);
    expect(code, out).toBe(0);
    expect(names(out), args.join(' ')).toEqual([...endpoints].sort());
  }
  expect(names((await etcdctl(one, ['endpoint', 'status'])).out)).toEqual([one]);
});

test('defrag and snapshot save: of each member, of all; what a snapshot of ours is not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'snapshots-'));
  try {
    await same(async (side) => {
      const file = join(folder, side.endpoint.replace(/\D/g, ''));
      await side.run('put kept x');
      const defrags = await side.run('defrag', '', side.all);
      const saved = await side.run(`snapshot save ${file}`);
      // Whole sectors, and the SHA-256 of what stands before it.
      const bytes = readFileSync(file);
      const sum = createHash('sha256').update(bytes.subarray(0, -32)).digest();
      return [
        side.mask.of(defrags.out).split('\n').sort(),
        defrags.code,
        [saved.out.replaceAll(file, '<file>'), saved.code],
        [bytes.length % 512, sum.equals(bytes.subarray(-32))],
        await side.run('snapshot save', ''),
        (await side.run(`snapshot save ${file}`, '', side.all)).code,
      ];
    });
    // The format is our own: what reads bbolt files says so, and does not take it for one.
    const own = join(folder, 'own');
    await etcdctl(ours().endpoints[0] as string, ['snapshot', 'save', own]);
    const read = await etcdctl(ours().endpoints[0] as string, ['snapshot', 'status', own]);
    expect(read.code).not.toBe(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('move-leader: to a follower, to nobody, through a follower', async () => {
  await same(async (side) => {
    const status = (await side.run('endpoint status -w json', '', side.all)).out;
    const members = JSON.parse(status.replace(/("(?:member_id|leader)":)(\d+)/g, '$1"$2"')) as {
      readonly Endpoint: string;
      readonly Status: { readonly header: { readonly member_id: string }; readonly leader: string };
    }[];
    const leads = members.find(({ Status }) => Status.header.member_id === Status.leader);
    const follows = members.find(({ Status }) => Status.header.member_id !== Status.leader);
    if (leads === undefined || follows === undefined) throw new Error(status);
    const hex = (id: string): string => BigInt(id).toString(16);
    const target = hex(follows.Status.header.member_id);
    const seen = [
      await side.run('move-leader 1234', '', leads.Endpoint),
      await side.run(`move-leader ${target}`, '', follows.Endpoint),
      await side.run('move-leader', '', leads.Endpoint),
      await side.run(`move-leader ${target}`, '', side.all),
    ];
    return seen.map(({ out, code }) => [
      side.mask
        .of(out.replaceAll(target, '<target>').replaceAll(hex(leads.Status.leader), '<leader>'))
        .replace(/<member \d>/, '<member>'),
      code,
    ]);
  });
});

test('make-mirror: ours to etcd and back', async () => {
  const [from, to] = [ours().endpoints[0] as string, etcd().endpoints[0] as string];
  for (const [source, target, prefix] of [
    [from, to, 'mirror/one/'],
    [to, from, 'mirror/other/'],
  ] as const) {
    for (const name of ['a', 'b', 'c']) await etcdctl(source, ['put', prefix + name, name]);
    const mirror = new Running(source, ['make-mirror', `--prefix=${prefix}`, target]);
    const mirrored = async (): Promise<string> => (await etcdctl(target, ['get', '--prefix', prefix])).out;
    for (let tries = 0; !(await mirrored()).includes(`${prefix}c`) && tries < 100; tries++) await pause(50);
    await etcdctl(source, ['put', `${prefix}d`, 'later']);
    await etcdctl(source, ['del', `${prefix}a`]);
    const wanted = `${prefix}b\nb\n${prefix}c\nc\n${prefix}d\nlater\n`;
    for (let tries = 0; (await mirrored()) !== wanted && tries < 100; tries++) await pause(50);
    expect(await mirrored()).toBe(wanted);
    await mirror.interrupt();
  }
});

test.concurrent.each([0, 1, 2])(
  'a lease of 2 s ends through member %i, and its key with it, within 2.5 s',
  async (i) => {
    const endpoint = ours().endpoints[i] as string;
    const lease = /^lease ([0-9a-f]{14,16})/.exec((await etcdctl(endpoint, ['lease', 'grant', '2'])).out)?.[1] ?? '';
    expect((await etcdctl(endpoint, ['put', `short${i}`, 'v', `--lease=${lease}`])).out).toBe('OK\n');
    expect((await etcdctl(endpoint, ['get', `short${i}`])).out).toBe(`short${i}\nv\n`);
    await pause(2_500);
    expect((await etcdctl(endpoint, ['get', `short${i}`])).out).toBe('');
    expect((await etcdctl(endpoint, ['lease', 'timetolive', lease])).out).toBe(`lease ${lease} already expired\n`);
  },
);
