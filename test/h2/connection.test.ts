/** A connection in memory, frame by frame: what it answers, what ends a stream, what ends it all, and every limit. RFC 9113. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import {
  callsGivenUpMax,
  callsGivenUpPerSecondMax,
  connectionWindowBytes,
  continuationsMax,
  controlBytesMax,
  headerBlockBytesMax,
  headerListBytesMax,
  idleFramesPerSecondMax,
  settingsPerSecondMax,
  streamHeadsBytesMax,
  streamsMax,
  streamsPerConnectionMax,
  streamWindowBytes,
  waitingMessageBytes,
} from '../../src/base/limits.ts';
import { Prng } from '../../src/base/prng.ts';
import { StreamRoom } from '../../src/h2/stream-room.ts';
import { http2Frame } from '../cluster/wire.ts';
import {
  data,
  emptySettings,
  endHeaders,
  endStream,
  H2Peer,
  headers,
  literals,
  padded,
  ping,
  preface,
  requestBlock,
  requestFields,
  reset,
  settings,
  type ToyCall,
  text,
  uint32,
  windowUpdate,
} from './peer.ts';

const ok = { code: 0, text: '' };
const codes = {
  none: 0,
  protocol: 1,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refused: 7,
  compression: 9,
  calm: 11,
};
const message = (length: number, fill = 7): Buffer => Buffer.alloc(length, fill);
/** As gRPC frames it. */
const framed = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.of(0), uint32(bytes.length), bytes]);
const lastCall = (peer: H2Peer): ToyCall => {
  const call = peer.calls.at(-1);
  if (call === undefined) throw new Error('no call has come');
  return call;
};

describe('the opening', () => {
  test('our settings and window at once; theirs are acknowledged; cut at every place', () => {
    const opening = Buffer.concat([
      preface,
      settings([4, 100_000], [1, 4_096], [5, 16_384], [2, 0], [99, 7]),
      headers(1),
    ]);
    for (let cut = 0; cut <= opening.length; cut++) {
      const peer = new H2Peer(42);
      peer.receive();
      const [ours, window] = peer.news();
      expect(ours).toBe(
        `4/0 0: 00030000002a0004${uint32(streamWindowBytes).toString('hex')}0006${uint32(65_536).toString('hex')}`,
      );
      expect(window).toBe(`8/0 0: ${uint32(connectionWindowBytes - 65_535).toString('hex')}`);
      peer.send(opening.subarray(0, cut));
      peer.send(opening.subarray(cut));
      expect(peer.news(), `cut at ${cut}`).toEqual(['4/1 0: ']);
      expect(peer.calls).toHaveLength(1);
    }
  });

  test.each<[string, Buffer, number]>([
    ['no preface', Buffer.from('GET / HTTP/1.1\r\n\r\n'), codes.protocol],
    ['a preface with a wrong end', Buffer.concat([preface.subarray(0, 23), Buffer.from('x')]), codes.protocol],
    ['a ping ahead of settings', Buffer.concat([preface, ping()]), codes.protocol],
    ['an ACK ahead of settings', Buffer.concat([preface, http2Frame(4, 1, 0)]), codes.protocol],
    [
      'a first frame of 16 MiB',
      Buffer.concat([preface, Buffer.from([255, 255, 255, 4, 0, 0, 0, 0, 0])]),
      codes.frameSize,
    ],
  ])('%s: the connection ends', (_name, bytes, code) => {
    const peer = new H2Peer();
    peer.send(bytes);
    expect(peer.fault).toBe(code);
  });
});

describe('calls', () => {
  test('asked and answered: head, messages in one frame, trailers; the stream is gone', () => {
    const peer = H2Peer.settled();
    peer.send(headers(1), data(1, Buffer.from('abc'), true));
    const call = lastCall(peer);
    expect([call.body_.toString(), call.halfClosed_, call.head.path, call.head.get('te')]).toEqual([
      'abc',
      true,
      '/a/b',
      'trailers',
    ]);
    call.stream.message(message(3));
    call.stream.message(message(0));
    call.stream.end(ok);
    call.stream.message(message(9));
    peer.receive();
    expect(peer.heard.map(({ type, flags }) => [type, flags])).toEqual([
      [1, endHeaders],
      [0, 0],
      [1, endHeaders | endStream],
    ]);
    expect(peer.bodyOf(1)).toEqual(Buffer.concat([framed(message(3)), framed(message(0))]));
    expect(peer.fields).toEqual([
      '1 :status: 200',
      '1 content-type: application/grpc',
      '1 grpc-status: 0',
      '1 grpc-message: ',
    ]);
    expect([peer.connection.streamCount, peer.connection.keptBytes, peer.idles]).toEqual([0, 0, 1]);
    expect(call.gone_).toBe(false);
  });

  test('refused at once: head and status are one; an HTTP status is nothing else', () => {
    const peer = H2Peer.settled();
    peer.send(headers(1, true), headers(3, true));
    peer.calls[0]?.stream.end({ code: 12, text: 'no' });
    peer.calls[1]?.stream.refuse(415);
    peer.receive();
    expect(peer.heard.map(({ id, flags }) => [id, flags])).toEqual([
      [1, 5],
      [3, 5],
    ]);
    expect(peer.fields.filter((field) => field.includes('status'))).toEqual([
      '1 :status: 200',
      '1 grpc-status: 12',
      '3 :status: 415',
    ]);
  });

  test('answered before all was asked: the client is let go, with no error, once', () => {
    const peer = H2Peer.settled();
    peer.send(headers(1), data(1, Buffer.from('a')));
    lastCall(peer).stream.end(ok);
    peer.receive();
    expect([peer.wantsLetGo, peer.connection.streamCount]).toEqual([1, 1]);
    peer.send(data(1, Buffer.from('more')));
    expect(lastCall(peer).body_.toString()).toBe('a');
    peer.connection.letGo();
    peer.receive();
    expect(peer.resets).toEqual([[1, codes.none]]);
    peer.send(data(1, Buffer.from('late'), true), reset(1));
    expect([peer.connection.ended, peer.connection.streamCount]).toEqual([false, 0]);
  });

  test('answered, and the client ends in time: nothing is reset', () => {
    const peer = H2Peer.settled();
    peer.send(headers(1));
    lastCall(peer).stream.end(ok);
    peer.receive();
    peer.send(data(1, Buffer.alloc(0), true));
    peer.connection.letGo();
    peer.receive();
    expect(peer.resets).toEqual([]);
  });

  test('reset by the client: its server is told, and what was kept is let go', () => {
    const peer = H2Peer.settled();
    peer.send(settings([4, 0]), headers(1));
    lastCall(peer).stream.message(message(1_000));
    expect(peer.connection.keptBytes).toBe(1_005 + waitingMessageBytes);
    peer.send(reset(1));
    expect([lastCall(peer).gone_, peer.connection.keptBytes, peer.connection.streamCount]).toEqual([true, 0, 0]);
    lastCall(peer).stream.message(message(1));
    lastCall(peer).stream.end(ok);
    peer.receive();
    expect(peer.connection.keptBytes).toBe(0);
  });

  test('trailers of the client end its side', () => {
    const peer = H2Peer.settled();
    peer.send(headers(1), data(1, Buffer.from('a')), headers(1, true, literals([['x', 'y']])));
    expect(lastCall(peer).halfClosed_).toBe(true);
  });

  test('header blocks in parts, with padding and priority, cut everywhere', () => {
    for (let cut = 0; cut <= requestBlock.length; cut++) {
      const peer = H2Peer.settled();
      const first = Buffer.concat([
        Buffer.of(3),
        Buffer.from([0, 0, 0, 0, 7]),
        requestBlock.subarray(0, cut),
        Buffer.alloc(3),
      ]);
      const half = cut + Math.floor((requestBlock.length - cut) / 2);
      peer.send(
        http2Frame(1, padded | 0x20, 1, first),
        http2Frame(9, 0, 1, requestBlock.subarray(cut, half)),
        http2Frame(9, endHeaders, 1, requestBlock.subarray(half)),
        headers(3),
      );
      expect(peer.calls.map(({ head }) => head.path)).toEqual(['/a/b', '/a/b']);
    }
  });

  test('streams beyond the limit are refused, and may come when there is room', () => {
    const peer = H2Peer.settled(2);
    peer.send(headers(1), headers(3), headers(5));
    expect(peer.resets).toEqual([[5, codes.refused]]);
    peer.send(data(5, Buffer.from('x')), reset(1), headers(7));
    expect(peer.calls.map(({ stream }) => stream.id)).toEqual([1, 3, 7]);
  });
});

describe('streams of all connections', () => {
  test('beyond their limit they are refused, and may come when one has ended, however it did', () => {
    const room = new StreamRoom(3, 2 ** 30, 1);
    const [one, other] = [H2Peer.settled(100, room), H2Peer.settled(100, room)];
    one.send(headers(1), headers(3, true));
    other.send(headers(1), headers(3));
    expect([one.resets, other.resets]).toEqual([[], [[3, codes.refused]]]);
    lastCall(one).stream.end(ok);
    one.receive();
    other.send(headers(5), headers(7));
    one.send(reset(1), headers(5), headers(7));
    expect([one.resets, other.resets.slice(1)]).toEqual([[[7, codes.refused]], [[7, codes.refused]]]);
    one.connection.lost();
    other.send(headers(9), reset(1), reset(5), reset(9));
    expect([room.streams, room.headBytes]).toEqual([0, 0]);
  });

  test('the limit itself, and that of their heads', () => {
    const room = new StreamRoom(streamsMax, streamHeadsBytesMax);
    const peers = Array.from({ length: streamsMax / streamsPerConnectionMax }, (_, at) =>
      H2Peer.settled(streamsPerConnectionMax, room, String(at)),
    );
    const heads = Array.from({ length: streamsPerConnectionMax }, (_, at) => headers(2 * at + 1));
    for (const peer of peers) peer.send(...heads);
    expect([room.streams, peers.flatMap(({ resets }) => resets)]).toEqual([streamsMax, []]);
    const late = H2Peer.settled(10_000, room);
    late.send(headers(1));
    expect(late.resets).toEqual([[1, codes.refused]]);
    for (const peer of peers) peer.connection.lost();
    // Short as they are sent, long as they are kept.
    const fields = Buffer.concat([Buffer.of(0x40), text('a'), text('v'.repeat(4_000)), Buffer.alloc(14, 0xbe)]);
    const long = headers(3, false, Buffer.concat([requestBlock, fields]));
    for (let id = 3; late.resets.length === 1 && id < 10_000; id += 2) {
      long.writeUInt32BE(id, 5);
      late.send(long);
    }
    expect([room.streams, late.resets[1]?.[1]]).toEqual([late.calls.length, codes.refused]);
    expect(room.headBytes).toBeGreaterThan(streamHeadsBytesMax / 2 - headerListBytesMax);
  });

  test('one address has half of them; others find theirs, and a head that streams share counts once', () => {
    const room = new StreamRoom(8, 100_000);
    const [one, again] = [H2Peer.settled(100, room, 'a'), H2Peer.settled(100, room, 'a')];
    one.send(headers(1), headers(3));
    // Both requests were sent in the same bytes, which bring the same head.
    const { headBytes } = room;
    one.send(headers(5));
    expect(room.headBytes).toBe(headBytes);
    again.send(headers(1), headers(3));
    expect(again.resets).toEqual([[3, codes.refused]]);
    const other = H2Peer.settled(100, room, 'b');
    other.send(headers(1), headers(3), headers(5), headers(7), headers(9));
    expect([other.resets, room.streams]).toEqual([[[9, codes.refused]], 8]);
    one.send(reset(1), reset(3));
    expect(room.headBytes).toBeGreaterThan(headBytes);
    for (const peer of [one, again, other]) peer.connection.lost();
    expect([room.streams, room.headBytes]).toEqual([0, 0]);
  });

  test('an address is forgotten with its last connection', () => {
    const room = new StreamRoom(8, 100_000);
    const [one, again] = [room.share('a'), room.share('a')];
    expect(again).toBe(one);
    one.close();
    expect(room.addresses).toBe(1);
    again.close();
    expect(room.addresses).toBe(0);
  });
});

describe('what ends a stream', () => {
  const opened = (): H2Peer => {
    const peer = H2Peer.settled();
    peer.send(headers(1));
    return peer;
  };
  const cases: [string, Buffer[], number, number][] = [
    ['a malformed request', [headers(3, false, literals(requestFields.slice(1)))], 3, codes.protocol],
    [
      'a list of fields too long',
      [
        headers(
          3,
          false,
          Buffer.concat([requestBlock, Buffer.of(0x40), text('a'), text('v'.repeat(4_000)), Buffer.alloc(40, 0xbe)]),
        ),
      ],
      3,
      codes.calm,
    ],
    ['DATA behind the end', [data(1, Buffer.alloc(1), true), data(1, Buffer.alloc(1))], 1, codes.streamClosed],
    ['HEADERS behind the end', [data(1, Buffer.alloc(1), true), headers(1, true)], 1, codes.streamClosed],
    ['HEADERS that do not end', [headers(1)], 1, codes.protocol],
    ['trailers with a path', [headers(1, true)], 1, codes.protocol],
    ['trailers with capitals', [headers(1, true, literals([['A', 'b']]))], 1, codes.protocol],
    ['WINDOW_UPDATE of 0', [windowUpdate(1, 0)], 1, codes.protocol],
    ['a window beyond 2^31', [windowUpdate(1, 2 ** 31 - 1)], 1, codes.flowControl],
    [
      'a body longer than it said',
      [headers(3, false, literals([...requestFields, ['content-length', '2']])), data(3, Buffer.alloc(3))],
      3,
      codes.protocol,
    ],
    [
      'a body shorter than it said',
      [headers(3, false, literals([...requestFields, ['content-length', '2']])), data(3, Buffer.alloc(1), true)],
      3,
      codes.protocol,
    ],
    [
      'no body where it said one',
      [headers(3, true, literals([...requestFields, ['content-length', '2']]))],
      3,
      codes.protocol,
    ],
  ];
  test.each(cases)('%s', (_name, frames, id, code) => {
    const peer = opened();
    peer.send(...frames);
    expect(peer.resets).toEqual([[id, code]]);
    expect(peer.connection.ended).toBe(false);
    peer.send(headers(5), ping());
    expect([lastCall(peer).stream.id, peer.heard.at(-1)?.type]).toEqual([5, 6]);
  });
});

describe('what ends the connection', () => {
  const cases: [string, Buffer[], number][] = [
    ['DATA on stream 0', [data(0, Buffer.alloc(1))], codes.protocol],
    ['DATA on an idle stream', [data(5, Buffer.alloc(1))], codes.protocol],
    ['DATA on a stream of ours', [data(2, Buffer.alloc(1))], codes.protocol],
    ['padding longer than DATA', [http2Frame(0, padded, 1, Buffer.from([3, 0, 0]))], codes.protocol],
    ['padding of nothing', [http2Frame(0, padded, 1)], codes.protocol],
    ['HEADERS on stream 0', [headers(0)], codes.protocol],
    ['HEADERS on a stream of ours', [headers(2)], codes.protocol],
    ['a stream id used again', [reset(1), headers(1)], codes.protocol],
    [
      'HEADERS too short for their padding',
      [http2Frame(1, padded | endHeaders, 3, Buffer.from([9, 0]))],
      codes.protocol,
    ],
    ['HEADERS too short for their priority', [http2Frame(1, 0x20 | endHeaders, 3, Buffer.alloc(4))], codes.protocol],
    ['a block that cannot be read', [headers(3, false, Buffer.from('ffffffffffff7f', 'hex'))], codes.compression],
    ['a block broken off', [http2Frame(1, 0, 3, requestBlock), ping()], codes.protocol],
    ['a block of another stream', [http2Frame(1, 0, 3, requestBlock), http2Frame(9, endHeaders, 5)], codes.protocol],
    ['CONTINUATION of nothing', [http2Frame(9, endHeaders, 1)], codes.protocol],
    ['CONTINUATION of a whole block', [headers(3), http2Frame(9, endHeaders, 3)], codes.protocol],
    ['RST_STREAM of an idle stream', [reset(7)], codes.protocol],
    ['RST_STREAM of stream 0', [reset(0)], codes.protocol],
    ['RST_STREAM of 3 bytes', [http2Frame(3, 0, 1, Buffer.alloc(3))], codes.frameSize],
    ['WINDOW_UPDATE of an idle stream', [windowUpdate(7, 1)], codes.protocol],
    ['WINDOW_UPDATE of nothing', [windowUpdate(0, 0)], codes.protocol],
    ['WINDOW_UPDATE of 5 bytes', [http2Frame(8, 0, 0, Buffer.alloc(5))], codes.frameSize],
    ['a window of all beyond 2^31', [windowUpdate(0, 2 ** 31 - 1)], codes.flowControl],
    ['SETTINGS on a stream', [http2Frame(4, 0, 1)], codes.protocol],
    ['SETTINGS of 5 bytes', [http2Frame(4, 0, 0, Buffer.alloc(5))], codes.frameSize],
    ['an ACK that says something', [http2Frame(4, 1, 0, Buffer.alloc(6))], codes.frameSize],
    ['a push that is maybe', [settings([2, 2])], codes.protocol],
    ['a first window beyond 2^31', [settings([4, 2 ** 31])], codes.flowControl],
    [
      'a first window that is too much for a stream',
      [windowUpdate(1, 2 ** 31 - 70_000), settings([4, 2 ** 31 - 1])],
      codes.flowControl,
    ],
    ['frames of 1 byte at most', [settings([5, 1])], codes.protocol],
    ['frames of 16 MiB', [settings([5, 2 ** 24])], codes.protocol],
    ['PING on a stream', [http2Frame(6, 0, 1, Buffer.alloc(8))], codes.protocol],
    ['PING of 7 bytes', [http2Frame(6, 0, 0, Buffer.alloc(7))], codes.frameSize],
    ['GOAWAY on a stream', [http2Frame(7, 0, 1, Buffer.alloc(8))], codes.protocol],
    ['GOAWAY of 7 bytes', [http2Frame(7, 0, 0, Buffer.alloc(7))], codes.frameSize],
    ['PUSH_PROMISE', [http2Frame(5, 4, 1, Buffer.alloc(5))], codes.protocol],
    ['PRIORITY of 4 bytes', [http2Frame(2, 0, 1, Buffer.alloc(4))], codes.frameSize],
    ['PRIORITY of 6 bytes, of an idle stream', [http2Frame(2, 0, 7, Buffer.alloc(6))], codes.frameSize],
    ['PRIORITY of stream 0', [http2Frame(2, 0, 0, Buffer.alloc(5))], codes.protocol],
    ['a frame of 16385 bytes', [data(1, Buffer.alloc(16_385))], codes.frameSize],
  ];
  test.each(cases)('%s', (_name, frames, code) => {
    const peer = H2Peer.settled();
    peer.send(headers(1), ping());
    const call = lastCall(peer);
    peer.send(...frames, ping('unheard!'));
    expect(peer.fault).toBe(code);
    expect([call.gone_, peer.connection.streamCount, peer.connection.keptBytes]).toEqual([true, 0, 0]);
    expect(peer.news().join('\n')).not.toContain(Buffer.from('unheard!').toString('hex'));
    peer.send(headers(9));
    expect(peer.news()).toEqual([]);
  });

  test('frames and settings that nobody knows are passed over', () => {
    const peer = H2Peer.settled();
    peer.send(
      http2Frame(77, 255, 1, Buffer.alloc(9)),
      http2Frame(7, 0, 0, Buffer.alloc(20)),
      settings([77, 7]),
      headers(1),
    );
    expect([peer.calls.length, peer.connection.ended]).toEqual([1, false]);
  });
});

describe('windows', () => {
  test('what we send stays within both, to the byte, in whatever order they open', () => {
    const random = new Prng(20_261_125, 'windows');
    for (let round = 0; round < 60; round++) {
      const peer = H2Peer.settled();
      const first = random.below(40_000);
      peer.send(settings([4, first]));
      const sent = [1, 3, 5, 7].map((id) => {
        peer.send(headers(id, true));
        const messages = Array.from({ length: random.below(6) }, () => message(random.below(30_000), id));
        for (const each of messages) {
          if (random.chance(0.5)) lastCall(peer).stream.message(each);
          else lastCall(peer).stream.framed(framed(each));
        }
        lastCall(peer).stream.end(ok);
        return { id, bytes: Buffer.concat(messages.map(framed)), window: first, used: 0 };
      });
      for (const each of sent) each.used = peer.bodyOf(each.id).length;
      let all = 65_535;
      let window = first;
      for (let step = 0; step < 400 && peer.connection.streamCount > 0; step++) {
        const grown = 1 + random.below(random.chance(0.2) ? 30_000 : 500);
        const which = random.pick(sent);
        if (random.chance(0.3)) {
          peer.send(windowUpdate(0, grown));
          all += grown;
        } else if (random.chance(0.1)) {
          const other = random.below(40_000);
          peer.send(settings([4, other]));
          for (const each of sent) each.window += other - window;
          window = other;
        } else {
          peer.send(windowUpdate(which.id, grown));
          which.window += grown;
        }
        const used = sent.map(({ id }) => peer.bodyOf(id).length);
        expect(
          used.reduce((sum, length) => sum + length, 0),
          `round ${round}`,
        ).toBeLessThanOrEqual(all);
        // What was sent before a setting took the window back stays sent.
        for (const [at, each] of sent.entries()) {
          if (used[at] !== each.used) expect(used[at], `round ${round}`).toBeLessThanOrEqual(each.window);
          each.used = used[at] as number;
        }
      }
      peer.send(windowUpdate(0, 10_000_000), settings([4, 1_000_000]));
      for (const { id, bytes } of sent) expect(peer.bodyOf(id).equals(bytes), `round ${round}`).toBe(true);
      expect([peer.connection.streamCount, peer.connection.keptBytes]).toEqual([0, 0]);
      expect(peer.heard.filter(({ type, payload }) => type === 0 && payload.length > 16_384)).toEqual([]);
    }
  });

  test('a closed window holds up only who has something to send; status alone passes', () => {
    const peer = H2Peer.settled();
    peer.send(settings([4, 2_000_000]), headers(1, true), headers(3, true), headers(5, true));
    peer.calls[0]?.stream.message(message(100_000));
    peer.receive();
    expect(peer.bodyOf(1)).toHaveLength(65_535);
    peer.calls[1]?.stream.end({ code: 5, text: '' });
    peer.calls[2]?.stream.message(message(1));
    peer.receive();
    expect(peer.fields).toContain('3 grpc-status: 5');
    expect(peer.bodyOf(5)).toHaveLength(0);
    peer.send(windowUpdate(0, 100_000));
    expect([peer.bodyOf(1).length, peer.bodyOf(5).length]).toEqual([100_005, 6]);
  });

  test('large answers take turns', () => {
    const peer = H2Peer.settled();
    peer.send(settings([4, 2_000_000]), windowUpdate(0, 10_000_000), headers(1, true), headers(3, true));
    for (const { stream } of peer.calls) stream.message(message(500_000));
    peer.receive();
    const order = peer.heard.filter(({ type }) => type === 0).map(({ id }) => id);
    expect(order.slice(0, 8)).toEqual([1, 1, 1, 1, 3, 3, 3, 3]);
    expect([peer.bodyOf(1).length, peer.bodyOf(3).length]).toEqual([500_005, 500_005]);
  });

  test('whoever waits is told when enough has left', () => {
    const peer = H2Peer.settled();
    peer.send(settings([4, 10_000]), headers(1));
    const call = lastCall(peer);
    call.stream.message(message(20_000));
    call.stream.whenBelow(5_000);
    peer.receive();
    expect([call.stream.unsentBytes, call.drained_]).toEqual([10_005, 0]);
    peer.send(windowUpdate(1, 6_000));
    expect([call.stream.unsentBytes, call.drained_]).toEqual([4_005, 1]);
    peer.send(windowUpdate(1, 6_000));
    expect(call.drained_).toBe(1);
  });

  test('what is taken may be sent again; what is not, not: of a stream, and of all', () => {
    const peer = H2Peer.settled();
    peer.send(headers(1), headers(3));
    const [call, other] = peer.calls as [ToyCall, ToyCall];
    call.takes = false;
    const frame = data(1, Buffer.alloc(16_384));
    for (let sent = 0; sent < streamWindowBytes; sent += 16_384) peer.send(frame);
    expect(peer.news()).toEqual([]);
    call.stream.took(streamWindowBytes / 2);
    peer.receive();
    expect(peer.news()).toEqual([`8/0 1: ${uint32(streamWindowBytes / 2).toString('hex')}`]);
    for (let sent = 0; sent < streamWindowBytes / 2; sent += 16_384) peer.send(frame);
    peer.send(data(1, Buffer.alloc(1)));
    expect(peer.resets).toEqual([[1, codes.flowControl]]);
    expect(other.gone_).toBe(false);
  });

  test('the window of all comes back also from streams that are gone, and from padding', () => {
    const peer = H2Peer.settled();
    for (let id = 1; id < 400; id += 2) {
      peer.send(headers(id));
      lastCall(peer).takes = id % 4 === 1;
      for (let left = 15; left > 0; left--)
        peer.send(http2Frame(0, padded, id, Buffer.concat([Buffer.of(255), Buffer.alloc(16_383)])));
      peer.send(reset(id), data(id, Buffer.alloc(1_000)));
      expect(peer.connection.ended, `stream ${id}`).toBe(false);
    }
  });

  test('more than the window of all', () => {
    const peer = H2Peer.settled();
    for (let id = 1; !peer.connection.ended; id += 2) {
      expect(id).toBeLessThan(40);
      peer.send(headers(id));
      lastCall(peer).takes = false;
      for (let left = 16; left > 0; left--) peer.send(data(id, Buffer.alloc(16_384)));
    }
    expect(peer.fault).toBe(codes.flowControl);
  });
});

describe('signs of life, and goodbyes', () => {
  test('pings are answered with what they say, ahead of answers', () => {
    const peer = H2Peer.settled();
    peer.send(headers(1));
    lastCall(peer).stream.message(message(1));
    peer.send(ping('12345678'));
    expect(peer.news()[0]).toBe(`6/1 0: ${Buffer.from('12345678').toString('hex')}`);
  });

  test('ours asks for an answer', () => {
    const peer = H2Peer.settled();
    peer.connection.ping();
    peer.receive();
    const asked = peer.heard[0]?.payload ?? Buffer.alloc(0);
    expect(peer.connection.alive).toBe(false);
    peer.send(http2Frame(6, 1, 0, asked));
    expect(peer.connection.alive).toBe(true);
  });

  test('goodbye in two steps: what was on its way is served, what comes later is not, the last one closes', () => {
    const peer = H2Peer.settled();
    peer.send(headers(1));
    peer.connection.goodbye();
    peer.connection.goodbye();
    peer.receive();
    const [first, asked] = peer.heard.splice(0);
    expect([first?.type, first?.payload.readUInt32BE(0), peer.heard.length]).toEqual([7, 2 ** 31 - 1, 0]);
    peer.send(headers(3));
    peer.send(http2Frame(6, 1, 0, asked?.payload));
    expect(peer.news()).toEqual(['7/0 0: 0000000300000000']);
    peer.send(headers(5), data(5, Buffer.alloc(1)), headers(7, true));
    expect(peer.resets).toEqual([
      [5, codes.refused],
      [7, codes.refused],
    ]);
    expect(peer.calls.map(({ stream }) => stream.id)).toEqual([1, 3]);
    peer.send(data(1, Buffer.alloc(0), true), data(3, Buffer.alloc(0), true));
    for (const { stream } of peer.calls) {
      expect(peer.connection.ended).toBe(false);
      stream.message(message(2));
      stream.end(ok);
      peer.receive();
    }
    expect([peer.connection.ended, peer.bodyOf(3).length]).toEqual([true, 7]);
    expect(peer.fields.filter((field) => field.includes('grpc-status'))).toEqual([
      '1 grpc-status: 0',
      '3 grpc-status: 0',
    ]);
  });

  test('goodbye to one that asks for nothing', () => {
    const peer = H2Peer.settled();
    peer.connection.goodbye();
    peer.receive();
    peer.send(http2Frame(6, 1, 0, peer.heard[1]?.payload));
    expect(peer.fault).toBe(codes.none);
  });
});

describe('limits', () => {
  const calm = (peer: H2Peer): void => expect(peer.fault).toBe(codes.calm);

  test.each<[string, Buffer]>([
    ['PING', ping()],
    ['ACKs of PING', ping('alive ? ', 1)],
    ['ACKs of SETTINGS', http2Frame(4, 1, 0)],
    ['empty DATA', data(1, Buffer.alloc(0))],
    ['padding alone', http2Frame(0, padded, 1, Buffer.from([1, 0]))],
    ['WINDOW_UPDATE', windowUpdate(0, 1)],
    ['WINDOW_UPDATE of a stream that is gone', windowUpdate(3, 1)],
    ['DATA on a stream that is gone', data(3, Buffer.alloc(1))],
    ['RST_STREAM of a stream that is gone', reset(3)],
    ['PRIORITY', http2Frame(2, 0, 1, Buffer.alloc(5))],
    ['unknown frames', http2Frame(99, 0, 1)],
  ])('%s without end, which asks for nothing', (_name, frame) => {
    const flooded = (perSecond: number, use: boolean): H2Peer => {
      const peer = H2Peer.settled();
      peer.send(headers(1), headers(3), reset(3));
      for (let sent = 0; sent < 3 * perSecond && !peer.connection.ended; sent += 100) {
        peer.send(...new Array<Buffer>(100).fill(frame));
        if (use && sent % 5_000 === 0) peer.send(data(1, Buffer.of(1)));
        if (sent % perSecond === 0) peer.nowMs += 1_000;
        if (peer.heard.length > 1_000 && !peer.connection.ended) peer.heard.length = 0;
      }
      return peer;
    };
    // Whoever gets answers may ping as much as he likes: pongs are no answers.
    calm(flooded(10 * idleFramesPerSecondMax, false));
    expect(flooded(idleFramesPerSecondMax - 1_000, false).connection.ended).toBe(false);
    expect(flooded(3 * idleFramesPerSecondMax, true).connection.ended).toBe(false);
  });

  test('SETTINGS', () => {
    const peer = H2Peer.settled();
    for (let left = settingsPerSecondMax; left > 1; left--) peer.send(settings([4, left]));
    expect(peer.connection.ended).toBe(false);
    peer.nowMs += 1_000;
    for (let left = settingsPerSecondMax; left > 0; left--) peer.send(emptySettings);
    expect(peer.connection.ended).toBe(false);
    peer.send(emptySettings);
    calm(peer);
  });

  test('calls given up before they are answered', () => {
    const peer = H2Peer.settled();
    let id = 1;
    const giveUp = (calls: number): void => {
      for (let left = calls; left > 0 && !peer.connection.ended; left--, id += 2)
        peer.send(headers(id), data(id, Buffer.of(1)), reset(id));
      peer.calls.length = 0;
    };
    giveUp(callsGivenUpMax);
    expect(peer.connection.ended).toBe(false);
    peer.nowMs += 1_000;
    giveUp(callsGivenUpPerSecondMax);
    expect(peer.connection.ended).toBe(false);
    giveUp(1);
    calm(peer);
  });

  test('calls given up when they have had an answer are not counted', () => {
    const peer = H2Peer.settled();
    for (let id = 1; id < 2 * (callsGivenUpMax + 100); id += 2) {
      peer.send(headers(id));
      lastCall(peer).stream.message(message(1));
      peer.receive();
      peer.send(reset(id));
      peer.heard.length = 0;
      peer.calls.length = 0;
    }
    expect(peer.connection.ended).toBe(false);
  });

  test('a header block without end: in bytes, and in frames', () => {
    const long = H2Peer.settled();
    long.send(http2Frame(1, 0, 1, Buffer.alloc(16_000, 0x82)));
    let bytes = 16_000;
    for (; !long.connection.ended; bytes += 16_000) long.send(http2Frame(9, 0, 1, Buffer.alloc(16_000, 0x82)));
    expect(bytes).toBeGreaterThan(headerBlockBytesMax);
    expect(bytes - 16_000).toBeLessThanOrEqual(headerBlockBytesMax);
    calm(long);
    const small = H2Peer.settled();
    small.send(http2Frame(1, 0, 1, requestBlock));
    for (let left = continuationsMax; left > 0; left--) small.send(http2Frame(9, 0, 1));
    expect(small.connection.ended).toBe(false);
    small.send(http2Frame(9, 0, 1));
    calm(small);
  });

  test('settings that say the same thing thousands of times are told to the streams once', () => {
    const peer = H2Peer.settled(10_000);
    for (let id = 1; id < 20_000; id += 2) peer.connection.read(headers(id), peer.nowMs);
    expect(peer.connection.streamCount).toBe(10_000);
    let asked = 0;
    for (const { stream } of peer.calls)
      Object.defineProperty(stream, 'sendable', {
        get: () => {
          asked++;
          return false;
        },
      });
    peer.send(settings(...Array.from({ length: 2_000 }, (_, at) => [4, at] as const)));
    expect([peer.connection.ended, asked]).toEqual([false, 10_000]);
  });

  test('a status that waits counts as what is kept, until it is written or its stream is gone', () => {
    const peer = H2Peer.settled();
    peer.onCall = ({ stream }) => stream.end({ code: 12, text: 'x'.repeat(1_000) });
    peer.connection.read(Buffer.concat([1, 3, 5].map((id) => headers(id, true))), peer.nowMs);
    expect(peer.connection.keptBytes).toBe(3_000);
    peer.connection.read(reset(3), peer.nowMs);
    expect(peer.connection.keptBytes).toBe(2_000);
    peer.receive();
    expect([peer.connection.keptBytes, peer.heard.length]).toEqual([0, 2]);
  });

  test('small messages that wait count for more than their bytes, until each is written or its stream is gone', () => {
    const peer = H2Peer.settled();
    peer.send(settings([4, 10]), headers(1), headers(3));
    const [first, second] = peer.calls;
    for (let n = 0; n < 200; n++) first?.stream.message(message(1));
    second?.stream.message(message(1));
    const each = 6 + waitingMessageBytes;
    expect([peer.connection.keptBytes, first?.stream.waitingBytes]).toEqual([201 * each, 200 * each]);
    peer.receive();
    expect(peer.connection.keptBytes).toBe(199 * each - 4);
    peer.send(windowUpdate(1, 500));
    expect(peer.connection.keptBytes).toBe(115 * each);
    peer.send(reset(1));
    expect(peer.connection.keptBytes).toBe(0);
  });

  test('a message that is written is not kept for those that wait behind it', async () => {
    setFlagsFromString('--expose_gc');
    const gc = runInNewContext('gc') as () => void;
    const peer = H2Peer.settled();
    peer.send(settings([4, 1_005]), headers(1));
    const { stream } = lastCall(peer);
    const written = ((): WeakRef<Buffer> => {
      const first = message(1_000);
      stream.message(first);
      stream.message(message(1));
      return new WeakRef(first);
    })();
    peer.receive();
    // Until then nothing goes that a WeakRef was made of.
    await new Promise((resolve) => setImmediate(resolve));
    gc();
    expect([stream.unsentBytes, written.deref() === undefined]).toEqual([6, true]);
  });

  test('as many resets at once as there may be streams', () => {
    const streams = 30_000;
    const peer = H2Peer.settled(streams);
    peer.onCall = ({ stream }) => stream.refuse(405);
    for (let id = 1; id < 2 * streams; id += 2) peer.connection.read(headers(id), peer.nowMs);
    peer.receive();
    peer.connection.letGo();
    peer.receive();
    expect(peer.resets.length).toBe(streams);
    expect([peer.connection.ended, peer.connection.streamCount]).toEqual([false, 0]);
  });

  test('answers to pings that it does not take', () => {
    const peer = H2Peer.settled();
    const pings = Buffer.concat(new Array<Buffer>(1_000).fill(ping()));
    let chunks = 0;
    for (; !peer.connection.ended; chunks++) peer.connection.read(pings, peer.nowMs);
    expect(chunks * 17_000).toBeGreaterThan(controlBytesMax);
    expect(chunks * 17_000).toBeLessThan(2 * controlBytesMax);
    peer.receive();
    calm(peer);
  });
});

test('30,000 frames in no order: a connection answers or ends, and keeps nothing when it is over', () => {
  const seed = 20_261_125;
  const random = new Prng(seed, 'frames');
  let ended = 0;
  let answered = 0;
  for (let connection = 0; connection < 600; connection++) {
    const peer = H2Peer.settled(1 + random.below(5));
    peer.onCall = (call) => {
      call.takes = random.chance(0.7);
      if (random.chance(0.3)) call.stream.message(message(random.below(60_000)));
      if (random.chance(0.3)) call.stream.end({ code: random.below(17), text: 'x'.repeat(random.below(300)) });
      if (random.chance(0.1)) call.stream.refuse(405);
    };
    let next = 1;
    // Some do only what may be done, if in no order.
    const wild = random.chance(0.5);
    const fresh = (): number => {
      next += 2;
      return next - 2;
    };
    for (let left = 50; left > 0 && !peer.connection.ended; left--) {
      const frames = Array.from({ length: random.between(1, 4) }, () => {
        const id = !wild || random.chance(0.9) ? Math.max(1, next - 2 - 2 * random.below(4)) : random.below(50);
        const body = Buffer.alloc(random.below(300), random.below(256));
        const frame = random.pick([
          () => headers(fresh(), random.chance(0.5)),
          () => headers(fresh(), random.chance(0.5)),
          ...(next === 1
            ? []
            : [
                () => data(id, body, random.chance(0.2)),
                () => data(id, body, random.chance(0.2)),
                () => windowUpdate(id, random.below(100_000)),
                () => reset(id, random.below(15)),
              ]),
          () => windowUpdate(0, 1 + random.below(100_000)),
          () => settings([random.pick([1, 3, 4, 6, 7]), random.below(100_000)]),
          () => ping('pingpong', random.below(2)),
          () => (wild ? http2Frame(random.below(11), random.below(256), random.chance(0.8) ? id : 0, body) : ping()),
        ])();
        if (wild && random.chance(0.01)) frame[random.below(frame.length)] = random.below(256);
        return frame;
      });
      const bytes = Buffer.concat(frames);
      for (let at = 0; at < bytes.length; ) {
        const end = Math.min(bytes.length, at + 1 + random.below(random.chance(0.2) ? 20 : 2_000));
        peer.connection.read(bytes.subarray(at, end), peer.nowMs);
        at = end;
        if (random.chance(0.5)) peer.receive();
      }
      if (random.chance(0.1)) peer.connection.letGo();
    }
    answered += peer.heard.filter(({ type }) => type === 1).length;
    if (peer.connection.ended) ended++;
    else peer.connection.lost();
    expect([peer.connection.streamCount, peer.connection.keptBytes], `seed ${seed}, connection ${connection}`).toEqual([
      0, 0,
    ]);
    for (const call of peer.calls) expect(call.stream.closed, `seed ${seed}, connection ${connection}`).toBe(true);
  }
  expect(ended).toBeGreaterThan(50);
  expect(ended).toBeLessThan(600);
  expect(answered).toBeGreaterThan(500);
});
