/**
 * What is to be done when, for very many things with one timer between them: things that fall due within a grain of time share a slot, and
 * slots are kept by their time. Adding, removing and taking cost next to nothing; nothing is left of a thing that was removed.
 */

export class Slots<T> {
  /** Time in ms → what falls due then. No slot is empty. */
  readonly #slots = new Map<number, Set<T>>();
  /** A binary heap of the times; one whose slot is gone stays until it comes up, or until there are too many such. */
  #heap: number[] = [];
  /** Where `takeFirst` takes from. */
  #taking: { readonly slot: Set<T>; readonly things: Iterator<T> } | undefined;

  /** Times that are remembered, those of slots that are gone included. */
  get times(): number {
    return this.#heap.length;
  }

  /** Puts `thing` into the slot of its time, which is rounded down to the grain, and returns that time; `remove` wants it back. */
  add(thing: T, atMs: number, grainMs: number): number {
    const slotMs = Math.floor(atMs / grainMs) * grainMs;
    const slot = this.#slots.get(slotMs);
    if (slot !== undefined) slot.add(thing);
    else {
      this.#slots.set(slotMs, new Set([thing]));
      this.#push(slotMs);
    }
    return slotMs;
  }

  remove(thing: T, slotMs: number): void {
    const slot = this.#slots.get(slotMs);
    if (slot?.delete(thing) !== true || slot.size > 0) return;
    this.#slots.delete(slotMs);
    if (this.#slots.size === 0) this.#heap = [];
    else if (this.#heap.length > 2 * this.#slots.size + staleMax) this.#heap = [...this.#slots.keys()].sort(ascending);
  }

  /** When something falls due next. */
  nextMs(): number | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || this.#slots.has(first)) return first;
      this.#pop();
    }
  }

  /** Takes out all that is due, earliest first, and tells of each. What is added meanwhile must not be due yet. */
  takeDue(nowMs: number, due: (thing: T) => void): void {
    for (let slotMs = this.nextMs(); slotMs !== undefined && slotMs <= nowMs; slotMs = this.nextMs()) {
      const slot = this.#slots.get(slotMs) as Set<T>;
      this.#slots.delete(slotMs);
      this.#pop();
      for (const thing of slot) due(thing);
    }
  }

  /** Takes out one of those whose time is the earliest; of one slot, the one that was added first. */
  takeFirst(): T | undefined {
    const slotMs = this.nextMs();
    if (slotMs === undefined) return undefined;
    const slot = this.#slots.get(slotMs) as Set<T>;
    // One iterator for as long as it is the first slot: a new one would pass over all that were taken out, each time.
    if (this.#taking?.slot !== slot) this.#taking = { slot, things: slot.values() };
    const first = this.#taking.things.next().value as T;
    this.remove(first, slotMs);
    return first;
  }

  #push(time: number): void {
    const heap = this.#heap;
    let at = heap.push(time) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((heap[parent] as number) <= time) break;
      heap[at] = heap[parent] as number;
      at = parent;
    }
    heap[at] = time;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as number;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
      if ((heap[child] as number) >= last) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = last;
  }
}

const staleMax = 64;
const ascending = (a: number, b: number): number => a - b;
