import { afterEach, expect, test, vi } from 'vitest';
import { snapshotRetryMs } from '../../src/base/limits.ts';
import type { Input } from '../../src/node/input.ts';
import { type HostPortsParts, hostPorts } from '../../src/server/host-ports.ts';

afterEach(() => void vi.useRealTimers());

test('a snapshot that did not arrive is not tried again at once, and its image is closed at once', async () => {
  vi.useFakeTimers();
  const inputs: Input[] = [];
  let open = 0;
  const source = {
    meta: { index: 7, term: 2 },
    damage: undefined,
    close: () => {
      open--;
      return Promise.resolve();
    },
  };
  const parts = {
    disks: { openSnapshot: () => Promise.resolve(source).finally(() => open++) },
    peers: { sendSnapshot: () => Promise.resolve({ ok: false, why: 'refused', bytes: 0 }) },
    log: { info: () => undefined, warn: () => undefined },
    enqueue: (input: Input) => inputs.push(input),
  } as unknown as HostPortsParts;
  hostPorts(parts).snapshots.send(2n, 2);
  await vi.advanceTimersByTimeAsync(snapshotRetryMs - 1);
  expect([inputs, open]).toEqual([[], 0]);
  await vi.advanceTimersByTimeAsync(1);
  expect(inputs).toEqual([{ type: 'snapshotSent', to: 2n, index: 7, ok: false }]);
});
