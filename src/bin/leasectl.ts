#!/usr/bin/env node
/**
 * The program `leasectl`: hands argv, environment, standard streams and Ctrl-C to `src/cli/leasectl.ts` and exits with its
 * code.
 */
import { leasectl } from '../cli/leasectl.ts';

const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
process.once('SIGTERM', () => interrupt.abort());
// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', () => process.exit(0));

process.exitCode = await leasectl(process.argv.slice(2), {
  env: process.env,
  sink: { out: (text) => void process.stdout.write(text), err: (text) => void process.stderr.write(text) },
  interrupted: interrupt.signal,
  input: async () => {
    if (process.stdin.isTTY) return new Uint8Array(0);
    const chunks: Uint8Array[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk);
    return Buffer.concat(chunks);
  },
});
// An interrupted command may still wait for standard input, which would keep the process.
if (interrupt.signal.aborted) process.exit();
