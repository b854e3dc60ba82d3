import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { diagnose } from '../../src/app/diagnosis.ts';
import type { Finding } from '../../src/app/program.ts';
import { loadConfig } from '../../src/config/load.ts';
import { connectNats } from '../../src/infra/nats/connect.ts';
import { openEventLog } from '../../src/infra/nats/event-log.ts';
import { ownNatsServer } from '../support/nats-server.ts';
import { natsProgram, serverPlace } from '../support/own-server.ts';

const idle = new AbortController().signal;

function address(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} names a server of this test`);
  return value;
}

async function findings(text: string): Promise<ReadonlyMap<string, Finding>> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-doctor-'));
  try {
    const file = join(folder, 'slipstream.yml');
    await writeFile(file, text);
    const found = await diagnose(await loadConfig(file, {}), idle);
    const named = new Map(found.map((finding) => [`${finding.subject}: ${finding.check}`, finding]));
    assert.equal(named.size, found.length, 'each check has a name of its own');
    for (const { outcome, hint, failure } of found) {
      assert.equal(hint === undefined, outcome === 'ok');
      assert.equal(failure === undefined, outcome !== 'fail');
    }
    return named;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const outcomes = (found: ReadonlyMap<string, Finding>): readonly string[] =>
  [...found].map(([name, { outcome }]) => `${outcome} ${name}`);

const clusters = (): string =>
  `clusters:\n  paris: { url: "${address('SLIPSTREAM_LEADER_URL')}" }\n  tokyo: { url: "${address('SLIPSTREAM_FOLLOWER_URL')}" }\n`;

it('finds everything in order before the first start, where Slipstream runs its own NATS server', async () => {
  await using place = await serverPlace();
  const nats = `nats: { dataFolder: "${place.folder}", serverBinary: "${natsProgram()}" }\n`;
  const before = await findings(clusters() + nats);
  assert.deepEqual(outcomes(before), [
    'ok configuration: file',
    'ok cluster paris: reachable',
    'ok cluster paris: version',
    'ok cluster paris: privileges',
    'ok cluster paris: clock',
    'ok cluster tokyo: reachable',
    'ok cluster tokyo: version',
    'ok cluster tokyo: privileges',
    'ok cluster tokyo: clock',
    'ok nats: program',
    'ok nats: data folder',
    'ok nats: reachable',
    'warn supervisor: commands',
  ]);
  assert.match(before.get('cluster paris: version')?.detail ?? '', /^elasticsearch 9\./);
  await place.start();
  const nc = await place.connect();
  await openEventLog(nc, { newId: randomUUID });
  await nc.close();
  const running = await findings(clusters() + nats);
  assert.match(running.get('nats: durability')?.detail ?? '', /one replica, every write synced/);
  assert.equal(running.get('nats: clock')?.outcome, 'ok');
});

it('says of a foreign server with one replica what a power cut may lose, unless the operator knows better', async () => {
  await using server = await ownNatsServer();
  const nc = await connectNats({ servers: [server.url], name: 'test' });
  await openEventLog(nc, { newId: randomUUID });
  await nc.close();
  const nats = `nats:\n  servers: ${server.url}\n`;
  const warned = (await findings(nats)).get('nats: durability');
  assert.equal(warned?.outcome, 'warn');
  assert.match(warned.detail, /one replica .* power cut/);
  assert.equal((await findings(`${nats}  syncAlways: true\n`)).get('nats: durability')?.outcome, 'ok');
});

it('says what is wrong: a cluster that is away, an address without NATS, a server without JetStream, a stream that is no journal', async () => {
  const away = await findings(
    'clusters: { paris: { url: "http://127.0.0.1:1" } }\nnats: { servers: "nats://127.0.0.1:1" }\n',
  );
  assert.equal(away.get('cluster paris: reachable')?.failure?.code, 'cluster_unreachable');
  assert.equal(away.get('nats: reachable')?.failure?.code, 'journal_unreachable');
  await using server = await ownNatsServer('accounts { A { users: [ { user: a, password: b } ] } }\nno_auth_user: a');
  const without = await findings(`nats: { servers: "${server.url}" }\n`);
  assert.match(without.get('nats: JetStream')?.failure?.reason ?? '', /not enabled/);
  await using other = await ownNatsServer();
  const nc = await connectNats({ servers: [other.url], name: 'test' });
  await nc.request('$JS.API.STREAM.CREATE.SLIPSTREAM_JOURNAL', '{"name":"SLIPSTREAM_JOURNAL","subjects":["x"]}');
  await nc.close();
  const foreign = await findings(`nats: { servers: "${other.url}" }\n`);
  assert.equal(foreign.get('nats: journal')?.failure?.code, 'invalid_config');
});

it('says that the program to run is not there', async () => {
  const found = await findings('nats: { serverBinary: /nowhere/nats-server }\n');
  assert.equal(found.get('nats: program')?.failure?.code, 'nats_server_missing');
});
