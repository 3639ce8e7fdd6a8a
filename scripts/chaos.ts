/**
 * `npm run chaos`: hurts a real three-member cluster on this machine while clients work, and counts the promises. Needs no root;
 * every run is bounded; the seed is printed first and last.
 */
import { randomBytes } from 'node:crypto';
import { type ChaosFault, type ChaosReport, runChaos } from '../test/cluster/chaos.ts';

const faults: readonly ChaosFault[] = ['kill', 'stop', 'cut', 'drop', 'power'];

const help = `Usage: npm run chaos -- [flags]

Starts three members as processes, with a proxy on every peer link, under leases kept alive by npm's etcd3 (unmodified), leases
that nobody renews, and a stream of puts. Then it hurts the leader, round after round, and checks that no kept lease is lost, none
ends early, the others end in time, every acknowledged put is there, and all members have one state.

  --fault=LIST     comma-separated: kill (SIGKILL), stop (SIGSTOP for 5 s), cut (peer links reset, client port open),
                   drop (peer links silent, client port open), power (SIGKILL of all at once)   (default kill,stop,cut,drop)
  --rounds=N       rounds of each fault                              (default 20)
  --leases=N       leases kept alive, and as many that nobody renews (default 1000)
  --ttl=SECONDS    TTL of the kept leases                            (default 15)
  --seed=0x…       repeat a run's random choices                     (default: drawn)
  -w json          one JSON object a fault
  --help
`;

function flag(name: string, fallback: string): string {
  const found = process.argv.find((arg) => arg.startsWith(`--${name}=`));
  return found === undefined ? fallback : found.slice(name.length + 3);
}

function positive(name: string, fallback: string): number {
  const number = Number(flag(name, fallback));
  if (Number.isInteger(number) && number > 0) return number;
  process.stderr.write(`chaos: --${name} must be a whole number above 0\n`);
  process.exit(2);
}

const known = ['fault', 'rounds', 'leases', 'ttl', 'seed'];
const args = process.argv.slice(2);
if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(help);
  process.exit(0);
}
const json = args.join(' ').includes('-w json') || args.includes('-w=json');
for (const arg of args) {
  if (arg === '-w' || arg === 'json' || arg === '-w=json') continue;
  if (!known.some((name) => arg.startsWith(`--${name}=`))) {
    process.stderr.write(`chaos: ${arg} is no flag; --help lists all\n`);
    process.exit(2);
  }
}
const wanted = flag('fault', 'kill,stop,cut,drop').split(',') as ChaosFault[];
const stranger = wanted.find((fault) => !faults.includes(fault));
if (stranger !== undefined) {
  process.stderr.write(`chaos: --fault=${stranger} is not one of ${faults.join(', ')}\n`);
  process.exit(2);
}
const seedText = flag('seed', `0x${randomBytes(6).toString('hex')}`);
const seed = BigInt(seedText);
const say = (line: string): void => {
  if (!json) process.stdout.write(`${line}\n`);
};

let failed = 0;
for (const fault of wanted) {
  say(`chaos ${fault}, seed ${seedText}`);
  const leases = positive('leases', '1000');
  const report = await runChaos({
    fault,
    seed,
    say,
    rounds: positive('rounds', '20'),
    keptLeases: leases,
    silentLeases: leases,
    keptTtlSeconds: positive('ttl', '15'),
    silentTtlSecondsMin: 5,
    silentTtlSecondsMax: 60,
  });
  failed += report.violations.length;
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else print(report);
}
say(`seed ${seedText}: ${failed === 0 ? 'every promise held' : `${failed} violations`}`);
process.exit(failed === 0 ? 0 : 1);

function print(report: ChaosReport): void {
  say(`  ${report.rounds} rounds in ${report.seconds.toFixed(0)} s; ${report.renewals} renewals by etcd3`);
  const lagSeconds = (report.worstLagMs / 1_000).toFixed(2);
  say(`  ${report.silentEnded} leases ended by themselves, the last ${lagSeconds} s after what leader changes allow`);
  say(`  ${report.putsAcknowledged} puts acknowledged, ${report.putsUnknown} unknown`);
  say(`  ${report.cutRenewalsAcknowledged} renewals acknowledged by a member whose peer links were cut`);
  say(
    `  away from writes: median ${report.unavailableMs.median.toFixed(0)} ms, longest ${report.unavailableMs.max.toFixed(0)} ms`,
  );
  for (const violation of report.violations.slice(0, 20)) say(`  VIOLATION ${violation}`);
  say(`  ${report.violations.length} violations`);
}
