import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import type { Guard } from './guard.ts';

const VALID_DAYS = '7';

/** Files in PEM. */
export type Certificates = { readonly caFile: string; readonly certificateFile: string; readonly keyFile: string };

/** A certificate authority of our own and, signed by it, a server certificate for the loopback addresses. */
export async function createCertificates({ folder, guard }: { folder: string; guard: Guard }): Promise<Certificates> {
  const openssl = (args: readonly string[]): Promise<string> =>
    runCommand({
      file: 'openssl',
      args,
      cwd: folder,
      guard,
      missing: 'install OpenSSL (Debian and Ubuntu: apt-get install openssl)',
    });
  const newKey = ['-newkey', 'rsa:2048', '-nodes', '-sha256'];
  await writeFile(join(folder, 'san.cnf'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  await openssl([
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-days',
    VALID_DAYS,
    '-subj',
    '/CN=Slipstream local stack',
  ]);
  await openssl(['req', ...newKey, '-keyout', 'http.key', '-out', 'http.csr', '-subj', '/CN=localhost']);
  const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'san.cnf', '-days', VALID_DAYS];
  await openssl(['x509', '-req', '-in', 'http.csr', '-out', 'http.crt', ...signing]);
  return {
    caFile: join(folder, 'ca.crt'),
    certificateFile: join(folder, 'http.crt'),
    keyFile: join(folder, 'http.key'),
  };
}
