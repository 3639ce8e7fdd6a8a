/**
 * What /health, /livez and /readyz say (etcd: etcdhttp/health.go): livez asks only whether this process answers, readyz
 * whether it should be sent requests. Pure but for the barrier.
 */
import { alarmNames } from '../rpc/alarm.ts';
import { toRpcError } from '../rpc/errors.ts';
import type { Member } from '../rpc/member.ts';
import { NO_MEMBER } from '../store/entry.ts';

/** A read that takes longer than this has failed, as in etcd. */
const checkMsMax = 5_000;

/** One check: undefined is good, a text says what is wrong. */
type Check = (member: Member) => Promise<string | undefined>;

const serializableRead: Check = async (member) => (member.state.revision >= 0 ? undefined : 'no state');

const linearizableRead: Check = async (member) => {
  try {
    await member.barrier({ timeoutMs: checkMsMax, signal: AbortSignal.timeout(checkMsMax) });
    return undefined;
  } catch (error) {
    return toRpcError(error, () => {}).message;
  }
};

const nonLearner: Check = async (member) => (member.status().isLearner ? 'local member is learner' : undefined);

/** In etcd's words. */
const dataCorruption: Check = async (member) =>
  member.status().alarms.some(({ kind }) => alarmNames[kind] === 'CORRUPT') ? 'alarm activated: CORRUPT' : undefined;

const checks = {
  data_corruption: dataCorruption,
  serializable_read: serializableRead,
  linearizable_read: linearizableRead,
  non_learner: nonLearner,
};
export type CheckName = keyof typeof checks;

/** The checks behind each path, in etcd's order. */
export const checksOf: Readonly<Record<'livez' | 'readyz', readonly CheckName[]>> = {
  livez: ['serializable_read'],
  readyz: ['data_corruption', 'serializable_read', 'linearizable_read', 'non_learner'],
};

export interface CheckReport {
  readonly ok: boolean;
  /** One line per check, as `?verbose` shows it. */
  readonly lines: string;
}

export async function runChecks(member: Member, names: readonly CheckName[]): Promise<CheckReport> {
  const failures = await Promise.all(names.map((name) => checks[name](member)));
  const lines = names.map((name, at) => {
    const failure = failures[at];
    return failure === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${failure}\n`;
  });
  return { ok: failures.every((failure) => failure === undefined), lines: lines.join('') };
}

/** etcd's /health: `reason` is empty when healthy. `exclude` names alarms not to look at. */
export async function health(
  member: Member,
  options: { readonly serializable: boolean; readonly exclude: ReadonlySet<string> },
): Promise<{ readonly health: 'true' | 'false'; readonly reason: string }> {
  const status = member.status();
  const alarm = status.alarms.map(({ kind }) => alarmNames[kind]).find((name) => !options.exclude.has(name));
  if (alarm !== undefined) return { health: 'false', reason: `ALARM ${alarm}` };
  if (options.serializable) return { health: 'true', reason: '' };
  if (status.leader === NO_MEMBER) return { health: 'false', reason: 'RAFT NO LEADER' };
  const failure = await linearizableRead(member);
  return failure === undefined ? { health: 'true', reason: '' } : { health: 'false', reason: `RANGE ERROR:${failure}` };
}
