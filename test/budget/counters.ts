/** What is counted of a cluster's work, over all its members. */

export interface Counters {
  /** Entries written to logs: one entry of a cluster of three is three. */
  walEntries: number;
  /** Writes to logs, each with one sync. */
  walSyncs: number;
  /** In whole sectors, as they are written. */
  walBytes: number;
  /** Image batches, each one LevelDB batch with one sync; and what is in them. */
  imageBatches: number;
  imageRecords: number;
  imageBytes: number;
  /** Between members, with their frames. */
  peerMessages: number;
  peerBytes: number;
  /** Turns of nodes. */
  turns: number;
  /** Answers of services, before HTTP/2 frames. */
  answers: number;
  answerBytes: number;
  /** Handed to a transport: several answers of a stream may go in one. */
  writes: number;
  /** JavaScript objects that were made, by members, their services and the little that pumps them; and buffers. */
  heapBytes: number;
  bufferBytes: number;
}

export type Counter = keyof Counters;

export function noWork(): Counters {
  return {
    walEntries: 0,
    walSyncs: 0,
    walBytes: 0,
    imageBatches: 0,
    imageRecords: 0,
    imageBytes: 0,
    peerMessages: 0,
    peerBytes: 0,
    turns: 0,
    answers: 0,
    answerBytes: 0,
    writes: 0,
    heapBytes: 0,
    bufferBytes: 0,
  };
}
