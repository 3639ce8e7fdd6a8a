/** Watches, M33 and M34 (reliability.md §4A). */
import { edit, type Mutant } from './mutant.ts';

const hub = 'src/watch/hub.ts';
const next = 'const next = start === 0 ? revision + 1 : start;';

export const watchMutants: readonly Mutant[] = [
  {
    id: 'M33',
    what: 'a watch that resumes begins one revision too early',
    edits: [edit(hub, next, 'const next = start === 0 ? revision + 1 : start > compactRevision ? start - 1 : start;')],
    caughtBy: ['W2', 'W10', 'W1', 'W5'],
    hunts: ['sim:usual'],
  },
  {
    id: 'M33b',
    what: 'a watch that resumes begins one revision too late',
    edits: [edit(hub, next, 'const next = start === 0 ? revision + 1 : start + 1;')],
    caughtBy: ['W3', 'W5', 'W6'],
    hunts: ['sim:usual'],
  },
  {
    id: 'M33c',
    what: 'a watcher that has seen everything is not woken by what comes next',
    edits: [
      edit(
        hub,
        '    // Only now, as a wake may cancel or add watchers.\n    for (const watcher of woken) if (!watcher.cancelled) watcher.wake(watcher);',
        '    // Only now, as a wake may cancel or add watchers.\n    for (const watcher of woken) if (watcher.cancelled) watcher.wake(watcher);',
      ),
    ],
    // Who waits in a queue is a watcher too.
    caughtBy: ['W11', 'W3', 'V3'],
    hunts: ['sim:usual'],
  },
  {
    id: 'M34',
    what: 'a watcher that lags is told that it has seen everything',
    edits: [
      edit(
        hub,
        "    return { type: 'events', revision: watcher.nextRevision - 1, events };",
        "    return { type: 'events', revision: Math.max(this.#revision, watcher.nextRevision - 1), events };",
      ),
    ],
    caughtBy: ['W6', 'W3', 'W5'],
    hunts: ['sim:usual'],
  },
];
