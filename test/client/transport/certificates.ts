/** Certificates for tests, made with openssl in a folder that is removed again. Undefined where there is no openssl. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const opensslInstalled: boolean = spawnSync('openssl', ['version']).status === 0;

/** An authority, and what it signed. Paths are for servers, which read files. */
export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), 'certificates-'));

  constructor() {
    const subject = ['-subj', '/CN=test authority', '-days', '2', '-nodes'];
    this.#openssl('req', '-x509', ...newKey, '-keyout', this.path('ca.key'), '-out', this.path('ca.crt'), ...subject);
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  pem(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  /** Makes `<name>.crt` and `<name>.key`; `names` as openssl writes them, e.g. `DNS:localhost,IP:127.0.0.1`. */
  sign(name: string, names: string): void {
    const [key, request, certificate] = [`${name}.key`, `${name}.csr`, `${name}.crt`].map((file) => this.path(file));
    const [extensions, ca, caKey] = [this.path(`${name}.ext`), this.path('ca.crt'), this.path('ca.key')];
    writeFileSync(extensions, `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    this.#openssl('req', ...newKey, '-nodes', '-keyout', key ?? '', '-out', request ?? '', '-subj', `/CN=${name}`);
    const signed = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-days', '2', '-extfile', extensions];
    this.#openssl('x509', '-req', '-in', request ?? '', '-out', certificate ?? '', ...signed);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #openssl(...args: readonly string[]): void {
    const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
