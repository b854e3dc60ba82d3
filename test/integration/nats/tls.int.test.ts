import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { nkeys } from '@nats-io/nats-core';
import { connectConfigured } from '../../../src/app/nats.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { Failed } from '../../../src/domain/failure.ts';
import { connectNats } from '../../../src/infra/nats/connect.ts';
import { createCertificates, type Certificates } from '../../../stack/certificates.ts';
import { startGuard, type Guard } from '../../../stack/guard.ts';
import { ownNatsServer } from '../../support/nats-server.ts';

let folder = '';
let guard: Guard;
let certificates: Certificates;

before(async () => {
  guard = startGuard();
  folder = await mkdtemp(join(tmpdir(), 'slipstream-tls-'));
  certificates = await createCertificates({ folder, guard });
});
after(async () => {
  await guard.sweep();
  await rm(folder, { recursive: true, force: true });
});

/** Connects as a supervisor does whose configuration has this section. */
async function connects(nats: string, env: Readonly<Record<string, string>> = {}): Promise<string | undefined> {
  const file = join(folder, `${randomUUID()}.yml`);
  await writeFile(file, `nats:\n${nats}\n`);
  const nc = await connectConfigured((await loadConfig(file, env)).nats, 'test tls');
  await nc.flush();
  await nc.close();
  return nc.info?.server_name;
}

const refused = (reason: RegExp) => (error: unknown) =>
  error instanceof Failed && error.failure.code === 'journal_unreachable' && reason.test(error.failure.reason);

const tls = (more = ''): string =>
  `tls { cert_file: "${certificates.certificateFile}", key_file: "${certificates.keyFile}", ca_file: "${certificates.caFile}"${more} }`;

describe('a NATS server behind TLS', () => {
  it('is trusted by the authority of the configuration, and by no other', async () => {
    await using server = await ownNatsServer(tls());
    await connects(`  servers: tls://127.0.0.1:${server.port}\n  caFile: ca.crt`);
    await connects(`  servers: nats://127.0.0.1:${server.port}\n  caFile: ca.crt`);
    await assert.rejects(connects(`  servers: tls://127.0.0.1:${server.port}`), refused(/certificate/i));
  });

  it('gets the certificate that it asks for', async () => {
    await using server = await ownNatsServer(tls(', verify: true'));
    const nats = `  servers: tls://127.0.0.1:${server.port}\n  caFile: ca.crt`;
    await connects(`${nats}\n  certFile: http.crt\n  keyFile: http.key`);
    await assert.rejects(connects(nats), refused(/\S/));
  });

  it('may want TLS from the first byte', async () => {
    await using server = await ownNatsServer(tls(', handshake_first: true'));
    await connects(`  servers: tls://127.0.0.1:${server.port}\n  caFile: ca.crt\n  tlsFirst: true`);
  });

  it('may ask for a password, a token, or an nkey too, each from a file or the environment', async () => {
    const user = nkeys.createUser();
    const seed = new TextDecoder().decode(user.getSeed());
    await writeFile(join(folder, 'password'), 's3cret\n');
    await writeFile(join(folder, 'token'), 't0ken\n');
    await writeFile(join(folder, 'user.nk'), `${seed}\n`);
    const variants = [
      [
        '{ user: ops, password: "s3cret" }',
        ['user: ops\n  passwordFile: password', 'user: ops\n  password: ${SECRET}'],
      ],
      ['{ token: "t0ken" }', ['tokenFile: token', 'token: ${TOKEN}']],
      [`{ users: [ { nkey: ${user.getPublicKey()} } ] }`, ['nkeyFile: user.nk', 'nkeySeed: ${SEED}']],
    ] as const;
    for (const [authorization, ways] of variants) {
      await using server = await ownNatsServer(`${tls()}\nauthorization ${authorization}`);
      const nats = `  servers: tls://127.0.0.1:${server.port}\n  caFile: ca.crt`;
      for (const way of ways) await connects(`${nats}\n  ${way}`, { SECRET: 's3cret', TOKEN: 't0ken', SEED: seed });
      const error = await connects(nats).then(
        () => assert.fail('it connected without logging in'),
        (thrown: unknown) => thrown,
      );
      assert.ok(refused(/authorization violation/i)(error), String(error));
      const wrong = { SECRET: 'wr0ng', TOKEN: 'wr0ng', SEED: new TextDecoder().decode(nkeys.createUser().getSeed()) };
      const told = await connects(`${nats}\n  ${ways[1]}`, wrong).then(
        () => assert.fail('it connected with a wrong secret'),
        (thrown: unknown) => JSON.stringify(thrown instanceof Failed ? thrown.failure : String(thrown)),
      );
      assert.doesNotMatch(told, new RegExp(`wr0ng|${wrong.SEED}`));
    }
  });
});

it('goes to the next server of the list when one is down', async () => {
  await using down = await ownNatsServer();
  await using up = await ownNatsServer();
  await down.kill();
  await connects(`  servers: [${down.url}, ${up.url}]`);
  await connects(`  servers: [${up.url}, ${down.url}]`);
});

it('does not mistake another server that took the port of ours for it', async () => {
  await using server = await ownNatsServer('server_name: stranger');
  await (await connectNats({ servers: [server.url], name: 'test', serverName: 'stranger' })).close();
  await assert.rejects(
    connectNats({ servers: [server.url], name: 'test', serverName: 'slipstream-U1' }),
    refused(/another server has taken this port/),
  );
});

it('shows no private key or secret of a configuration that is printed', async () => {
  const { redactedConfig } = await import('../../../src/config/redact.ts');
  const file = join(folder, 'printed.yml');
  await writeFile(file, 'nats:\n  servers: tls://h\n  caFile: ca.crt\n  certFile: http.crt\n  keyFile: http.key\n');
  const key = (await readFile(certificates.keyFile, 'utf8')).split('\n')[1] ?? '';
  const config = await loadConfig(file, {});
  assert.ok(JSON.stringify(config.nats).includes(key));
  assert.ok(!JSON.stringify(redactedConfig(config)).includes(key));
});
