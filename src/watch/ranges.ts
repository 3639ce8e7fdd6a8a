/**
 * Owns the search from a key to the watchers it concerns: exact keys by `Map`, ranges by an interval tree (an AVL tree by lower
 * bound in which every node knows the highest upper bound below it). So that a put among 100,000 watchers costs
 * O(log n + hits), not O(n) (W12). Does not know revisions or filters. Keeps W7 (range exact).
 */
import { assert } from '../base/assert.ts';
import type { ByteString } from '../base/bytes.ts';
import type { KeyRange } from './watcher.ts';

/** One distinct range and all who asked for it. */
interface RangeNode<T> {
  low: ByteString;
  /** Undefined: no upper bound. */
  high: ByteString | undefined;
  owners: Set<T>;
  left: RangeNode<T> | undefined;
  right: RangeNode<T> | undefined;
  height: number;
  /** The highest `high` in this subtree. */
  highest: ByteString | undefined;
}

/** Maps keys to the owners of the ranges they lie in. */
export class Ranges<T> {
  readonly #exact = new Map<ByteString, Set<T>>();
  #root: RangeNode<T> | undefined;

  /** Adds an owner under a range; adding it twice under one range is the same as once. */
  add(range: KeyRange, owner: T): void {
    if (isExact(range)) {
      const owners = this.#exact.get(range.low);
      if (owners === undefined) this.#exact.set(range.low, new Set([owner]));
      else owners.add(owner);
      return;
    }
    this.#root = insert(this.#root, range, owner);
  }

  /** Removes an owner that was added under this very range. */
  remove(range: KeyRange, owner: T): void {
    if (isExact(range)) {
      const owners = this.#exact.get(range.low);
      assert(owners?.delete(owner) === true, 'W7: removes a watcher that was never added');
      if (owners.size === 0) this.#exact.delete(range.low);
      return;
    }
    const node = find(this.#root, range);
    assert(node?.owners.delete(owner) === true, 'W7: removes a watcher that was never added');
    if (node.owners.size === 0) this.#root = remove(this.#root, range);
  }

  /** Calls `visit` once for every owner whose range holds `key`. `visit` must not add or remove. */
  forEach(key: ByteString, visit: (owner: T) => void): void {
    for (const owner of this.#exact.get(key) ?? []) visit(owner);
    stab(this.#root, key, visit);
  }
}

/** [k, k + "\0") holds k alone. */
function isExact(range: KeyRange): boolean {
  const { low, high } = range;
  return high !== undefined && high.length === low.length + 1 && high.endsWith('\0') && high.startsWith(low);
}

function stab<T>(node: RangeNode<T> | undefined, key: ByteString, visit: (owner: T) => void): void {
  for (let at = node; at !== undefined; ) {
    if (at.highest !== undefined && at.highest <= key) return;
    stab(at.left, key, visit);
    // Everything to the right begins later still.
    if (key < at.low) return;
    if (at.high === undefined || key < at.high) for (const owner of at.owners) visit(owner);
    at = at.right;
  }
}

/** Order of nodes: by lower bound, then by upper bound, no bound last. */
function compareRanges(a: KeyRange, b: KeyRange): number {
  if (a.low !== b.low) return a.low < b.low ? -1 : 1;
  return compareHighs(a.high, b.high);
}

function compareHighs(a: ByteString | undefined, b: ByteString | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  return a < b ? -1 : 1;
}

function find<T>(root: RangeNode<T> | undefined, range: KeyRange): RangeNode<T> | undefined {
  let node = root;
  while (node !== undefined) {
    const order = compareRanges(range, node);
    if (order === 0) return node;
    node = order < 0 ? node.left : node.right;
  }
  return undefined;
}

function insert<T>(node: RangeNode<T> | undefined, range: KeyRange, owner: T): RangeNode<T> {
  if (node === undefined) {
    const { low, high } = range;
    return { low, high, owners: new Set([owner]), left: undefined, right: undefined, height: 1, highest: high };
  }
  const order = compareRanges(range, node);
  if (order === 0) node.owners.add(owner);
  else if (order < 0) node.left = insert(node.left, range, owner);
  else node.right = insert(node.right, range, owner);
  return balance(node);
}

function remove<T>(node: RangeNode<T> | undefined, range: KeyRange): RangeNode<T> | undefined {
  assert(node !== undefined, 'W7: removes a range that is not in the tree');
  const order = compareRanges(range, node);
  if (order < 0) node.left = remove(node.left, range);
  else if (order > 0) node.right = remove(node.right, range);
  else {
    if (node.left === undefined) return node.right;
    if (node.right === undefined) return node.left;
    // Two children: the next range takes this one's place.
    let next = node.right;
    while (next.left !== undefined) next = next.left;
    node.low = next.low;
    node.high = next.high;
    node.owners = next.owners;
    node.right = remove(node.right, next);
  }
  return balance(node);
}

/** Restores height, `highest` and the AVL shape of a node whose children are in order. */
function balance<T>(node: RangeNode<T>): RangeNode<T> {
  refresh(node);
  const lean = heightOf(node.left) - heightOf(node.right);
  if (lean > 1 && node.left !== undefined) {
    if (heightOf(node.left.left) < heightOf(node.left.right)) node.left = rotateLeft(node.left);
    return rotateRight(node);
  }
  if (lean < -1 && node.right !== undefined) {
    if (heightOf(node.right.right) < heightOf(node.right.left)) node.right = rotateRight(node.right);
    return rotateLeft(node);
  }
  return node;
}

function rotateLeft<T>(node: RangeNode<T>): RangeNode<T> {
  const top = node.right;
  assert(top !== undefined, 'W7: rotates left without a right child');
  node.right = top.left;
  top.left = node;
  refresh(node);
  refresh(top);
  return top;
}

function rotateRight<T>(node: RangeNode<T>): RangeNode<T> {
  const top = node.left;
  assert(top !== undefined, 'W7: rotates right without a left child');
  node.left = top.right;
  top.right = node;
  refresh(node);
  refresh(top);
  return top;
}

function refresh<T>(node: RangeNode<T>): void {
  node.height = 1 + Math.max(heightOf(node.left), heightOf(node.right));
  let highest = node.high;
  if (node.left !== undefined && compareHighs(node.left.highest, highest) > 0) highest = node.left.highest;
  if (node.right !== undefined && compareHighs(node.right.highest, highest) > 0) highest = node.right.highest;
  node.highest = highest;
}

function heightOf<T>(node: RangeNode<T> | undefined): number {
  return node === undefined ? 0 : node.height;
}
