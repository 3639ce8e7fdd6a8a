/**
 * `leasectl lease …`: grant, revoke, timetolive, list, keep-alive. Outputs and exit codes are etcdctl's.
 */
import { CallError } from './connection.ts';
import { badArgs, type Command, type Context, Exit, exitCodes, leaseArgument, switchFlag } from './context.ts';
import { parseInt64 } from './go-text.ts';
import { renewing } from './renewing.ts';

const grant: Command = {
  name: 'lease grant',
  usage: 'lease grant <ttl>',
  summary: 'Creates a lease that ends after <ttl> seconds without keep-alive',
  flags: [],
  async run(context) {
    const [text = ''] = context.args;
    if (context.args.length !== 1) throw badArgs('lease grant command needs TTL argument');
    const ttl = parseInt64(text, 10);
    if (!ttl.ok) throw badArgs(`bad TTL (${ttl.why})`);
    const printer = context.printer('answer');
    const sent = context.connection().unary('LeaseGrant', { TTL: ttl.value, ID: 0n }, 'write');
    printer.grant(await explained(sent, 'failed to grant lease'));
  },
};

const revoke: Command = {
  name: 'lease revoke',
  usage: 'lease revoke <leaseID>',
  summary: 'Ends a lease now and deletes its keys',
  flags: [],
  async run(context) {
    const [text = ''] = context.args;
    if (context.args.length !== 1) throw badArgs('lease revoke command needs 1 argument');
    const id = leaseArgument(text);
    const printer = context.printer('answer');
    const sent = context.connection().unary('LeaseRevoke', { ID: id }, 'write');
    printer.revoke(id, await explained(sent, 'failed to revoke lease'));
  },
};

const timeToLive: Command = {
  name: 'lease timetolive',
  usage: 'lease timetolive <leaseID> [--keys]',
  summary: 'Says how long a lease has to live',
  flags: [switchFlag('keys', 'Get keys attached to this lease')],
  async run(context) {
    const [text = ''] = context.args;
    if (context.args.length !== 1) throw badArgs('lease timetolive command needs lease ID as argument');
    const id = leaseArgument(text);
    const keys = context.isOn('keys');
    const printer = context.printer('answer');
    printer.timeToLive(await context.connection().unary('LeaseTimeToLive', { ID: id, keys }, 'read'), keys);
  },
};

const list: Command = {
  name: 'lease list',
  usage: 'lease list',
  summary: 'Lists all live leases',
  flags: [],
  async run(context) {
    const printer = context.printer('answer');
    printer.leases(await context.connection().unary('LeaseLeases', {}, 'read'));
  },
};

const keepAlive: Command = {
  name: 'lease keep-alive',
  usage: 'lease keep-alive <leaseID> [--once]',
  summary: 'Keeps a lease alive until interrupted',
  flags: [switchFlag('once', 'Resets the keep-alive time to its original value and exits immediately')],
  async run(context) {
    const [text = ''] = context.args;
    if (context.args.length !== 1) throw badArgs('lease keep-alive command needs lease ID as argument');
    const id = leaseArgument(text);
    try {
      await (context.isOn('once') ? keepAliveOnce(context, id) : keepAliveForever(context, id));
    } catch (error) {
      if (error instanceof CallError) throw new Exit(exitCodes.badConnection, error.message);
      throw error;
    }
  },
};

async function keepAliveOnce(context: Context, id: bigint): Promise<void> {
  const printer = context.printer('answer');
  const stream = await context.connection().keepAlive();
  try {
    stream.send(id);
    const answer = await stream.next();
    if (answer === undefined || answer.TTL <= 0n) {
      throw new Exit(exitCodes.badConnection, 'etcdserver: requested lease not found');
    }
    printer.keepAlive(answer);
  } finally {
    stream.close();
  }
}

/** Ends when the lease is gone, nobody has renewed it for its TTL, or the user has had enough. */
async function keepAliveForever(context: Context, id: bigint): Promise<void> {
  const printer = context.printer('answer');
  await renewing(context.connection(), id, context.interrupted, (answer) => printer.keepAlive(answer));
  if (!context.interrupted.aborted) printer.expired(id);
}

/** etcdctl says what it was about before the server's text. */
async function explained<T>(call: Promise<T>, what: string): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof CallError) throw new Exit(exitCodes.error, `${what} (${error.message})`);
    throw error;
  }
}

/** All commands about leases. */
export const leaseCommands: readonly Command[] = [grant, keepAlive, list, revoke, timeToLive];
