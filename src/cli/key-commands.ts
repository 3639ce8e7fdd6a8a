/**
 * `leasectl put`, `get`, `del` and `compaction`, with etcdctl's flags, outputs and complaints.
 */
import { badArgs, badUsage, type Command, Exit, exitCodes, leaseArgument, switchFlag, valueFlag } from './context.ts';
import { parseInt64 } from './go-text.ts';
import type { Fields } from './wire.ts';

const put: Command = {
  name: 'put',
  usage: 'put <key> <value> [--lease=<leaseID>]',
  summary: 'Puts a key; without <value> it is read from standard input',
  flags: [
    switchFlag('ignore-lease', 'Updates the key using its current lease'),
    switchFlag('ignore-value', 'Updates the key using its current value'),
    valueFlag('lease', '0', 'Lease ID (in hexadecimal) to attach to the key'),
    switchFlag('prev-kv', 'Return the previous key-value pair before modification'),
  ],
  async run(context) {
    const [key, value] = context.args;
    const usage = 'put command needs 1 argument and input from stdin or 2 arguments';
    if (key === undefined) throw badArgs(usage);
    const ignoreValue = context.isOn('ignore-value');
    if (ignoreValue && value !== undefined)
      throw badArgs("put command needs only 1 argument when 'ignore-value' is set");
    let bytes: Uint8Array = Buffer.from(value ?? '');
    if (!ignoreValue && value === undefined) {
      bytes = await context.input();
      if (bytes.length === 0) throw badArgs(usage);
    }
    const fields = {
      key: Buffer.from(key),
      value: bytes,
      lease: leaseArgument(context.flag('lease'), 'bad lease ID'),
      prev_kv: context.isOn('prev-kv'),
      ignore_value: ignoreValue,
      ignore_lease: context.isOn('ignore-lease'),
    };
    const printer = context.printer('answer');
    printer.put(await context.connection().unary('Put', fields, 'write'));
  },
};

const sortOrders: ReadonlyMap<string, string> = new Map([
  ['', 'NONE'],
  ['ASCEND', 'ASCEND'],
  ['DESCEND', 'DESCEND'],
]);
const sortTargets: ReadonlyMap<string, string> = new Map([
  ['', 'KEY'],
  ['KEY', 'KEY'],
  ['CREATE', 'CREATE'],
  ['MODIFY', 'MOD'],
  ['VALUE', 'VALUE'],
  ['VERSION', 'VERSION'],
]);

const get: Command = {
  name: 'get',
  usage: 'get <key> [range_end]',
  summary: 'Gets a key or a range of keys',
  flags: [
    valueFlag('consistency', 'l', 'Linearizable(l) or Serializable(s)'),
    switchFlag('count-only', 'Get only the count (shown by the json and fields formats)'),
    switchFlag('from-key', 'Get keys that are greater than or equal to the given key using byte compare'),
    switchFlag('keys-only', 'Get only the keys'),
    valueFlag('limit', '0', 'Maximum number of results'),
    valueFlag('order', '', 'Order of results; ASCEND or DESCEND (ASCEND by default)'),
    switchFlag('prefix', 'Get keys with matching prefix'),
    switchFlag('print-value-only', 'Only write values when using the "simple" output format'),
    valueFlag('rev', '0', 'Specify the kv revision'),
    valueFlag('sort-by', '', 'Sort target; CREATE, KEY, MODIFY, VALUE, or VERSION'),
  ],
  async run(context) {
    const [key, rangeEnd] = context.args;
    if (key === undefined) {
      throw badArgs('get command needs one argument as key and an optional argument as range_end');
    }
    const prefix = context.isOn('prefix');
    const fromKey = context.isOn('from-key');
    const consistency = context.flag('consistency');
    if (prefix && fromKey) throw badArgs(bothChosen);
    if (consistency !== 's' && consistency !== 'l') {
      throw new Exit(exitCodes.badFeature, `unknown consistency flag ${JSON.stringify(consistency)}`);
    }
    const order = sortOrders.get(context.flag('order').toUpperCase());
    const target = sortTargets.get(context.flag('sort-by').toUpperCase());
    if (rangeEnd !== undefined && (prefix || fromKey)) throw badArgs(tooMany);
    if (order === undefined) throw new Exit(exitCodes.badFeature, `bad sort order ${context.flag('order')}`);
    if (target === undefined) throw new Exit(exitCodes.badFeature, `bad sort target ${context.flag('sort-by')}`);
    const fields = {
      ...rangeFields(key, rangeEnd, prefix, fromKey),
      limit: numberFlag('limit', context.flag('limit')),
      revision: numberFlag('rev', context.flag('rev')),
      // Key order, ascending, is what a store gives by itself; etcd's client leaves it out as well.
      sort_order: order === 'ASCEND' && target === 'KEY' ? 'NONE' : order,
      sort_target: target,
      serializable: consistency === 's',
      keys_only: context.isOn('keys-only'),
      count_only: context.isOn('count-only'),
    };
    const printer = context.printer('answer', { valueOnly: context.isOn('print-value-only') });
    printer.get(await context.connection().unary('Range', fields, 'read'));
  },
};

const del: Command = {
  name: 'del',
  usage: 'del <key> [range_end]',
  summary: 'Deletes a key or a range of keys',
  flags: [
    switchFlag('from-key', 'Delete keys that are greater than or equal to the given key using byte compare'),
    switchFlag('prefix', 'Delete keys with matching prefix'),
    switchFlag('prev-kv', 'Return deleted key-value pairs'),
  ],
  async run(context) {
    const [key, rangeEnd] = context.args;
    if (key === undefined || context.args.length > 2) {
      throw badArgs('del command needs one argument as key and an optional argument as range_end');
    }
    const prefix = context.isOn('prefix');
    const fromKey = context.isOn('from-key');
    if (prefix && fromKey) throw badArgs(bothChosen);
    if (rangeEnd !== undefined && (prefix || fromKey)) throw badArgs(tooMany);
    const fields = { ...rangeFields(key, rangeEnd, prefix, fromKey), prev_kv: context.isOn('prev-kv') };
    const printer = context.printer('answer');
    printer.del(await context.connection().unary('DeleteRange', fields, 'write'));
  },
};

const compaction: Command = {
  name: 'compaction',
  usage: 'compaction <revision> [--physical]',
  summary: 'Compacts the event history',
  flags: [switchFlag('physical', 'Wait for compaction to physically remove all old revisions')],
  async run(context) {
    const [text] = context.args;
    if (text === undefined || context.args.length !== 1) throw badArgs('compaction command needs 1 argument');
    const parsed = parseInt64(text, 10);
    if (!parsed.ok) throw new Exit(exitCodes.error, parsed.why);
    const fields = { revision: parsed.value, physical: context.isOn('physical') };
    await context.connection().unary('Compact', fields, 'write');
    // In every format, as etcdctl.
    context.sink.out(`compacted revision ${parsed.value}\n`);
  },
};

const bothChosen = '`--prefix` and `--from-key` cannot be set at the same time, choose one';
const tooMany = 'too many arguments, only accept one argument when `--prefix` or `--from-key` is set';

/** The half-open range a user means. The single zero byte as an end stands for "no end". */
function rangeFields(key: string, rangeEnd: string | undefined, prefix: boolean, fromKey: boolean): Fields {
  const bytes = Buffer.from(key);
  if ((prefix || fromKey) && bytes.length === 0) return { key: Buffer.of(0), range_end: Buffer.of(0) };
  if (fromKey) return { key: bytes, range_end: Buffer.of(0) };
  if (prefix) return { key: bytes, range_end: prefixEnd(bytes) };
  return { key: bytes, range_end: Buffer.from(rangeEnd ?? '') };
}

/** The first key behind all keys with this prefix; "no end" if it is all 0xff. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const byte = prefix[i] ?? 0;
    if (byte === 0xff) continue;
    const end = Buffer.from(prefix.subarray(0, i + 1));
    end[i] = byte + 1;
    return end;
  }
  return Buffer.of(0);
}

function numberFlag(name: string, text: string): bigint {
  const parsed = parseInt64(text, 10);
  if (!parsed.ok) throw badUsage(`invalid argument ${JSON.stringify(text)} for "--${name}" flag: ${parsed.why}`);
  return parsed.value;
}

/** All commands about keys. */
export const keyCommands: readonly Command[] = [compaction, del, get, put];
