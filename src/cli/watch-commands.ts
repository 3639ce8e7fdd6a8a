/**
 * `leasectl watch`, with etcdctl's arguments, outputs and exit codes. Where a member is lost another one is asked, from one revision
 * after the last that was printed: nothing twice, nothing left out (W5).
 */
import { status } from '@grpc/grpc-js';
import { runChild } from './child.ts';
import { CallError } from './connection.ts';
import { badArgs, badUsage, type Command, type Context, Exit, exitCodes, switchFlag, valueFlag } from './context.ts';
import { parseInt64, quoteGo } from './go-text.ts';
import { prefixEnd } from './key-commands.ts';
import { moveOnMs, pause } from './renewing.ts';
import type { Fields, WatchEvent, WatchResponse } from './wire.ts';

const watch: Command = {
  name: 'watch',
  usage: 'watch <key or prefix> [range_end] [--] [exec-command arg1 arg2 ...]',
  summary: 'Prints every change of a key or of a range of keys until interrupted',
  flags: [
    switchFlag('prefix', 'Watch on a prefix if prefix is set'),
    switchFlag('prev-kv', 'Get the previous key-value pair before the event happens'),
    valueFlag('rev', '0', 'Revision to start watching'),
  ],
  async run(context) {
    const { program } = context;
    const keys = context.args.slice(0, context.args.length - program.length);
    const [key, rangeEnd] = keys;
    if (key === undefined || keys.length > 2) throw badArgs('bad number of arguments');
    const prefix = context.isOn('prefix');
    if (prefix && rangeEnd !== undefined) throw badArgs('`range_end` and `--prefix` are mutually exclusive');
    const rev = parseInt64(context.flag('rev'), 10);
    if (!rev.ok) throw badUsage(`invalid argument ${JSON.stringify(context.flag('rev'))} for "--rev" flag: ${rev.why}`);
    const bytes = Buffer.from(key);
    const all = { key: Buffer.of(0), range_end: Buffer.of(0) };
    const one = { key: bytes, range_end: prefix ? prefixEnd(bytes) : Buffer.from(rangeEnd ?? '') };
    const range = prefix && key === '' ? all : one;
    await follow(context, { ...range, prev_kv: context.isOn('prev-kv') }, rev.value, program);
  },
};

/** Prints what comes, and runs the program for each event. Ends with an error only, or when the user interrupts. */
async function follow(
  context: Context,
  wanted: Fields,
  startRevision: bigint,
  program: readonly string[],
): Promise<void> {
  const printer = context.printer('answer');
  const connection = context.ownConnection();
  let next = startRevision;
  while (!context.interrupted.aborted) {
    try {
      const request = { create_request: { ...wanted, start_revision: next } };
      for await (const response of connection.watch(request, context.interrupted)) {
        if (response.canceled) context.sink.err(`watch was canceled (${reasonOf(response)})\n`);
        if (response.events.length > 0 || response.canceled) printer.watch(response);
        if (response.canceled) throw new Exit(exitCodes.interrupted, 'watch is canceled by the server');
        for (const event of response.events) {
          if (program.length > 0) await runFor(context, program, response, event);
        }
        // Without a start, the creation says where "from now on" is.
        if (response.events.length > 0 || next === 0n) next = response.header.revision + 1n;
      }
      if (!context.interrupted.aborted) throw new CallError(status.UNAVAILABLE, 'the member ended the stream');
    } catch (error) {
      if (!(error instanceof CallError && error.code === status.UNAVAILABLE)) throw error;
      connection.moveOn();
      await pause(moveOnMs, context.interrupted);
    }
  }
}

function reasonOf({ compact_revision, cancel_reason }: WatchResponse): string {
  if (compact_revision !== 0n) return 'etcdserver: mvcc: required revision has been compacted';
  return cancel_reason === '' ? 'etcdserver: mvcc: required revision is a future revision' : cancel_reason;
}

async function runFor(
  context: Context,
  program: readonly string[],
  response: WatchResponse,
  { type, kv }: WatchEvent,
): Promise<void> {
  const env = {
    ETCD_WATCH_REVISION: String(response.header.revision),
    ETCD_WATCH_EVENT_TYPE: JSON.stringify(type === 0 ? 'PUT' : 'DELETE'),
    ETCD_WATCH_KEY: quoteGo(kv.key),
    ETCD_WATCH_VALUE: quoteGo(kv.value),
  };
  const failure = await runChild(program, { ...context.env, ...env }, context.interrupted);
  if (failure === undefined || context.interrupted.aborted) return;
  const words = program.map((word) => JSON.stringify(word)).join(' ');
  context.sink.err(`command [${words}] error (${failure})\n`);
  throw new Exit(exitCodes.error, '');
}

/** All commands that watch. */
export const watchCommands: readonly Command[] = [watch];
