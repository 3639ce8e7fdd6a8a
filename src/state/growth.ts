/**
 * What a command adds to the state, as etcd counts it for the quota (etcdserver/quota.go): the same numbers decide before a
 * command is proposed and while a NOSPACE alarm is raised. Pure. Keeps S5.
 */
import { unreachable } from '../base/assert.ts';
import type { Command, TxnOp } from './command.ts';

/** Bytes that a version counts for in the quota besides key and value: about what it needs in memory. */
export const versionQuotaBytes = 256;
/** Bytes that a lease counts for in the quota. */
export const leaseQuotaBytes = 64;

/** Bytes that the command may add; of a txn the dearer branch. 0: it never grows the state on a client's behalf. */
export function growthBytes(command: Command): number {
  switch (command.type) {
    case 'grant':
      return leaseQuotaBytes;
    case 'put':
      return versionQuotaBytes + command.key.length + command.value.length;
    case 'txn':
      return Math.max(growthOfBranch(command.success), growthOfBranch(command.failure));
    case 'revoke':
    case 'deleteRange':
    case 'expire':
    case 'checkpoint':
    case 'clear':
    case 'publish':
    case 'alarm':
    case 'compact':
    case 'sweep':
      return 0;
    default:
      return unreachable(command);
  }
}

/** Txns inside count too, which etcd overlooks. */
function growthOfBranch(ops: readonly TxnOp[]): number {
  return ops.reduce((sum, op) => sum + (op.type === 'put' || op.type === 'txn' ? growthBytes(op) : 0), 0);
}

/**
 * Bytes of values that the command writes once more without bringing them (`ignore_value`); of a txn the dearer branch. `valueBytes`:
 * how long a key's value is. What etcd overlooks: a few bytes of request then grow the state by a mebibyte.
 */
export function keptBytes(command: Command | TxnOp, valueBytes: (key: Uint8Array) => number): number {
  if (command.type === 'put') return command.ignoreValue ? valueBytes(command.key) : 0;
  if (command.type !== 'txn') return 0;
  const ofBranch = (ops: readonly TxnOp[]): number => ops.reduce((sum, op) => sum + keptBytes(op, valueBytes), 0);
  return Math.max(ofBranch(command.success), ofBranch(command.failure));
}
