import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeMembership,
  encodeMembership,
  initialLog,
  initialMembership,
  memberIdOf,
  refuseInitialMembers,
} from '../../src/raft/membership.ts';

const three = ['n1', 'n2', 'n3'].map((name) => {
  const peerUrls = [`http://${name}:2380`];
  return { id: memberIdOf('token', name, peerUrls), name, peerUrls };
});

describe('membership', () => {
  test('everybody derives the same bytes and ids, in whatever order the flag lists the members', () => {
    const a = initialMembership('token', three);
    const b = initialMembership('token', [...three].reverse());
    expect(Buffer.compare(a.payload, b.payload)).toBe(0);
    expect(a.clusterId).toBe(b.clusterId);
    expect(initialMembership('other', three).clusterId).not.toBe(a.clusterId);
    expect(initialMembership('token', three.slice(1)).clusterId).not.toBe(a.clusterId);
  });

  test('ids and bytes are frozen: they stand in logs and identities', () => {
    expect(three.map(({ id }) => id.toString(16))).toMatchInlineSnapshot(`
      [
        "af718a58f51ce83d",
        "ad898ced80a1d5f1",
        "96b8b16701cebab1",
      ]
    `);
    const { clusterId, payload } = initialMembership('token', three);
    expect(clusterId.toString(16)).toMatchInlineSnapshot(`"fc9803ec8428efb5"`);
    expect(Buffer.from(payload).toString('hex')).toMatchInlineSnapshot(
      `"010300b1bace0167b1b896f1d5a180ed8c89ad3de81cf5588a71af00000300b1bace0167b1b89602006e33010e00687474703a2f2f6e333a32333830f1d5a180ed8c89ad02006e32010e00687474703a2f2f6e323a323338303de81cf5588a71af02006e31010e00687474703a2f2f6e313a32333830"`,
    );
  });

  test('a member id depends on token, name and URLs, not on the order of URLs, and where a text ends matters', () => {
    const id = memberIdOf('t', 'n', ['http://a', 'http://b']);
    expect(memberIdOf('t', 'n', ['http://b', 'http://a'])).toBe(id);
    for (const other of [
      memberIdOf('u', 'n', ['http://a', 'http://b']),
      memberIdOf('tn', '', ['http://a', 'http://b']),
    ]) {
      expect(other).not.toBe(id);
    }
  });

  test('what was encoded is read again; a byte changed, cut or added is another membership or none', () => {
    const { payload, membership } = initialMembership('token', three);
    expect(decodeMembership(payload)).toEqual(membership);
    for (let i = 0; i < payload.length; i++) expect(decodeMembership(payload.subarray(0, i))).toBeUndefined();
    expect(decodeMembership(Buffer.concat([payload, Buffer.of(0)]))).toBeUndefined();
    for (let i = 0; i < payload.length; i++) {
      const changed = Buffer.from(payload);
      changed[i] = (changed[i] as number) ^ 0x40;
      const read = decodeMembership(changed);
      if (read !== undefined) expect(Buffer.compare(encodeMembership(read), changed)).toBe(0);
    }
  });

  test('no bytes make it throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        bytes[0] = 1;
        decodeMembership(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test('an impossible list is refused in a sentence', () => {
    const [first, second] = three as [(typeof three)[0], (typeof three)[0]];
    expect(refuseInitialMembers(three)).toBeUndefined();
    expect(refuseInitialMembers([])).toContain('no member');
    expect(refuseInitialMembers([first, { ...second, id: first.id }])).toContain('the id');
    expect(refuseInitialMembers([first, { ...second, name: 'n1' }])).toContain('called n1');
    expect(refuseInitialMembers([first, { ...second, peerUrls: first.peerUrls }])).toContain('twice');
    expect(refuseInitialMembers([{ ...first, peerUrls: [] }])).toContain('no peer URL');
  });

  test('a fresh log is entry 1, committed', () => {
    const { payload } = initialMembership('token', three);
    const { hardState, entries } = initialLog(payload);
    expect(hardState).toEqual({ term: 1, vote: 0n, commit: 1 });
    expect(entries).toEqual([{ index: 1, term: 1, kind: 'configuration', payload }]);
  });
});
