import { expect, test } from 'vitest';
import { watchRevisionsPerPullMax, watchRunBytesMax } from '../../src/base/limits.ts';
import { Prng } from '../../src/base/prng.ts';
import type { EventView } from '../../src/state/history.ts';
import { Hub, type WatchRefusal } from '../../src/watch/hub.ts';
import { Watcher, type WatchSpec } from '../../src/watch/watcher.ts';
import { spec, ToyHistory } from './toy-history.ts';

function opened(made: Watcher | WatchRefusal): Watcher {
  if (!(made instanceof Watcher)) throw new Error(`refused: ${made.type}`);
  return made;
}

/** A watcher whose wakes are counted. */
function watch(hub: Hub, what: WatchSpec): { watcher: Watcher; wakes: () => number } {
  let wakes = 0;
  const watcher = opened(hub.watch(what, () => wakes++));
  return { watcher, wakes: () => wakes };
}

/** Everything there is to pull, as `revision type key value` lines. */
function drain(hub: Hub, watcher: Watcher, bytesMax = 1e9): string[] {
  const lines: string[] = [];
  while (!hub.synced(watcher)) {
    const pulled = hub.pull(watcher, bytesMax);
    if (pulled.type === 'compacted') return [...lines, `compacted ${pulled.compacted}`];
    for (const { type, kv } of pulled.events) {
      lines.push(`${kv.modRevision} ${type} ${Buffer.from(kv.key)} ${Buffer.from(kv.value)}`);
    }
  }
  return lines;
}

test('W11: from now on: nothing old, then each revision that concerns it, woken once', () => {
  const history = new ToyHistory();
  const hub = new Hub(history);
  history.append({ type: 'put', key: 'a', value: 'old' });
  hub.advance();
  const { watcher, wakes } = watch(hub, spec('a'));
  expect(hub.synced(watcher)).toBe(true);
  history.append({ type: 'put', key: 'b' });
  hub.advance();
  expect(wakes()).toBe(0);
  history.append({ type: 'put', key: 'a', value: '1' });
  history.append({ type: 'put', key: 'a', value: '2' });
  hub.advance();
  history.append({ type: 'delete', key: 'a' });
  hub.advance();
  expect(wakes()).toBe(1);
  expect(drain(hub, watcher)).toEqual(['4 put a 1', '5 put a 2', '6 delete a ']);
  history.append({ type: 'put', key: 'a', value: '3' });
  hub.advance();
  expect(wakes()).toBe(2);
  expect(drain(hub, watcher)).toEqual(['7 put a 3']);
});

test('a watch made between an apply and the advance starts after that apply', () => {
  const history = new ToyHistory();
  const hub = new Hub(history);
  history.append({ type: 'put', key: 'a', value: 'applied' });
  const { watcher, wakes } = watch(hub, spec('a'));
  hub.advance();
  expect(wakes()).toBe(0);
  expect(drain(hub, watcher)).toEqual([]);
});

test('W5: a start in the past is read from memory; W10: a future start delivers nothing earlier', () => {
  const history = new ToyHistory();
  const hub = new Hub(history);
  for (let i = 2; i <= 6; i++) history.append({ type: 'put', key: 'a', value: `${i}` });
  hub.advance();
  const past = watch(hub, spec('a', '', { startRevision: 4 }));
  expect(hub.synced(past.watcher)).toBe(false);
  expect(drain(hub, past.watcher)).toEqual(['4 put a 4', '5 put a 5', '6 put a 6']);
  const future = watch(hub, spec('a', '', { startRevision: 9 }));
  expect(hub.synced(future.watcher)).toBe(true);
  for (let i = 7; i <= 10; i++) {
    history.append({ type: 'put', key: 'a', value: `${i}` });
    hub.advance();
    expect(future.wakes()).toBe(i < 9 ? 0 : 1);
  }
  expect(drain(hub, future.watcher)).toEqual(['9 put a 9', '10 put a 10']);
});

test('W4: the events of one revision come together however small the pull', () => {
  const history = new ToyHistory();
  const hub = new Hub(history);
  const { watcher } = watch(hub, spec('k', 'l'));
  history.append({ type: 'put', key: 'k1' }, { type: 'put', key: 'k2' }, { type: 'delete', key: 'k1' });
  history.append({ type: 'put', key: 'k3' });
  hub.advance();
  const first = hub.pull(watcher, 1);
  expect(first).toMatchObject({ type: 'events', revision: 2 });
  expect(first.type === 'events' && first.events.length).toBe(3);
  expect(hub.synced(watcher)).toBe(false);
  expect(hub.pull(watcher, 1)).toMatchObject({ type: 'events', revision: 3 });
  expect(hub.synced(watcher)).toBe(true);
});

test('W7, W8: filters neither deliver nor wake; prev_kv only when asked for', () => {
  const history = new ToyHistory();
  const hub = new Hub(history);
  const noPut = watch(hub, spec('a', '', { noPut: true }));
  const noDelete = watch(hub, spec('a', '', { noDelete: true, prevKv: true }));
  history.append({ type: 'put', key: 'a', value: '1' });
  history.append({ type: 'put', key: 'a', value: '2' });
  hub.advance();
  expect(noPut.wakes()).toBe(0);
  const pulled = hub.pull(noDelete.watcher, 1e6);
  expect(
    pulled.type === 'events' &&
      pulled.events.map((event) => event.prevKv && Buffer.from(event.prevKv.value).toString()),
  ).toEqual([undefined, '1']);
  history.append({ type: 'delete', key: 'a' });
  hub.advance();
  expect(noDelete.wakes()).toBe(1);
  const deletes = hub.pull(noPut.watcher, 1e6);
  expect(deletes.type === 'events' && deletes.events).toMatchObject([{ type: 'delete', prevKv: undefined }]);
});

test('W9: a start below the compact revision is refused, an overtaken reader is told, an idle one is not hurt', () => {
  const history = new ToyHistory();
  const hub = new Hub(history);
  const slow = watch(hub, spec('a'));
  const idle = watch(hub, spec('z'));
  for (let i = 2; i <= 9; i++) history.append({ type: 'put', key: 'a', value: `${i}` });
  hub.advance();
  history.compact(6);
  expect(hub.watch(spec('a', '', { startRevision: 5 }), () => {})).toEqual({ type: 'compacted', compacted: 6 });
  expect(drain(hub, slow.watcher)).toEqual(['compacted 6']);
  expect(drain(hub, opened(hub.watch(spec('a', '', { startRevision: 6 }), () => {})))[0]).toBe('6 put a 6');
  history.append({ type: 'put', key: 'z', value: 'new' });
  hub.advance();
  expect(drain(hub, idle.watcher)).toEqual(['10 put z new']);
});

test('an empty range and the limit of watchers are refused; cancel is idempotent and gives room', () => {
  const hub = new Hub(new ToyHistory(), 2);
  expect(hub.watch(spec('b', 'a'), () => {})).toEqual({ type: 'emptyRange' });
  expect(hub.watch(spec('b', 'b'), () => {})).toEqual({ type: 'emptyRange' });
  const first = opened(hub.watch(spec('a'), () => {}));
  opened(hub.watch(spec('a', '\0'), () => {}));
  expect(hub.watch(spec('a'), () => {})).toEqual({ type: 'tooMany' });
  hub.cancel(first);
  hub.cancel(first);
  expect(hub.count).toBe(1);
  opened(hub.watch(spec('a'), () => {}));
  expect(() => hub.pull(first, 1)).toThrow('W10');
});

test('W7–W9, W12: watchers that read alike share what was read; others, or after a compaction or a snapshot, do not', () => {
  const history = new ToyHistory();
  const hub = new Hub(history);
  history.append({ type: 'put', key: 'a', value: '1' });
  hub.advance();
  const alike = [watch(hub, spec('a', 'c')), watch(hub, spec('a', 'c')), watch(hub, spec('a', 'c'))];
  const others = [spec('a', 'd'), { ...spec('a', 'c'), prevKv: true }, { ...spec('a', 'c'), noDelete: true }];
  const unlike = others.map((other) => watch(hub, other));
  const read = ({ watcher }: { readonly watcher: Watcher }, bytesMax = 1e9): readonly EventView[] => {
    const pulled = hub.pull(watcher, bytesMax);
    if (pulled.type !== 'events') throw new Error(pulled.type);
    return pulled.events;
  };
  const put = (value: string): void => {
    history.append({ type: 'put', key: 'a', value });
    hub.advance();
  };
  const [first, second, third] = alike as [(typeof alike)[0], (typeof alike)[0], (typeof alike)[0]];
  put('2');
  const events = read(first);
  expect(events).toHaveLength(1);
  expect(read(second)).toBe(events);
  for (const other of unlike) expect(read(other)).not.toBe(events);
  // The last one read something else; and then it lies further back, or is asked for in another size.
  expect(read(third)).toEqual(events);
  put('3');
  read(first);
  put('4');
  expect(read(second).map(({ kv }) => kv.modRevision)).toEqual([4, 5]);
  expect(read(third, 1).map(({ kv }) => kv.modRevision)).toEqual([4]);
  read(first);
  read(third);
  put('5');
  const before = read(first);
  history.compact(6);
  expect(read(second)).not.toBe(before);
  hub.replaceHistory(history.copy());
  expect(read(third)).not.toBe(before);
});

test('W12: a list of events that is long is kept for nobody', () => {
  const history = new ToyHistory();
  const hub = new Hub(history);
  hub.advance();
  const [first, second] = [watch(hub, spec('a')), watch(hub, spec('a'))];
  const eventsOf = (bytes: number): readonly (readonly EventView[])[] => {
    history.append({ type: 'put', key: 'a', value: 'v'.repeat(bytes) });
    hub.advance();
    return [first, second].map(({ watcher }) => {
      const pulled = hub.pull(watcher, 1);
      return pulled.type === 'events' ? pulled.events : [];
    });
  };
  const [short, sameShort] = eventsOf(watchRunBytesMax / 2);
  expect(sameShort).toBe(short);
  const [long, otherLong] = eventsOf(watchRunBytesMax);
  expect(otherLong).toEqual(long);
  expect(otherLong).not.toBe(long);
});

test('one pull reads a bounded number of revisions', () => {
  const history = new ToyHistory();
  const hub = new Hub(history);
  for (let i = 0; i < watchRevisionsPerPullMax + 10; i++) history.append({ type: 'put', key: 'other' });
  history.append({ type: 'put', key: 'a', value: 'x' });
  hub.advance();
  const { watcher } = watch(hub, spec('a', '', { startRevision: 2 }));
  const first = hub.pull(watcher, 1e9);
  expect(first).toEqual({ type: 'events', revision: watchRevisionsPerPullMax + 1, events: [] });
  expect(hub.synced(watcher)).toBe(false);
  expect(drain(hub, watcher)).toEqual([`${history.revision} put a x`]);
});

test('a wake may cancel others and open new ones', () => {
  const history = new ToyHistory();
  const hub = new Hub(history);
  let late = 0;
  const second: { watcher?: Watcher } = {};
  opened(
    hub.watch(spec('a'), () => {
      if (second.watcher !== undefined) hub.cancel(second.watcher);
      hub.watch(spec('a'), () => late++);
    }),
  );
  second.watcher = opened(hub.watch(spec('a'), () => late++));
  history.append({ type: 'put', key: 'a' });
  hub.advance();
  expect(late).toBe(0);
  expect(hub.count).toBe(2);
});

test('W1–W4, W7, W9, W12: agrees with a naive model under slow readers, cancels, compaction and snapshots', () => {
  for (let seed = 1; seed <= 80; seed++) {
    const prng = new Prng(seed, 'hub');
    const why = `seed ${seed}`;
    let history = new ToyHistory();
    const hub = new Hub(history);
    /** All that ever happened, never compacted: the truth. */
    const truth: { revision: number; type: 'put' | 'delete'; key: string }[] = [];
    interface Reader {
      watcher: Watcher;
      what: WatchSpec;
      from: number;
      got: string[];
      last: number;
      woken: boolean;
    }
    const readers: Reader[] = [];
    const expected = (reader: Reader, upTo: number): string[] => {
      const { what } = reader;
      const low = Buffer.from(what.key).toString('latin1');
      const end = Buffer.from(what.rangeEnd).toString('latin1');
      return truth
        .filter(({ revision }) => revision >= reader.from && revision <= upTo)
        .filter(({ type }) => (type === 'put' ? !what.noPut : !what.noDelete))
        .filter(({ key }) => (end === '' ? key === low : end === '\0' ? key >= low : key >= low && key < end))
        .map(({ revision, type, key }) => `${revision} ${type} ${key}`);
    };
    const key = (): string => prng.pick(['a', 'a1', 'b', 'b\0', 'c']);
    const append = (to: ToyHistory): void => {
      const changes = Array.from({ length: prng.between(1, 3) }, () => ({
        type: prng.chance(0.7) ? ('put' as const) : ('delete' as const),
        key: key(),
      }));
      to.append(...changes);
      for (const { type, key: changed } of changes) truth.push({ revision: to.revision, type, key: changed });
    };
    for (let step = 0; step < 200; step++) {
      const dice = prng.unit();
      if (dice < 0.35) {
        append(history);
        if (prng.chance(0.7)) hub.advance();
      } else if (dice < 0.5) {
        const startRevision = prng.chance(0.5) ? 0 : Math.max(1, history.revision + prng.between(-8, 3));
        const what = spec(key(), prng.pick(['', '', 'b', 'c', '\0']), {
          startRevision,
          noPut: prng.chance(0.2),
          noDelete: prng.chance(0.2),
        });
        let mine: Reader | undefined;
        const made = hub.watch(what, () => {
          expect(mine?.woken, `${why}: woken twice`).toBe(false);
          if (mine !== undefined) mine.woken = true;
        });
        if (made instanceof Watcher) {
          const from = startRevision === 0 ? history.revision + 1 : startRevision;
          mine = { watcher: made, what, from, got: [], last: 0, woken: !hub.synced(made) };
          readers.push(mine);
        } else if (made.type === 'compacted') {
          expect(startRevision, why).toBeLessThan(history.compactRevision);
        }
      } else if (dice < 0.85 && readers.length > 0) {
        const reader = prng.pick(readers);
        // An owner pulls only after a wake, or while it lags.
        expect(reader.woken, why).toBe(!hub.synced(reader.watcher));
        if (!reader.woken) continue;
        const pulled = hub.pull(reader.watcher, prng.between(1, 400));
        if (pulled.type === 'compacted') {
          expect(pulled.compacted, why).toBe(history.compactRevision);
          // Not for nothing: it had something below the compact revision still to read.
          expect(reader.last + 1, why).toBeLessThan(history.compactRevision);
          hub.cancel(reader.watcher);
          readers.splice(readers.indexOf(reader), 1);
          continue;
        }
        for (const { type, kv } of pulled.events) {
          reader.got.push(`${kv.modRevision} ${type} ${Buffer.from(kv.key).toString('latin1')}`);
        }
        reader.last = pulled.revision;
        expect(reader.got, why).toEqual(expected(reader, pulled.revision));
        reader.woken = !hub.synced(reader.watcher);
      } else if (dice < 0.9 && readers.length > 0) {
        const [gone] = readers.splice(prng.below(readers.length), 1);
        if (gone !== undefined) hub.cancel(gone.watcher);
      } else if (dice < 0.94) {
        history.compact(prng.between(history.compactRevision, history.revision));
      } else if (dice < 0.98) {
        history = history.copy();
        for (let i = prng.below(4); i > 0; i--) append(history);
        if (prng.chance(0.3)) history.compact(prng.between(history.compactRevision, history.revision));
        hub.replaceHistory(history);
      }
    }
    hub.advance();
    for (const reader of readers) {
      while (!hub.synced(reader.watcher)) {
        const pulled = hub.pull(reader.watcher, 100);
        if (pulled.type === 'compacted') break;
        for (const { type, kv } of pulled.events) {
          reader.got.push(`${kv.modRevision} ${type} ${Buffer.from(kv.key).toString('latin1')}`);
        }
        reader.last = pulled.revision;
      }
      if (hub.synced(reader.watcher)) expect(reader.got, why).toEqual(expected(reader, hub.revision));
    }
  }
});
