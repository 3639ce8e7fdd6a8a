#!/usr/bin/env node
/**
 * What `npm start` runs: a cluster of child processes on this machine, until Ctrl-C. The work is in `src/local/`.
 */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import pc from 'picocolors';
import { start } from '../local/start.ts';

const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const paint = pc.createColors(
  process.stdout.isTTY === true && process.stderr.isTTY === true && process.env['NO_COLOR'] === undefined,
);
const stop = new AbortController();
const stopNow = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => (stop.signal.aborted ? stopNow : stop).abort());
}
// npm passes a signal on to its shell alone, which dies of it without a word to us: we end when it has gone.
const parent = process.ppid;
const lookMs = 200;
if (process.env['npm_lifecycle_event'] !== undefined) {
  setInterval(() => process.ppid !== parent && stop.abort(), lookMs).unref();
}
// Whoever read our output may leave first; the members must still be stopped in order.
process.stdout.on('error', () => stop.abort());

process.exitCode = await start(process.argv.slice(2), {
  memberProgram: [beside('leasehold.js')],
  toolCommand: `node ${relative('.', beside('leasectl.js'))}`,
  say: (line) => void process.stdout.write(`${line}\n`),
  complain: (line) => void process.stderr.write(`${line}\n`),
  paint,
  stop: stop.signal,
  stopNow: stopNow.signal,
  started: (cluster) => void process.on('exit', () => cluster.kill()),
});
