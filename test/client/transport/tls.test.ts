/** TLS against a real etcd: who is trusted, who is let in, and what the user is told when it is not so. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client, LeaseError } from '../../../src/client/client.ts';
import type { TlsOptions } from '../../../src/client/transport/grpc-channel.ts';
import { freePorts } from '../../cluster/processes.ts';
import { etcdInstalled, RealEtcd } from '../../support/real-etcd.ts';
import { Authority, opensslInstalled } from './certificates.ts';

const suite = describe.skipIf(!etcdInstalled || !opensslInstalled);

suite('TLS', () => {
  let ours: Authority;
  let other: Authority;
  /** Shows a certificate for `127.0.0.1`; asks clients for none. */
  let open: RealEtcd;
  /** Shows one for `members.example`; lets in only those with a certificate of the authority. */
  let mutual: RealEtcd;

  const secured = async (certificate: string, more: Record<string, string> = {}): Promise<RealEtcd> => {
    const [port] = await freePorts(1);
    const url = `https://127.0.0.1:${port}`;
    return await RealEtcd.start({
      'listen-client-urls': url,
      'advertise-client-urls': url,
      'cert-file': ours.path(`${certificate}.crt`),
      'key-file': ours.path(`${certificate}.key`),
      ...more,
    });
  };

  beforeAll(async () => {
    ours = new Authority();
    other = new Authority();
    ours.sign('address', 'IP:127.0.0.1');
    ours.sign('name', 'DNS:members.example');
    ours.sign('client', 'DNS:client');
    other.sign('stranger', 'DNS:client');
    // etcd's own gateway is a client too, and shows what the server shows.
    const asks = { 'client-cert-auth': 'true', 'trusted-ca-file': ours.path('ca.crt') };
    [open, mutual] = await Promise.all([secured('address'), secured('name', asks)]);
  }, 60_000);
  afterAll(() => {
    open?.stop();
    mutual?.stop();
    ours?.remove();
    other?.remove();
  });

  const grant = async (etcd: RealEtcd, tls: TlsOptions | undefined, endpoint = etcd.address): Promise<bigint> => {
    await using client = new Client({
      endpoints: [endpoint],
      timeout: '1500ms',
      ...(tls === undefined ? {} : { tls }),
    });
    return (await client.grant('10s')).ttl;
  };
  const failing = async (step: Promise<unknown>): Promise<{ code: string; message: string }> => {
    const error: unknown = await step.then(
      () => undefined,
      (failure: unknown) => failure,
    );
    if (!(error instanceof LeaseError)) throw new Error(`no error: ${String(error)}`);
    expect(error.mayHaveApplied).toBe(false);
    return error;
  };

  test('the authority that was given is trusted; so is an endpoint with https:// and the rest of it', async () => {
    const tls = { ca: ours.pem('ca.crt') };
    expect(await grant(open, tls)).toBe(10n);
    expect(await grant(open, tls, `https://${open.address}`)).toBe(10n);
    expect(await grant(open, { ca: Buffer.from(tls.ca) })).toBe(10n);
  });

  test('another authority, or the system’s: refused, with the reason', async () => {
    for (const tls of [{ ca: other.pem('ca.crt') }, {}]) {
      const { code, message } = await failing(grant(open, tls));
      expect(code).toBe('unavailable');
      expect(message).toMatch(
        /^no member could be reached in time; no connection to 127\.0\.0\.1:\d+: (unable to verify|self.signed certificate|unable to get)/,
      );
    }
  });

  test('without TLS where there is TLS, and the other way round', async () => {
    expect((await failing(grant(open, undefined))).message).toMatch(/^no member could be reached in time/);
    const plain = await RealEtcd.start();
    try {
      const { message } = await failing(grant(plain, { ca: ours.pem('ca.crt') }));
      // Its answer is no TLS, but the reset that follows may overtake it: it closes with our hello unread.
      expect(message).toMatch(
        /no connection to .*: .*(wrong version number|packet length too long|before secure TLS connection|ECONNRESET)/,
      );
      // An endpoint that says http:// is meant so, whatever `tls` says.
      expect(await grant(plain, { ca: ours.pem('ca.crt') }, `http://${plain.address}`)).toBe(10n);
    } finally {
      plain.stop();
    }
  });

  test('a certificate for another name, unless that name is given', async () => {
    const mine = { ca: ours.pem('ca.crt'), cert: ours.pem('client.crt'), key: ours.pem('client.key') };
    const { message } = await failing(grant(mutual, mine));
    expect(message).toMatch(/does not match certificate's altnames/);
    expect(await grant(mutual, { ...mine, serverName: 'members.example' })).toBe(10n);
    expect((await failing(grant(mutual, { ...mine, serverName: 'members.test' }))).message).toMatch(/members\.test/);
  });

  test('a client without a certificate, or with one of somebody else’s, is not let in', async () => {
    const ca = ours.pem('ca.crt');
    const serverName = 'members.example';
    expect((await failing(grant(mutual, { ca, serverName }))).code).toBe('unavailable');
    const stranger = { cert: other.pem('stranger.crt'), key: other.pem('stranger.key') };
    expect((await failing(grant(mutual, { ca, serverName, ...stranger }))).code).toBe('unavailable');
  });

  test('what is no certificate is refused before anything is sent', () => {
    const made = (tls: TlsOptions) => () => new Client({ endpoints: ['127.0.0.1:1'], tls });
    expect(made({ cert: ours.pem('client.crt') })).toThrow(/tls.cert and tls.key go together/);
    const garbage = { cert: 'no certificate', key: 'no key' };
    expect(made(garbage)).toThrow(/^tls: ca, cert or key is no PEM, or they do not fit: /);
    expect(made({ cert: ours.pem('client.crt'), key: other.pem('stranger.key') })).toThrow(LeaseError);
  });
});
