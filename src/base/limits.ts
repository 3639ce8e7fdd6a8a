/**
 * Every limit of the system, in one place (house §10.6). Units last. Each has a test that reaches it.
 */

/** Payload bytes of one Raft entry; a turn with more makes several entries. */
export const entryPayloadBytesMax = 1024 * 1024;
/** Bytes of uncommitted entries a leader keeps before it answers `busy`. */
export const uncommittedBytesMax = 64 * 1024 * 1024;
/** Entry payload bytes in one append message. */
export const appendBytesMax = 1024 * 1024;
/**
 * Followers hear of a higher commit index with the next append, or after this long. Those whose clients wait for it hear at once.
 */
export const commitNoticeMsMax = 1;
/** Appends on the way to one follower, unanswered. */
export const appendsInFlightMax = 256;
/**
 * Committed payload bytes handed out for apply in one turn, or one entry; the rest waits for the next. As many as expire a thousand
 * leases, which takes some 5 ms of CPU: a turn does other things as well, nothing else happens meanwhile, and members that share
 * cores take two to four times as long by the clock.
 */
export const applyBytesPerTurnMax = 16 * 1024;
/** Payload bytes of one entry of what the leader decides itself, or one command: an entry is applied in one turn. */
export const dutyEntryBytesMax = 16 * 1024;
/** Payload bytes of entries that a follower keeps read until they are committed; beyond it they are read a second time. */
export const decodedBytesMax = 8 * 1024 * 1024;
/** While each further look at the sockets brings more inputs, a turn waits for the next one: so many looks at most, and so long. */
export const turnLooksMax = 4;
export const turnGatherMsMax = 1;
/**
 * After an answer of the leader its clients' commands wait for those that will follow it: so long, and for so many turns, as clocks may
 * stand still; so many at most; and only if the answer is no older than this.
 */
export const gatherMsMax = 1;
export const gatherTurnsMax = 100;
export const gatherCommandsMax = 64;
export const gatherFreshMsMax = 4;
/** Inputs handled in one turn. */
export const inputsPerTurnMax = 20_000;
/** Entries kept behind the image's applied index, so that a member a little behind needs no snapshot. */
export const logTrailingEntriesMax = 10_000;
/** And no more than this many bytes of them: all members keep them in memory, and read them when they start. */
export const logTrailingBytesMax = 24 * 1024 * 1024;
/** Log that a member keeps while its image is lost and none has come: payload bytes, and entries. */
export const logWaitingBytesMax = 256 * 1024 * 1024;
export const logWaitingEntriesMax = 1_000_000;

/** A client's request, as etcd's --max-request-bytes. */
export const requestBytesMax = 1_572_864;
/** Operations in one list of a txn, as etcd's --max-txn-ops. */
export const txnOpsMax = 128;
/**
 * Txns within txns, the outermost counted: as deep as etcd lets them be at its default of --max-txn-ops, since each level there
 * leaves fewer operations to the next one. Bounds every recursion over a txn.
 */
export const txnDepthMax = 129;
/** Messages within messages: a txn takes two levels, and what stands in its innermost list a few more. */
export const messageDepthMax = 2 * txnDepthMax + 4;
/** Largest TTL, as etcd's lessor (seconds). */
export const leaseTtlSecondsMax = 9_000_000_000;

/**
 * Leases alive at once; their table takes up to a gigabyte. So no lease has a slot beyond it, and a snapshot that names one is refused
 * before a table of that length is made.
 */
export const leasesMax = 2 ** 24;
/** Leases in one `expire`, `checkpoint` or `clear` command. */
export const leasesPerCommandMax = 1_000;
/** Keys deleted by one `expire` command, unless a single lease has more. */
export const expireKeysPerCommandMax = 4_000;
/** `expire` commands decided and not yet applied. */
export const expireCommandsInFlightMax = 8;
/** Leases checkpointed in a second. */
export const checkpointLeasesPerSecondMax = 10_000;
/** Between two decisions on checkpoints, each of all that the rate allows by then: an entry has a price of its own. */
export const checkpointEveryMs = 100;
/** Leases promoted in one slice of a turn. */
export const promotionSliceLeasesMax = 10_000;
/** The lessor clock's largest step in one turn; what a stall adds beyond it never happened. */
export const lessorClockStepMsMax = 250;

/** Changes one `sweep` command looks at after a compaction … */
export const sweepChangesMax = 1_000;
/** … or this many bytes of records it takes away, but at least one. */
export const sweepBytesMax = 1024 * 1024;
/** Between two sweeps: what else is to be done has the machine most of the time. */
export const sweepEveryMs = 10;

/** The image is written at the latest after this long … */
export const imageFlushMsMax = 1_000;
/** … or this many bytes … */
export const imageFlushBytesMax = 1024 * 1024;
/** … and its operations are made and handed to LevelDB this many in a step of the event loop, at 1 to 2 µs each. */
export const imageOpsPerStepMax = 1_000;

/** Requests of a member's own clients that wait for an outcome, a round or a leader. */
export const waitingRequestsMax = 100_000;
/** And no more than this many bytes of commands among them. */
export const waitingBytesMax = 64 * 1024 * 1024;
/** Bytes queued to one peer before messages are dropped. */
export const peerQueueBytesMax = 64 * 1024 * 1024;
/** One frame between peers. */
export const peerFrameBytesMax = 8 * 1024 * 1024;

/** Calls that wait in a lock's or an election's queue on one member; each holds a stream and two watchers. */
export const queueCallsMax = 10_000;
/** Attempts to take a key out of a queue whose caller has gone, an election timeout apart; then its lease has to end it. */
export const queueLeaveAttemptsMax = 5;

/** Watchers on one stream, and in all. */
export const watchersPerStreamMax = 10_000;
export const watchersMax = 200_000;
/** Bytes of events encoded and not yet taken by the transport, per watch stream, before it is paused. */
export const watchStreamBufferBytesMax = 4 * 1024 * 1024;

/** Client connections in all and per address; streams per connection. */
export const connectionsMax = 20_000;
export const connectionsPerAddressMax = 10_000;
export const streamsPerConnectionMax = 10_000;
/**
 * HTTP/2 streams open on all connections: an idle one of keep-alives takes 5.5 KB of memory, one for watchers 6.3 KB, so all of them some
 * 0.6 GB. And bytes of their heads as HPACK counts them, of which most have half a kilobyte.
 */
export const streamsMax = 100_000;
export const streamHeadsBytesMax = 128 * 1024 * 1024;
/** What one address may have of both. */
export const streamShareOfAddress = 1 / 2;
/** Commands of followers' clients that a leader keeps before it has proposed them. */
export const forwardedCommandsMax = 100_000;
/** And no more than this many bytes of them. */
export const forwardedBytesMax = 64 * 1024 * 1024;
/** Batches of one follower that a leader remembers having taken; a copy that comes later than that is passed over. */
export const forwardBatchesRememberedMax = 1_024;

/** Revisions one pull of a watcher reads; a longer look back takes several pulls. */
export const watchRevisionsPerPullMax = 4_096;

/**
 * One segment file of the log. 16 MiB: a fresh member fills two of them with zeros at its first start, three members may share
 * one machine, and a segment is the grain in which the log is dropped; rolling over costs two extra syncs per segment.
 */
export const walSegmentBytes = 16 * 1024 * 1024;
/** Zeros written and synced at a time while a segment is made, so that the log's own sync never waits for more than this. */
export const walFillBytes = 512 * 1024;

/** Connections on the peer port in all; beyond it the oldest that has not finished its handshake makes room. */
export const peerConnectionsMax = 256;
/** The first frame each way, which is all that a stranger can make us read. */
export const peerFirstFrameBytesMax = 1024;
/** From connection to a finished handshake. */
export const peerHandshakeMsMax = 5_000;
/** Bytes queued to a peer while no connection to it is up. */
export const peerConnectingBytesMax = 1024 * 1024;
/** Bytes handed to one peer socket and not yet taken by the kernel, before more waits in our own queue. */
export const peerSocketBytesMax = 256 * 1024;
/** Payload bytes of one frame of a snapshot stream, unless a single record is larger. */
export const snapshotFrameBytesMax = 256 * 1024;

/** `clear` commands decided and not yet applied. */
export const clearCommandsInFlightMax = 64;
/** Slots one turn moves or looks at in a timing wheel; the rest goes on in the next turn, which comes at once. */
export const leaseMovesPerTurnMax = 20_000;
/** Slots one look for the next deadline visits; with more in its way it leaves it to the tick. */
export const deadlineLooksMax = 64;

/** Keep-alives of one stream asked and not yet answered, before the stream is read no further. */
export const keepAlivesPerStreamMax = 10_000;
/** Leases that one message of our own keep-alive stream names, either way. */
export const leasesPerKeepAliveMax = 1_000;
/** What one pull of a watcher brings, about; a stream with many lagging watchers serves them in turns of this size. */
export const watchPullBytesMax = 256 * 1024;
/** Pulls of all watch streams in one go, before others get the event loop. */
export const watchPullsPerTurnMax = 64;
/** How often idle watchers that want it are told how far they are, unless a flag says otherwise; and the least that may be asked. */
export const watchProgressMsDefault = 600_000;
export const watchProgressMsMin = 100;
/** A longer run of events is read and encoded for each watcher by itself, as the last run is kept until there is another. */
export const watchRunBytesMax = 1024 * 1024;
/** Bytes of encoded events that are kept for the next watcher who sees them. */
export const watchEventBytesKeptMax = 8 * 1024 * 1024;
/** Received beyond the largest request that may enter the log: room to say "too large" in etcd's words. */
export const receiveSlackBytes = 512 * 1024;
/** From connection to its first complete request (HTTP/1.1) or preface and settings (HTTP/2). */
export const firstRequestMsMax = 10_000;
/** An HTTP/1.1 connection between two requests, and a request from head to answer. */
export const httpIdleMsMax = 130_000;
export const httpRequestMsMax = 60_000;
/** An HTTP/2 connection without a stream; and what its client may take to answer a goodbye. */
export const grpcIdleMsMax = 300_000;
export const grpcGoodbyeMsMax = 2_000;
/** What a client may send on one stream, and on all of a connection, before the first of it is read. */
export const streamWindowBytes = 256 * 1024;
export const connectionWindowBytes = 4 * 1024 * 1024;
/** Fields of a request as HPACK counts them, unpacked; and one block of them, packed, in how many frames. */
export const headerListBytesMax = 64 * 1024;
export const headerBlockBytesMax = 64 * 1024;
export const continuationsMax = 64;
/** Frames of one HTTP/2 connection in a second that ask for nothing, unless it asks for or gets something in between. */
export const idleFramesPerSecondMax = 10_000;
/** SETTINGS of one HTTP/2 connection in a second. */
export const settingsPerSecondMax = 100;
/** Calls that a client gives up before it has heard anything of them: so many at once, and so many more each second. */
export const callsGivenUpMax = 10_000;
export const callsGivenUpPerSecondMax = 1_000;
/** Answers to PING, SETTINGS and the like that an HTTP/2 client has not taken: all that one read can bring. */
export const controlBytesMax = 96 * 1024;
/** Handed to a client's socket and not taken by the kernel, before answers wait in their own streams. */
export const clientSocketBytesMax = 256 * 1024;
/** Bytes of a status text, as it goes out. */
export const statusTextBytesMax = 4_096;
/** And where the client takes so few of its answers that there is no room for more. */
export const statusTextCrampedBytesMax = 256;
/**
 * Bytes of answers that a client has not taken, and of requests of which the rest has not come: of one connection (unless it is one
 * answer), and of all, beyond which one is cut.
 */
export const unreadBytesPerConnectionMax = 64 * 1024 * 1024;
export const unreadBytesMax = 256 * 1024 * 1024;
/** What a message that waits counts for beside its bytes: its place in two lists, a view of memory and, mostly, what stands behind that. */
export const waitingMessageBytes = 256;
/** Bytes of answers to unary calls encoded in one go, or one answer, before others get the event loop. */
export const answerBytesPerTurnMax = 1024 * 1024;
/** And no more reads than this, as nobody knows how large an answer is before it is made. */
export const readsPerTurnMax = 64;
/**
 * Keys and values that one command or read may answer with, counted as in the quota: what is kept is one thing, but a txn may
 * ask for all of it again and again.
 */
export const answerBytesMax = 640 * 1024 * 1024;
/** Characters of one answer, or of one message of a stream, as JSON: V8 has no string of more than 2^29. */
export const jsonAnswerCharsMax = 250_000_000;
/** Head of an HTTP/1.1 request. */
export const httpHeadBytesMax = 16 * 1024;

/** Payload bytes on the way to one follower, unanswered; a single larger entry still goes alone. */
export const appendBytesInFlightMax = 16 * 1024 * 1024;
/** Entry payload bytes in one write of the log; the rest goes with the next one. */
export const walWriteBytesMax = 16 * 1024 * 1024;
/** Messages the Raft core holds back until a write is on disk; beyond it the oldest are dropped, as a network would. */
export const heldMessagesMax = 1_024;

/** Records read from the image at a time; measured: larger reads are no faster and hold twice the memory. */
export const imageScanRecordsMax = 1_000;
/** Steps, of about a record each, that one turn makes towards a state from a snapshot that has arrived. */
export const snapshotStepsPerTurnMax = 500;
/** From a snapshot that did not arrive to the next attempt: each opens the image. */
export const snapshotRetryMs = 500;
/** Bytes of a snapshot that arrive before they are written to the staged image as one synced batch. */
export const snapshotStageBytesMax = 4 * 1024 * 1024;
/**
 * Free bytes of the disk kept back for deletes, revokes and expiry. In it fit, at once: the log's next segment (16 MiB), the image's
 * write under way and the next one (some 1 MiB each), and the tables that LevelDB writes before it deletes those they replace (26 MiB).
 */
export const diskReserveBytes = 64 * 1024 * 1024;
/**
 * How long a disk is down to its reserve before its member raises an alarm for the cluster; at half of the reserve it does at once.
 * Until then only this member refuses growth, and drops the log that it keeps for slow ones, which is often room enough.
 */
export const diskLowMsMax = 1_000;
/** Elements of one list in a peer message: bounds what a small frame can make us allocate. */
export const peerListElementsMax = 1024 * 1024;
/** Between two pings of an HTTP/2 connection, and what its answer may take before it is closed. */
export const grpcPingMs = 60_000;
export const grpcPingAnswerMsMax = 10_000;

/** A JSON body may be this many times as long as the message it stands for: base64, names, white space. */
export const jsonBytesPerMessageByteMax = 2;
/** Bytes of JSON bodies that are still arriving, on all connections; what would go beyond is refused. */
export const jsonBodiesBytesMax = 64 * 1024 * 1024;
/** Open braces and brackets of a JSON body, as Go's encoding/json. */
export const jsonDepthMax = 10_000;
/** Alarms raised at once. etcd has no bound, and raises one for any member id that a client names. */
export const alarmsMax = 256;
/** Snapshots being sent to clients at once: each holds still a moment of the image, for which LevelDB keeps old files. */
export const snapshotStreamsMax = 2;
/** A client that takes nothing of its snapshot for this long gets no more. */
export const snapshotStallMsMax = 60_000;
