import assert from 'node:assert/strict';
import { it } from 'node:test';
import { redactedConfig } from '../../../src/config/redact.ts';
import { load } from './config-file.ts';

it('prints a configuration without any of its secrets, and with everything else', async () => {
  const clusters =
    'clusters:\n  a: {url: https://h, auth: {apiKey: S1x}}\n  b: {url: https://h, auth: {username: me, password: S2x}, caFile: ca.pem}\n';
  for (const nats of ['token: S3x', 'user: me\n  password: S3x', 'credentialsFile: creds', 'nkeySeed: S3x']) {
    const config = await load(
      `${clusters}nats:\n  servers: nats://h\n  ${nats}\n`,
      {},
      { 'ca.pem': '-----BEGIN CERTIFICATE-----S4x', creds: '-----BEGIN NATS USER JWT-----S3x' },
    );
    assert.match(
      JSON.stringify([...config.clusters.values(), config.nats]),
      /S1x.*S2x.*S4x.*S3x/,
      'the secrets are there',
    );
    const printed = JSON.stringify(redactedConfig(config));
    assert.doesNotMatch(printed, /S\dx/);
    assert.match(printed, /"username":"me","password":"\*\*\*"/);
    assert.match(printed, /"urls":\["https:\/\/h"\]/);
  }
});
