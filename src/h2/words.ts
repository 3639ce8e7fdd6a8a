/**
 * HTTP/2's numbers (RFC 9113 §6, §7, §6.5.2), and how a connection or a stream is given up. Owns no state.
 */

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flags = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const settingIds = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const errorCodes = {
  noError: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

/** What an HTTP/2 client says first. */
export const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
export const frameHeadBytes = 9;
/** The longest payload either side may send before it is told otherwise: we neither ask for more nor send more. */
export const framePayloadBytesMax = 16_384;
/** What either side may send before it hears of windows. */
export const windowBytesDefault = 65_535;
/** The largest window, and the largest stream id. */
export const int31Max = 2 ** 31 - 1;
/** A decoder's table of header fields, unless settings say otherwise. */
export const headerTableBytesDefault = 4_096;

/** The connection cannot go on: it ends with GOAWAY and this code. Thrown while bytes are read; carries no stack. */
export class ConnectionFault extends Error {
  override readonly name = 'ConnectionFault';
  readonly code: number;

  constructor(code: number, text: string) {
    const depth = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(text);
    Error.stackTraceLimit = depth;
    this.code = code;
  }
}
