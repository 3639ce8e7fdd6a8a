/**
 * Where each case of the conformance list is looked at, if not by a test of this folder whose title begins with its number: the tests
 * elsewhere that assert it, by file and title; or why there is none.
 */

export interface Elsewhere {
  readonly file: string;
  /** As it stands in the source. */
  readonly title: string;
}

/** Highest number of a case. */
export const lastCase = 82;

export const elsewhere: Readonly<Record<number, readonly Elsewhere[]>> = {
  53: [
    {
      file: 'test/wire/clientv3.test.ts',
      title: 'sessions, mutexes, elections, leases, keep-alive channels, software transactions, 2,000 KeepAliveOnce',
    },
  ],
  54: [
    {
      file: 'test/wire/clientv3.test.ts',
      title: 'without a leader a guarded keep-alive ends, and the other goes on when there is one again',
    },
  ],
  55: [
    {
      file: 'test/wire/clientv3.test.ts',
      title: 'sessions, mutexes, elections, leases, keep-alive channels, software transactions, 2,000 KeepAliveOnce',
    },
  ],
  57: [
    { file: 'test/watch/queue.test.ts', title: 'C57, F2: under a token only the key of that token is touched' },
    {
      file: 'test/rpc/lock.test.ts',
      title: 'C57: an old release under the token leaves the newer lock; Unlock knows only the name, as in etcd',
    },
  ],
  65: [
    {
      file: 'test/sim/peers-cut.test.ts',
      title: 'what is acknowledged around the cut is honoured by whoever leads next',
    },
    {
      file: 'test/sim/peers-cut.test.ts',
      title: 'nor is a renewal acknowledged while a checkpoint that would outlive it is on its way',
    },
  ],
  72: [
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the title as it is written there.
    { file: 'test/gateway/captured.test.ts', title: '${steps.length} captured steps' },
    {
      file: 'test/gateway/json-api.test.ts',
      title: 'both spellings, enums by name or number, unknown fields, camel first',
    },
    { file: 'test/gateway/json-api.test.ts', title: 'a life of a lease, ids beyond 2^53 as numbers and as strings' },
    {
      file: 'test/gateway/streams.test.ts',
      title: 'a watch: the captured lines, a chunk each, open after its body has ended',
    },
  ],
  // The apiserver's own tests are not to be had: its four kinds of txn, paging at a revision, the watch, one lease for all.
  73: [{ file: 'test/wire/clientv3.test.ts', title: '%s: the same lines, revisions and all' }],
  // etcdctl 3.4 alone: Debian has no other.
  74: [
    { file: 'test/wire/etcdctl.test.ts', title: 'leases: the same output and exit codes' },
    {
      file: 'test/wire/etcdctl.test.ts',
      title: 'a lease is kept alive until the command is ended, and ends soon after',
    },
    { file: 'test/wire/etcdctl.test.ts', title: 'locks: held by one, waited for, given up with the command' },
    { file: 'test/wire/etcdctl.test.ts', title: 'elections: a leader, a candidate, an observer' },
    {
      file: 'test/wire/etcdctl.test.ts',
      title: 'watches: from a revision, a prefix, what was before, commands for each event, by hand',
    },
  ],
};

export const notThere: Readonly<Record<number, string>> = {
  28: 'no users and roles yet',
  44: 'no users and roles yet',
  51: 'membership does not change yet, so there are no learners',
  78: 'no backup and restore yet',
};
