/**
 * The client of `client-hold`, a process of its own: makes leases with `leasehold/client`, as it is built, keeps them, and answers its
 * parent's questions with counts. Counts where the library meets its transport, so that nothing of the library is changed by it. Plain
 * JavaScript, as a loader would be in the figures.
 */
import { Client } from 'leasehold/client';
import { CallFailure, grpcCodes } from '../../dist/client/errors.js';
import { grpcConnect } from '../../dist/client/transport/grpc-channel.js';
import { batchDialect, etcdDialect } from '../../dist/client/wire/keep-alive.js';

/** What is counted is kept by tenths of a second, for so many of them. */
const tenthsMax = 6_000;
const grantsInFlight = 200;

const { endpoints, leader, leases, ttlSeconds, streams, api } = JSON.parse(process.argv[2]);

const counts = { sent: 0, answered: 0, gone: 0, messagesOut: 0, messagesIn: 0, streamsOpened: 0, lost: 0 };
/** Why leases were lost, by reason. */
const lostReasons = {};
/** Tenth of a second of the machine's monotonic clock → renewals sent and answered in it. */
const tenths = new Map();
let streamOn = '';
let lastUnaryOn = '';

const heapMib = () => process.memoryUsage().heapUsed / 2 ** 20;
const tenthNow = () => Number(process.hrtime.bigint() / 100_000_000n);

function tenth() {
  const at = tenthNow();
  let found = tenths.get(at);
  if (found === undefined) {
    found = { sent: 0, answered: 0 };
    tenths.set(at, found);
    if (tenths.size > tenthsMax) tenths.delete(tenths.keys().next().value);
  }
  return found;
}

/** Ids in a request: each, and the length in front of a batch, ends with the only byte below 0x80 that it has; so does the tag. */
function idsIn(bytes, isBatch) {
  let ends = 0;
  for (const byte of bytes) if (byte < 0x80) ends++;
  return isBatch ? ends - 2 : ends - 1;
}

/** The library's own channel, with an eye on renewals; `streams=etcd` plays a member that has no batches. */
function counted(channel) {
  return {
    endpoint: channel.endpoint,
    ready: (...asked) => channel.ready(...asked),
    unary: (...asked) => {
      lastUnaryOn = channel.endpoint;
      return channel.unary(...asked);
    },
    close: () => channel.close(),
    stream(path, metadata, sink) {
      const isBatch = path === batchDialect.path;
      if (isBatch && streams === 'etcd') {
        queueMicrotask(() => sink.end(new CallFailure(grpcCodes.unimplemented, 'no batches here', false)));
        const nothing = () => undefined;
        const whenWritable = () => Promise.resolve();
        return { write: () => true, whenWritable, end: nothing, cancel: nothing, pause: nothing, resume: nothing };
      }
      if (!isBatch && path !== etcdDialect.path) return channel.stream(path, metadata, sink);
      const dialect = isBatch ? batchDialect : etcdDialect;
      counts.streamsOpened++;
      streamOn = channel.endpoint;
      const call = channel.stream(path, metadata, {
        message(bytes) {
          counts.messagesIn++;
          const now = tenth();
          dialect.decode(bytes, (_id, ttlMs) => {
            counts.answered++;
            now.answered++;
            if (ttlMs <= 0) counts.gone++;
          });
          sink.message(bytes);
        },
        end: (failure) => sink.end(failure),
      });
      return {
        write(bytes) {
          const ids = idsIn(bytes, isBatch);
          counts.messagesOut++;
          counts.sent += ids;
          tenth().sent += ids;
          return call.write(bytes);
        },
        whenWritable: () => call.whenWritable(),
        end: () => call.end(),
        cancel: () => call.cancel(),
        pause: () => call.pause(),
        resume: () => call.resume(),
      };
    },
  };
}

const connect = grpcConnect({ pingMs: 6_000 });
const client = new Client({
  endpoints,
  prefer: 'leader',
  timeout: 30_000,
  connect: (endpoint) => counted(connect(endpoint)),
});
const held = [];

function lost(reason) {
  counts.lost++;
  lostReasons[reason] = (lostReasons[reason] ?? 0) + 1;
}

async function hold() {
  if (api === 'lease') {
    const lease = await client.lease({ ttl: ttlSeconds * 1_000 });
    lease.addEventListener('lost', (event) => lost(event.reason));
    held.push(lease);
    return;
  }
  const { id } = await client.grant(ttlSeconds * 1_000);
  held.push({ id });
  void listen(id);
}

async function listen(id) {
  try {
    for await (const _ of client.keepAlive(id)) void _;
    lost('gone');
  } catch (error) {
    lost(error.code);
  }
}

/** Until calls go to the leader, so that its death is the client's as well. */
async function findLeader() {
  for (let tries = 0; tries < 100 && lastUnaryOn !== leader; tries++) {
    await client.get('bench');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function make() {
  await findLeader();
  let begun = 0;
  const lane = async () => {
    while (begun < leases) {
      begun++;
      await hold();
      if (held.length % 10_000 === 0) process.send({ made: held.length });
    }
  };
  await Promise.all(Array.from({ length: Math.min(grantsInFlight, leases) }, lane));
}

const questions = {
  counts: () => ({ ...counts, lostReasons, heapMib: heapMib(), streamOn, tenth: tenthNow() }),
  collected: () => {
    globalThis.gc();
    return heapMib();
  },
  tenths: ({ from }) => [...tenths].filter(([at]) => at >= from).map(([at, each]) => ({ at, ...each })),
  ids: () => held.map(({ id }) => String(id)),
};

process.on('message', ({ question, ...asked }) => process.send({ question, answer: questions[question](asked) }));
process.on('disconnect', () => process.exit(0));
await make();
process.send({ made: held.length, done: true });
