/**
 * One member, from its configuration to its exit code: boot order (house §4), wiring, and an orderly end. What runs is the node;
 * everything here is the real world around it.
 */
import { bootMember } from '../disk/boot.ts';
import { createMember, memberExists } from '../disk/data-dir.ts';
import { DataDirError } from '../disk/data-dir-error.ts';
import { dataPaths } from '../disk/data-paths.ts';
import { fsLogDisk } from '../disk/fs-log-disk.ts';
import { lockDataDir } from '../disk/lock.ts';
import type { MemberConfig } from '../ops/config.ts';
import type { Log } from '../ops/log.ts';
import { initialLog } from '../raft/membership.ts';
import { firstMembership } from './membership.ts';
import { openPeers } from './peer-port.ts';
import { checkClientPorts } from './port-check.ts';
import { RunningMember } from './running-member.ts';
import { StartFailure } from './start-failure.ts';

/** How long a step of the start that is under way may take to its end when we are told to stop. */
const startGraceMs = 4_000;

/** Runs until `stop` or a fatal error. Resolves with the process's exit code; never rejects. */
export async function runMember(config: MemberConfig, log: Log, stop: AbortSignal): Promise<number> {
  try {
    return await run(config, log, stop);
  } catch (error) {
    if (stop.aborted && error === stop.reason) {
      log.info('stopped before it had started');
      return 0;
    }
    const expected = error instanceof StartFailure || error instanceof DataDirError;
    process.stderr.write(
      `leasehold: ${expected ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return 1;
  }
}

async function run(config: MemberConfig, log: Log, stop: AbortSignal): Promise<number> {
  const started = new AbortController();
  stop.addEventListener('abort', () => endInTime(log, started.signal));
  const first = firstMembership(config);
  const expected = { clusterId: first.clusterId, memberId: first.self };
  const paths = dataPaths(config.dataDir);
  const fresh = !(await memberExists(paths));
  if (fresh && config.initialClusterState === 'existing') {
    const nobody = `existing, but ${paths.root} holds no member, and joining a cluster is not supported yet`;
    throw new StartFailure(
      `--initial-cluster-state: ${nobody}; name the right --data-dir, or start a new cluster with new`,
    );
  }
  // 1. Ports before files: a port in use must leave nothing behind.
  const peerPort = await openPeers(config, first, log, fresh);
  try {
    await checkClientPorts(config);
    stop.throwIfAborted();
    // 2. An empty directory asks the others first: whoever they know must not come back with nothing, nor leave a trace.
    if (fresh) await peerPort.askBeforeFirstStart(config, stop);
    // 3. The directory is ours alone.
    const lock = await lockDataDir(paths);
    try {
      stop.throwIfAborted();
      if (fresh) await createMember(paths, { identity: expected, initial: initialLog(first.payload) });
      stop.throwIfAborted();
      // 4. Identity, boot counter, image, log.
      let member: RunningMember | undefined;
      const logs = fsLogDisk({ onSpaceLow: () => void member?.measureSpace() });
      const booted = await bootMember(paths, { expected, logs, notice: (line) => log.warn(line) });
      if (booted.needsSnapshot && first.membership.members.length === 1) {
        const lost = `the image in ${paths.root} is lost and the log no longer begins at 1`;
        throw new StartFailure(`--data-dir: ${lost}; no other member can send one: restore a backup`);
      }
      if (stop.aborted) {
        await booted.disks.close();
        stop.throwIfAborted();
      }
      member = new RunningMember({ config, first, booted, peerPort, log });
      started.abort();
      return await member.run(stop);
    } finally {
      await lock.release();
    }
  } finally {
    await peerPort.peers.close();
  }
}

/** Every step of the start can be cut off anywhere, as by power loss: one that goes on too long is. */
function endInTime(log: Log, started: AbortSignal): void {
  if (started.aborted) return;
  const cut = setTimeout(() => {
    log.info('stopped while it was starting');
    log.flush();
    process.exit(0);
  }, startGraceMs);
  cut.unref();
  started.addEventListener('abort', () => clearTimeout(cut));
}
