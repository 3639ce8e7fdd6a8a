/**
 * `leasectl endpoint …`, `member list` and `version`: what a cluster says of itself.
 */
import { CallError } from './connection.ts';
import { badUsage, type Command, type Context, Exit, exitCodes, switchFlag, valueFlag } from './context.ts';
import { durationText, parseInt64, quoteGo } from './go-text.ts';
import type { EndpointHealth } from './output.ts';
import type { CallName, Fields, ResponseOf } from './wire.ts';

/** Our own version; the same as in package.json (a test compares them). */
export const toolVersion = '0.1.0';
/** The version of etcd's API that we speak. */
const apiVersion = '3.5';

const cluster = switchFlag('cluster', 'Use all endpoints from the cluster member list');

const status: Command = {
  name: 'endpoint status',
  usage: 'endpoint status',
  summary: 'Prints the status of each endpoint: ID, version, size, who leads, how far the log is',
  flags: [cluster],
  async run(context) {
    const printer = context.printer('rows');
    const found = await askEach(context, 'Status', 'status');
    printer.status(found.answers.map(({ endpoint, answer }) => ({ endpoint, status: answer })));
    if (found.failed) throw new Exit(exitCodes.error, '');
  },
};

const hashKv: Command = {
  name: 'endpoint hashkv',
  usage: 'endpoint hashkv',
  summary: 'Prints the hash of all keys on each endpoint, up to --rev',
  flags: [cluster, valueFlag('rev', '0', 'Up to this revision (0: the newest)')],
  async run(context) {
    const printer = context.printer('rows');
    const rev = parseInt64(context.flag('rev'), 10);
    if (!rev.ok)
      throw badUsage(`invalid argument ${quoteGo(Buffer.from(context.flag('rev')))} for "--rev" flag: ${rev.why}`);
    const found = await askEach(context, 'HashKV', 'hash', { revision: rev.value });
    printer.hashes(found.answers.map(({ endpoint, answer }) => ({ endpoint, hash: answer })));
    if (found.failed) throw new Exit(exitCodes.error, '');
  },
};

const health: Command = {
  name: 'endpoint health',
  usage: 'endpoint health',
  summary: 'Asks each endpoint for a linearizable read, which needs a leader and a quorum',
  flags: [cluster],
  async run(context) {
    const printer = context.printer('rows');
    const endpoints = await context.endpoints();
    const list: EndpointHealth[] = [];
    // In the order in which they answer, as etcdctl: the dead ones come last.
    await Promise.all(endpoints.map(async (endpoint) => list.push(await healthOf(context, endpoint))));
    printer.health(list);
    if (list.some((one) => !one.healthy)) throw new Exit(exitCodes.error, 'unhealthy cluster');
  },
};

/** As etcdctl: any answer to a read of the key "health" will do, "permission denied" too. */
async function healthOf(context: Context, endpoint: string): Promise<EndpointHealth> {
  const began = performance.now();
  let error = '';
  try {
    await context.connectionTo(endpoint).unary('Range', { key: Buffer.from('health') }, 'read');
  } catch (failure) {
    if (!(failure instanceof CallError)) throw failure;
    if (failure.message !== 'etcdserver: permission denied') error = failure.message;
  }
  return { endpoint, healthy: error === '', took: durationText(performance.now() - began), error };
}

/** One endpoint after the other; those that do not answer are reported on stderr and left out. */
async function askEach<N extends CallName>(
  context: Context,
  name: N,
  what: string,
  fields: Fields = {},
): Promise<{ readonly answers: readonly { endpoint: string; answer: ResponseOf<N> }[]; readonly failed: boolean }> {
  const answers: { endpoint: string; answer: ResponseOf<N> }[] = [];
  let failed = false;
  for (const endpoint of await context.endpoints()) {
    try {
      answers.push({ endpoint, answer: await context.connectionTo(endpoint).unary(name, fields, 'read') });
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      failed = true;
      context.sink.err(`Failed to get the ${what} of endpoint ${endpoint} (${error.message})\n`);
    }
  }
  return { answers, failed };
}

const memberList: Command = {
  name: 'member list',
  usage: 'member list',
  summary: 'Lists all members of the cluster',
  flags: [],
  async run(context) {
    const printer = context.printer('rows');
    printer.members(await context.connection().unary('MemberList', {}, 'read'));
  },
};

const version: Command = {
  name: 'version',
  usage: 'version',
  summary: 'Prints the version of leasectl and of the API it speaks',
  flags: [],
  async run(context) {
    context.sink.out(`leasectl version: ${toolVersion}\nAPI version: ${apiVersion}\n`);
  },
};

/** All commands about members and endpoints. */
export const clusterCommands: readonly Command[] = [hashKv, health, status, memberList, version];
