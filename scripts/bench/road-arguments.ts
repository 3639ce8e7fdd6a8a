/** The command line of the roads that `npm run bench` measures on our own members. */
import { parseArgs } from 'node:util';

export const roads = [
  'short',
  'mass-expiry',
  'hold',
  'unary',
  'watch-fanout',
  'renewals',
  'client-hold',
  'failover-kill',
  'failover-term',
  'expiry-lag',
  'keep-alive-cost',
  'soak',
] as const;
export type Road = (typeof roads)[number];

/** What `absolute` stands for: those that something is wanted of, whatever etcd does. */
const absolute: readonly Road[] = [
  'expiry-lag',
  'failover-kill',
  'failover-term',
  'mass-expiry',
  'keep-alive-cost',
  'hold',
];

export interface RoadOptions {
  readonly roads: readonly Road[];
  readonly members: number;
  /** Undefined: each road's own. */
  readonly leases: number | undefined;
  readonly ttlSeconds: number | undefined;
  readonly seconds: number;
  readonly minutes: number;
  readonly watchers: number;
  readonly streams: number;
  readonly rate: number;
  readonly renew: 'both' | 'batch' | 'etcd';
  readonly api: 'lease' | 'keepAlive';
  readonly target: 'leasehold' | 'etcd';
  readonly rounds: number;
  readonly check: boolean;
  readonly write: 'simple' | 'markdown' | 'json';
}

export const roadHelp = `Usage: npm run bench -- [road…] [flags]
       npm run bench -- compare [road…] [flags]      side by side with etcd; it has a --help of its own

Starts members as processes on free loopback ports, each road on fresh ones, and prints what it measured. Roads:

  short            calls a second and their times: grant, put, time to live, read, keep-alive
  mass-expiry      leases with a key each that fall due together: how late they are gone, and that none is early
  hold             many leases held: memory of each member, and how soon they serve again after SIGKILL
  unary            every unary call with 1 and with 64 clients: how many a second, and their times
  watch-fanout     many watchers of the same keys, puts at a steady rate: events a second, how late, CPU of the members
  renewals         many leases renewed over and over, one a message and 1,000 a message: CPU of the members for each
  client-hold      one client process that keeps many leases: its CPU, memory and writes, whether they stay where they are, and
                   what becomes of the leases when the leader is killed; ends with checks, and with 1 if one fails
  failover-kill    the leader is killed, over and over: the time to the first grant through the others
  failover-term    the same with SIGTERM
  expiry-lag       leases that fall due one by one, and nothing else: how late each is seen to be gone
  keep-alive-cost  what a renewal costs the members with 1,000, 10,000, 100,000 and 1,000,000 leases
  soak             grants, renewals, and members that stand still for less than an election timeout: that nobody is elected
  absolute         all that something is wanted of but the soak: the four before it, mass-expiry and hold
                                                                    (default: short and mass-expiry)

  --rounds=N    of failover-kill and failover-term                  (default 20)
  --check       exit with 1 if a row misses what is wanted of it
  --leases=N    of mass-expiry and client-hold (default 100000), hold (default 1000000), renewals (default 10000), expiry-lag
                (default 300), or the most of keep-alive-cost (default 1000000)
  --members=N   1, 3 or 5                                           (default 3)
  --ttl=S       of mass-expiry. Granting and renewing all must fit in half of it   (default 100)
                Of client-hold                                    (default 60)
  --minutes=N   of client-hold and soak                           (default 10)
  --renew=HOW   of client-hold: batch, etcd (one lease a message) or both, one after the other   (default both)
  --api=A       of client-hold: lease or keepAlive                (default lease)
  --target=T    of client-hold: leasehold, or etcd, a real one    (default leasehold)
  --seconds=S   of each row of short, unary and renewals, and of the puts of watch-fanout    (default 5)
  --watchers=N  of watch-fanout, in all                             (default 1000)
  --streams=N   of watch-fanout, over all members                   (default 30)
  --rate=N      puts a second of watch-fanout                       (default 20)
  -w HOW        simple, json: one object a row, or markdown: a table of what is wanted (default simple)
  --help

LEASEBENCH=path of the Go load generator's binary: mass-expiry runs it as well, on fresh members, and prints its line.
`;

/** Thrown inside, given as a value outside. */
class Mistake extends Error {}

/** What is asked for; `help`; or what is wrong with it. */
export function roadArguments(
  args: readonly string[],
): RoadOptions | { readonly help: true } | { readonly mistake: string } {
  try {
    return read(args);
  } catch (error) {
    // Those of `parseArgs` are meant to be shown as well.
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
}

function read(args: readonly string[]): RoadOptions | { readonly help: true } {
  const { values, positionals } = parseArgs({
    args: [...args],
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
      rounds: { type: 'string', default: '20' },
      check: { type: 'boolean', default: false },
      'write-out': { type: 'string', short: 'w', default: 'simple' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return { help: true };
  const target = oneOf('--target', values.target, ['leasehold', 'etcd']);
  const renew = oneOf('--renew', values.renew ?? (target === 'etcd' ? 'etcd' : 'both'), ['both', 'batch', 'etcd']);
  if (target === 'etcd' && renew !== 'etcd') throw new Mistake('a real etcd has no batches: --renew=etcd');
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Mistake('--minutes must be above 0');
  return {
    roads: positionals.length === 0 ? ['short', 'mass-expiry'] : positionals.flatMap(roadsOf),
    members: Number(oneOf('--members', values.members, ['1', '3', '5'])),
    leases: values.leases === undefined ? undefined : whole('leases', values.leases),
    ttlSeconds: values.ttl === undefined ? undefined : whole('ttl', values.ttl),
    seconds: whole('seconds', values.seconds),
    minutes,
    watchers: whole('watchers', values.watchers),
    streams: whole('streams', values.streams),
    rate: whole('rate', values.rate),
    rounds: whole('rounds', values.rounds),
    check: values.check,
    renew,
    api: oneOf('--api', values.api, ['lease', 'keepAlive']),
    target,
    write: oneOf('-w', values['write-out'], ['simple', 'markdown', 'json']),
  };
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value <= 0) throw new Mistake(`--${name} must be a whole number above 0`);
  return value;
}

function roadsOf(word: string): readonly Road[] {
  const road = roads.find((each) => each === word);
  if (road !== undefined) return [road];
  if (word !== 'absolute') throw new Mistake(`${word} is no road`);
  return absolute;
}

/** The word, if it is one of these. */
function oneOf<T extends string>(flag: string, word: string, words: readonly T[]): T {
  const found = words.find((each) => each === word);
  if (found === undefined) throw new Mistake(`${flag} must be ${words.join(' or ')}`);
  return found;
}
