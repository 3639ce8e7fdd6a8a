#!/usr/bin/env node
/**
 * The program `leasehold`: reads the configuration, refuses mistakes in one line, and runs the member until a signal or a
 * fatal error ends it. What runs is in `src/server/`.
 */
import { readConfig } from '../ops/config.ts';
import { dataDirMistake } from '../ops/config-files.ts';
import { createLog } from '../ops/log.ts';
import { runMember } from '../server/run-member.ts';

// Everything this process creates is its owner's alone, LevelDB's files included.
process.umask(0o077);

const read = readConfig(process.argv.slice(2), process.env);
switch (read.type) {
  case 'print':
    process.stdout.write(read.text);
    break;
  case 'refused':
    process.stderr.write(`${read.line}\n`);
    process.exitCode = read.exitCode;
    break;
  case 'run': {
    const mistake = dataDirMistake(read.config.dataDir);
    if (mistake === undefined) {
      const log = createLog(read.config.logLevel, read.config.logFormat);
      for (const warning of read.config.warnings) log.warn(warning);
      // A signal more neither hurries what the first one began nor ends the process around it.
      const stop = new AbortController();
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
      const code = await runMember(read.config, log, stop.signal);
      log.flush();
      // All is closed and synced. What callers who have gone still wait for would keep the process, and nobody hears of it.
      process.exit(code);
    } else {
      process.stderr.write(`${mistake}\n`);
      process.exitCode = 1;
    }
  }
}
