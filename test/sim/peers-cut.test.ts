/**
 * The scenario in which etcd breaks the lease promise (reliability.md §0.2): a long lease is checkpointed, then only the leader's
 * peer links are cut and a client renews through its open client port. What that leader acknowledges, the majority must honour;
 * etcd acknowledges after 7 s, and the majority ends the lease nearly five minutes early. Mutants M22, M23, M35 fail it.
 */
import { expect, test } from 'vitest';
import { checkpointInFlight, cutAtEveryStage, peersCut } from './scripts.ts';

test('a renewal through a leader whose peers are cut is not acknowledged', () => {
  for (let seed = 1; seed <= 10; seed++) expect(peersCut(seed).acknowledged).toBe(0);
});

test('what is acknowledged around the cut is honoured by whoever leads next', () => {
  let acknowledged = 0;
  for (let seed = 0; seed < 40; seed++) acknowledged += cutAtEveryStage(seed).acknowledged;
  expect(acknowledged).toBeGreaterThan(3);
  expect(acknowledged).toBeLessThan(40);
});

test('nor is a renewal acknowledged while a checkpoint that would outlive it is on its way', () => {
  for (let seed = 1; seed <= 10; seed++) checkpointInFlight(seed);
});
