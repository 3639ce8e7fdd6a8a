/** The tool's outputs, exit codes and requests. Every expected text was captured from etcdctl 3.4.23 against etcd 3.4.23. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prefixEnd } from '../../src/cli/key-commands.ts';
import { table } from '../../src/cli/output-table.ts';
import { tool } from './run-tool.ts';
import { type Script, ScriptedServer, silence } from './scripted-server.ts';

const header = { cluster_id: '7222109305586615858', member_id: '17767816877210000001', revision: '13', raft_term: '2' };
const kv1 = { key: Buffer.from('k1'), create_revision: 9, mod_revision: 10, version: 2, value: Buffer.from('v2') };
const kv2 = {
  key: Buffer.from('k2'),
  create_revision: 11,
  mod_revision: 13,
  version: 3,
  value: Buffer.from('v3'),
  lease: '6521671879869167647',
};
const id = '6521671879869167647';
const notFound = { code: 5, details: 'etcdserver: requested lease not found' };
const status = {
  header,
  version: '3.4.23',
  dbSize: 20480,
  leader: '17767816877210000001',
  raftIndex: 28,
  raftTerm: 2,
  raftAppliedIndex: 28,
  dbSizeInUse: 16384,
};
const member = {
  ID: '17767816877210000001',
  name: 'e1',
  peerURLs: ['http://127.0.0.1:47380'],
  clientURLs: ['http://127.0.0.1:47379'],
};
const script: Script = {
  LeaseGrant: (request) =>
    request['TTL'] === '9999999999999'
      ? { code: 11, details: 'etcdserver: too large lease TTL' }
      : { header, ID: id, TTL: request['TTL'] },
  LeaseRevoke: (request) => (request['ID'] === id ? { header } : notFound),
  LeaseTimeToLive: (request) => {
    if (request['ID'] !== id) return { header, ID: request['ID'], TTL: -1 };
    return {
      header,
      ID: id,
      TTL: 99,
      grantedTTL: 100,
      ...(request['keys'] === true ? { keys: [Buffer.from('k1'), Buffer.from('k2')] } : {}),
    };
  },
  LeaseLeases: () => ({ header, leases: [{ ID: id }, { ID: '1' }] }),
  LeaseKeepAlive: (request) => ({ header, ID: request['ID'], TTL: request['ID'] === id ? 100 : 0 }),
  Put: (request) => ({ header, ...(request['prev_kv'] === true ? { prev_kv: kv1 } : {}) }),
  Range: (request) =>
    request['limit'] === '1' ? { header, kvs: [kv2], more: true, count: 2 } : { header, kvs: [kv1, kv2], count: 2 },
  DeleteRange: (request) => ({ header, deleted: 1, ...(request['prev_kv'] === true ? { prev_kvs: [kv1] } : {}) }),
  MemberList: () => ({
    header: { ...header, revision: '0' },
    members: [member, { ID: '255', peerURLs: ['http://a:1', 'http://b:2'], isLearner: true }],
  }),
  Status: () => status,
  Compact: () => ({ header }),
  HashKV: () => ({ header, hash: 4023456789, compact_revision: 1 }),
};

let server: ScriptedServer;
beforeEach(async () => {
  server = await ScriptedServer.start(script);
});
afterEach(() => server.stop());

const run = (...argv: string[]) => tool(['--endpoints', server.endpoint, ...argv]);
const hexId = '5a81a2057d41781f';
const hdr = '"cluster_id":7222109305586615858,"member_id":17767816877210000001,"revision":13,"raft_term":2';
const fieldsHeader =
  '"ClusterID" : 7222109305586615858\n"MemberID" : 17767816877210000001\n"Revision" : 13\n"RaftTerm" : 2\n';

describe('simple output', () => {
  it.each<[string, string]>([
    ['lease grant 30', `lease ${hexId} granted with TTL(30s)\n`],
    [`lease revoke ${hexId}`, `lease ${hexId} revoked\n`],
    [`lease timetolive ${hexId}`, `lease ${hexId} granted with TTL(100s), remaining(99s)\n`],
    [
      `lease timetolive ${hexId} --keys`,
      `lease ${hexId} granted with TTL(100s), remaining(99s), attached keys([k1 k2])\n`,
    ],
    ['lease timetolive 77', 'lease 0000000000000077 already expired\n'],
    ['lease list', `found 2 leases\n${hexId}\n0000000000000001\n`],
    [`lease keep-alive --once ${hexId}`, `lease ${hexId} keepalived with TTL(100)\n`],
    ['lease keep-alive 77', 'lease 0000000000000077 expired or revoked.\n'],
    [`put k1 v1 --lease=${hexId}`, 'OK\n'],
    ['put k1 v2 --prev-kv', 'OK\nk1\nv2\n'],
    ['get k --prefix', 'k1\nv2\nk2\nv3\n'],
    ['get k --prefix --print-value-only', 'v2\nv3\n'],
    ['get k --prefix --hex', '\\x6b\\x31\n\\x76\\x32\n\\x6b\\x32\n\\x76\\x33\n'],
    ['del k1', '1\n'],
    ['del k1 --prev-kv', '1\nk1\nv2\n'],
    ['compaction 12 --physical', 'compacted revision 12\n'],
    ['compaction 12 -w json', 'compacted revision 12\n'],
    [
      'member list',
      'f693f74fd84ada81, started, e1, http://127.0.0.1:47380, http://127.0.0.1:47379, false\nff, unstarted, , http://a:1,http://b:2, , true\n',
    ],
    ['version', 'leasectl version: 0.1.0\nAPI version: 3.5\n'],
  ])('%s', async (line, out) => {
    expect(await run(...line.split(' '))).toEqual({ code: 0, out, err: '' });
  });

  it('endpoint status, health and hashkv name the endpoint', async () => {
    expect(await run('endpoint', 'status')).toEqual({
      code: 0,
      out: `${server.endpoint}, f693f74fd84ada81, 3.4.23, 20 kB, true, false, 2, 28, 28, \n`,
      err: '',
    });
    const health = await run('endpoint', 'health');
    expect(health.out).toBe('');
    expect(health.err).toMatch(/^127\.0\.0\.1:\d+ is healthy: successfully committed proposal: took = [\d.]+ms\n$/);
    expect((await run('endpoint', 'hashkv')).out).toBe(`${server.endpoint}, 4023456789\n`);
  });
});

describe('json output', () => {
  it.each<[string, string]>([
    ['lease grant 30', `{${hdr},"ID":${id},"TTL":30,"Error":""}`],
    [`lease revoke ${hexId}`, `{"header":{${hdr}}}`],
    [`lease timetolive ${hexId}`, `{${hdr},"id":${id},"ttl":99,"granted-ttl":100,"keys":null}`],
    [`lease timetolive ${hexId} --keys`, `{${hdr},"id":${id},"ttl":99,"granted-ttl":100,"keys":["azE=","azI="]}`],
    ['lease timetolive 77', `{${hdr},"id":119,"ttl":-1,"granted-ttl":0,"keys":null}`],
    ['lease list', `{${hdr},"leases":[{"id":${id}},{"id":1}]}`],
    [`lease keep-alive --once ${hexId}`, `{${hdr},"ID":${id},"TTL":100}`],
    ['put k v', `{"header":{${hdr}}}`],
    [
      'put k v --prev-kv',
      `{"header":{${hdr}},"prev_kv":{"key":"azE=","create_revision":9,"mod_revision":10,"version":2,"value":"djI="}}`,
    ],
    [
      'get k --limit=1',
      `{"header":{${hdr}},"kvs":[{"key":"azI=","create_revision":11,"mod_revision":13,"version":3,"value":"djM=","lease":${id}}],"more":true,"count":2}`,
    ],
    ['del k', `{"header":{${hdr}},"deleted":1}`],
    [
      'member list',
      '{"header":{"cluster_id":7222109305586615858,"member_id":17767816877210000001,"raft_term":2},"members":[{"ID":17767816877210000001,"name":"e1","peerURLs":["http://127.0.0.1:47380"],"clientURLs":["http://127.0.0.1:47379"]},{"ID":255,"peerURLs":["http://a:1","http://b:2"],"isLearner":true}]}',
    ],
  ])('%s', async (line, out) => {
    expect(await run('-w', 'json', ...line.split(' '))).toEqual({ code: 0, out: `${out}\n`, err: '' });
  });

  it('endpoint status and health', async () => {
    expect((await run('-w=json', 'endpoint', 'status')).out).toBe(
      `[{"Endpoint":"${server.endpoint}","Status":{"header":{${hdr}},"version":"3.4.23","dbSize":20480,"leader":17767816877210000001,"raftIndex":28,"raftTerm":2,"raftAppliedIndex":28,"dbSizeInUse":16384}}]\n`,
    );
    expect((await run('-w=json', 'endpoint', 'health')).out).toMatch(
      /^\[\{"endpoint":"127\.0\.0\.1:\d+","health":true,"took":"[\d.]+ms"\}\]\n$/,
    );
  });
});

describe('fields output', () => {
  it.each<[string, string]>([
    ['lease grant 30', `${fieldsHeader}"ID" : ${id}\n"TTL" : 30\n`],
    [
      `lease timetolive ${hexId} --keys`,
      `${fieldsHeader}"ID" : ${id}\n"TTL" : 99\n"GrantedTTL" : 100\n"Key" : "k1"\n"Key" : "k2"\n`,
    ],
    ['lease list', `${fieldsHeader}"ID" : ${id}\n"ID" : 1\n`],
    [
      'get k --limit=1',
      `${fieldsHeader}"Key" : "k2"\n"CreateRevision" : 11\n"ModRevision" : 13\n"Version" : 3\n"Value" : "v3"\n"Lease" : ${id}\n"More" : true\n"Count" : 2\n`,
    ],
    [
      'del k --prev-kv',
      `${fieldsHeader}"Deleted" : 1\n"PrevKey" : "k1"\n"PrevCreateRevision" : 9\n"PrevModRevision" : 10\n"PrevVersion" : 2\n"PrevValue" : "v2"\n"PrevLease" : 0\n`,
    ],
  ])('%s', async (line, out) => {
    expect(await run('-w', 'fields', ...line.split(' '))).toEqual({ code: 0, out, err: '' });
  });
});

describe('table output', () => {
  it('draws as tablewriter does', () => {
    const rows = [
      ['127.0.0.1:47379', 'true', '4.267816ms', ''],
      ['127.0.0.1:1', 'false', '5.002859387s', 'context deadline exceeded'],
    ];
    expect(table(['ENDPOINT', 'HEALTH', 'TOOK', 'ERROR'], rows)).toBe(
      `+-----------------+--------+--------------+---------------------------+
|    ENDPOINT     | HEALTH |     TOOK     |           ERROR           |
+-----------------+--------+--------------+---------------------------+
| 127.0.0.1:47379 |   true |   4.267816ms |                           |
|     127.0.0.1:1 |  false | 5.002859387s | context deadline exceeded |
+-----------------+--------+--------------+---------------------------+
`,
    );
  });

  it('wraps a long cell at words', () => {
    const drawn = table(['A'], [['one two three four five six seven eight nine ten']]).split('\n');
    expect(drawn.slice(3, -2).map((line) => line.slice(2, -2).trim())).toEqual([
      'one two three four five six',
      'seven eight nine ten',
    ]);
  });

  it('refuses what has no rows before it is sent', async () => {
    for (const line of [
      `lease revoke ${hexId}`,
      'put k v',
      'get k',
      'del k',
      'lease list',
      `lease keep-alive --once ${hexId}`,
    ]) {
      expect(await run('-w', 'table', ...line.split(' '))).toEqual({
        code: 4,
        out: '',
        err: 'Error: table not supported as output format\n',
      });
    }
    expect(server.requests).toEqual([]);
  });
});

describe('mistakes and failures', () => {
  it.each<[string, number, string]>([
    ['lease grant', 128, 'lease grant command needs TTL argument'],
    ['lease grant abc', 128, 'bad TTL (strconv.ParseInt: parsing "abc": invalid syntax)'],
    ['lease grant 9999999999999', 1, 'failed to grant lease (etcdserver: too large lease TTL)'],
    ['lease revoke', 128, 'lease revoke command needs 1 argument'],
    ['lease revoke zz', 128, 'bad lease ID arg (strconv.ParseInt: parsing "zz": invalid syntax), expecting ID in Hex'],
    ['lease revoke 12345', 1, 'failed to revoke lease (etcdserver: requested lease not found)'],
    ['lease timetolive', 128, 'lease timetolive command needs lease ID as argument'],
    ['lease keep-alive', 128, 'lease keep-alive command needs lease ID as argument'],
    ['lease keep-alive --once 77', 2, 'etcdserver: requested lease not found'],
    ['put', 128, 'put command needs 1 argument and input from stdin or 2 arguments'],
    ['put k', 128, 'put command needs 1 argument and input from stdin or 2 arguments'],
    ['put k v --lease=zz', 128, 'bad lease ID (strconv.ParseInt: parsing "zz": invalid syntax), expecting ID in Hex'],
    ['put k v --ignore-value', 128, "put command needs only 1 argument when 'ignore-value' is set"],
    ['get', 128, 'get command needs one argument as key and an optional argument as range_end'],
    ['get a --prefix --from-key', 128, '`--prefix` and `--from-key` cannot be set at the same time, choose one'],
    ['get a b --prefix', 128, 'too many arguments, only accept one argument when `--prefix` or `--from-key` is set'],
    ['get a --print-value-only -w json', 128, 'print-value-only is only for `--write-out=simple`'],
    ['get a --sort-by=foo', 4, 'bad sort target foo'],
    ['get a --order=foo', 4, 'bad sort order foo'],
    ['get a --consistency=foo', 4, 'unknown consistency flag "foo"'],
    ['del', 128, 'del command needs one argument as key and an optional argument as range_end'],
    ['del a b c', 128, 'del command needs one argument as key and an optional argument as range_end'],
    ['compaction', 128, 'compaction command needs 1 argument'],
    ['compaction 1 2', 128, 'compaction command needs 1 argument'],
    ['compaction x', 1, 'strconv.ParseInt: parsing "x": invalid syntax'],
    ['-w bad get a', 4, 'unsupported output format'],
    ['nosuch', 1, 'unknown command "nosuch" for "leasectl"\nRun \'leasectl --help\' for usage.'],
    [
      'lease grnt 5',
      1,
      'unknown command "lease grnt" for "leasectl" (did you mean "lease grant"?)\nRun \'leasectl --help\' for usage.',
    ],
    ['get a --nosuch', 1, 'unknown flag: --nosuch'],
    ['get a --prefx', 1, 'unknown flag: --prefx (did you mean --prefix?)'],
    ['put k v --keys-only', 1, 'unknown flag: --keys-only'],
    ['get a --limit', 1, 'flag needs an argument: --limit'],
    ['get a --limit=x', 1, 'invalid argument "x" for "--limit" flag: strconv.ParseInt: parsing "x": invalid syntax'],
    [
      'get a --command-timeout=5',
      1,
      'invalid argument "5" for "--command-timeout" flag: use a duration such as 5s or 300ms',
    ],
    ['get a --cacert=x', 128, '--cacert is not supported yet (no TLS, no users); leave it out'],
    ['get a --user=root:pw', 128, '--user is not supported yet (no TLS, no users); leave it out'],
    ['get a --insecure-transport=false', 128, '--insecure-transport=false is not supported yet (no TLS); leave it out'],
  ])('%s', async (line, code, message) => {
    expect(await run(...line.split(' '))).toEqual({ code, out: '', err: `Error: ${message}\n` });
  });

  it.each([
    ['https://h:1', 128, 'endpoint https://h:1: TLS is not supported yet; use http://h:1'],
    ['unix://x:1', 128, 'endpoint unix://x:1: unknown scheme unix; use http'],
    ['h', 128, 'endpoint h names no port; add one, as in h:2379'],
    ['', 2, 'etcdclient: no available endpoints'],
  ])('endpoint %j', async (endpoint, code, message) => {
    expect(await tool(['--endpoints', endpoint, 'get', 'a'])).toEqual({ code, out: '', err: `Error: ${message}\n` });
  });

  it('a member that is not there: etcdctl’s texts, after the command timeout', async () => {
    const dead = ['--endpoints=127.0.0.1:1', '--command-timeout=300ms'];
    expect(await tool([...dead, 'get', 'a'])).toEqual({ code: 1, out: '', err: 'Error: context deadline exceeded\n' });
    expect(await tool([...dead, 'endpoint', 'status'])).toEqual({
      code: 1,
      out: '',
      err: 'Failed to get the status of endpoint 127.0.0.1:1 (context deadline exceeded)\n',
    });
    const mixed = await tool([
      `--endpoints=127.0.0.1:1,${server.endpoint}`,
      '--command-timeout=3s',
      'endpoint',
      'health',
      '-w',
      'json',
    ]);
    expect(mixed.code).toBe(1);
    expect(mixed.err).toBe('Error: unhealthy cluster\n');
    expect(mixed.out).toMatch(
      /^\[\{"endpoint":"[^"]+","health":true,"took":"[^"]+"\},\{"endpoint":"127\.0\.0\.1:1","health":false,"took":"[^"]+","error":"context deadline exceeded"\}\]\n$/,
    );
  });

  it('one dead endpoint among several does not matter', async () => {
    expect(await tool([`--endpoints=127.0.0.1:1,${server.endpoint}`, 'lease', 'grant', '5'])).toMatchObject({
      code: 0,
    });
  });

  it('a read moves on from a member that is unavailable, a write does not', async () => {
    let asked = 0;
    const away = () => {
      asked++;
      return { code: 14, details: 'etcdserver: no leader' };
    };
    const lost = await ScriptedServer.start({ Range: away, Put: away });
    const only = await tool([`--endpoints=${lost.endpoint}`, 'get', 'a']);
    expect(only).toEqual({ code: 1, out: '', err: 'Error: etcdserver: no leader\n' });
    asked = 0;
    const second = await ScriptedServer.start({ Range: away, Put: away });
    expect((await tool([`--endpoints=${lost.endpoint},${second.endpoint}`, 'get', 'a'])).err).toBe(
      'Error: etcdserver: no leader\n',
    );
    expect(asked).toBe(2);
    asked = 0;
    await tool([`--endpoints=${lost.endpoint},${second.endpoint}`, 'put', 'a', 'b']);
    expect(asked).toBe(1);
    lost.stop();
    second.stop();
  });
});

describe('what is sent', () => {
  const sent = async (line: readonly string[], input = '') => {
    await tool(['--endpoints', server.endpoint, ...line], {}, input);
    return server.requests.at(-1)?.request;
  };
  it('ranges', async () => {
    expect(await sent(['get', 'ab', '--prefix'])).toMatchObject({
      key: Buffer.from('ab'),
      range_end: Buffer.from('ac'),
    });
    expect(await sent(['get', '', '--prefix'])).toMatchObject({ key: Buffer.of(0), range_end: Buffer.of(0) });
    expect(await sent(['get', 'a', '--from-key'])).toMatchObject({ key: Buffer.from('a'), range_end: Buffer.of(0) });
    expect(await sent(['del', 'a', 'c'])).toMatchObject({ key: Buffer.from('a'), range_end: Buffer.from('c') });
    expect(await sent(['compaction', '9', '--physical'])).toEqual({ revision: '9', physical: true });
    expect(prefixEnd(Buffer.of(1, 0xff, 0xff))).toEqual(Buffer.of(2));
    expect(prefixEnd(Buffer.of(0xff))).toEqual(Buffer.of(0));
  });
  it('options of get', async () => {
    const request = await sent(
      'get a --rev=7 --limit=3 --order=descend --sort-by=modify --consistency=s --keys-only --count-only'.split(' '),
    );
    expect(request).toMatchObject({
      revision: '7',
      limit: '3',
      sort_order: 'DESCEND',
      sort_target: 'MOD',
      serializable: true,
      keys_only: true,
      count_only: true,
    });
  });
  it('values from the argument, from standard input, or none', async () => {
    expect(await sent(['put', '--', '-k', '-v'])).toMatchObject({ key: Buffer.from('-k'), value: Buffer.from('-v') });
    expect(await sent(['put', 'k'], 'from stdin\n')).toMatchObject({ value: Buffer.from('from stdin\n') });
    expect(await sent(['put', 'k', '--ignore-value', '--ignore-lease'])).toMatchObject({
      ignore_value: true,
      ignore_lease: true,
    });
    expect(await sent(['put', 'k', 'v', '--lease=-1'])).toMatchObject({ lease: '-1' });
  });
});

describe('environment', () => {
  it('LEASECTL_ over ETCDCTL_, flags over both', async () => {
    const env = {
      ETCDCTL_ENDPOINTS: '127.0.0.1:1',
      LEASECTL_ENDPOINTS: server.endpoint,
      ETCDCTL_WRITE_OUT: 'json',
      ETCDCTL_API: '3',
    };
    expect((await tool(['lease', 'grant', '5'], env)).out).toContain('"TTL":5');
    expect((await tool(['lease', 'grant', '5', '-w', 'simple'], env)).out).toContain('granted with TTL(5s)');
    expect((await tool(['get', 'a'], { ...env, ETCDCTL_CACERT: '/x' })).err).toContain('--cacert is not supported yet');
  });
});

describe('keep-alive', () => {
  it('goes on until the lease is gone', async () => {
    let answers = 0;
    const short = await ScriptedServer.start({
      LeaseKeepAlive: (request) => ({ header, ID: request['ID'], TTL: ++answers > 2 ? 0 : 1 }),
    });
    expect(await tool(['--endpoints', short.endpoint, 'lease', 'keep-alive', '5'])).toEqual({
      code: 0,
      out: `${'lease 0000000000000005 keepalived with TTL(1)\n'.repeat(2)}lease 0000000000000005 expired or revoked.\n`,
      err: '',
    });
    short.stop();
  });

  it('moves on from a member that is lost or silent, and says so only when nobody renews for a TTL', async () => {
    let silent = false;
    const second = await ScriptedServer.start({
      LeaseKeepAlive: (request) => {
        setTimeout(() => second.stop(), 100);
        return { header, ID: request['ID'], TTL: 2 };
      },
    });
    const first = await ScriptedServer.start({
      LeaseKeepAlive: (request) => {
        if (silent) return silence;
        silent = true;
        return { header, ID: request['ID'], TTL: 3 };
      },
    });
    const began = performance.now();
    const endpoints = `${first.endpoint},${second.endpoint}`;
    const ended = await tool(['--command-timeout=1s', `--endpoints=${endpoints}`, 'lease', 'keep-alive', '5']);
    // Whichever is asked first.
    expect(ended.out.trimEnd().split('\n').sort()).toEqual([
      'lease 0000000000000005 keepalived with TTL(2)',
      'lease 0000000000000005 keepalived with TTL(3)',
    ]);
    expect(ended.code).toBe(2);
    expect(ended.err).toMatch(/^Error: /);
    expect(performance.now() - began).toBeLessThan(8_000);
    first.stop();
  });

  it('ends at once when interrupted, with 5', async () => {
    const interrupt = new AbortController();
    const slow = await ScriptedServer.start({
      LeaseKeepAlive: (request) => {
        setImmediate(() => interrupt.abort());
        return { header, ID: request['ID'], TTL: 9_000_000 };
      },
    });
    const ended = await tool(['--endpoints', slow.endpoint, 'lease', 'keep-alive', '5'], {}, '', interrupt.signal);
    expect({ code: ended.code, err: ended.err }).toEqual({ code: 5, err: '' });
    slow.stop();
  });
});

it('Ctrl-C ends any command at once, with 5', async () => {
  const interrupt = new AbortController();
  const began = performance.now();
  const never = tool(['--endpoints=192.0.2.1:1', '--command-timeout=30s', 'get', 'a'], {}, '', interrupt.signal);
  interrupt.abort();
  expect((await never).code).toBe(5);
  expect(performance.now() - began).toBeLessThan(5_000);
});

describe('help', () => {
  it('lists commands, a group, or one command’s flags', async () => {
    expect((await tool([])).out).toContain('lease grant');
    expect((await tool(['help'])).out).toContain('endpoint health');
    const group = (await tool(['lease'])).out;
    expect(group).toContain('lease keep-alive');
    expect(group).not.toContain('endpoint health');
    expect((await tool(['get', '--help'])).out).toContain('--sort-by=""');
  });
});
