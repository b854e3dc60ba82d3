/** Run in a mount namespace of its own: a server on a disk of 24 MB that is filled, and emptied again. Prints what was seen as JSON. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tellingTrouble } from '../../src/app/own-nats.ts';
import { Failed, type Failure } from '../../src/domain/failure.ts';
import { pairSubject } from '../../src/domain/subjects.ts';
import { freeBytes, startChildServer } from '../../src/infra/nats/child-server.ts';
import { connectNats } from '../../src/infra/nats/connect.ts';
import { readOwnConnection } from '../../src/infra/nats/data-folder.ts';
import { openEventLog } from '../../src/infra/nats/event-log.ts';
import { follower, startedEvent } from './journal-events.ts';
import { natsProgram } from './own-server.ts';
import { until } from './until.ts';

const WITHIN_MS = 60_000;
const idle = new AbortController().signal;
const subject = pairSubject({ follower, shard: 0 });
const disk = await mkdtemp(join(tmpdir(), 'slipstream-disk-'));
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=700', 'tmpfs', disk]);

const told: string[] = [];
const server = await startChildServer({
  dataFolder: join(disk, 'data'),
  binary: { path: natsProgram(), version: '2.15.1' },
  supervisor: 'test',
  log: (level, message) => told.push(`${level} ${message}`),
});
const connection = await readOwnConnection(join(disk, 'data'));
if (connection === undefined) throw new Error('no connection');
const nc = await connectNats({
  servers: [connection.url],
  name: 'test',
  auth: { kind: 'nkey', seed: connection.seed },
});
const log = tellingTrouble(await openEventLog(nc, { newId: randomUUID, requestTimeoutMs: 500 }), () =>
  server.trouble(),
);

const filler = join(disk, 'filler');
await writeFile(filler, Buffer.alloc((await freeBytes(disk)) - 64 * 1024));
const stored: string[] = [];
let seq = 0;
let full: Failure | undefined;
for (let at = 0; full === undefined; at += 1) {
  try {
    seq = await log.append(subject, startedEvent(`e${at}`), seq, idle);
    stored.push(`e${at}`);
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    full = error.failure;
  }
}
await rm(filler);
// As an actor does: the same event again until its fate is known.
const last = `e${stored.length}`;
seq = await until('the append after the disk has room', WITHIN_MS, async () => {
  try {
    return await log.append(subject, startedEvent(last), seq, idle);
  } catch (error) {
    if (error instanceof Failed && error.failure.kind === 'transient') return undefined;
    throw error;
  }
});
stored.push(last);
const found: string[] = [];
for await (const { event } of log.read('>', { fromSeq: 1, follow: false }, idle)) found.push(event.id);
await nc.close();
const { code, ambiguous, reason } = full;
const trouble = server.trouble() ?? null;
await server.stop();
process.stdout.write(
  JSON.stringify({
    full: { code, ambiguous, saysWhy: /no space left on device/.test(reason) },
    told: told.slice(1),
    trouble,
    lostOrDoubled: found.length === stored.length ? found.filter((id, at) => id !== stored[at]) : { found, stored },
  }),
);
