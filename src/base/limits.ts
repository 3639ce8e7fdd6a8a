/**
 * Every limit of the system, in one place (house §10.6). Units last. Each has a test that reaches it.
 */

/** Payload bytes of one Raft entry; a turn with more makes several entries. */
export const entryPayloadBytesMax = 1024 * 1024;
/** Bytes of uncommitted entries a leader keeps before it answers `busy`. */
export const uncommittedBytesMax = 64 * 1024 * 1024;
/** Entry payload bytes in one append message. */
export const appendBytesMax = 1024 * 1024;
/** Appends on the way to one follower, unanswered. */
export const appendsInFlightMax = 256;
/** Committed payload bytes handed out for apply in one turn; the rest waits for the next. */
export const applyBytesPerTurnMax = 4 * 1024 * 1024;
/** Inputs handled in one turn. */
export const inputsPerTurnMax = 20_000;
/** Entries kept behind the image's applied index, so that a member a little behind needs no snapshot. */
export const logTrailingEntriesMax = 10_000;
/** And no more than this many bytes of them. */
export const logTrailingBytesMax = 64 * 1024 * 1024;

/** A client's request, as etcd's --max-request-bytes. */
export const requestBytesMax = 1_572_864;
/** Operations in one list of a txn, as etcd's --max-txn-ops. */
export const txnOpsMax = 128;
/** Largest TTL, as etcd's lessor (seconds). */
export const leaseTtlSecondsMax = 9_000_000_000;

/** Leases in one `expire`, `checkpoint` or `clear` command. */
export const leasesPerCommandMax = 1_000;
/** Keys deleted by one `expire` command, unless a single lease has more. */
export const expireKeysPerCommandMax = 4_000;
/** `expire` commands decided and not yet applied. */
export const expireCommandsInFlightMax = 8;
/** Leases checkpointed in a second. */
export const checkpointLeasesPerSecondMax = 10_000;
/** Leases promoted in one slice of a turn. */
export const promotionSliceLeasesMax = 50_000;
/** The lessor clock's largest step in one turn; what a stall adds beyond it never happened. */
export const lessorClockStepMsMax = 250;

/** The image is written at the latest after this long … */
export const imageFlushMsMax = 1_000;
/** … or this many bytes. */
export const imageFlushBytesMax = 4 * 1024 * 1024;

/** Requests of a member's own clients that wait for an outcome, a round or a leader. */
export const waitingRequestsMax = 100_000;
/** Bytes queued to one peer before messages are dropped. */
export const peerQueueBytesMax = 64 * 1024 * 1024;
/** One frame between peers. */
export const peerFrameBytesMax = 8 * 1024 * 1024;

/** Watchers on one stream, and in all. */
export const watchersPerStreamMax = 10_000;
export const watchersMax = 200_000;
/** Bytes of events encoded and not yet taken by the transport, per watch stream, before it is paused. */
export const watchStreamBufferBytesMax = 4 * 1024 * 1024;

/** Client connections in all and per address; streams per connection. */
export const connectionsMax = 20_000;
export const connectionsPerAddressMax = 10_000;
export const streamsPerConnectionMax = 10_000;
/** Commands of followers' clients that a leader keeps before it has proposed them. */
export const forwardedCommandsMax = 100_000;
