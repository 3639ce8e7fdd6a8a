/** Who waits for a window that its client does not open. */
import { expect, test } from 'vitest';
import { ControlFrames } from '../../src/h2/control-frames.ts';
import { Floods } from '../../src/h2/floods.ts';
import { FrameWriter } from '../../src/h2/frame-writer.ts';
import { HeaderField } from '../../src/h2/header-field.ts';
import { RequestHead } from '../../src/h2/request-head.ts';
import type { Stream } from '../../src/h2/stream.ts';
import { StreamRoom } from '../../src/h2/stream-room.ts';
import { Streams } from '../../src/h2/streams.ts';
import { requestFields } from './peer.ts';

const head = new RequestHead();
for (const [name, value] of requestFields) head.field(new HeaderField(name, value));

test.each([true, false])(
  'streams that are given up while they wait keep no place, though none gets its turn: written %s',
  (written) => {
    let last: Stream | undefined;
    const host = {
      called: (stream: Stream) => {
        last = stream;
      },
      sendable() {},
      lingering() {},
      idle() {},
    };
    const streams = new Streams(
      host,
      100,
      new StreamRoom(100, 100_000).share('one'),
      new ControlFrames(),
      new Floods(),
    );
    const out = new FrameWriter(1024 * 1024);
    const ask = (id: number, bytes: number): void => {
      streams.onHead(head, id, true);
      last?.message(Buffer.alloc(bytes));
      if (written) streams.queue.write(out);
      out.length = 0;
    };
    ask(1, 100_000);
    ask(3, 10);
    let placesMax = 0;
    for (let id = 5; id < 10_000; id += 2) {
      ask(id, 1);
      streams.onReset(id);
      placesMax = Math.max(placesMax, streams.queue.places);
    }
    expect(placesMax).toBeLessThan(300);
    // Who still waits is served.
    streams.firstWindow(200_000);
    streams.widen(200_000);
    for (let more = true; more; ) more = streams.queue.write(out);
    expect([streams.keptBytes, streams.queue.places]).toEqual([0, 0]);
  },
);
