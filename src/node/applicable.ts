/**
 * The gate for entries that a leader sends: Raft knows no commands and the state machine no Raft, so it stands between them. What
 * comes through can be applied; the rest of an append's soundness is Raft's own gate (`raft/validate.ts`). Invariants: D1, D4.
 */
import { areCommands } from '../state/codec.ts';
import type { Entry } from '../store/entry.ts';

/** Whether the entry could be applied if it were committed. An append with one that could not is passed over, as if lost. */
export function isApplicable({ kind, payload }: Entry): boolean {
  return kind !== 'commands' || areCommands(payload);
}
