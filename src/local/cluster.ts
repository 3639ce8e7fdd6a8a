/**
 * A cluster of child processes on this machine: start all, wait until they serve, notice who dies, stop all. Says what it
 * does through one `say` per line; knows nothing of terminals.
 */
import { get } from 'node:http';
import { Connection } from '../cli/connection.ts';
import { Wire } from '../cli/wire.ts';
import { clientTarget, memberFlagsOf, type Place } from './layout.ts';
import { MemberProcess } from './member-process.ts';

/** What came of waiting. */
export type Served =
  | { readonly type: 'serving'; readonly leader: string }
  | { readonly type: 'died'; readonly name: string; readonly how: string }
  | { readonly type: 'late' }
  | { readonly type: 'stopped' };

const pollMs = 100;

/** Members that run together. */
export class LocalCluster {
  readonly places: readonly Place[];
  readonly members: readonly MemberProcess[];
  readonly #wire = new Wire();
  #stopping = false;

  /** Starts them all. `program`: what Node runs for a member. */
  constructor(places: readonly Place[], program: readonly string[]) {
    this.places = places;
    this.members = places.map((place) => new MemberProcess(place, program, memberFlagsOf(place, places)));
  }

  /** Waits until every member is ready and all agree on a leader. */
  async serving(timeoutMs: number): Promise<Served> {
    const deadline = performance.now() + timeoutMs;
    const connections = this.places.map((place) => new Connection(this.#wire, [clientTarget(place)], 1_000));
    try {
      while (performance.now() < deadline) {
        if (this.#stopping) return { type: 'stopped' };
        const dead = this.members.find((member) => !member.alive);
        if (dead !== undefined) return { type: 'died', name: dead.place.name, how: await dead.ended };
        const leader = await this.#agreedLeader(connections);
        if (leader !== undefined) return { type: 'serving', leader };
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
      return { type: 'late' };
    } finally {
      for (const connection of connections) connection.close();
    }
  }

  /** The name of the member that all ready members call leader. */
  async #agreedLeader(connections: readonly Connection[]): Promise<string | undefined> {
    const ready = await Promise.all(this.places.map((place) => isReady(place.clientPort)));
    if (ready.includes(false)) return undefined;
    try {
      const statuses = await Promise.all(connections.map((one) => one.unary('Status', {}, 'read')));
      const leaders = new Set(statuses.map((one) => one.leader));
      const at = statuses.findIndex((one) => one.leader === one.header.member_id);
      return leaders.size === 1 && at >= 0 ? this.places[at]?.name : undefined;
    } catch {
      // A member that is ready and then does not answer is asked again at the next poll.
      return undefined;
    }
  }

  /** Calls `died` for each member that ends before `stop`; resolves when none is left. */
  async watch(died: (member: MemberProcess, how: string) => void): Promise<void> {
    await Promise.all(
      this.members.map(async (member) => {
        const how = await member.ended;
        if (!this.#stopping) died(member, how);
      }),
    );
  }

  /** SIGTERM to all, SIGKILL to those still there after `graceMs`; returns the names of the killed. */
  async stop(graceMs: number): Promise<readonly string[]> {
    this.#stopping = true;
    for (const member of this.members) member.signal('SIGTERM');
    const killed: string[] = [];
    const timer = setTimeout(() => {
      for (const member of this.members.filter((one) => one.alive)) {
        killed.push(member.place.name);
        member.signal('SIGKILL');
      }
    }, graceMs);
    await Promise.all(this.members.map((member) => member.ended));
    clearTimeout(timer);
    return killed;
  }

  /** SIGKILL to all, at once: the last resort of a process that is ending itself. */
  kill(): void {
    this.#stopping = true;
    for (const member of this.members) member.signal('SIGKILL');
  }
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/readyz', timeout: 1_000, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
