/**
 * Runs seeds of one hunt in a process of its own, in the tree it stands in, until an invariant is violated. Says on standard output,
 * a JSON object a line, what it found: `caught`, `crash` (nameless, goes on), `clean` at the end.
 * Arguments: hunt, first seed, number of seeds, seconds.
 */
import { hunt, invariantOf } from './hunts.ts';
import type { HuntName } from './mutant.ts';

/** Crashes without a name after which a hunt is given up. */
const crashesMax = 20;

const [name, first, count, seconds] = process.argv.slice(2);
const began = performance.now();
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

let crashes = 0;
let ran = 0;
for (let i = 0; i < Number(count) && crashes < crashesMax; i++) {
  if (performance.now() - began > Number(seconds) * 1_000) break;
  const seed = Number(first) + i;
  ran++;
  try {
    await hunt(name as HuntName, seed);
  } catch (error) {
    const invariant = invariantOf(error);
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    say({ type: invariant === undefined ? 'crash' : 'caught', seed, seeds: ran, invariant, message });
    if (invariant !== undefined) break;
    crashes++;
  }
}
say({ type: 'end', seeds: ran, seconds: (performance.now() - began) / 1_000 });
