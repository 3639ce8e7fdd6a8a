/** Which operations of a search have to do with each other, by the keys and leases that they touch. */
import type { LeaseId, Txn } from '../../../src/state/command.ts';
import { text } from '../../state/commands.ts';
import type { ClientCall } from '../history.ts';
import { inRange, type LinearOp } from './linear-model.ts';

/** Operations that share a key or a lease, directly or by way of others. */
export function components(ops: readonly LinearOp[]): LinearOp[][] {
  const keys = new Set<string>();
  for (const { action } of ops) if (action.type === 'call') for (const key of singleKeys(action.call)) keys.add(key);
  const parents = new Map<string, string>();
  const rootOf = (token: string): string => {
    const parent = parents.get(token) ?? token;
    if (parent === token) return token;
    const root = rootOf(parent);
    parents.set(token, root);
    return root;
  };
  const tokens = ops.map((op) => footprint(op, keys));
  for (const [first, ...others] of tokens)
    for (const other of others) parents.set(rootOf(other), rootOf(first as string));
  const groups = new Map<string, LinearOp[]>();
  ops.forEach((op, i) => {
    const root = rootOf(tokens[i]?.[0] ?? 'nothing');
    const group = groups.get(root);
    if (group === undefined) groups.set(root, [op]);
    else group.push(op);
  });
  return [...groups.values()];
}

function footprint({ action }: LinearOp, keys: ReadonlySet<string>): string[] {
  if (action.type === 'expire') return [`lease ${action.id}`];
  const { call } = action;
  if (call.type === 'keepAlive' || call.type === 'timeToLive') return [`lease ${call.id}`];
  if (call.type === 'command' && (call.command.type === 'grant' || call.command.type === 'revoke'))
    return [`lease ${call.command.id}`];
  const tokens: string[] = [];
  for (const part of partsOf(call)) {
    for (const key of keys) if (inRange(key, part)) tokens.push(`key ${key}`);
    if (part.lease !== undefined && part.lease !== 0n) tokens.push(`lease ${part.lease}`);
  }
  return tokens;
}

interface Part {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly lease?: LeaseId;
}

const nothing = new Uint8Array(0);

function partsOf(call: ClientCall): Part[] {
  if (call.type === 'range') return [call.range];
  if (call.type !== 'command') return [];
  const { command } = call;
  if (command.type === 'put') return [{ key: command.key, rangeEnd: nothing, lease: command.lease }];
  if (command.type === 'deleteRange') return [command];
  return command.type === 'txn' ? partsOfTxn(command) : [];
}

function partsOfTxn(command: Txn): Part[] {
  const ops = [...command.success, ...command.failure].flatMap((op): Part[] => {
    if (op.type === 'txn') return partsOfTxn(op);
    return op.type === 'put' ? [{ key: op.key, rangeEnd: nothing, lease: op.lease }] : [op];
  });
  return [...command.compares, ...ops].map(({ key, rangeEnd, ...rest }) => ({
    key,
    rangeEnd,
    ...('lease' in rest ? { lease: rest.lease as LeaseId } : {}),
  }));
}

function singleKeys(call: ClientCall): string[] {
  return partsOf(call).map(({ key }) => text(key));
}
