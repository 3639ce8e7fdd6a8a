/**
 * A member that has booted: node, ports, client port, and its end. Told to stop it hands leadership over, lets calls end, and is done
 * with 0 within five seconds; a failed disk or a bug of ours exits at once, then too, and the log replays. With an image that
 * cannot be sent to those who need it, it ends in good order as soon as another member leads (V4).
 */
import { randomBytes } from 'node:crypto';
import type { Booted } from '../disk/boot.ts';
import type { ImageUnreadable } from '../disk/snapshot-read.ts';
import { clientPort, pagesPort } from '../gateway/client-port.ts';
import type { Input } from '../node/input.ts';
import { Node } from '../node/node.ts';
import type { MemberConfig } from '../ops/config.ts';
import type { Log } from '../ops/log.ts';
import { Metrics } from '../ops/metrics.ts';
import type { ClientListener } from '../rpc/accept.ts';
import { NO_MEMBER } from '../store/entry.ts';
import { autoCompactor } from './auto-compactor.ts';
import { Figures } from './figures.ts';
import { hostPorts } from './host-ports.ts';
import { ImageWait } from './image-wait.ts';
import type { FirstMembership } from './membership.ts';
import { listenFailure, type PeerPort } from './peer-port.ts';
import { ServedMember } from './served-member.ts';
import { TurnLoop } from './turn-loop.ts';
import { Upkeep } from './upkeep.ts';

/** Lessor ticks in a Raft tick (a heartbeat interval): expiry is looked for five times as often as heartbeats are sent. */
const ticksPerRaftTick = 5;
const spaceEveryMs = 1_000;
const handOverMsMax = 2_000;
const drainMsMax = 1_000;
/** Between two attempts of a leader with a damaged image to hand over. */
const retireEveryMs = 60_000;

export interface RunningMemberParts {
  readonly config: MemberConfig;
  readonly first: FirstMembership;
  readonly booted: Booted;
  readonly peerPort: PeerPort;
  readonly log: Log;
}

export class RunningMember {
  readonly #parts: RunningMemberParts;
  readonly #loop: TurnLoop;
  readonly #node: Node;
  readonly #figures: Figures;
  readonly #member: ServedMember;
  readonly #listeners: ClientListener[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  #end: (code: number) => void = () => undefined;
  readonly #ended: Promise<number>;
  #stopping = false;
  #retiredAtMs = Number.NEGATIVE_INFINITY;
  readonly #imageWait = new ImageWait();

  constructor(parts: RunningMemberParts) {
    this.#parts = parts;
    const { config, first, booted, peerPort, log } = parts;
    const metrics = new Metrics({ processMetrics: true });
    const fatal = (error: Error): void => this.#fatal(error);
    const enqueue = (input: Input): void => this.#node.enqueue(input);
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    const tickMs = config.heartbeatMs / ticksPerRaftTick;
    this.#loop = new TurnLoop(tickMs, fatal);
    const { disks, knownBoots, machine, hardState, base, entries, needsSnapshot } = booted;
    this.#node = new Node(
      {
        member: first.self,
        boot: booted.identity.boot,
        tickMs,
        ticksPerRaftTick,
        electionTicks: Math.round(config.electionMs / config.heartbeatMs),
        seed: randomBytes(8).readBigUInt64LE(),
        quotaBytes: config.quotaBytes,
        observeLag: (lagMs) => metrics.leaseExpired(lagMs),
        observeMargin: (remainingMs, grantedMs) => metrics.keepAliveMargin(remainingMs, grantedMs),
        observe: (_entry, commands) => {
          for (const { command, outcome } of commands) {
            if (!outcome.ok) continue;
            metrics.etcd.applied(command.type, outcome.result);
            if (command.type === 'checkpoint') metrics.leasesCheckpointed(command.leases.length);
          }
        },
      },
      {
        machine,
        raft: {
          hardState,
          base,
          entries,
          configuration: booted.configuration ?? first.membership.configuration,
          applied: machine.appliedIndex,
          needsSnapshot,
        },
      },
      hostPorts({
        self: first.self,
        disks,
        peers: peerPort.peers,
        metrics,
        log,
        enqueue,
        fatal,
        imageDamaged: (damage) => void this.#retire(damage),
        loop: this.#loop,
        measureSpace: () => void this.measureSpace(),
      }),
    );
    this.#figures = new Figures(this.#node);
    metrics.observeNode(() => this.#figures.read());
    metrics.observePeers(() => peerPort.peers.counters());
    peerPort.peers.onRoundTrip = (member, ms) => metrics.peerRoundTrip(member, ms);
    this.#member = new ServedMember(this.#node, {
      name: config.name,
      clusterId: first.clusterId,
      maxTxnOps: config.txnOpsMax,
      maxRequestBytes: config.requestBytesMax,
      electionTimeoutMs: config.electionMs,
      requestTimeoutMs: config.requestTimeoutMs,
      upkeep: new Upkeep(this.#node, disks, log),
      onUnavailable: () => this.#figures.proposalsFailed++,
    });
    const onBug = (error: unknown): void => this.#fatal(error instanceof Error ? error : new Error(String(error)));
    const port = {
      member: this.#member,
      metrics,
      onBug,
      streamsPerConnection: config.streamsMax,
      progressIntervalMs: config.watchProgressMs,
    };
    for (const _url of config.listenClientUrls) this.#listeners.push(clientPort(port));
    for (const _url of config.listenMetricsUrls) this.#listeners.push(pagesPort(port));
    peerPort.start(booted.identity, {
      disks,
      knownBoots,
      fresh: () => booted.identity.boot === 1 && this.#node.raft.commit <= 1,
      enqueue,
      fatal,
    });
  }

  /** Serves until `signal` tells it to stop. Resolves with the exit code. */
  async run(signal: AbortSignal): Promise<number> {
    const stop = (): void => this.#endWith(0);
    this.#loop.start(this.#node);
    try {
      await this.measureSpace();
      await this.#listen();
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop);
      this.#every(spaceEveryMs, () => void this.measureSpace());
      this.#every(spaceEveryMs / 10, () => this.#logLeader());
      const { config, log } = this.#parts;
      const compactor = autoCompactor(config.autoCompaction, this.#member, log, () => performance.now());
      if (compactor !== undefined) this.#every(compactor.everyMs, () => void compactor.step());
      void this.#publish();
      return await this.#ended;
    } finally {
      signal.removeEventListener('abort', stop);
      for (const timer of this.#timers) clearInterval(timer);
      this.#loop.stop();
      await Promise.all(this.#listeners.map((listener) => listener.close(0)));
    }
  }

  async #listen(): Promise<void> {
    const { config, log, booted, first } = this.#parts;
    const urls = [
      ...config.listenClientUrls.map((url) => ({ url, flag: 'listen-client-urls' })),
      ...config.listenMetricsUrls.map((url) => ({ url, flag: 'listen-metrics-urls' })),
    ];
    for (const [i, { url, flag }] of urls.entries()) {
      try {
        const { port } = await (this.#listeners[i] as ClientListener).listen(url.host, url.port);
        log.info('serving', { flag, address: `${url.host}:${port}` });
      } catch (error) {
        throw listenFailure(flag, url.text, error);
      }
    }
    const { boot } = booted.identity;
    log.info('started', {
      name: config.name,
      member: first.self,
      cluster: first.clusterId,
      boot,
      applied: this.#node.machine.appliedIndex,
    });
  }

  /** Makes name and client URLs known, as often as it takes. */
  async #publish(): Promise<void> {
    const { config, first, log } = this.#parts;
    const urls = config.advertiseClientUrls;
    while (!this.#stopping) {
      const known = this.#node.machine.members().find(({ id }) => id === first.self);
      if (known !== undefined && known.name === config.name && known.clientUrls.join() === urls.join()) return;
      try {
        const patience = { timeoutMs: undefined, signal: AbortSignal.timeout(config.requestTimeoutMs) };
        await this.#member.propose(
          { type: 'publish', member: first.self, name: config.name, clientUrls: urls },
          patience,
        );
        log.info('published', { name: config.name, clientUrls: urls });
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  /** Tells the node what is left of the disk: every second, at each write of the image, and when the log finds no space. */
  async measureSpace(): Promise<void> {
    try {
      this.#node.enqueue({ type: 'diskSpace', ...(await this.#parts.booted.disks.space()) });
    } catch (error) {
      this.#parts.log.warn('cannot measure the disk', { error });
    }
  }

  #logLeader(): void {
    const { raft } = this.#node;
    const line = this.#imageWait.note(performance.now(), raft.describe().needsSnapshot, raft.leader !== NO_MEMBER);
    if (line !== undefined) this.#parts.log.error(line);
    const leader = this.#figures.noteLeader();
    if (leader === undefined) return;
    if (leader === NO_MEMBER) this.#parts.log.warn('lost leader', { term: this.#node.raft.term });
    else this.#parts.log.info('elected leader', { leader, term: this.#node.raft.term });
  }

  #every(periodMs: number, step: () => void): void {
    this.#timers.push(setInterval(step, periodMs));
  }

  /**
   * V4: somebody needs a snapshot and our image is damaged. What we serve is in memory and whole; only the next start can make the
   * image anew. But while nobody else can lead, that memory may be the last whole copy, and we stay.
   */
  async #retire(damage: ImageUnreadable): Promise<void> {
    const { log } = this.#parts;
    if (this.#stopping || performance.now() - this.#retiredAtMs < retireEveryMs) return;
    this.#retiredAtMs = performance.now();
    log.error('no snapshot can be sent', { error: damage });
    if (!(await this.#handOver())) {
      log.error(
        'this member goes on with the damaged image: no other can lead, and its state may be the last whole one',
      );
    } else if (!this.#stopping) {
      process.stderr.write(`leasehold: ${damage.message}\n`);
      this.#endWith(1);
    }
  }

  /** True if we do not lead, now or any more. */
  async #handOver(): Promise<boolean> {
    if (this.#node.raft.role !== 'leader' || this.#parts.config.initialCluster.length === 1) return true;
    const patience = { timeoutMs: handOverMsMax, signal: AbortSignal.timeout(handOverMsMax) };
    const handed = await this.#member.moveLeader(NO_MEMBER, patience);
    this.#parts.log.info(handed ? 'handed leadership over' : 'no member could take over');
    return handed;
  }

  /** An orderly end, once. */
  #endWith(code: number): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#stop().then(
      () => this.#end(code),
      (error: unknown) => {
        this.#parts.log.error('stopping failed', { error });
        this.#end(1);
      },
    );
  }

  /** Leadership goes first, then the doors close, then what waits is answered. */
  async #stop(): Promise<void> {
    const { log, booted, peerPort } = this.#parts;
    log.info('stopping');
    await this.#handOver();
    const drained = Promise.all(this.#listeners.map((listener) => listener.close(drainMsMax)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    this.#node.enqueue({ type: 'stop' });
    await drained;
    this.#listeners.length = 0;
    this.#loop.stop();
    await peerPort.peers.close();
    await booted.disks.close();
    log.info('stopped');
  }

  /** No further ack: the process ends here, and what it had not said did not happen. While it stops no less (S4). */
  #fatal(error: Error): void {
    this.#parts.log.fatal('stopping at once', { error, stack: error.stack });
    this.#parts.log.flush();
    process.stderr.write(`leasehold: ${error.message}\n`);
    process.exit(1);
  }
}
