/**
 * From command line and environment to a member's configuration: flag over `LEASEHOLD_*` over `ETCD_*` over default. Every
 * mistake becomes one line that names the flag and the fix, before anything is created.
 */
import { isIP } from 'node:net';
import { nearestName, parseArgv, parseSwitch } from '../base/argv.ts';
import { peerFrameBytesMax } from '../base/limits.ts';
import { type InitialMember, readInitialCluster, readPeerDial } from './config-cluster.ts';
import { type AutoCompactionFlags, autoCompactionOf } from './config-compaction.ts';
import { requestTimeoutOf, watchProgressOf } from './config-durations.ts';
import { type MemberFlag, memberFlags, memberHelp } from './config-flags.ts';
import { ConfigMistake } from './config-mistake.ts';
import { advertisedUrls, isLoopback, isWildcard, type ListenUrl, listenUrls } from './config-urls.ts';
import type { LogFormat, LogLevel } from './log.ts';
import { leaseholdVersion } from './version.ts';

/** All a member must be told. */
export interface MemberConfig {
  readonly name: string;
  readonly dataDir: string;
  readonly listenPeerUrls: readonly ListenUrl[];
  readonly listenClientUrls: readonly ListenUrl[];
  readonly listenMetricsUrls: readonly ListenUrl[];
  /** Empty if clients listen on port 0: the member then tells the port it got. */
  readonly advertiseClientUrls: readonly string[];
  readonly advertisePeerUrl: string;
  /** Sorted by name; names this member. */
  readonly initialCluster: readonly InitialMember[];
  /** By name: where to dial a member, if not at its peer URL. */
  readonly peerDial: ReadonlyMap<string, string>;
  readonly initialClusterState: 'new' | 'existing';
  readonly initialClusterToken: string;
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly quotaBytes: number;
  /** Undefined: only on request. */
  readonly autoCompaction: AutoCompactionFlags | undefined;
  readonly txnOpsMax: number;
  readonly requestBytesMax: number;
  readonly streamsMax: number;
  readonly requestTimeoutMs: number;
  readonly watchProgressMs: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** To be logged once at start: flags without effect, listeners that anybody can reach. */
  readonly warnings: readonly string[];
}

/** What a command line comes to. `refused`: print `line` to stderr and exit with `exitCode`. */
export type ConfigRead =
  | { readonly type: 'run'; readonly config: MemberConfig }
  | { readonly type: 'print'; readonly text: string }
  | { readonly type: 'refused'; readonly line: string; readonly exitCode: number };

const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'panic', 'fatal'];

/** Reads it all; never throws for what a user can write. */
export function readConfig(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): ConfigRead {
  const specs = [
    ...memberFlags,
    { name: 'help', short: 'h', kind: 'switch' as const },
    { name: 'version', kind: 'switch' as const },
  ];
  const parsed = parseArgv(argv, specs);
  if (parsed.type === 'unknownFlag') {
    const hint = parsed.nearest === undefined ? '' : ` (did you mean --${parsed.nearest}?)`;
    return refused(2, `unknown flag --${parsed.flag}${hint}; leasehold --help lists all`);
  }
  if (parsed.type === 'missingValue') return refused(2, `--${parsed.flag} needs a value, as in --${parsed.flag}=…`);
  if (parsed.flags.get('help') === 'true') return { type: 'print', text: memberHelp() };
  if (parsed.flags.get('version') === 'true')
    return { type: 'print', text: `leasehold Version: ${leaseholdVersion}\n` };
  const [extra] = parsed.args;
  if (extra !== undefined)
    return refused(2, `${JSON.stringify(extra)} is no flag; leasehold takes flags only, see --help`);
  const values = new Values(parsed.flags, env);
  try {
    return { type: 'run', config: build(values) };
  } catch (error) {
    if (error instanceof ConfigMistake) return refused(1, `${values.sourceOf(error.flag)}: ${error.message}`);
    throw error;
  }
}

function refused(exitCode: number, sentence: string): ConfigRead {
  return { type: 'refused', exitCode, line: `leasehold: ${sentence}` };
}

/** Every flag's text and where it came from. */
class Values {
  readonly #flags: ReadonlyMap<string, string>;
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(flags: ReadonlyMap<string, string>, env: Readonly<Record<string, string | undefined>>) {
    this.#flags = flags;
    this.#env = env;
  }

  /** The text given, or undefined. An empty variable counts as not given, as in etcd. */
  given(name: string): string | undefined {
    return this.#flags.get(name) ?? this.#variable(name)?.value;
  }

  text(name: string): string {
    return this.given(name) ?? memberFlags.find((flag) => flag.name === name)?.fallback ?? '';
  }

  /** The flag as the user knows it: with the variable's name if the text came from there. */
  sourceOf(name: string): string {
    const variable = this.#flags.has(name) ? undefined : this.#variable(name);
    return variable === undefined ? `--${name}` : `--${name} (from ${variable.name})`;
  }

  /** Variables with our prefix that are no flag: most likely a slip. Those of etcd's may be meant for somebody else. */
  strangers(): readonly string[] {
    const names = memberFlags.map((flag) => `LEASEHOLD_${variableOf(flag.name)}`);
    return Object.keys(this.#env)
      .filter((name) => name.startsWith('LEASEHOLD_') && !names.includes(name))
      .map((name) => {
        const near = nearestName(name, names);
        return `unknown variable ${name} in the environment${near === undefined ? '' : ` (did you mean ${near}?)`}`;
      });
  }

  #variable(name: string): { readonly name: string; readonly value: string } | undefined {
    for (const prefix of ['LEASEHOLD_', 'ETCD_']) {
      const variable = `${prefix}${variableOf(name)}`;
      const value = this.#env[variable];
      if (value !== undefined && value !== '') return { name: variable, value };
    }
    return undefined;
  }
}

function variableOf(flag: string): string {
  return flag.toUpperCase().replaceAll('-', '_');
}

function build(values: Values): MemberConfig {
  const warnings = [...values.strangers(), ...memberFlags.flatMap((flag) => unusedFlag(values, flag))];
  const name = nameOf(values);
  const listenPeerUrls = someUrls(values, 'listen-peer-urls');
  const listenClientUrls = someUrls(values, 'listen-client-urls');
  const listenMetricsUrls = listenUrls('listen-metrics-urls', values.text('listen-metrics-urls'));
  checkCollisions([
    ['listen-peer-urls', listenPeerUrls],
    ['listen-client-urls', listenClientUrls],
    ['listen-metrics-urls', listenMetricsUrls],
  ]);
  checkReach(values, listenPeerUrls);
  for (const url of listenClientUrls.filter((one) => !isLoopback(one.host))) {
    warnings.push(
      `clients on ${url.text} are neither encrypted nor authenticated; anybody who reaches it can do anything`,
    );
  }
  const advertisePeerUrl = advertisedPeer(values, listenPeerUrls);
  const heartbeatMs = wholeNumber(values, 'heartbeat-interval', 10, 10_000);
  const electionMs = wholeNumber(values, 'election-timeout', 50, 50_000);
  if (electionMs < 5 * heartbeatMs) {
    const least = `--election-timeout=${5 * heartbeatMs}`;
    throw new ConfigMistake(
      'election-timeout',
      `${electionMs} ms is less than five heartbeats of ${heartbeatMs} ms; use ${least} or more`,
    );
  }
  const initialCluster = readInitialCluster(values.text('initial-cluster'), name, advertisePeerUrl);
  return {
    name,
    dataDir: values.text('data-dir') === '' ? `${name}.leasehold` : values.text('data-dir'),
    listenPeerUrls,
    listenClientUrls,
    listenMetricsUrls,
    advertiseClientUrls: advertisedClients(values, listenClientUrls),
    advertisePeerUrl,
    initialCluster,
    peerDial: readPeerDial(values.text('peer-dial'), initialCluster),
    initialClusterState: choice(values, 'initial-cluster-state', ['new', 'existing']),
    initialClusterToken: values.text('initial-cluster-token'),
    heartbeatMs,
    electionMs,
    quotaBytes: quotaOf(values),
    autoCompaction: autoCompactionOf((flag) => values.text(flag)),
    txnOpsMax: wholeNumber(values, 'max-txn-ops', 1, 100_000),
    requestBytesMax: wholeNumber(values, 'max-request-bytes', 1024, peerFrameBytesMax / 2),
    streamsMax: wholeNumber(values, 'max-concurrent-streams', 1, 2 ** 32 - 1),
    requestTimeoutMs: requestTimeoutOf((flag) => values.text(flag), electionMs),
    watchProgressMs: watchProgressOf((flag) => values.text(flag)),
    logLevel: choice(values, 'log-level', logLevels),
    logFormat: choice(values, 'log-format', ['json', 'console']),
    warnings,
  };
}

/** Warns about a given flag that has no effect; refuses one that must not be ignored. */
function unusedFlag(values: Values, flag: MemberFlag): readonly string[] {
  if (flag.fate === 'used' || values.given(flag.name) === undefined) return [];
  const given = flag.kind === 'switch' ? String(switchOf(values, flag.name)) : values.text(flag.name);
  if (flag.harmless.includes(given)) return [];
  if (flag.fate === 'refused') throw new ConfigMistake(flag.name, `${flag.text}; leave the flag out`);
  return [`${values.sourceOf(flag.name)} has no effect: ${flag.text}`];
}

function nameOf(values: Values): string {
  const name = values.text('name');
  if (/^[^\s,=/\\\0]+$/.test(name) && name !== '.' && name !== '..') return name;
  throw new ConfigMistake('name', `${JSON.stringify(name)} cannot name a member; use letters, digits, - and _`);
}

function someUrls(values: Values, flag: string): readonly ListenUrl[] {
  const urls = listenUrls(flag, values.text(flag));
  if (urls.length === 0) throw new ConfigMistake(flag, 'is empty; give at least one, as in http://127.0.0.1:2379');
  return urls;
}

function checkCollisions(lists: readonly (readonly [string, readonly ListenUrl[]])[]): void {
  const seen: { readonly host: string; readonly port: number; readonly flag: string }[] = [];
  // All addresses hold each single one; those of IPv6 hold IPv4's as well.
  const overlap = (a: string, b: string): boolean =>
    a === b || [a, b].includes('::') || ([a, b].includes('0.0.0.0') && isIP(a) === isIP(b));
  for (const [flag, urls] of lists) {
    for (const url of urls) {
      if (url.port === 0) continue;
      const host = url.host === 'localhost' ? '127.0.0.1' : url.host;
      const other = seen.find((one) => one.port === url.port && overlap(one.host, host));
      if (other !== undefined)
        throw new ConfigMistake(flag, `${url.text} is taken by --${other.flag}; give each its own port`);
      seen.push({ host, port: url.port, flag });
    }
  }
}

function checkReach(values: Values, urls: readonly ListenUrl[]): void {
  const allowed = switchOf(values, 'insecure-peer-transport');
  const open = urls.find((url) => !isLoopback(url.host));
  if (open === undefined || allowed) return;
  const sentence = `${open.text} is beyond loopback, and members do not speak TLS yet; use 127.0.0.1, or on a network you trust add`;
  throw new ConfigMistake('listen-peer-urls', `${sentence} --insecure-peer-transport`);
}

function advertisedClients(values: Values, listen: readonly ListenUrl[]): readonly string[] {
  const text = values.text('advertise-client-urls');
  if (text !== '') return advertisedUrls('advertise-client-urls', text);
  if (listen.some((url) => url.port === 0)) return [];
  const wildcard = listen.find((url) => isWildcard(url.host));
  if (wildcard === undefined) return listen.map((url) => url.text);
  throw new ConfigMistake('advertise-client-urls', `is needed, as ${wildcard.text} is no address clients can be told`);
}

function advertisedPeer(values: Values, listen: readonly ListenUrl[]): string {
  const flag = 'initial-advertise-peer-urls';
  const given = values.text(flag);
  const [first] = listen;
  const told = advertisedUrls(flag, given === '' ? (first?.text ?? '') : given);
  if (told.length > 1) throw new ConfigMistake(flag, 'names several URLs; each member has one');
  return told[0] ?? '';
}

function wholeNumber(values: Values, flag: string, least: number, most: number): number {
  const text = values.text(flag);
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && number <= most) return number;
  throw new ConfigMistake(flag, `${JSON.stringify(text)} is not a whole number from ${least} to ${most}`);
}

/** As etcd reads it: 0 stands for the default, and a negative number switches the quota off. */
function quotaOf(values: Values): number {
  const text = values.text('quota-backend-bytes');
  if (text === '0') return Number(memberFlags.find((flag) => flag.name === 'quota-backend-bytes')?.fallback);
  if (/^-\d+$/.test(text)) return Number.POSITIVE_INFINITY;
  return wholeNumber(values, 'quota-backend-bytes', 1, 2 ** 40);
}

function choice<T extends string>(values: Values, flag: string, options: readonly T[]): T {
  const text = values.text(flag);
  const found = options.find((option) => option === text);
  if (found !== undefined) return found;
  throw new ConfigMistake(flag, `${JSON.stringify(text)} is not one of ${options.join(', ')}`);
}

function switchOf(values: Values, flag: string): boolean {
  const value = parseSwitch(values.text(flag));
  if (value !== undefined) return value;
  throw new ConfigMistake(flag, `${JSON.stringify(values.text(flag))} is neither true nor false`);
}
