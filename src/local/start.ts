/**
 * What `npm start` does, from its flags to its exit code: refuse what cannot work in one line, start, wait, say where things
 * are and what to try, and stop everything when told to.
 */
import { existsSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { parseArgv } from '../base/argv.ts';
import { dataDirMistake } from '../ops/config-files.ts';
import { LocalCluster } from './cluster.ts';
import { clientTarget, layout, memberFlagsOf, type Place, portMistake } from './layout.ts';
import type { MemberProcess } from './member-process.ts';

/** What starting needs of the program around it. */
export interface StartWorld {
  /** What Node runs for a member, and for the tool that is named in what to try next. */
  readonly memberProgram: readonly string[];
  readonly toolCommand: string;
  say(line: string): void;
  complain(line: string): void;
  readonly paint: Paint;
  /** Fires on the first Ctrl-C or SIGTERM, and on the second. */
  readonly stop: AbortSignal;
  readonly stopNow: AbortSignal;
  /** Told as soon as there is something to kill, should the program die of itself. */
  started(cluster: LocalCluster): void;
}

/** Colours, or none. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
  red(text: string): string;
}

const membersMax = 5;
/** As long as a member may take to hand over and close (it promises 5 s), and one more. */
const graceMs = 6_000;
const serveTimeoutMs = 60_000;
const logTailLines = 10;

const help = `npm start [-- flags]: a cluster on this machine
  --members N      1, 3 or 5 members (3)
  --base-port P    client ports P, P+10, P+20 …, each with its peer port one above
                   (without it: 2379, 22379, 32379 … and 2380, 22380, 32380 …)
  --data-dir D     where data and logs are kept (./data); a second start finds them again
`;

/** Runs until stopped; returns the exit code. */
export async function start(argv: readonly string[], world: StartWorld): Promise<number> {
  const read = readFlags(argv);
  if (typeof read === 'string') {
    if (read === help) world.say(help.trimEnd());
    else world.complain(`leasehold: ${read}`);
    return read === help ? 0 : 2;
  }
  const ports = await portMistake(read.places);
  const mistake = ports === undefined ? dataDirMistake(read.dataDir) : `leasehold: ${ports}`;
  if (mistake !== undefined) {
    world.complain(mistake);
    return 1;
  }
  return await run(read.places, world);
}

async function run(places: readonly Place[], world: StartWorld): Promise<number> {
  const began = performance.now();
  const again = places.every((place) => existsSync(place.dataDir));
  world.say(`starting ${places.map((place) => place.name).join(', ')}${again ? ' on the data of last time' : ''} …`);
  const cluster = new LocalCluster(places, world.memberProgram);
  world.started(cluster);
  world.stopNow.addEventListener('abort', () => cluster.kill());
  const stopped = new Promise<void>((resolve) => {
    if (world.stop.aborted) resolve();
    world.stop.addEventListener('abort', () => resolve());
  });
  const served = await Promise.race([cluster.serving(serveTimeoutMs), stopped.then(() => undefined)]);
  if (served?.type === 'died' || served?.type === 'late') {
    const late = `no leader after ${serveTimeoutMs / 1000} s`;
    world.complain(
      `leasehold: ${served.type === 'late' ? late : `${served.name} ended (${served.how}) before it served`}`,
    );
    for (const member of cluster.members) if (served.type === 'late' || !member.alive) showTail(member, world);
    await cluster.stop(graceMs);
    return 1;
  }
  if (served?.type === 'serving') announce(places, served.leader, (performance.now() - began) / 1000, world);
  const gone = cluster.watch((member, how) => mourn(member, how, cluster, world));
  const first = await Promise.race([stopped.then(() => 'stopped'), gone.then(() => 'gone')]);
  if (first === 'gone') {
    world.complain('leasehold: no member is left');
    return 1;
  }
  world.say('stopping …');
  const killed = await cluster.stop(graceMs);
  if (killed.length > 0)
    world.complain(`leasehold: ${killed.join(', ')} did not stop in ${graceMs / 1000} s and had to be killed`);
  world.say(`stopped; data is kept in ${shown(dirname(places[0]?.dataDir ?? ''))}`);
  return killed.length === 0 ? 0 : 1;
}

function readFlags(argv: readonly string[]): { readonly places: readonly Place[]; readonly dataDir: string } | string {
  const parsed = parseArgv(argv, [
    { name: 'members', kind: 'value' },
    { name: 'base-port', kind: 'value' },
    { name: 'data-dir', kind: 'value' },
    { name: 'help', short: 'h', kind: 'switch' },
  ]);
  if (parsed.type === 'unknownFlag') {
    const hint = parsed.nearest === undefined ? '' : ` (did you mean --${parsed.nearest}?)`;
    return `unknown flag --${parsed.flag}${hint}; see npm start -- --help`;
  }
  if (parsed.type === 'missingValue') return `--${parsed.flag} needs a value`;
  if (parsed.flags.has('help')) return help;
  const [extra] = parsed.args;
  if (extra !== undefined) return `${JSON.stringify(extra)} is no flag; see npm start -- --help`;
  const members = parsed.flags.get('members') ?? '3';
  if (!/^[135]$/.test(members)) return `--members: ${JSON.stringify(members)} is not 1, 3 or ${membersMax}`;
  const base = parsed.flags.get('base-port');
  const highest = 65_535 - (membersMax - 1) * 10 - 1;
  if (base !== undefined && !(/^\d+$/.test(base) && Number(base) >= 1 && Number(base) <= highest)) {
    return `--base-port: ${JSON.stringify(base)} is not a port from 1 to ${highest}`;
  }
  const dataDir = parsed.flags.get('data-dir') ?? 'data';
  if (dataDir === '') return '--data-dir: is empty; name a directory, as in --data-dir=data';
  const basePort = base === undefined ? undefined : Number(base);
  return { places: layout({ members: Number(members), basePort, dataDir }), dataDir };
}

function announce(places: readonly Place[], leader: string, seconds: number, world: StartWorld): void {
  const { bold, dim, green } = world.paint;
  const targets = places.map(clientTarget);
  world.say(
    green(
      `${places.length === 1 ? 'one member serves' : `${places.length} members serve`} after ${seconds.toFixed(1)} s`,
    ),
  );
  for (const place of places) {
    const role = place.name === leader ? bold('leader  ') : 'follower';
    world.say(`  ${place.name}  http://${clientTarget(place)}  ${role}  ${dim(`log ${shown(place.logFile)}`)}`);
  }
  world.say('try:');
  world.say('  export ETCDCTL_API=3');
  world.say(`  etcdctl --endpoints=${targets.join(',')} lease grant 60`);
  world.say(`  ${world.toolCommand} --endpoints=${targets.join(',')} endpoint status -w table`);
  world.say('Ctrl-C stops everything.');
}

function mourn(member: MemberProcess, how: string, cluster: LocalCluster, world: StartWorld): void {
  const left = cluster.members.filter((one) => one.alive).length;
  world.complain(
    world.paint.red(`${member.place.name} ended: ${how}; ${left} of ${cluster.members.length} members left`),
  );
  showTail(member, world);
  const flags = memberFlagsOf(member.place, cluster.places);
  world.complain(`  bring it back with: node ${[...world.memberProgram, ...flags].join(' ')}`);
}

function showTail(member: MemberProcess, world: StartWorld): void {
  world.complain(`  the end of ${shown(member.place.logFile)}:`);
  for (const line of member.logTail(logTailLines)) world.complain(world.paint.dim(`    ${line}`));
}

/** A path as people like to read it: from here if it is below here. */
function shown(path: string): string {
  const near = relative('.', path);
  return near.startsWith('..') ? path : near;
}
