/**
 * Commands as tuples of plain values, both ways. Owns the order and meaning of the fields; `codec.ts` makes them bytes. Reading
 * trusts nothing: what is not exactly a command raises `MalformedCommand`, which `codec.ts` turns into a value.
 */
import { unreachable } from '../base/assert.ts';
import { asBuffer } from '../base/bytes.ts';
import { txnDepthMax } from '../base/limits.ts';
import { Fields, MalformedCommand, type Tuple } from './codec-fields.ts';
import type {
  AlarmKind,
  Command,
  Compare,
  CompareTarget,
  DeleteRange,
  OriginatedCommand,
  Put,
  Range,
  StampedLease,
  Txn,
  TxnOp,
} from './command.ts';

/** Numbers on disk and wire: never reused, never renumbered. */
const KIND = {
  grant: 1,
  revoke: 2,
  put: 3,
  deleteRange: 4,
  txn: 5,
  expire: 6,
  checkpoint: 7,
  clear: 8,
  publish: 9,
  range: 10,
  compact: 11,
  alarm: 12,
  sweep: 13,
} as const;

/** Places are numbers on disk and wire: only ever add at the end. */
const targets: readonly CompareTarget[] = ['version', 'create', 'mod', 'value', 'lease'];
const results = ['equal', 'greater', 'less', 'notEqual'] as const;
const alarmActions = ['activate', 'deactivate'] as const;
const alarmKinds: readonly AlarmKind[] = ['noSpace', 'corrupt'];
const sortOrders = ['none', 'ascend', 'descend'] as const;
const sortTargets = ['key', 'version', 'create', 'mod', 'value'] as const;

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A command as a tuple, its numbers brought into range. */
export function tupleOf({ origin, command }: OriginatedCommand): Tuple {
  return [BigInt.asUintN(64, origin.member), whole(origin.boot), whole(origin.seq), ...fieldsOf(command)];
}

function fieldsOf(command: Command): Tuple {
  switch (command.type) {
    case 'grant':
      return [KIND.grant, int64(command.id), whole(command.ttlMs)];
    case 'revoke':
      return [KIND.revoke, int64(command.id)];
    case 'put':
    case 'deleteRange':
    case 'txn':
      return opFields(command);
    case 'expire':
      return [KIND.expire, whole(command.term), command.leases.flatMap(stamped)];
    case 'checkpoint': {
      const leases = command.leases.flatMap((lease) => [...stamped(lease), whole(lease.remainingMs)]);
      return [KIND.checkpoint, whole(command.term), leases];
    }
    case 'clear':
      return [KIND.clear, whole(command.term), command.leases.flatMap(stamped)];
    case 'publish':
      return [KIND.publish, BigInt.asUintN(64, command.member), command.name, [...command.clientUrls]];
    case 'alarm': {
      const [action, kind] = [alarmActions.indexOf(command.action), alarmKinds.indexOf(command.kind)];
      return [KIND.alarm, action, BigInt.asUintN(64, command.member), kind];
    }
    case 'compact':
      return [KIND.compact, whole(command.revision)];
    case 'sweep':
      return [KIND.sweep, whole(command.revision), whole(command.sub)];
    default:
      return unreachable(command);
  }
}

function opFields(op: TxnOp): Tuple {
  switch (op.type) {
    case 'put': {
      const flags = Number(op.prevKv) | (Number(op.ignoreValue) << 1) | (Number(op.ignoreLease) << 2);
      return [KIND.put, asBuffer(op.key), asBuffer(op.value), int64(op.lease), flags];
    }
    case 'deleteRange':
      return [KIND.deleteRange, asBuffer(op.key), asBuffer(op.rangeEnd), Number(op.prevKv)];
    case 'range':
      return rangeFields(op);
    case 'txn': {
      const compares = op.compares.map((compare) => [
        targets.indexOf(compare.target),
        results.indexOf(compare.result),
        asBuffer(compare.key),
        asBuffer(compare.rangeEnd),
        operand(compare.operand),
      ]);
      return [KIND.txn, compares, op.success.map(opFields), op.failure.map(opFields)];
    }
    default:
      return unreachable(op);
  }
}

function rangeFields(range: Range): Tuple {
  return [
    KIND.range,
    asBuffer(range.key),
    asBuffer(range.rangeEnd),
    whole(range.limit),
    whole(range.revision),
    sortOrders.indexOf(range.sortOrder),
    sortTargets.indexOf(range.sortTarget),
    Number(range.keysOnly) | (Number(range.countOnly) << 1),
    whole(range.minModRevision),
    whole(range.maxModRevision),
    whole(range.minCreateRevision),
    whole(range.maxCreateRevision),
  ];
}

function stamped({ id, stamp }: StampedLease): Tuple {
  return [int64(id), whole(stamp)];
}

function operand(value: number | bigint | Uint8Array): unknown {
  if (typeof value === 'number') return whole(value);
  return typeof value === 'bigint' ? int64(value) : asBuffer(value);
}

function int64(id: bigint): bigint {
  return BigInt.asIntN(64, id);
}

/** A number as a safe integer: no revision, count or time of ours lies beyond, so bringing it into range changes no meaning. */
function whole(value: number): number {
  if (Number.isSafeInteger(value)) return value;
  if (Number.isNaN(value)) return 0;
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Math.trunc(value)));
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The command that a tuple says. Raises `MalformedCommand`. */
export function readCommand(tuple: unknown): OriginatedCommand {
  const fields = new Fields(tuple);
  const origin = { member: fields.uint64(), boot: fields.count(), seq: fields.count() };
  const command = readFields(fields);
  fields.end();
  return { origin, command };
}

/** A tuple of texts. Raises `MalformedCommand`. */
export function readTexts(tuple: unknown): string[] {
  return new Fields(tuple).rest((fields) => fields.text());
}

function readFields(fields: Fields): Command {
  const kind = fields.count();
  switch (kind) {
    case KIND.grant:
      return { type: 'grant', id: fields.int64(), ttlMs: fields.whole() };
    case KIND.revoke:
      return { type: 'revoke', id: fields.int64() };
    case KIND.put:
      return readPut(fields);
    case KIND.deleteRange:
      return readDeleteRange(fields);
    case KIND.txn:
      return readTxn(fields, 1);
    case KIND.expire:
      return { type: 'expire', term: fields.count(), leases: new Fields(fields.next()).rest(readStamped) };
    case KIND.checkpoint: {
      const term = fields.count();
      const leases = new Fields(fields.next()).rest((lease) => ({ ...readStamped(lease), remainingMs: lease.whole() }));
      return { type: 'checkpoint', term, leases };
    }
    case KIND.clear:
      return { type: 'clear', term: fields.count(), leases: new Fields(fields.next()).rest(readStamped) };
    case KIND.publish:
      return {
        type: 'publish',
        member: fields.uint64(),
        name: fields.text(),
        clientUrls: readTexts(fields.next()),
      };
    case KIND.alarm:
      return {
        type: 'alarm',
        action: fields.choice(alarmActions),
        member: fields.uint64(),
        kind: fields.choice(alarmKinds),
      };
    case KIND.compact:
      return { type: 'compact', revision: fields.whole() };
    case KIND.sweep:
      return { type: 'sweep', revision: fields.whole(), sub: fields.whole() };
    default:
      throw new MalformedCommand(`unknown kind ${kind}`);
  }
}

/** `depth`: 1 for a txn that stands for itself. */
function readTxn(fields: Fields, depth: number): Txn {
  if (depth > txnDepthMax) throw new MalformedCommand('a txn too deep');
  const op = (inner: Fields): TxnOp => readOp(inner, depth);
  return { type: 'txn', compares: fields.list(readCompare), success: fields.list(op), failure: fields.list(op) };
}

function readOp(fields: Fields, depth: number): TxnOp {
  const kind = fields.count();
  if (kind === KIND.put) return readPut(fields);
  if (kind === KIND.deleteRange) return readDeleteRange(fields);
  if (kind === KIND.range) return readRange(fields);
  if (kind === KIND.txn) return readTxn(fields, depth + 1);
  throw new MalformedCommand(`unknown kind ${kind} in a txn`);
}

function readPut(fields: Fields): Put {
  const [key, value, lease, flags] = [fields.bytes(), fields.bytes(), fields.int64(), fields.flags(3)];
  const [prevKv, ignoreValue, ignoreLease] = [(flags & 1) !== 0, (flags & 2) !== 0, (flags & 4) !== 0];
  return { type: 'put', key, value, lease, prevKv, ignoreValue, ignoreLease };
}

function readDeleteRange(fields: Fields): DeleteRange {
  return { type: 'deleteRange', key: fields.bytes(), rangeEnd: fields.bytes(), prevKv: fields.flags(1) === 1 };
}

function readRange(fields: Fields): Range {
  const [key, rangeEnd, limit, revision] = [fields.bytes(), fields.bytes(), fields.whole(), fields.whole()];
  const [sortOrder, sortTarget, flags] = [fields.choice(sortOrders), fields.choice(sortTargets), fields.flags(2)];
  return {
    type: 'range',
    key,
    rangeEnd,
    limit,
    revision,
    sortOrder,
    sortTarget,
    keysOnly: (flags & 1) !== 0,
    countOnly: (flags & 2) !== 0,
    minModRevision: fields.whole(),
    maxModRevision: fields.whole(),
    minCreateRevision: fields.whole(),
    maxCreateRevision: fields.whole(),
  };
}

function readCompare(fields: Fields): Compare {
  const [target, result] = [fields.choice(targets), fields.choice(results)];
  const [key, rangeEnd, operand] = [fields.bytes(), fields.bytes(), fields.next()];
  const known = typeof operand === 'number' || typeof operand === 'bigint' || operand instanceof Uint8Array;
  if (!known) throw new MalformedCommand('an operand is expected');
  return { target, result, key, rangeEnd, operand };
}

function readStamped(fields: Fields): StampedLease {
  return { id: fields.int64(), stamp: fields.count() };
}
