/**
 * `PeerMessage` to bytes and back. Owns the layout of every message; what a message *means* is checked further in
 * (`raft/validate.ts`, the node). A decoded message has the right shape and ranges whatever was sent, else it is refused as a
 * value: no input makes this file throw. Entry payloads are copied once at most between socket and log.
 */
import { unreachable } from '../base/assert.ts';
import { longLivedBytes } from '../base/bytes.ts';
import type { ForwardAnswers, ForwardRefused, LeaseAnswer, LeaseQuestion, PeerMessage } from '../node/peer-message.ts';
import type { Entry, EntryKind } from '../store/entry.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';

/** Numbers on the wire; they never change their meaning. */
const tags: Readonly<Record<PeerMessage['type'], number>> = {
  preVote: 1,
  preVoteReply: 2,
  vote: 3,
  voteReply: 4,
  append: 5,
  appendReply: 6,
  heartbeat: 7,
  heartbeatReply: 8,
  timeoutNow: 9,
  roundRequest: 10,
  roundReply: 11,
  forwardCommands: 12,
  forwardRefused: 13,
  forwardQuestions: 14,
  forwardAnswers: 15,
};
const types: readonly (PeerMessage['type'] | undefined)[] = [
  undefined,
  ...(Object.keys(tags) as PeerMessage['type'][]).sort((a, b) => tags[a] - tags[b]),
];
const entryKinds: readonly EntryKind[] = ['empty', 'commands', 'configuration'];
const answerKinds: readonly LeaseAnswer['type'][] = ['alive', 'gone', 'unavailable'];
const refusalReasons: readonly ForwardRefused['why'][] = ['overloaded', 'noSpace'];

/** Least bytes of a list's element, so that a forged length is refused before anything is read. */
const entryBytesMin = 4;
const questionBytesMin = 10;
const answerBytesMin = 2;

/** A message, or why the bytes are none. */
export type DecodedMessage =
  | { readonly ok: true; readonly message: PeerMessage }
  | { readonly ok: false; readonly why: string };

/** Writes `message` behind what the writer holds. */
export function writePeerMessage(writer: ByteWriter, message: PeerMessage): void {
  writer.u8(tags[message.type]);
  writer.u64(message.from);
  writer.u64(message.to);
  writer.varint(message.term);
  switch (message.type) {
    case 'preVote':
      writer.varint(message.lastIndex);
      writer.varint(message.lastTerm);
      return;
    case 'preVoteReply':
    case 'voteReply':
      writer.bool(message.granted);
      return;
    case 'vote':
      writer.varint(message.lastIndex);
      writer.varint(message.lastTerm);
      writer.bool(message.transfer);
      return;
    case 'append':
      writer.varint(message.prevIndex);
      writer.varint(message.prevTerm);
      writer.varint(message.commit);
      writer.varint(message.round);
      writer.varint(message.entries.length);
      for (const entry of message.entries) writeEntry(writer, entry);
      return;
    case 'appendReply':
      writer.bool(message.accepted);
      writer.varint(message.match);
      writer.varint(message.hintIndex);
      writer.varint(message.hintTerm);
      writer.bool(message.needsSnapshot);
      writer.varint(message.round);
      return;
    case 'heartbeat':
      writer.varint(message.commit);
      writer.varint(message.round);
      return;
    case 'heartbeatReply':
      writer.varint(message.round);
      writer.bool(message.needsSnapshot);
      return;
    case 'timeoutNow':
      return;
    case 'roundRequest':
      writer.varint(message.boot);
      writer.varint(message.context);
      return;
    case 'roundReply':
      writer.varint(message.boot);
      writer.varint(message.context);
      writer.varint(message.index);
      return;
    case 'forwardCommands':
      writer.varint(message.boot);
      writer.varint(message.batch);
      writer.varint(message.commands.length);
      for (const command of message.commands) writer.bytes(command);
      return;
    case 'forwardRefused':
      writer.varint(message.boot);
      writer.u8(refusalReasons.indexOf(message.why));
      writer.varint(message.seqs.length);
      for (const seq of message.seqs) writer.varint(seq);
      return;
    case 'forwardQuestions':
      writer.varint(message.boot);
      writer.varint(message.questions.length);
      for (const question of message.questions) writeQuestion(writer, question);
      return;
    case 'forwardAnswers':
      writeAnswers(writer, message);
      return;
    default:
      unreachable(message);
  }
}

function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.varint(entry.index);
  writer.varint(entry.term);
  writer.u8(entryKinds.indexOf(entry.kind));
  writer.bytes(entry.payload);
}

function writeQuestion(writer: ByteWriter, question: LeaseQuestion): void {
  writer.varint(question.seq);
  writer.bool(question.kind === 'timeToLive');
  writer.i64(question.id);
}

function writeAnswers(writer: ByteWriter, message: ForwardAnswers): void {
  writer.varint(message.boot);
  writer.varint(message.answers.length);
  for (const answer of message.answers) {
    writer.varint(answer.seq);
    writer.u8(answerKinds.indexOf(answer.type));
    if (answer.type !== 'alive') continue;
    writer.f64(answer.grantedMs);
    writer.f64(answer.remainingMs);
  }
}

/** The message as bytes of its own; tests and tools use it, the link writes into frames instead. */
export function encodePeerMessage(message: PeerMessage): Buffer {
  const writer = new ByteWriter();
  writer.begin();
  writePeerMessage(writer, message);
  return Buffer.concat(writer.end());
}

/** A rough size, cheap to know before encoding: what counts against a queue's limit. */
export function peerMessageBytes(message: PeerMessage): number {
  let bytes = 64;
  if (message.type === 'append') for (const entry of message.entries) bytes += 24 + entry.payload.byteLength;
  else if (message.type === 'forwardCommands') for (const command of message.commands) bytes += 4 + command.byteLength;
  else if (message.type === 'forwardQuestions') bytes += message.questions.length * 14;
  else if (message.type === 'forwardAnswers') bytes += message.answers.length * 22;
  else if (message.type === 'forwardRefused') bytes += message.seqs.length * 8;
  return bytes;
}

/**
 * Reads one message. `owned`: the body is memory of its own and payloads may stay views of it; else they are copied, as the log
 * would otherwise pin the whole 64 KiB socket read behind a 100-byte entry.
 */
export function decodePeerMessage(body: Buffer, owned: boolean): DecodedMessage {
  const type = types[body[0] ?? 0];
  if (type === undefined) return { ok: false, why: 'unknown message type' };
  const carriesPayloads = type === 'append' || type === 'forwardCommands';
  const reader = new ByteReader(carriesPayloads && !owned ? kept(body) : body);
  reader.u8();
  const message = readMessage(reader, type);
  if (!reader.finished) return { ok: false, why: `malformed ${type}` };
  return { ok: true, message };
}

function kept(body: Buffer): Buffer {
  const copy = longLivedBytes(body.length);
  body.copy(copy);
  return copy;
}

function readMessage(reader: ByteReader, type: PeerMessage['type']): PeerMessage {
  const from = reader.u64();
  const to = reader.u64();
  const term = reader.varint();
  switch (type) {
    case 'preVote':
      return { type, from, to, term, lastIndex: reader.varint(), lastTerm: reader.varint() };
    case 'preVoteReply':
    case 'voteReply':
      return { type, from, to, term, granted: reader.bool() };
    case 'vote': {
      const lastIndex = reader.varint();
      const lastTerm = reader.varint();
      return { type, from, to, term, lastIndex, lastTerm, transfer: reader.bool() };
    }
    case 'append': {
      const prevIndex = reader.varint();
      const prevTerm = reader.varint();
      const commit = reader.varint();
      const round = reader.varint();
      const entries = reader.list(entryBytesMin, () => readEntry(reader));
      return { type, from, to, term, prevIndex, prevTerm, entries, commit, round };
    }
    case 'appendReply': {
      const accepted = reader.bool();
      const match = reader.varint();
      const hintIndex = reader.varint();
      const hintTerm = reader.varint();
      const needsSnapshot = reader.bool();
      const round = reader.varint();
      return { type, from, to, term, accepted, match, hintIndex, hintTerm, needsSnapshot, round };
    }
    case 'heartbeat':
      return { type, from, to, term, commit: reader.varint(), round: reader.varint() };
    case 'heartbeatReply':
      return { type, from, to, term, round: reader.varint(), needsSnapshot: reader.bool() };
    case 'timeoutNow':
      return { type, from, to, term };
    case 'roundRequest':
      return { type, from, to, term, boot: reader.varint(), context: reader.varint() };
    case 'roundReply':
      return { type, from, to, term, boot: reader.varint(), context: reader.varint(), index: reader.varint() };
    case 'forwardCommands': {
      const boot = reader.varint();
      const batch = reader.varint();
      return { type, from, to, term, boot, batch, commands: reader.list(1, () => reader.bytes()) };
    }
    case 'forwardRefused': {
      const boot = reader.varint();
      const why = refusalReasons[reader.u8()];
      if (why === undefined) reader.fail();
      return { type, from, to, term, boot, why: why ?? 'overloaded', seqs: reader.list(1, () => reader.varint()) };
    }
    case 'forwardQuestions': {
      const boot = reader.varint();
      return { type, from, to, term, boot, questions: reader.list(questionBytesMin, () => readQuestion(reader)) };
    }
    case 'forwardAnswers': {
      const boot = reader.varint();
      return { type, from, to, term, boot, answers: reader.list(answerBytesMin, () => readAnswer(reader)) };
    }
    default:
      return unreachable(type);
  }
}

function readEntry(reader: ByteReader): Entry {
  const index = reader.varint();
  const term = reader.varint();
  const kind = entryKinds[reader.u8()];
  if (kind === undefined) reader.fail();
  return { index, term, kind: kind ?? 'empty', payload: reader.bytes() };
}

function readQuestion(reader: ByteReader): LeaseQuestion {
  const seq = reader.varint();
  const kind = reader.bool() ? 'timeToLive' : 'keepAlive';
  return { seq, kind, id: reader.i64() };
}

function readAnswer(reader: ByteReader): LeaseAnswer {
  const seq = reader.varint();
  const type = answerKinds[reader.u8()] ?? 'unknown';
  switch (type) {
    case 'alive':
      return { seq, type, grantedMs: reader.f64(), remainingMs: reader.f64() };
    case 'gone':
    case 'unavailable':
      return { seq, type };
    case 'unknown':
      reader.fail();
      return { seq, type: 'unavailable' };
    default:
      return unreachable(type);
  }
}
