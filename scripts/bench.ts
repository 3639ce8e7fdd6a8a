/**
 * `npm run bench`: the figures that the README quotes, measured on members of this machine's own. Members and load share its
 * cores; nothing else should run beside it.
 */
import { compareArguments, compareHelp } from './bench/compare/arguments.ts';
import { compare } from './bench/compare/compare.ts';
import { roadArguments, roadHelp } from './bench/road-arguments.ts';
import { measureRoads } from './bench/roads.ts';

const args = process.argv.slice(2);
if (args[0] === 'compare') {
  const options = compareArguments(args.slice(1));
  if ('mistake' in options) mistake(options.mistake);
  else if ('help' in options) process.stdout.write(compareHelp);
  else if (!(await compare(options)) && options.check) process.exitCode = 1;
} else {
  const options = roadArguments(args);
  if ('mistake' in options) mistake(options.mistake);
  else if ('help' in options) process.stdout.write(roadHelp);
  else if (!(await measureRoads(options))) process.exitCode = 1;
}

function mistake(text: string): void {
  process.stderr.write(`bench: ${text}; --help lists all\n`);
  process.exitCode = 2;
}
