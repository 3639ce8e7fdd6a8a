/**
 * `leasectl lock` and `leasectl elect`, with etcdctl's arguments, outputs and exit codes. The members do the waiting; the tool keeps
 * the session alive, and gives up what it holds when it ends, by ending the session.
 */
import { status } from '@grpc/grpc-js';
import { runChild } from './child.ts';
import { CallError } from './connection.ts';
import { badArgs, badUsage, type Command, type Context, Exit, exitCodes, switchFlag, valueFlag } from './context.ts';
import { parseInt64 } from './go-text.ts';
import { moveOnMs, pause } from './renewing.ts';
import { fired, Session } from './session.ts';
import type { LeaderResponse, RangeResponse } from './wire.ts';

const lock: Command = {
  name: 'lock',
  usage: 'lock <lockname> [--] [exec-command arg1 arg2 ...]',
  summary: 'Acquires a named lock, and holds it for a command or until interrupted',
  flags: [valueFlag('ttl', '10', 'Timeout for session')],
  endsItself: true,
  async run(context) {
    const [name, ...program] = context.args;
    if (name === undefined) throw badArgs('lock takes a lock name argument and an optional command to execute');
    const printer = context.printer('answer');
    await withSession(context, async (session) => {
      const { header, key } = await session.turn('Lock', { name: Buffer.from(name) });
      const own = await context.connection().unary('Range', { key }, 'read');
      const token = own.kvs[0]?.create_revision;
      if (token === undefined) throw new Exit(exitCodes.error, 'lock lost on init');
      if (program.length === 0) {
        printer.get(own);
        await fired(session.over);
        if (session.died) throw new Exit(exitCodes.error, 'session expired');
        return;
      }
      const env = {
        ETCD_LOCK_KEY: Buffer.from(key).toString(),
        ETCD_LOCK_REV: String(header.revision),
        // The fencing token: what is written under the lock compares the key's create revision with it.
        LEASEHOLD_LOCK_TOKEN: String(token),
      };
      const failure = await runChild(program, { ...context.env, ...env }, session.over);
      if (failure !== undefined) throw new Exit(exitCodes.error, failure);
      if (session.died) throw new Exit(exitCodes.error, 'session expired');
    });
  },
};

const elect: Command = {
  name: 'elect',
  usage: 'elect <election-name> [proposal]',
  summary: 'Leads an election until interrupted, or with -l observes one',
  flags: [{ ...switchFlag('listen', 'Observation mode'), short: 'l' }, valueFlag('ttl', '60', 'Timeout for session')],
  endsItself: true,
  async run(context) {
    const [name = '', proposal] = context.args;
    if (context.args.length < 1 || context.args.length > 2) {
      throw badArgs('elect takes one election name argument and an optional proposal argument');
    }
    const listens = context.isOn('listen');
    if (proposal === undefined) {
      if (!listens) throw badArgs('no proposal argument but -l not set');
      await observe(context, name);
    } else {
      if (listens) throw badArgs('proposal given but -l is set');
      await campaign(context, name, proposal);
    }
  },
};

async function campaign(context: Context, name: string, proposal: string): Promise<void> {
  const printer = context.printer('answer');
  await withSession(context, async (session) => {
    const fields = { name: Buffer.from(name), value: Buffer.from(proposal) };
    const { leader } = await session.turn('Campaign', fields);
    printer.get(await context.connection().unary('Range', { key: leader?.key ?? Buffer.alloc(0) }, 'read'));
    await fired(session.over);
    if (session.died) throw new Exit(exitCodes.error, 'elect: session expired');
  });
}

/** Every value of every leader; where a member is lost another is asked, and what it begins with may have been seen. */
async function observe(context: Context, name: string): Promise<void> {
  const printer = context.printer('answer');
  const connection = context.ownConnection();
  let last = 0n;
  while (!context.interrupted.aborted) {
    try {
      for await (const answer of connection.stream('Observe', { name: Buffer.from(name) }, context.interrupted)) {
        const revision = answer.kv?.mod_revision ?? 0n;
        if (revision !== last) printer.get(rangeOf(answer));
        last = revision;
      }
      if (!context.interrupted.aborted) throw new Exit(exitCodes.error, 'elect: observer lost');
    } catch (error) {
      if (!(error instanceof CallError && error.code === status.UNAVAILABLE)) throw error;
      connection.moveOn();
      await pause(moveOnMs, context.interrupted);
    }
  }
}

function rangeOf({ header, kv }: LeaderResponse): RangeResponse {
  return { header, kvs: kv === null ? [] : [kv], more: false, count: 0n };
}

/** A session for as long as `step` takes. */
async function withSession(context: Context, step: (session: Session) => Promise<void>): Promise<void> {
  const ttl = parseInt64(context.flag('ttl'), 10);
  if (!ttl.ok) throw badUsage(`invalid argument ${JSON.stringify(context.flag('ttl'))} for "--ttl" flag: ${ttl.why}`);
  const session = await Session.open(context, ttl.value);
  try {
    await step(session);
  } finally {
    await session.close();
  }
}

/** All commands that hold something while they run. */
export const lockCommands: readonly Command[] = [lock, elect];
