import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Failed } from '../../../src/domain/failure.ts';
import { pairSubject } from '../../../src/domain/subjects.ts';
import { connectNats } from '../../../src/infra/nats/connect.ts';
import { openEventLog } from '../../../src/infra/nats/event-log.ts';
import { follower, startedEvent } from '../../support/journal-events.ts';
import { natsProgram, serverPlace } from '../../support/own-server.ts';
import { until } from '../../support/until.ts';

const idle = new AbortController().signal;
const subject = pairSubject({ follower, shard: 0 });
const WITHIN_MS = 30_000;

const failsAs = (code: string, reason: RegExp) => (error: unknown) =>
  error instanceof Failed && error.failure.code === code && reason.test(error.failure.reason);

it('lets in whoever can read the data folder, and nobody else', async () => {
  await using place = await serverPlace();
  const { url } = await place.start();
  await (await place.connect()).close();
  await assert.rejects(
    connectNats({ servers: [url], name: 'test' }),
    failsAs('journal_unreachable', /authorization violation/i),
  );
});

it('listens on the loopback address alone', async () => {
  await using place = await serverPlace();
  const { url } = await place.start();
  assert.match(url, /^nats:\/\/127\.0\.0\.1:\d+$/);
  const others = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4');
  for (const { address } of others)
    await assert.rejects(
      connectNats({ servers: [`nats://${address}:${URL.parse(url)?.port}`], name: 'test', connectTimeoutMs: 2_000 }),
      failsAs('journal_unreachable', /refused|timeout/i),
    );
});

it('keeps its secret out of command lines, environments, logs and files that others may read', async () => {
  await using place = await serverPlace();
  await place.start();
  const seed = (await readFile(join(place.folder, 'nats.nk'), 'utf8')).trim();
  for (const pid of await place.pids()) {
    const parent = /^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
    for (const process of [String(pid), parent])
      for (const file of ['cmdline', 'environ'])
        assert.doesNotMatch(await readFile(`/proc/${process}/${file}`, 'latin1'), new RegExp(seed));
    assert.doesNotMatch(
      await readFile(`/proc/${pid}/environ`, 'latin1'),
      /HOME=/,
      'nothing of our environment is handed on',
    );
  }
  assert.doesNotMatch(JSON.stringify(place.told), new RegExp(seed));
  assert.equal((await stat(place.folder)).mode & 0o777, 0o700);
  for (const name of await readdir(place.folder)) {
    const text = await readFile(join(place.folder, name), 'latin1').catch(() => '');
    if (text.includes(seed)) assert.equal(name, 'nats.nk');
    if (name.endsWith('.conf') || name.endsWith('.json') || name.endsWith('.nk'))
      assert.equal((await stat(join(place.folder, name))).mode & 0o077, 0, name);
  }
});

it('is started again when it is killed, on the same port, with nothing lost, and that is told', async () => {
  await using place = await serverPlace();
  const server = await place.start();
  const nc = await place.connect();
  const log = await openEventLog(nc, { newId: randomUUID, requestTimeoutMs: 500 });
  let seq = 0;
  const wanted = Array.from({ length: 60 }, (_, at) => `e${at}`);
  for (const [at, id] of wanted.entries()) {
    if (at === 20 || at === 40) for (const pid of await place.pids()) process.kill(pid, 'SIGKILL');
    seq = await until('the append', WITHIN_MS, async () => {
      try {
        return await log.append(subject, startedEvent(id), seq, idle);
      } catch (error) {
        if (error instanceof Failed && error.failure.code === 'journal_unreachable') return undefined;
        throw error;
      }
    });
  }
  const stored: string[] = [];
  for await (const { event } of log.read('>', { fromSeq: 1, follow: false }, idle)) stored.push(event.id);
  assert.deepEqual(stored, wanted);
  assert.equal(server.trouble(), undefined);
  const told = place.told.map(({ level, message }) => `${level} ${message}`);
  const died = 'error the NATS server of our own does not serve';
  const back = 'warn the NATS server of our own was started again';
  assert.deepEqual(told.slice(1), [died, back, died, back]);
  assert.match(place.told[1]?.text ?? '', /killed by signal 9/);
  await nc.close();
});

it('survives the shell that holds it: another server takes over when that is killed', async () => {
  await using place = await serverPlace();
  await place.start();
  const [first = 0] = await place.pids();
  const shell = Number(/^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${first}/status`, 'utf8'))?.[1]);
  process.kill(shell, 'SIGKILL');
  const [second] = await until('another server', WITHIN_MS, async () => {
    const pids = await place.pids();
    return pids.length === 1 && pids[0] !== first ? pids : undefined;
  });
  assert.ok(second !== undefined);
  await until('it serves', WITHIN_MS, async () =>
    place.connect().then(
      (nc) => nc.close().then(() => true),
      () => undefined,
    ),
  );
});

it('ends with an orderly stop, and goes on from its data at the next start, on the same port', async () => {
  await using place = await serverPlace();
  const first = await place.start();
  let nc = await place.connect();
  const journal = await openEventLog(nc, { newId: randomUUID });
  await journal.append(subject, startedEvent('e1'), 0, idle);
  await nc.close();
  await first.stop();
  assert.deepEqual(await place.pids(), []);
  const second = await place.start();
  assert.equal(second.url, first.url);
  nc = await place.connect();
  const again = await openEventLog(nc, { newId: randomUUID });
  assert.equal(again.journalId, journal.journalId);
  assert.equal((await again.latestOf(subject, idle))?.event.id, 'e1');
  await nc.close();
});

it('is refused on a data folder where another supervisor runs one', async () => {
  await using place = await serverPlace();
  await place.start({ supervisor: 'first' });
  await assert.rejects(
    place.start({ supervisor: 'second' }),
    failsAs('data_folder_in_use', /supervisor first \(process \d+\) works with it/),
  );
  assert.equal((await place.pids()).length, 1);
});

it('takes another port when that of its last run is taken, but not when it was told which', async () => {
  await using place = await serverPlace();
  const first = await place.start();
  await first.stop();
  const port = Number(URL.parse(first.url)?.port);
  const taker = createServer().listen(port, '127.0.0.1');
  await once(taker, 'listening');
  try {
    await assert.rejects(place.start({ port }), failsAs('nats_server_failed', /address already in use/));
    assert.deepEqual(await place.pids(), []);
    const second = await place.start();
    assert.notEqual(second.url, first.url);
  } finally {
    taker.close();
  }
});

it('tells why a server does not start, in its own words', async () => {
  await using place = await serverPlace();
  const binary = { path: '/bin/false', version: '2.15.1' };
  await assert.rejects(
    place.start({ binary }),
    failsAs('nats_server_failed', /\/bin\/false: it ended while it was starting \(exit code 1\)/),
  );
  // The folder is free again.
  await place.start();
});

it('tells of a full disk by a code of its own, and goes on by itself when there is room', async () => {
  const script = fileURLToPath(new URL('../../support/full-disk.ts', import.meta.url));
  // A mount of its own, gone with the process, where root or a user namespace may make one.
  const { stdout } = await promisify(execFile)(
    'unshare',
    ['--user', '--map-root-user', '--mount', process.execPath, script],
    { env: { PATH: process.env['PATH'], SLIPSTREAM_NATS_SERVER_BIN: natsProgram() }, timeout: 110_000 },
  );
  assert.deepEqual(JSON.parse(stdout), {
    full: { code: 'journal_full', ambiguous: true, saysWhy: true },
    told: ['error the NATS server of our own does not serve', 'warn the NATS server of our own was started again'],
    trouble: null,
    lostOrDoubled: [],
  });
});
