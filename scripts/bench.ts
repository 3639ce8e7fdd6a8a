/**
 * `npm run bench`: the figures that the README quotes, measured on members of this machine's own. Members and load share its
 * cores; nothing else should run beside it.
 */
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { ProcessCluster } from '../test/cluster/processes.ts';
import { clientHold } from './bench/client-hold.ts';
import { hold } from './bench/hold.ts';
import { massExpiry } from './bench/mass-expiry.ts';
import { renewals } from './bench/renewals.ts';
import { type Check, print, printChecks, progress, type Row } from './bench/row.ts';
import { short } from './bench/short.ts';
import { unary } from './bench/unary.ts';
import { watchFanout } from './bench/watch-fanout.ts';

const roads = ['short', 'mass-expiry', 'hold', 'unary', 'watch-fanout', 'renewals', 'client-hold'] as const;
type Road = (typeof roads)[number];

const help = `Usage: npm run bench -- [road…] [flags]

Starts members as processes on free loopback ports, each road on fresh ones, and prints what it measured. Roads:

  short         calls a second and their times: grant, put, time to live, read, keep-alive
  mass-expiry   leases with a key each that fall due together: how late they are gone, and that none is early
  hold          many leases held: memory of each member, and how soon they serve again after SIGKILL
  unary         every unary call with 1 and with 64 clients: how many a second, and their times
  watch-fanout  many watchers of the same keys, puts at a steady rate: events a second, how late, CPU of the members
  renewals      many leases renewed over and over, one a message and 1,000 a message: CPU of the members for each
  client-hold  one client process that keeps many leases: its CPU, memory and writes, whether they stay where they are, and what
               becomes of the leases when the leader is killed; ends with checks, and with 1 if one fails
                                                                    (default: short and mass-expiry)
  --leases=N    of mass-expiry and client-hold (default 100000), hold (default 1000000) or renewals (default 10000)
  --members=N   1, 3 or 5                                           (default 3)
  --ttl=S       of mass-expiry. Granting and renewing all must fit in half of it   (default 100)
                Of client-hold                                    (default 60)
  --minutes=N   of client-hold                                    (default 10)
  --renew=HOW   of client-hold: batch, etcd (one lease a message) or both, one after the other   (default both)
  --api=A       of client-hold: lease or keepAlive                (default lease)
  --target=T    of client-hold: leasehold, or etcd, a real one    (default leasehold)
  --seconds=S   of each row of short, unary and renewals, and of the puts of watch-fanout    (default 5)
  --watchers=N  of watch-fanout, in all                             (default 1000)
  --streams=N   of watch-fanout, over all members                   (default 30)
  --rate=N      puts a second of watch-fanout                       (default 20)
  -w json       one JSON object a row
  --help

LEASEBENCH=path of the Go load generator's binary: mass-expiry runs it as well, on fresh members, and prints its line.
`;

function mistake(text: string): never {
  process.stderr.write(`bench: ${text}; --help lists all\n`);
  process.exit(2);
}

function parsed() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        leases: { type: 'string' },
        members: { type: 'string', default: '3' },
        ttl: { type: 'string' },
        minutes: { type: 'string', default: '10' },
        renew: { type: 'string' },
        api: { type: 'string', default: 'lease' },
        target: { type: 'string', default: 'leasehold' },
        seconds: { type: 'string', default: '5' },
        watchers: { type: 'string', default: '1000' },
        streams: { type: 'string', default: '30' },
        rate: { type: 'string', default: '20' },
        'write-out': { type: 'string', short: 'w', default: 'simple' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return mistake(error instanceof Error ? error.message : String(error));
  }
}

const { values, positionals } = parsed();
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}
const number = (name: string, text: string): number => {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : mistake(`--${name} must be a whole number above 0`);
};
const members = number('members', values.members);
if (![1, 3, 5].includes(members)) mistake('--members must be 1, 3 or 5');
const ttlGiven = values.ttl === undefined ? undefined : number('ttl', values.ttl);
const ttlSeconds = ttlGiven ?? 100;
const seconds = number('seconds', values.seconds);
const fanout = {
  watchers: number('watchers', values.watchers),
  streams: number('streams', values.streams),
  putsPerSecond: number('rate', values.rate),
  seconds,
};
const leasesGiven = values.leases === undefined ? undefined : number('leases', values.leases);
if (!['simple', 'json'].includes(values['write-out'])) mistake('-w must be simple or json');
const json = values['write-out'] === 'json';
const isRoad = (word: string): word is Road => roads.some((road) => road === word);
const wanted: readonly Road[] =
  positionals.length === 0
    ? ['short', 'mass-expiry']
    : positionals.map((word) => (isRoad(word) ? word : mistake(`${word} is no road`)));

/** The word, if it is one of these. */
function oneOf<T extends string>(name: string, word: string, words: readonly T[]): T {
  return words.find((each) => each === word) ?? mistake(`--${name} must be ${words.join(' or ')}`);
}

const minutes = Number(values.minutes);
if (!(minutes > 0)) mistake('--minutes must be above 0');
const api = oneOf('api', values.api, ['lease', 'keepAlive']);
const target = oneOf('target', values.target, ['leasehold', 'etcd']);
const renew = oneOf('renew', values.renew ?? (target === 'etcd' ? 'etcd' : 'both'), ['both', 'batch', 'etcd']);
if (target === 'etcd' && renew !== 'etcd') mistake('a real etcd has no batches: --renew=etcd');

for (const road of wanted) {
  if (road === 'client-hold') {
    await holdByClient();
    continue;
  }
  await onFreshCluster(async (cluster) => {
    const found = (row: Row): void => print(row, json);
    if (road === 'short') await short(cluster, seconds, found);
    else if (road === 'unary') await unary(cluster, seconds, found);
    else if (road === 'watch-fanout') found(await watchFanout(cluster, fanout));
    else if (road === 'renewals') await renewals(cluster, leasesGiven ?? 10_000, seconds, found);
    else if (road === 'hold') found(await hold(cluster, leasesGiven ?? 1_000_000));
    else found(await massExpiry(cluster, { leases: leasesGiven ?? 100_000, ttlSeconds }));
  });
  const leasebench = process.env['LEASEBENCH'];
  if (road === 'mass-expiry' && leasebench !== undefined) await onFreshCluster((cluster) => runGo(cluster, leasebench));
}

async function holdByClient(): Promise<void> {
  const common = { leases: leasesGiven ?? 100_000, ttlSeconds: ttlGiven ?? 60, minutes, members, target, api };
  const checks: Check[] = [];
  for (const streams of renew === 'both' ? (['batch', 'etcd'] as const) : [renew])
    for (const check of await clientHold({ ...common, streams }, (row) => print(row, json)))
      checks.push({ ...check, name: `${streams}: ${check.name}` });
  if (!printChecks(checks, json)) process.exitCode = 1;
}

async function onFreshCluster(work: (cluster: ProcessCluster) => Promise<void>): Promise<void> {
  progress(`starting ${members} ${members === 1 ? 'member' : 'members'}`);
  const cluster = await ProcessCluster.start({ members, proxied: false });
  // Ctrl-C ends the members too.
  const interrupted = (): void => void cluster.stop().then(() => process.exit(130));
  process.once('SIGINT', interrupted);
  try {
    await cluster.ready();
    await cluster.leader();
    await work(cluster);
  } finally {
    process.off('SIGINT', interrupted);
    await cluster.stop();
  }
}

async function runGo(cluster: ProcessCluster, binary: string): Promise<void> {
  const pids = cluster.members.map((member) => member.pid).join(',');
  const flags = ['--endpoints', cluster.endpoints.join(','), '--pids', pids];
  const amount = ['--leases', String(leasesGiven ?? 100_000), '--ttl', String(ttlSeconds)];
  const child = spawn(binary, ['mass-expiry', ...flags, ...amount], { stdio: ['ignore', 'inherit', 'inherit'] });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) throw new Error(`${binary} ended with ${code}`);
}
