/** What goes out of framed messages. */
import { expect } from 'vitest';
import type { FramedMessages } from '../../src/rpc/framed-messages.ts';
import type { Outgoing } from '../../src/rpc/transport.ts';

/** Each message that goes out, by a transport that takes them one by one, and by one that takes all. */
export function sent(messages: FramedMessages): Uint8Array[] {
  const each: Uint8Array[] = [];
  const whole: Uint8Array[] = [];
  const outgoing = { write: (bytes: Uint8Array) => each.push(bytes) > 0 } as unknown as Outgoing;
  expect(messages.send(outgoing)).toBe(true);
  const framed = {
    writeFramed: (pieces: readonly Uint8Array[], count: number) => {
      expect(count).toBe(each.length);
      return whole.push(...pieces) > 0;
    },
  } as unknown as Outgoing;
  messages.send(framed);
  const heads = each.map((message) =>
    Buffer.from([0, 0, message.length >> 16, (message.length >> 8) & 0xff, message.length & 0xff]),
  );
  const framedEach = Buffer.concat(each.flatMap((message, at) => [heads[at] as Buffer, message]));
  expect(Buffer.compare(Buffer.concat(whole), framedEach), 'one by one or whole: the same bytes').toBe(0);
  return each;
}
