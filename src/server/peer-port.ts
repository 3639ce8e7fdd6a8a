/**
 * The peer port of this member: opened before anything else, so that members with empty directories can ask each other, and started
 * once the boot counter is on disk.
 */
import { disownMember } from '../disk/data-dir.ts';
import { dataPaths } from '../disk/data-paths.ts';
import type { Identity } from '../disk/identity.ts';
import type { KnownBoots } from '../disk/known-boots.ts';
import type { MemberDisks } from '../disk/member-disks.ts';
import type { Input } from '../node/input.ts';
import type { MemberConfig } from '../ops/config.ts';
import type { Log } from '../ops/log.ts';
import { Peers } from '../peer/peers.ts';
import { snapshotReceiver } from './host-ports.ts';
import type { FirstMembership } from './membership.ts';
import { StartFailure } from './start-failure.ts';

/** What the peer port is told once the member has booted. */
export interface PeerPortUser {
  readonly disks: MemberDisks;
  readonly knownBoots: KnownBoots;
  /** See `PeersOptions.fresh`. */
  readonly fresh: () => boolean;
  enqueue(input: Input): void;
  /** We were refused for what we are. */
  fatal(error: Error): void;
}

export interface PeerPort {
  readonly peers: Peers;
  /** Returns when this member may begin with an empty directory; throws `StartFailure` if it may not, or `stop`'s reason. */
  askBeforeFirstStart(config: MemberConfig, stop: AbortSignal): Promise<void>;
  /** `identity`: this start's boot and token, which are on disk. */
  start(identity: Pick<Identity, 'boot' | 'bootToken'>, user: PeerPortUser): void;
}

/** `empty`: there is no member in the data directory yet. */
export async function openPeers(
  config: MemberConfig,
  first: FirstMembership,
  log: Log,
  empty: boolean,
): Promise<PeerPort> {
  let user: PeerPortUser | undefined;
  const enqueue = (input: Input): void => user?.enqueue(input);
  const peers = new Peers({
    clusterId: first.clusterId,
    member: first.self,
    peers: first.membership.members
      .filter(({ id }) => id !== first.self)
      .map(({ id, name, peerUrls }) => ({ member: id, url: config.peerDial.get(name) ?? (peerUrls[0] as string) })),
    // Before the first start there is no memory of others yet: only questions are answered then.
    knownBoots: {
      seen: (member) => user?.knownBoots.seen(member) ?? 0,
      check: (member, boot, token) => user?.knownBoots.check(member, boot, token) ?? 'new',
      note: (member, boot, token) => user?.knownBoots.note(member, boot, token) ?? Promise.resolve(),
    },
    fresh: () => (user === undefined ? empty : user.fresh()),
    snapshots: snapshotReceiver(() => user?.disks, log, enqueue),
    events: {
      onMessage: (message) => enqueue({ type: 'message', message }),
      onLinkLost: (member) => enqueue({ type: 'linkLost', member }),
      onRefused: ({ who, member, address, reason, text, fatal }) => {
        const fields = { address, reason, ...(member === undefined ? {} : { member }) };
        if (fatal) {
          try {
            if (reason !== 'clusterMismatch') disownMember(dataPaths(config.dataDir), text);
          } finally {
            user?.fatal(new StartFailure(`another member refuses this one: ${text}`));
          }
        } else if (reason === 'notReady') log.debug(text, fields);
        else log.warn(who === 'us' ? `refused by a peer: ${text}` : `refused a peer: ${text}`, fields);
      },
    },
  });
  for (const { host, port, text } of config.listenPeerUrls) {
    try {
      await peers.listen(host, port);
    } catch (error) {
      throw listenFailure('listen-peer-urls', text, error);
    }
  }
  return {
    peers,
    async askBeforeFirstStart(config, stop) {
      if (first.membership.members.length === 1) return;
      log.info('empty data directory: asking the other members first', { name: config.name });
      const close = (): void => void peers.close();
      stop.addEventListener('abort', close);
      const decision = await peers.ask((text) => log.info(text));
      stop.removeEventListener('abort', close);
      stop.throwIfAborted();
      if (decision === undefined)
        throw new StartFailure('the peer port was closed before the other members had answered');
      if (decision.type === 'refuse') throw new StartFailure(`--data-dir: ${decision.text}`);
      log.info(decision.text);
    },
    start({ boot, bootToken }, theUser) {
      user = theUser;
      peers.start(boot, bootToken);
    },
  };
}

/** A port that cannot be had, in one line. */
export function listenFailure(flag: string, url: string, error: unknown): StartFailure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'EADDRINUSE')
    return new StartFailure(`--${flag}: ${url} is in use by another process; stop it or choose another port`);
  if (code === 'EACCES')
    return new StartFailure(`--${flag}: no permission to listen on ${url}; choose a port above 1023`);
  if (code === 'EADDRNOTAVAIL')
    return new StartFailure(`--${flag}: ${url} is no address of this machine; choose one of its own`);
  return new StartFailure(
    `--${flag}: cannot listen on ${url}: ${error instanceof Error ? error.message : String(error)}`,
  );
}
