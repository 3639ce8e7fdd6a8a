/**
 * Commands as tuples of plain values, both ways. Owns the order and meaning of the fields; `codec.ts` makes them bytes. Reading
 * trusts nothing: what is not exactly a command raises `MalformedCommand`, which `codec.ts` turns into a value.
 */
import { unreachable } from '../base/assert.ts';
import { txnDepthMax } from '../base/limits.ts';
import { type Cursor, Fields, MalformedCommand } from './codec-fields.ts';
import type { TupleWriter } from './codec-writer.ts';
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

/** Fields of each kind, the kind among them. */
const fieldCount = {
  grant: 3,
  revoke: 2,
  put: 5,
  deleteRange: 4,
  txn: 4,
  expire: 3,
  checkpoint: 3,
  clear: 3,
  publish: 4,
  range: 12,
  compact: 2,
  alarm: 4,
  sweep: 3,
} as const;

/** Places are numbers on disk and wire: only ever add at the end. */
const targets: readonly CompareTarget[] = ['version', 'create', 'mod', 'value', 'lease'];
const results = ['equal', 'greater', 'less', 'notEqual'] as const;
const alarmActions = ['activate', 'deactivate'] as const;
const alarmKinds: readonly AlarmKind[] = ['noSpace', 'corrupt'];
const sortOrders = ['none', 'ascend', 'descend'] as const;
const sortTargets = ['key', 'version', 'create', 'mod', 'value'] as const;

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Writes a command as a tuple, its numbers brought into range. */
export function writeCommand(writer: TupleWriter, { origin, command }: OriginatedCommand): void {
  writer.tuple(3 + fieldCount[command.type]);
  writer.uint64(origin.member).whole(origin.boot).whole(origin.seq).whole(KIND[command.type]);
  switch (command.type) {
    case 'grant':
      writer.int64(command.id).whole(command.ttlMs);
      break;
    case 'revoke':
      writer.int64(command.id);
      break;
    case 'put':
    case 'deleteRange':
    case 'txn':
      writeOpFields(writer, command);
      break;
    case 'expire':
    case 'clear':
      writer.whole(command.term).tuple(2 * command.leases.length);
      for (const { id, stamp } of command.leases) writer.int64(id).whole(stamp);
      break;
    case 'checkpoint':
      writer.whole(command.term).tuple(3 * command.leases.length);
      for (const { id, stamp, remainingMs } of command.leases) writer.int64(id).whole(stamp).whole(remainingMs);
      break;
    case 'publish':
      writer.uint64(command.member).text(command.name).tuple(command.clientUrls.length);
      for (const url of command.clientUrls) writer.text(url);
      break;
    case 'alarm':
      writer.whole(alarmActions.indexOf(command.action)).uint64(command.member);
      writer.whole(alarmKinds.indexOf(command.kind));
      break;
    case 'compact':
      writer.whole(command.revision);
      break;
    case 'sweep':
      writer.whole(command.revision).whole(command.sub);
      break;
    default:
      unreachable(command);
  }
}

/** Writes a tuple of texts. */
export function writeTexts(writer: TupleWriter, texts: readonly string[]): void {
  writer.tuple(texts.length);
  for (const text of texts) writer.text(text);
}

function writeOp(writer: TupleWriter, op: TxnOp): void {
  writer.tuple(fieldCount[op.type]).whole(KIND[op.type]);
  writeOpFields(writer, op);
}

function writeOpFields(writer: TupleWriter, op: TxnOp): void {
  switch (op.type) {
    case 'put':
      writer.bytes(op.key).bytes(op.value).int64(op.lease);
      writer.whole(Number(op.prevKv) | (Number(op.ignoreValue) << 1) | (Number(op.ignoreLease) << 2));
      break;
    case 'deleteRange':
      writer.bytes(op.key).bytes(op.rangeEnd).whole(Number(op.prevKv));
      break;
    case 'range':
      writer.bytes(op.key).bytes(op.rangeEnd).whole(op.limit).whole(op.revision);
      writer.whole(sortOrders.indexOf(op.sortOrder)).whole(sortTargets.indexOf(op.sortTarget));
      writer.whole(Number(op.keysOnly) | (Number(op.countOnly) << 1));
      writer.whole(op.minModRevision).whole(op.maxModRevision).whole(op.minCreateRevision).whole(op.maxCreateRevision);
      break;
    case 'txn':
      writer.tuple(op.compares.length);
      for (const compare of op.compares) writeCompare(writer, compare);
      for (const branch of [op.success, op.failure]) {
        writer.tuple(branch.length);
        for (const inner of branch) writeOp(writer, inner);
      }
      break;
    default:
      unreachable(op);
  }
}

function writeCompare(writer: TupleWriter, { target, result, key, rangeEnd, operand }: Compare): void {
  writer.tuple(5).whole(targets.indexOf(target)).whole(results.indexOf(result)).bytes(key).bytes(rangeEnd);
  if (typeof operand === 'number') writer.whole(operand);
  else if (typeof operand === 'bigint') writer.int64(operand);
  else writer.bytes(operand);
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The command whose tuple is all that the cursor holds. Raises `MalformedCommand`. */
export function readCommand(cursor: Cursor): OriginatedCommand {
  const fields = new Fields(cursor);
  const origin = { member: fields.uint64(), boot: fields.count(), seq: fields.count() };
  const command = readFields(fields);
  fields.end();
  cursor.finish();
  return { origin, command };
}

/** The texts of a tuple. Raises `MalformedCommand`. */
export function readTexts(fields: Fields): string[] {
  return fields.rest((each) => each.text());
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
      return { type: 'expire', term: fields.count(), leases: fields.inner().rest(readStamped) };
    case KIND.checkpoint: {
      const term = fields.count();
      const leases = fields.inner().rest((lease) => ({ ...readStamped(lease), remainingMs: lease.whole() }));
      return { type: 'checkpoint', term, leases };
    }
    case KIND.clear:
      return { type: 'clear', term: fields.count(), leases: fields.inner().rest(readStamped) };
    case KIND.publish:
      return {
        type: 'publish',
        member: fields.uint64(),
        name: fields.text(),
        clientUrls: readTexts(fields.inner()),
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
  const [key, rangeEnd] = [fields.bytes(), fields.bytes()];
  return { target, result, key, rangeEnd, operand: fields.scalar() };
}

function readStamped(fields: Fields): StampedLease {
  return { id: fields.int64(), stamp: fields.count() };
}
