/**
 * An ordered map with `ByteString` keys: a B+tree whose branches know how many entries lie below them. Lookup, insert and
 * delete take O(log n), counting a range too; a range is visited both ways. Owns order and counts, nothing else.
 */
import { assert } from './assert.ts';
import type { ByteString } from './bytes.ts';

/** Entries of a leaf and children of a branch at most; twice this never exists, even for a moment. */
const WIDTH_MAX = 64;
/** A node narrower than this is joined with a neighbour where both fit into one. */
const WIDTH_MIN = 16;

/** Called for each entry of a scan; `false` ends it. Must not change the map. */
export type Visit<V> = (value: V, key: ByteString) => boolean;

class Leaf<V> {
  keys: ByteString[] = [];
  values: V[] = [];
  get size(): number {
    return this.keys.length;
  }
  get width(): number {
    return this.keys.length;
  }
}

/** `separators[i]` is above every key of `children[i]` and at most the smallest key of `children[i + 1]`. */
class Branch<V> {
  separators: ByteString[] = [];
  children: Tree<V>[] = [];
  size = 0;
  get width(): number {
    return this.children.length;
  }
}

type Tree<V> = Leaf<V> | Branch<V>;

/** The right half of a node that became too wide, and the key that parts the halves. */
interface Split<V> {
  readonly separator: ByteString;
  readonly right: Tree<V>;
}

export class OrderedMap<V> {
  #root: Tree<V> = new Leaf<V>();

  get size(): number {
    return this.#root.size;
  }

  get(key: ByteString): V | undefined {
    let node = this.#root;
    while (node instanceof Branch) node = childFor(node, key);
    const at = lowerBound(node.keys, key);
    return node.keys[at] === key ? node.values[at] : undefined;
  }

  /** Adds or replaces. */
  set(key: ByteString, value: V): void {
    const split = insert(this.#root, key, value);
    if (split === undefined) return;
    const root = new Branch<V>();
    root.separators = [split.separator];
    root.children = [this.#root, split.right];
    root.size = this.#root.size + split.right.size;
    this.#root = root;
  }

  /** True if the key was there. */
  delete(key: ByteString): boolean {
    const found = remove(this.#root, key);
    while (this.#root instanceof Branch && this.#root.children.length === 1)
      this.#root = this.#root.children[0] as Tree<V>;
    return found;
  }

  /** Visits [from, to) upwards; `to` undefined: to the end. */
  scan(from: ByteString, to: ByteString | undefined, visit: Visit<V>): void {
    ascend(this.#root, from, to, visit);
  }

  /** Visits [from, to) downwards. */
  scanBack(from: ByteString, to: ByteString | undefined, visit: Visit<V>): void {
    descend(this.#root, from, to, visit);
  }

  /** How many keys lie in [from, to). */
  count(from: ByteString, to: ByteString | undefined): number {
    if (to !== undefined && to <= from) return 0;
    return (to === undefined ? this.size : rank(this.#root, to)) - rank(this.#root, from);
  }

  /** Walks the tree and asserts its shape. For tests. */
  check(): void {
    checkTree(this.#root, true);
  }
}

/** Index of the first key >= `key`. */
function lowerBound(keys: readonly ByteString[], key: ByteString): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as ByteString) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the child whose keys include `key`: the number of separators <= `key`. */
function childIndex(separators: readonly ByteString[], key: ByteString): number {
  let low = 0;
  let high = separators.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((separators[middle] as ByteString) <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function childFor<V>(branch: Branch<V>, key: ByteString): Tree<V> {
  return branch.children[childIndex(branch.separators, key)] as Tree<V>;
}

function insert<V>(node: Tree<V>, key: ByteString, value: V): Split<V> | undefined {
  if (node instanceof Leaf) {
    const at = lowerBound(node.keys, key);
    if (node.keys[at] === key) {
      node.values[at] = value;
      return undefined;
    }
    node.keys.splice(at, 0, key);
    node.values.splice(at, 0, value);
    return node.keys.length > WIDTH_MAX ? splitLeaf(node, at) : undefined;
  }
  const at = childIndex(node.separators, key);
  const child = node.children[at] as Tree<V>;
  const before = child.size;
  const split = insert(child, key, value);
  if (split === undefined) {
    node.size += child.size - before;
    return undefined;
  }
  node.size += child.size + split.right.size - before;
  node.separators.splice(at, 0, split.separator);
  node.children.splice(at + 1, 0, split.right);
  return node.children.length > WIDTH_MAX ? splitBranch(node) : undefined;
}

/** Keys that arrive in order fill their leaves: the cut is then made at the end and not in the middle. */
function splitLeaf<V>(leaf: Leaf<V>, insertedAt: number): Split<V> {
  const cut = insertedAt === leaf.keys.length - 1 ? leaf.keys.length - 1 : leaf.keys.length >>> 1;
  const right = new Leaf<V>();
  right.keys = leaf.keys.slice(cut);
  right.values = leaf.values.slice(cut);
  // Sliced, not shortened: a shortened array would keep its old room.
  leaf.keys = leaf.keys.slice(0, cut);
  leaf.values = leaf.values.slice(0, cut);
  return { separator: right.keys[0] as ByteString, right };
}

function splitBranch<V>(branch: Branch<V>): Split<V> {
  const cut = branch.children.length >>> 1;
  const separator = branch.separators[cut - 1] as ByteString;
  const right = new Branch<V>();
  right.separators = branch.separators.slice(cut);
  right.children = branch.children.slice(cut);
  branch.separators = branch.separators.slice(0, cut - 1);
  branch.children = branch.children.slice(0, cut);
  right.size = sizeOf(right.children);
  branch.size -= right.size;
  return { separator, right };
}

function sizeOf<V>(children: readonly Tree<V>[]): number {
  let size = 0;
  for (const child of children) size += child.size;
  return size;
}

function remove<V>(node: Tree<V>, key: ByteString): boolean {
  if (node instanceof Leaf) {
    const at = lowerBound(node.keys, key);
    if (node.keys[at] !== key) return false;
    node.keys.splice(at, 1);
    node.values.splice(at, 1);
    return true;
  }
  const at = childIndex(node.separators, key);
  const child = node.children[at] as Tree<V>;
  if (!remove(child, key)) return false;
  node.size -= 1;
  if (child.width < WIDTH_MIN) {
    if (at > 0 && join(node, at - 1)) return true;
    if (at + 1 < node.children.length) join(node, at);
  }
  return true;
}

/** Joins children `at` and `at + 1` if one node can hold both. An empty child always fits, so none stays empty. */
function join<V>(branch: Branch<V>, at: number): boolean {
  const left = branch.children[at] as Tree<V>;
  const right = branch.children[at + 1] as Tree<V>;
  if (left.width + right.width > WIDTH_MAX) return false;
  if (left instanceof Leaf && right instanceof Leaf) {
    left.keys = left.keys.concat(right.keys);
    left.values = left.values.concat(right.values);
  } else if (left instanceof Branch && right instanceof Branch) {
    left.separators = [...left.separators, branch.separators[at] as ByteString, ...right.separators];
    left.children = left.children.concat(right.children);
    left.size += right.size;
  } else assert(false, 'ordered-map: neighbours are of one height');
  branch.separators.splice(at, 1);
  branch.children.splice(at + 1, 1);
  return true;
}

function rank<V>(root: Tree<V>, key: ByteString): number {
  let below = 0;
  let node = root;
  while (node instanceof Branch) {
    const at = childIndex(node.separators, key);
    for (let i = 0; i < at; i++) below += (node.children[i] as Tree<V>).size;
    node = node.children[at] as Tree<V>;
  }
  return below + lowerBound(node.keys, key);
}

function ascend<V>(node: Tree<V>, from: ByteString, to: ByteString | undefined, visit: Visit<V>): boolean {
  if (node instanceof Leaf) {
    for (let i = lowerBound(node.keys, from); i < node.keys.length; i++) {
      const key = node.keys[i] as ByteString;
      if (to !== undefined && key >= to) return false;
      if (!visit(node.values[i] as V, key)) return false;
    }
    return true;
  }
  for (let i = childIndex(node.separators, from); i < node.children.length; i++)
    if (!ascend(node.children[i] as Tree<V>, from, to, visit)) return false;
  return true;
}

function descend<V>(node: Tree<V>, from: ByteString, to: ByteString | undefined, visit: Visit<V>): boolean {
  if (node instanceof Leaf) {
    const end = to === undefined ? node.keys.length : lowerBound(node.keys, to);
    for (let i = end - 1; i >= 0; i--) {
      const key = node.keys[i] as ByteString;
      if (key < from) return false;
      if (!visit(node.values[i] as V, key)) return false;
    }
    return true;
  }
  const last = to === undefined ? node.children.length - 1 : childIndex(node.separators, to);
  for (let i = last; i >= 0; i--) if (!descend(node.children[i] as Tree<V>, from, to, visit)) return false;
  return true;
}

/** Returns the height. */
function checkTree<V>(node: Tree<V>, isRoot: boolean): number {
  assert(isRoot || node.width > 0, 'ordered-map: no node but the root is empty');
  assert(node.width <= WIDTH_MAX, 'ordered-map: no node is too wide');
  if (node instanceof Leaf) {
    for (let i = 1; i < node.keys.length; i++)
      assert((node.keys[i - 1] as string) < (node.keys[i] as string), 'ordered-map: keys ascend');
    return 1;
  }
  assert(node.separators.length === node.children.length - 1, 'ordered-map: one separator between two children');
  assert(node.size === sizeOf(node.children), 'ordered-map: a branch counts what is below it');
  const heights = node.children.map((child) => checkTree(child, false));
  assert(new Set(heights).size === 1, 'ordered-map: all leaves lie equally deep');
  return (heights[0] as number) + 1;
}
