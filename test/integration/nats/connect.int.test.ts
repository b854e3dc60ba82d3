import assert from 'node:assert/strict';
import { it } from 'node:test';
import { nkeys } from '@nats-io/nats-core';
import { checkReach } from '../../../src/app/cli-wiring.ts';
import { Failed } from '../../../src/domain/failure.ts';
import { connectNats, type NatsAuth } from '../../../src/infra/nats/connect.ts';
import { config } from '../../unit/cli/cli-bench.ts';
import { ownNatsServer } from '../../support/nats-server.ts';

async function connects(url: string, auth?: NatsAuth): Promise<void> {
  const nc = await connectNats({ servers: [url], name: 'test connect', auth });
  await nc.flush();
  await nc.close();
}

async function refusal(url: string, auth?: NatsAuth): Promise<Failed['failure']> {
  const error: unknown = await connects(url, auth).then(
    () => assert.fail('it connected'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Failed, String(error));
  assert.equal(error.failure.code, 'journal_unreachable');
  return error.failure;
}

it('logs in by user and password, and says when they are wrong without telling them', async () => {
  await using server = await ownNatsServer('authorization { user: ops, password: "s3cret" }');
  await connects(server.url, { kind: 'password', user: 'ops', password: 's3cret' });
  const failure = await refusal(server.url, { kind: 'password', user: 'ops', password: 'wr0ng' });
  assert.match(failure.reason, /authorization violation/i);
  assert.doesNotMatch(JSON.stringify(failure), /wr0ng|s3cret/);
  assert.match((await refusal(server.url)).reason, /authorization violation/i);
});

it('logs in by token', async () => {
  await using server = await ownNatsServer('authorization { token: "t0ken" }');
  await connects(server.url, { kind: 'token', token: 't0ken' });
  assert.doesNotMatch(JSON.stringify(await refusal(server.url, { kind: 'token', token: 'wr0ng' })), /wr0ng/);
});

it('logs in by nkey', async () => {
  const pair = nkeys.createUser();
  await using server = await ownNatsServer(`authorization { users: [ { nkey: ${pair.getPublicKey()} } ] }`);
  await connects(server.url, { kind: 'nkey', seed: `${new TextDecoder().decode(pair.getSeed())}\n` });
  await refusal(server.url, { kind: 'nkey', seed: new TextDecoder().decode(nkeys.createUser().getSeed()) });
});

it('logs in by a credentials file', async () => {
  const operator = nkeys.createOperator();
  const account = nkeys.createAccount();
  const user = nkeys.createUser();
  const operatorJwt = jwt(operator, operator, { type: 'operator' });
  const system = nkeys.createAccount();
  const unlimited = {
    type: 'account',
    limits: { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 },
  };
  const accounts = [account, system].map((each) => `${each.getPublicKey()}: ${jwt(each, operator, unlimited)}`);
  const userJwt = jwt(user, account, { type: 'user', subs: -1, data: -1, payload: -1 });
  await using server = await ownNatsServer(
    `operator: ${operatorJwt}\nsystem_account: ${system.getPublicKey()}\nresolver: MEMORY\nresolver_preload: { ${accounts.join('\n')} }`,
  );
  const seed = new TextDecoder().decode(user.getSeed());
  const contents = `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;
  await connects(server.url, { kind: 'credentials', contents });
  await refusal(server.url);
});

it('names the servers, but no password in an address, when none of them answers', async () => {
  await using server = await ownNatsServer();
  await server.kill();
  const failure = await refusal(`nats://ops:s3cret@127.0.0.1:${server.port}`);
  assert.match(failure.reason, new RegExp(`nats://127\\.0\\.0\\.1:${server.port}: connection refused`));
  assert.doesNotMatch(JSON.stringify(failure), /s3cret/);
});

it('refuses to go without TLS to a server that was addressed with it', async () => {
  await using server = await ownNatsServer();
  assert.match((await refusal(`tls://127.0.0.1:${server.port}`)).reason, /tls/i);
});

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** A token as the tools of NATS issue them. */
function jwt(subject: KeyPair, issuer: KeyPair, nats: Record<string, unknown>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    jti: 'test',
    iat: 1_700_000_000,
    iss: issuer.getPublicKey(),
    name: 'test',
    sub: subject.getPublicKey(),
    nats: { version: 2, ...nats },
  };
  const signed = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(claims)}`;
  return `${signed}.${Buffer.from(issuer.sign(new TextEncoder().encode(signed))).toString('base64url')}`;
}

it('without JetStream is a fault of the check before a start, with the step that helps', async () => {
  await using server = await ownNatsServer(
    'accounts { plain { users: [ { user: ops, password: s3cret } ] } }\nno_auth_user: ops',
  );
  const nats = { ...config.nats, servers: [server.url] };
  const [checked] = await checkReach({ ...config, clusters: new Map(), nats }, new AbortController().signal);
  assert.equal(checked?.failure?.code, 'journal_unreachable');
  assert.match(checked.failure.reason, /jetstream/i);
  assert.match(checked.failure.hint, /Start nats-server with --jetstream/);
});
