/** The other half of guard.ts: reads one instruction a line, and acts when its input ends. */
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { groupAlive, signalGroup } from './guard.ts';

const KILLED_WITHIN_MS = 15_000;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

const groups = new Set<number>();
const folders = new Set<string>();
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ...rest] = line.split(' ');
  const value = rest.join(' ');
  if (verb === 'adopt') groups.add(Number(value));
  if (verb === 'release') groups.delete(Number(value));
  if (verb === 'own') folders.add(value);
}

const deadline = Date.now() + KILLED_WITHIN_MS;
for (const group of groups) signalGroup(group, 'SIGKILL');
for (const group of groups) while (groupAlive(group) && Date.now() < deadline) await delay(20);
for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
