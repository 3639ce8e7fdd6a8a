/**
 * Draws txns, and txns inside them. Writes of one list, those inside included, touch each key once, as the edge demands of clients; the two
 * branches of one txn may have the same keys.
 */
import type { Prng } from '../../src/base/prng.ts';
import { drawPut } from './draw-puts.ts';
import type { KeyCompare, TxnOf, TxnPart } from './schedule.ts';
import { keyCount } from './workload.ts';

/** Txns inside each other, at most. */
const depthMax = 3;
/** Keys that the operations of one list may touch; those of a txn in it begin behind them. */
const keysOfList = 3;

export function drawTxn(prng: Prng): TxnOf {
  return drawTxnAt(prng, prng.below(keyCount), 1);
}

/** Its own keys begin with number `first`. */
function drawTxnAt(prng: Prng, first: number, depth: number): TxnOf {
  const compares = Array.from({ length: prng.between(0, 2) }, () => drawCompare(prng));
  return { type: 'txn', compares, success: drawParts(prng, first, depth), failure: drawParts(prng, first, depth) };
}

function drawCompare(prng: Prng): KeyCompare {
  const targets = ['version', 'create', 'mod', 'mod', 'value', 'lease'] as const;
  const results = ['equal', 'equal', 'equal', 'greater', 'less', 'notEqual'] as const;
  const key = prng.below(keyCount);
  return {
    target: prng.pick(targets),
    result: prng.pick(results),
    key,
    keyTo: prng.chance(0.15) ? prng.between(key + 1, keyCount) : -1,
    off: prng.pick([0, 0, 0, 1, -1]),
  };
}

function drawParts(prng: Prng, first: number, depth: number): TxnPart[] {
  const parts = Array.from({ length: prng.between(0, keysOfList) }, (_, i) => drawPart(prng, (first + i) % keyCount));
  // One a list, anywhere in it: its keys are no other operation's.
  if (depth < depthMax && prng.chance(0.2))
    parts.splice(prng.between(0, parts.length), 0, drawTxnAt(prng, first + keysOfList, depth + 1));
  return parts;
}

function drawPart(prng: Prng, key: number): TxnPart {
  const dice = prng.below(10);
  if (dice < 5) return { type: 'put', ...drawPut(prng, key), ignoreValue: false, ignoreLease: false };
  if (dice < 7) return { type: 'delete', key, keyTo: -1, prevKv: prng.chance(0.3) };
  return { type: 'range', key, keyTo: -1, back: prng.pick([0, 0, 0, 0, 1, 30]), limit: 0 };
}
