import { createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { peerConnectionsMax, peerFirstFrameBytesMax } from '../../src/base/limits.ts';
import { Prng } from '../../src/base/prng.ts';
import { encodePeerMessage } from '../../src/peer/codec.ts';
import { FrameParser } from '../../src/peer/frame.ts';
import {
  checkAcceptor,
  checkDialer,
  type Hello,
  isFatal,
  type RefusalReason,
  readHello,
  readRefusal,
  writeHello,
  writeRefusal,
} from '../../src/peer/handshake.ts';
import { Peers } from '../../src/peer/peers.ts';
import { fastTimings, MemoryBoots, MemoryReceiver, nowhere, pair, TestMember, testCluster, until } from './member.ts';
import { anyBytes } from './messages.ts';
import { frameOf, helloOf, Stranger } from './raw.ts';

const seed = Number(process.env['SEED'] ?? 1);

/** Member 2, started, that knows member 1 up to boot 5 and member 3 not yet. */
async function acceptor(): Promise<TestMember> {
  const boots = new MemoryBoots();
  boots.boots.set(1n, 5);
  boots.tokens.set(1n, 0xaan);
  const peers = [
    { member: 1n, url: nowhere },
    { member: 3n, url: nowhere },
  ];
  const member = await TestMember.listening(2n, peers, { boots, timings: { handshakeMs: 300 } });
  member.peers.start(1);
  return member;
}

/** The body of a hello frame, edited. */
function editedHello(edit: (body: Buffer) => Buffer): Buffer {
  const parser = new FrameParser(4096);
  parser.push(helloOf({ boot: 5 }));
  const frame = parser.next();
  if (frame === undefined || typeof frame === 'string') throw new Error('a hello');
  const body = edit(Buffer.from(frame.body));
  return frameOf('hello', (writer) => writer.raw(body));
}

const message = frameOf('message', (writer) =>
  writer.raw(encodePeerMessage({ type: 'roundRequest', from: 1n, to: 2n, term: 1, boot: 1, context: 1 })),
);

const matrix: readonly [string, () => Buffer, RefusalReason, RegExp][] = [
  ['another cluster', () => helloOf({ clusterId: 99n, boot: 5 }), 'clusterMismatch', /cluster id mismatch/],
  ['another target', () => helloOf({ target: 3n, boot: 5 }), 'wrongTarget', /looking for member 3, this is 2/],
  ['itself', () => helloOf({ member: 2n, boot: 5 }), 'selfDial', /talks to itself/],
  ['an unknown member', () => helloOf({ member: 77n, boot: 5 }), 'unknownMember', /member 4d is not in the cluster/],
  ['member 0', () => helloOf({ member: 0n, boot: 5 }), 'malformed', /malformed/],
  ['an older copy', () => helloOf({ boot: 4 }), 'staleBoot', /seen at start 5 and comes with start 4.*older copy/],
  ['an emptied directory', () => helloOf({ boot: 1 }), 'emptyReturn', /restore the old one or join under a new id/],
  ['no start at all', () => helloOf({ boot: 0 }), 'emptyReturn', /comes with start 0/],
  ['a copy started beside it', () => helloOf({ boot: 5, token: 0xbbn }), 'staleBoot', /another start of that number/],
  ['an older copy with a snapshot', () => helloOf({ boot: 4, purpose: 'snapshot' }), 'staleBoot', /older copy/],
  [
    'another magic',
    () => editedHello((body) => Buffer.concat([Buffer.of(0), body.subarray(1)])),
    'notAPeer',
    /members/,
  ],
  ['another version', () => editedHello((body) => body.fill(9, 8, 9)), 'protocolVersion', /peer protocol 9/],
  [
    'a version and nothing else',
    () => editedHello((body) => body.fill(9, 8, 9).subarray(0, 9)),
    'protocolVersion',
    /9/,
  ],
  ['another purpose', () => editedHello((body) => body.fill(7, body.length - 1)), 'malformed', /malformed/],
  ['a byte too many', () => editedHello((body) => Buffer.concat([body, Buffer.of(0)])), 'malformed', /malformed/],
  ['a byte too few', () => editedHello((body) => body.subarray(0, -1)), 'malformed', /malformed/],
  ['an empty hello', () => editedHello((body) => body.subarray(0, 0)), 'notAPeer', /members/],
  ['a message before any hello', () => message, 'notAPeer', /no hello/],
];

test.each(matrix)('%s is refused, told why, and nothing behind it is read', async (_, bytes, reason, text) => {
  const member = await acceptor();
  const noted = member.boots.noted.length;
  const stranger = new Stranger(member.port).send(Buffer.concat([bytes(), message, message]));
  await stranger.whenClosed();
  expect(stranger.refusal?.reason).toBe(reason);
  expect(stranger.refusal?.text).toMatch(text);
  expect(member.refused.filter((refused) => refused.who === 'them' && refused.reason === reason).length).toBe(1);
  expect(member.messages).toEqual([]);
  expect(member.lost).toEqual([]);
  expect(member.boots.noted.length).toBe(noted);
});

test('a good dialer is let in; a newer boot is noted, on disk, before a message is processed', async () => {
  const member = await acceptor();
  const before = new Stranger(member.port).send(helloOf({ boot: 5, token: 0xaan }));
  await before.whenAnswered();
  expect(before.answer).toBe('hello');
  let open = (): void => {};
  member.boots.gate = new Promise((resolve) => {
    open = resolve;
  });
  const stranger = new Stranger(member.port).send(Buffer.concat([helloOf({ boot: 6 }), message]));
  await until('it is being noted', () => member.boots.seen(1n) === 6);
  // Known in memory is not known on disk: a second connection of that start waits as well.
  const second = new Stranger(member.port).send(Buffer.concat([helloOf({ boot: 6, purpose: 'snapshot' })]));
  const older = new Stranger(member.port).send(helloOf({ boot: 5 }));
  await older.whenClosed();
  expect(older.refusal?.reason).toBe('staleBoot');
  expect([...stranger.frames, ...second.frames, ...member.messages]).toEqual([]);
  open();
  await until('the message', () => member.messages.length === 1);
  await second.whenAnswered();
  expect([stranger.answer, second.answer]).toEqual(['hello', 'hello']);
  expect(member.boots.noted).toContainEqual([1n, 6]);
  // The older boot's connection has made room, and that was a lost link.
  await before.whenClosed();
  expect(member.lost).toEqual([1n]);
});

test('a boot that cannot be noted is not let in', async () => {
  const member = await acceptor();
  member.boots.note = () => Promise.reject(new Error('disk full'));
  const stranger = new Stranger(member.port).send(helloOf({ boot: 6 }));
  await stranger.whenClosed();
  expect(stranger.refusal?.reason).toBe('busy');
});

test('garbage, HTTP, TLS and gRPC on the peer port are closed without a message', async () => {
  const member = await acceptor();
  const inputs = [
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    Buffer.from('160301020001000001fc0303', 'hex'),
    Buffer.alloc(100_000, 0xff),
    Buffer.alloc(5_000),
    helloOf({ boot: 5 }).subarray(4),
  ];
  for (const input of inputs) await new Stranger(member.port).send(input).whenClosed();
  expect(member.messages).toEqual([]);
  expect(member.refused.filter((refused) => refused.reason === 'notAPeer').length).toBe(inputs.length);
});

test('random first bytes never do more than close the connection', async () => {
  const member = await acceptor();
  const prng = new Prng(seed, 'handshake fuzz');
  const good = helloOf({ boot: 5 });
  for (let batch = 0; batch < 20; batch++) {
    const strangers = Array.from({ length: 20 }, () => {
      const bytes = prng.chance(0.5) ? Buffer.from(anyBytes(prng, 300)) : Buffer.from(good);
      if (bytes.length > 0) bytes[prng.below(bytes.length)]! ^= 1 << prng.below(8);
      const stranger = new Stranger(member.port).send(bytes);
      stranger.socket.end();
      return stranger;
    });
    for (const stranger of strangers) await stranger.whenClosed();
    expect(
      strangers.every((stranger) => stranger.answer !== 'hello'),
      `seed ${seed} batch ${batch}`,
    ).toBe(true);
  }
  expect(member.messages).toEqual([]);
});

test('a first frame of more than 1 KiB is refused by its length', async () => {
  const member = await acceptor();
  const stranger = new Stranger(member.port);
  stranger.send(frameOf('hello', (writer) => writer.raw(Buffer.alloc(peerFirstFrameBytesMax))));
  await stranger.whenClosed();
  expect(member.refused.at(-1)?.text).toBe('frame too large');
});

test('who says nothing, or speaks byte by byte, is closed when the handshake time is up', async () => {
  const member = await acceptor();
  const silent = new Stranger(member.port);
  const slow = new Stranger(member.port).send(helloOf({ boot: 5 }).subarray(0, 1));
  await silent.whenClosed();
  await slow.whenClosed();
  expect(silent.frames).toEqual([]);
  // Nobody logs a port scan that sent nothing.
  expect(member.refused.map((refused) => refused.text)).toContain('handshake timed out');
  expect(member.peers.connections).toBe(0);
});

test('a slow first byte within the time is fine', async () => {
  const member = await acceptor();
  const stranger = new Stranger(member.port);
  for (const byte of helloOf({ boot: 5 })) {
    stranger.send(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await stranger.whenAnswered();
  expect(stranger.answer).toBe('hello');
});

test('strangers make room for newer connections; members in place stay', async () => {
  const { a, b } = await pair({ b: { timings: { handshakeMs: 60_000 } } });
  const silent: Stranger[] = [];
  for (let i = 0; i < peerConnectionsMax + 20; i++) {
    silent.push(new Stranger(b.port));
    if (i % 32 === 31) await until('connected', () => b.peers.connections > Math.min(i - 16, peerConnectionsMax - 2));
  }
  await until('the oldest are closed', () => silent.filter((stranger) => stranger.closed).length >= 21);
  expect(b.peers.connections).toBeLessThanOrEqual(peerConnectionsMax);
  expect(silent.at(-1)!.closed).toBe(false);
  a.say(2n, 1);
  await until('heard', () => b.heard().length === 1);
  const late = new Stranger(b.port).send(helloOf({ purpose: 'ask' }));
  await late.whenAnswered();
  expect(late.frames[0]?.type).toBe('hello');
});

const misbehaviour: readonly [string, Buffer, RegExp][] = [
  [
    'speaks in the name of another',
    frameOf('message', (to) =>
      to.raw(encodePeerMessage({ type: 'heartbeat', from: 3n, to: 2n, term: 1, commit: 0, round: 0 })),
    ),
    /in the name of another member/,
  ],
  [
    'speaks to another',
    frameOf('message', (to) =>
      to.raw(encodePeerMessage({ type: 'heartbeat', from: 1n, to: 3n, term: 1, commit: 0, round: 0 })),
    ),
    /for another member/,
  ],
  ['sends no message', frameOf('message', (to) => to.raw(Buffer.of(99, 1, 2))), /unknown message type/],
  ['sends a hello again', helloOf({ boot: 5 }), /unexpected hello frame/],
  ['sends a malformed message', frameOf('message', (to) => to.raw(Buffer.of(7, 1))), /malformed heartbeat/],
];

test.each(misbehaviour)('a member that %s is closed, and told', async (_, bytes, text) => {
  const member = await acceptor();
  const stranger = new Stranger(member.port).send(Buffer.concat([helloOf({ boot: 5 }), message, bytes, message]));
  await stranger.whenClosed();
  expect(member.messages.length).toBe(1);
  expect(stranger.refusal).toMatchObject({ reason: 'badMessage' });
  expect(stranger.refusal?.text).toMatch(text);
  expect(member.lost).toEqual([1n]);
});

test('a damaged frame behind a good handshake ends the connection', async () => {
  const member = await acceptor();
  const bad = Buffer.from(message);
  bad[bad.length - 1]! ^= 1;
  const stranger = new Stranger(member.port).send(Buffer.concat([helloOf({ boot: 5 }), message, bad, message]));
  await stranger.whenClosed();
  expect(member.messages.length).toBe(1);
});

test('before the start only questions are answered', async () => {
  const member = await TestMember.listening(2n, [{ member: 1n, url: nowhere }], { fresh: true });
  const early = new Stranger(member.port).send(helloOf());
  await early.whenClosed();
  expect(early.refusal?.reason).toBe('notReady');
  const asks = new Stranger(member.port).send(helloOf({ purpose: 'ask', boot: 0 }));
  await asks.whenClosed();
  expect(asks.frames.map((frame) => frame.type)).toEqual(['hello', 'askAnswer']);
  expect(member.boots.noted).toEqual([]);
});

/** A member 2 of the test's own making: answers every hello with `bytes`. */
async function impostor(bytes: Buffer): Promise<number> {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

const answers: readonly [string, Buffer, RefusalReason][] = [
  ['of another cluster', helloOf({ member: 2n, target: 1n, clusterId: 5n }), 'clusterMismatch'],
  ['of another member', helloOf({ member: 3n, target: 1n }), 'wrongTarget'],
  ['to another member', helloOf({ member: 2n, target: 3n }), 'wrongTarget'],
  ['of ourselves', helloOf({ member: 1n, target: 1n }), 'selfDial'],
  ['of an older boot', helloOf({ member: 2n, target: 1n, boot: 3 }), 'staleBoot'],
  ['for another purpose', helloOf({ member: 2n, target: 1n, boot: 9, purpose: 'snapshot' }), 'malformed'],
  ['that is none', frameOf('message', (to) => to.raw(Buffer.of(1))), 'notAPeer'],
];

test.each(answers)('the dialer checks too: an answer %s is refused by us', async (_, bytes, reason) => {
  const port = await impostor(bytes);
  const boots = new MemoryBoots();
  boots.boots.set(2n, 4);
  const peers = [
    { member: 2n, url: `http://127.0.0.1:${port}` },
    { member: 3n, url: nowhere },
  ];
  const member = await TestMember.listening(1n, peers, { boots });
  member.peers.start(1);
  await until('refused', () => member.refused.length > 0);
  expect(member.refused[0]).toMatchObject({ who: 'them', reason, fatal: false, member: 2n });
  expect(member.outgoing(2n).up).toBe(false);
});

test('a refused dialer hears why once, and whether it must stop', async () => {
  const other = await TestMember.listening(2n, [{ member: 1n, url: nowhere }], { clusterId: 5n });
  other.peers.start(1);
  const member = await TestMember.listening(1n, [other.address]);
  member.peers.start(1);
  await until('tried again', () => other.refused.filter((refused) => refused.member === 1n).length >= 3);
  expect(member.refused).toMatchObject([
    { who: 'us', reason: 'clusterMismatch', fatal: true, member: 2n, address: other.address.url },
  ]);
  expect(member.refused[0]!.text).toBe(`cluster id mismatch: yours ${testCluster.toString(16)}, ours 5`);
});

test('the dialer notes the boot of who answers', async () => {
  const { a, b } = await pair();
  expect(a.boots.seen(2n)).toBe(1);
  expect(b.boots.seen(1n)).toBe(1);
});

test('a dialer that cannot remember the boot of who answers stays away', async () => {
  const b = await TestMember.listening(2n, [{ member: 1n, url: nowhere }]);
  b.peers.start(1);
  const boots = new MemoryBoots();
  let asked = 0;
  boots.note = () => {
    asked++;
    return Promise.reject(new Error('disk full'));
  };
  const a = await TestMember.listening(1n, [b.address], { boots });
  a.peers.start(1);
  await until('tried again', () => asked >= 2);
  expect(a.outgoing(2n).up).toBe(false);
  const sent = await a.peers.sendSnapshot(
    { from: 1n, to: 2n, term: 1, meta: { index: 1, term: 1, configuration: { voters: [1n, 2n], learners: [] } } },
    (async function* () {})(),
  );
  expect(sent).toMatchObject({ ok: false, why: 'cannot remember the start of member 2' });
});

test('hello and refusal survive the way there and back', () => {
  const prng = new Prng(seed, 'hello');
  const body = (bytes: Buffer): Buffer => bytes.subarray(9);
  for (let i = 0; i < 500; i++) {
    const hello: Hello = {
      clusterId: prng.uint64(),
      member: prng.uint64() | 1n,
      target: prng.uint64(),
      boot: prng.uint32(),
      token: prng.uint64(),
      purpose: prng.pick(['messages', 'snapshot', 'ask'] as const),
    };
    expect(readHello(body(frameOf('hello', (to) => writeHello(to, hello))))).toEqual(hello);
  }
  const told = { reason: 'staleBoot' as const, text: 'older, ü' };
  expect(readRefusal(body(frameOf('refusal', (to) => writeRefusal(to, told))))).toEqual(told);
  expect(readRefusal(Buffer.of(200, 0))).toBeUndefined();
  // However long the text, a refusal fits the first frame.
  const long = frameOf('refusal', (to) => writeRefusal(to, { reason: 'busy', text: 'ü€'.repeat(5_000) }));
  expect(long.length).toBeLessThanOrEqual(peerFirstFrameBytesMax);
});

test('checks are pure and agree at both ends', () => {
  const boots = new MemoryBoots();
  boots.boots.set(1n, 4);
  const own = { clusterId: 1n, self: 2n, boot: 3, token: 0n };
  const check = (member: bigint, boot: number, token: bigint) => boots.check(member, boot, token);
  const checks = { ...own, knows: (id: bigint) => id < 3n, seen: () => 4, check };
  const hello: Hello = { clusterId: 1n, member: 1n, target: 2n, boot: 4, token: 7n, purpose: 'messages' };
  expect(checkDialer(hello, checks)).toBeUndefined();
  expect(checkDialer({ ...hello, boot: 3 }, checks)?.reason).toBe('staleBoot');
  expect(checkDialer({ ...hello, boot: 0, purpose: 'ask' }, { ...checks, boot: 0 })).toBeUndefined();
  const asked: Hello = { clusterId: 1n, member: 2n, target: 1n, boot: 3, token: 0n, purpose: 'messages' };
  expect(checkAcceptor(hello, asked, checks)).toBeUndefined();
  expect(checkAcceptor({ ...hello, boot: 3 }, asked, checks)?.reason).toBe('staleBoot');
  const fatal: RefusalReason[] = ['clusterMismatch', 'emptyReturn', 'staleBoot'];
  expect(fatal.every(isFatal)).toBe(true);
  expect((['notReady', 'busy', 'unknownMember', 'protocolVersion'] as const).some(isFatal)).toBe(false);
});

test('without tokens the number of a start alone decides', async () => {
  const numbers = new Map([[1n, 5]]);
  const note = (member: bigint, boot: number) => Promise.resolve(void numbers.set(member, boot));
  const member = new Peers({
    clusterId: testCluster,
    member: 2n,
    peers: [{ member: 1n, url: nowhere }],
    knownBoots: { seen: (id) => numbers.get(id) ?? 0, note },
    fresh: () => false,
    snapshots: new MemoryReceiver(),
    events: { onMessage: () => {}, onLinkLost: () => {}, onRefused: () => {} },
    timings: fastTimings,
  });
  onTestFinished(() => member.close());
  // Two addresses, one member.
  const ports = [await member.listen('127.0.0.1', 0), await member.listen('127.0.0.1', 0)];
  member.start(1, 9n);
  const answers = new Map<number, string | undefined>();
  for (const boot of [4, 5, 6]) {
    const stranger = new Stranger(ports[boot % 2]!).send(helloOf({ boot, token: 3n }));
    await stranger.whenAnswered();
    answers.set(boot, stranger.answer);
  }
  expect([...answers]).toEqual([
    [4, 'refusal'],
    [5, 'hello'],
    [6, 'hello'],
  ]);
});
