/** The shapes of the messages of locks and elections (`proto/etcd/v3lock.proto`, `v3election.proto`), as `messages.ts` for the rest. */
import { wireType } from './codec.ts';
import type { Int } from './int64.ts';
import type { Answer, KeyValueMessage } from './messages.ts';

export interface LockRequest {
  readonly name: Uint8Array;
  readonly lease: Int;
}
export interface LockResponse extends Answer {
  readonly key: Uint8Array;
}
export interface CampaignRequest {
  readonly name: Uint8Array;
  readonly lease: Int;
  readonly value: Uint8Array;
}
export interface LeaderKeyMessage {
  readonly name: Uint8Array;
  readonly key: Uint8Array;
  readonly rev: Int;
  readonly lease: Int;
}
export interface CampaignResponse extends Answer {
  readonly leader: LeaderKeyMessage | null;
}
export interface ProclaimRequest {
  readonly leader: LeaderKeyMessage | null;
  readonly value: Uint8Array;
}
export interface LeaderResponse extends Answer {
  readonly kv: KeyValueMessage | null;
}

/** Every message type of these services that we read or write, by name. */
export const queueWire = {
  LockRequest: wireType<LockRequest>('v3lockpb.LockRequest'),
  LockResponse: wireType<LockResponse>('v3lockpb.LockResponse'),
  UnlockRequest: wireType<{ readonly key: Uint8Array }>('v3lockpb.UnlockRequest'),
  UnlockResponse: wireType<Answer>('v3lockpb.UnlockResponse'),
  CampaignRequest: wireType<CampaignRequest>('v3electionpb.CampaignRequest'),
  CampaignResponse: wireType<CampaignResponse>('v3electionpb.CampaignResponse'),
  ProclaimRequest: wireType<ProclaimRequest>('v3electionpb.ProclaimRequest'),
  ProclaimResponse: wireType<Answer>('v3electionpb.ProclaimResponse'),
  LeaderRequest: wireType<{ readonly name: Uint8Array }>('v3electionpb.LeaderRequest'),
  LeaderResponse: wireType<LeaderResponse>('v3electionpb.LeaderResponse'),
  ResignRequest: wireType<{ readonly leader: LeaderKeyMessage | null }>('v3electionpb.ResignRequest'),
  ResignResponse: wireType<Answer>('v3electionpb.ResignResponse'),
};
