/** The checks of the ground floor behind the observer's door: L1, L2 and its mirror, L5, L8, D1, R5, R11, K1, K3, S1, V2. */
import type { AppliedCommand } from '../../src/state/machine.ts';
import type { Entry } from '../../src/store/entry.ts';
import { Checks } from './checks.ts';
import { revisionOf } from './clients.ts';
import type { CallRecord } from './history.ts';
import type { Observer, RunContext, Watched } from './observer.ts';

const nothing = (): undefined => undefined;

export class PresentChecks implements Observer {
  readonly #checks: Checks;
  /** By call: what every earlier completed call had seen when it was sent. */
  readonly #floors = new Map<number, number>();
  readonly crashed = nothing;
  readonly booted = nothing;
  readonly turned = nothing;
  readonly sent = nothing;
  readonly stepping = nothing;
  readonly written = nothing;
  readonly synced = nothing;
  readonly watchOpened = nothing;
  readonly watched = nothing;
  readonly watchEnded = nothing;
  readonly fault = nothing;
  readonly healed = nothing;

  constructor(context: RunContext) {
    this.#checks = new Checks(context.clocksInSpec);
  }

  applied(entry: Entry, commands: readonly AppliedCommand[], { node, nowMs }: Watched): void {
    if (node === undefined) return;
    this.#checks.applied(entry, commands, node.machine, nowMs);
  }

  restored({ node }: Watched): void {
    if (node !== undefined) this.#checks.restored(node.machine);
  }

  called(call: CallRecord): void {
    this.#floors.set(call.number, this.#checks.revisionFloor);
  }

  answered({ call, outcome, result, number, sentMs, endedMs }: CallRecord): void {
    const floor = this.#floors.get(number) ?? 0;
    this.#floors.delete(number);
    const checks = this.#checks;
    const revision = revisionOf(result);
    const atMs = endedMs ?? 0;
    if (result === undefined || result.type === 'unavailable') return;
    if (call.type === 'range' && !call.serializable) checks.readAt(revision, floor);
    if (call.type === 'command') checks.revisionFloor = Math.max(checks.revisionFloor, revision);
    if (call.type === 'command' && call.command.type === 'grant' && outcome === 'ok')
      checks.leases.acked(call.command.id, sentMs, atMs, call.command.ttlMs);
    if (result.type !== 'lease' || (call.type !== 'keepAlive' && call.type !== 'timeToLive')) return;
    if (result.answer.type === 'gone') checks.leases.gone(call.id, sentMs, atMs);
    else if (call.type === 'keepAlive') checks.leases.acked(call.id, sentMs, atMs, result.answer.grantedMs);
  }

  finished(core: readonly Watched[]): void {
    const machines = core.flatMap(({ node }) => (node === undefined ? [] : [node.machine]));
    if (machines.length > 0) this.#checks.converged(machines);
  }
}
