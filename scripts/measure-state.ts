/**
 * Figures of the state machine alone: apply rates, load of an image, memory of a million leases.
 * Run: node --expose-gc --import tsx scripts/measure-state.ts [--leases=1000000] [--grants=300000] [--puts=200000]
 */
import { parseArgs } from 'node:util';
import { encodeCommand, packCommands } from '../src/state/codec.ts';
import type { Command } from '../src/state/command.ts';
import { Machine } from '../src/state/machine.ts';
import { loadMachine } from '../src/state/machine-loader.ts';
import type { ImageRecord } from '../src/store/image.ts';

const { values } = parseArgs({
  options: {
    leases: { type: 'string', default: '1000000' },
    grants: { type: 'string', default: '300000' },
    puts: { type: 'string', default: '200000' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log('node --expose-gc --import tsx scripts/measure-state.ts [--leases=N] [--grants=N] [--puts=N]');
  process.exit(0);
}
const COMMANDS_PER_ENTRY = 500;
const NO_FLAGS = { prevKv: false, ignoreValue: false, ignoreLease: false };

function payloads(count: number, command: (i: number) => Command): Uint8Array[] {
  const made: Uint8Array[] = [];
  for (let at = 0; at < count; at += COMMANDS_PER_ENTRY) {
    const encoded: Uint8Array[] = [];
    for (let i = at; i < Math.min(count, at + COMMANDS_PER_ENTRY); i++)
      encoded.push(encodeCommand({ origin: { member: 1n, boot: 1, seq: i + 1 }, command: command(i) }));
    made.push(packCommands(encoded));
  }
  return made;
}

/** Applies, and hands out image batches as a node would. `keep` collects the records. */
function feed(machine: Machine, entries: readonly Uint8Array[], keep?: Map<string, ImageRecord>): number {
  const start = cpuMs();
  for (const payload of entries) {
    machine.apply({ index: machine.appliedIndex + 1, term: 1, kind: 'commands', payload });
    if (machine.pendingImageBytes < 4 * 1024 * 1024) continue;
    take(machine, keep);
  }
  take(machine, keep);
  return cpuMs() - start;
}

function take(machine: Machine, keep: Map<string, ImageRecord> | undefined): void {
  for (const { key, value } of machine.takeImageBatch()?.ops ?? []) {
    if (keep === undefined) continue;
    const name = Buffer.from(key).toString('latin1');
    if (value === undefined) keep.delete(name);
    else keep.set(name, { key: Buffer.from(key), value: Buffer.from(value) });
  }
}

/** CPU milliseconds of this thread and its collector: other load on the machine does not count. */
function cpuMs(): number {
  return process.cpuUsage().user / 1000;
}

function rate(what: string, count: number, ms: number): void {
  console.log(
    `${what.padEnd(44)} ${Math.round((count / ms) * 1000).toLocaleString('en')} /s (${ms.toFixed(0)} CPU ms)`,
  );
}

/** Heap and array buffers, after a full collection. */
function memoryBytes(): number {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc');
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const idOf = (i: number): bigint => 0x1234_0000_0000_0000n + BigInt(i) * 256n;
const grantOf = (i: number): Command => ({ type: 'grant', id: idOf(i), ttlMs: 60_000 });
const putOf =
  (bytes: number, lease: (i: number) => bigint) =>
  (i: number): Command => ({
    type: 'put',
    key: Buffer.from(`key/${String(i).padStart(9, '0')}`),
    value: Buffer.alloc(bytes, 120),
    lease: lease(i),
    ...NO_FLAGS,
  });

const grants = Number(values.grants);
const puts = Number(values.puts);
const leases = Number(values.leases);

// Warm-up, then rates with the image batches taken and thrown away.
feed(new Machine(), payloads(50_000, grantOf));
feed(
  new Machine(),
  payloads(
    50_000,
    putOf(16, () => 0n),
  ),
);
{
  const machine = new Machine();
  rate('grant', grants, feed(machine, payloads(grants, grantOf)));
  const leased = Math.min(grants, puts);
  rate(
    'put, 256 bytes, on a lease each',
    puts,
    feed(
      machine,
      payloads(
        puts,
        putOf(256, (i) => idOf(i % leased)),
      ),
    ),
  );
  rate(
    'put again, 16 bytes, no lease',
    puts,
    feed(
      machine,
      payloads(
        puts,
        putOf(16, () => 0n),
      ),
    ),
  );
}
{
  const machine = new Machine();
  const count = Math.min(leases, 100_000);
  feed(machine, payloads(count, grantOf));
  feed(machine, payloads(count, putOf(16, idOf)));
  const expires: Uint8Array[] = [];
  for (let at = 0; at < count; at += 1_000) {
    const ids = Array.from({ length: Math.min(1_000, count - at) }, (_, i) => idOf(at + i));
    const expired = ids.map((id) => ({ id, stamp: machine.lessor.stampAt(machine.lessor.slotOf(id)) }));
    expires.push(
      packCommands([
        encodeCommand({
          origin: { member: 1n, boot: 1, seq: 0 },
          command: { type: 'expire', term: 1, leases: expired },
        }),
      ]),
    );
  }
  rate('expire, one key each, 1000 an entry', count, feed(machine, expires));
}
/** In slices, so that the log's own bytes are not what is measured. */
function feedSliced(
  machine: Machine,
  count: number,
  command: (i: number) => Command,
  keep?: Map<string, ImageRecord>,
): void {
  const slice = 50_000;
  for (let at = 0; at < count; at += slice)
    feed(
      machine,
      payloads(Math.min(slice, count - at), (i) => command(at + i)),
      keep,
    );
}
function memory(what: string, bytes: number): void {
  const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
  console.log(`${what.padEnd(44)} ${(bytes / leases).toFixed(1)} bytes each (rss ${rss} MiB)`);
}
{
  const empty = memoryBytes();
  const machine = new Machine();
  feedSliced(machine, leases, grantOf);
  const bare = memoryBytes();
  memory(`${leases} leases without keys`, bare - empty);
  feedSliced(
    machine,
    leases,
    putOf(16, () => 0n),
  );
  const loose = memoryBytes();
  memory('and as many keys (13 + 16 bytes), loose', loose - bare);
  console.log(`${machine.lessor.count} leases, ${machine.keyCount} keys`);
}
{
  const empty = memoryBytes();
  const machine = new Machine();
  feedSliced(machine, leases, grantOf);
  feedSliced(machine, leases, putOf(16, idOf));
  memory(`${leases} leases with a key each, all in`, memoryBytes() - empty);
  console.log(`${machine.lessor.count} leases, ${machine.lessor.attachedKeyCount} keys attached`);
}
{
  const kept = new Map<string, ImageRecord>();
  const machine = new Machine();
  feedSliced(machine, leases, grantOf, kept);
  const records = [...kept].sort(([x], [y]) => (x < y ? -1 : 1)).map(([, record]) => record);
  const start = cpuMs();
  const loaded = loadMachine(records);
  if (!(loaded instanceof Machine) || loaded.digest() !== machine.digest()) throw new Error('the image does not load');
  rate('load and verify lease records', leases, cpuMs() - start);
}
