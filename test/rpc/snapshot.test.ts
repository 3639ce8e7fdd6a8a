/** Maintenance.Snapshot on the wire: the sums, the hash, and that neither a slow nor an absent reader costs anything for long. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { snapshotStreamsMax } from '../../src/base/limits.ts';
import { rpcError } from '../../src/rpc/errors.ts';
import { numberOf } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { snapshotMethod } from '../../src/rpc/snapshot.ts';
import type { CallContext, Outgoing, ServerStream } from '../../src/rpc/transport.ts';
import { FakeMember } from './fake-member.ts';
import { bytes, Fixture, until } from './wire-client.ts';

const path = '/etcdserverpb.Maintenance/Snapshot';

describe('a snapshot', () => {
  let fixture: Fixture;
  beforeEach(async () => {
    fixture = await Fixture.start();
  });
  afterEach(async () => {
    await fixture.stop();
    expect(fixture.bugs).toEqual([]);
  });

  test('comes in pieces that count down, and ends with the hash of all of them', async () => {
    const pieces = [Buffer.alloc(32 * 1024, 'a'), Buffer.alloc(32 * 1024, 'b'), Buffer.from('rest')];
    fixture.member.snapshotOf = { pieces };
    const stream = fixture.client().serverStream(path, bytes(''));
    const next = async () => wire.SnapshotResponse.decode(await stream.next());
    let left = 2 * 32 * 1024 + 4;
    for (const piece of pieces) {
      const message = await next();
      left -= piece.length;
      expect(message.header).toBeNull();
      expect([numberOf(message.remainingBytes), Buffer.compare(message.blob, piece)]).toEqual([left, 0]);
    }
    const last = await next();
    expect(numberOf(last.remainingBytes)).toBe(0);
    expect(Buffer.from(last.blob)).toEqual(createHash('sha256').update(Buffer.concat(pieces)).digest());
    expect((await stream.status).code).toBe(0);
    await until(() => fixture.member.snapshotsOpen === 0, 'the snapshot is closed');
  });

  test('of an image that fails on the way ends with an error, and never with a hash', async () => {
    fixture.member.snapshotOf = { pieces: [bytes('some')], failure: rpcError('imageUnreadable') };
    const stream = fixture.client().serverStream(path, bytes(''));
    await stream.next();
    expect(await stream.status).toMatchObject({ code: 14, text: expect.stringContaining('cannot be read now') });
    expect(stream.messages).toEqual([]);
    await until(() => fixture.member.snapshotsOpen === 0, 'the snapshot is closed');
  });

  test('that is cancelled is closed, and makes room for the next', async () => {
    const member = fixture.member;
    member.snapshotOf = { pieces: Array.from({ length: 2_000 }, () => Buffer.alloc(32 * 1024)) };
    const client = fixture.client();
    const streams = Array.from({ length: snapshotStreamsMax }, () => client.serverStream(path, bytes('')));
    for (const stream of streams) {
      await stream.next();
      stream.stream.pause();
    }
    const refused = client.serverStream(path, bytes(''));
    expect(await refused.status).toEqual({ code: 8, text: 'etcdserver: too many requests' });
    // What is read ahead of readers that take nothing is bounded by the transport, not by the image.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(member.piecesRead).toBeLessThan(1_500);
    for (const stream of streams) stream.cancel();
    await until(() => member.snapshotsOpen === 0, 'the snapshots are closed');
    const again = client.serverStream(path, bytes(''));
    await again.next();
    again.cancel();
    await until(() => member.snapshotsOpen === 0, 'the last one is closed');
  });
});

test('a reader that takes nothing for too long is sent away', async () => {
  const member = new FakeMember();
  member.snapshotOf = { pieces: [bytes('one'), bytes('two')] };
  const { call } = snapshotMethod(member, () => expect.unreachable(), 5) as { call: ServerStream };
  let written = 0;
  const said = await new Promise<string>((resolve) => {
    const outgoing: Outgoing = {
      write: () => {
        written++;
        return false;
      },
      whenWritable: () => new Promise(() => undefined),
      end: () => resolve('end'),
      fail: (error) => resolve(error.message),
    };
    const ctx: CallContext = {
      peer: 'x',
      metadata: { get: () => undefined },
      signal: new AbortController().signal,
      timeoutMs: undefined,
    };
    call(bytes(''), outgoing, ctx);
  });
  expect(said).toBe('etcdserver: request timed out');
  expect([written, member.snapshotsOpen]).toEqual([1, 0]);
});
