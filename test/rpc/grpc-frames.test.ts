/** gRPC's framing: any cut of the bytes brings the same messages; what cannot be read says so at once. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isGrpc, MessageReader, statusText, timeoutMs } from '../../src/rpc/grpc-frames.ts';
import { framed } from './wire-client.ts';

const reader = (bytesMax = 1_000) => {
  const messages: string[] = [];
  const it = new MessageReader(bytesMax, {
    message: (message) => messages.push(Buffer.from(message).toString('hex')) > 0,
  });
  return { it, messages };
};

const pushed = (it: MessageReader, bytes: Uint8Array): number => it.push(bytes, 0, bytes.length);

test('whatever way the bytes are cut, the same messages come out', () => {
  const message = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 50 })), (sent, cuts) => {
      const bytes = framed(sent);
      const { it, messages } = reader();
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        pushed(it, bytes.subarray(at, at + cut));
        at = Math.min(bytes.length, at + cut);
      }
      expect(messages).toEqual(sent.map((each) => Buffer.from(each).toString('hex')));
      expect(it.torn).toBe(false);
    }),
  );
});

test('too long is known from the length alone; compressed is refused as etcd refuses it; half a message is torn', () => {
  expect(() => pushed(reader(10).it, Buffer.from([0, 0xff, 0xff, 0xff, 0xff]))).toThrow(
    'grpc: received message larger than max (4294967295 vs. 10)',
  );
  const { it } = reader(10);
  pushed(it, Buffer.from([0, 0, 0]));
  expect(it.torn).toBe(true);
  expect(() => pushed(it, Buffer.from([0, 11]))).toThrow('(11 vs. 10)');
  expect(() => pushed(reader().it, Buffer.from([1, 0, 0, 0, 0]))).toThrow(
    'grpc: compressed flag set with identity or empty encoding',
  );
});

test('the beginning of a message is a copy: its chunk is not held, into however many it is cut', () => {
  const { it, messages } = reader();
  const sent = framed([Buffer.from('0123456789')]);
  const chunk = Buffer.alloc(64 * 1024);
  for (const byte of sent) {
    chunk[0] = byte;
    expect(it.push(chunk, 0, 1)).toBe(1);
    chunk.fill(0xff);
  }
  expect(messages).toEqual([Buffer.from('0123456789').toString('hex')]);
  expect(it.partBytes).toBe(0);
});

test('timeouts, status texts, content types', () => {
  expect(['1H', '2M', '3S', '4m', '5u', '6n', '99999999n'].map(timeoutMs)).toEqual([
    3_600_000, 120_000, 3_000, 4, 0, 0, 99,
  ]);
  expect(['', '1', '1s', '123456789S', '-1S', '1.5S'].map(timeoutMs)).toEqual(Array(6).fill(undefined));
  expect(statusText('etcdserver: key is not provided')).toBe('etcdserver: key is not provided');
  expect(statusText('100 % of "ü"\n')).toBe('100 %25 of %22%C3%BC%22%0A');
  expect(['application/grpc', 'application/grpc+proto', 'application/grpc;x'].every(isGrpc)).toBe(true);
  expect([undefined, 'text/html', 'application/grpc-web'].some(isGrpc)).toBe(false);
});
