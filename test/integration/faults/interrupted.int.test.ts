/** Whenever a chaos run is asked to end, it ends, and nothing that it started is left. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { withoutAddresses } from '../../../stack/local-stack.ts';
import { descendants, stillRunning } from '../../support/process-tree.ts';
import { bySize } from '../../support/test-size.ts';
import { until } from '../../support/until.ts';

const TETHER = new URL('../../../scripts/tether.mjs', import.meta.url).href;
const CHAOS = fileURLToPath(new URL('../../../scripts/chaos.ts', import.meta.url));
const STARTED_WITHIN_MS = 120_000;
const ENDED_WITHIN_MS = 30_000;

const PHASES: Readonly<Record<string, (output: string, pid: number) => boolean>> = {
  'while the servers start': (_output, pid) => descendants(pid).some(({ command }) => command.includes('java')),
  ...bySize<Readonly<Record<string, (output: string) => boolean>>>({
    short: {},
    full: {
      'while the supervisors start': (output) => (output.match(/\(process \d+/g) ?? []).length >= 5,
      'before the first fault': (output) => output.includes('faults for'),
      'while faults go on': (output) => output.includes(' 1. '),
      'while everything comes back': (output) => output.includes('everything comes back'),
    },
  }),
};

for (const [phase, reached] of Object.entries(PHASES))
  test(`a chaos run that is asked to end ${phase} leaves no process behind`, async () => {
    const child = spawn(process.execPath, ['--import', TETHER, CHAOS, '--minutes', '0.2'], {
      // Over the channel it notices when this test is ended.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: withoutAddresses(process.env),
    });
    const { pid } = child;
    assert.ok(pid !== undefined);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (text: Buffer) => (output += text.toString()));
    const ended = once(child, 'exit');
    let left = descendants(pid);
    try {
      await until(phase, STARTED_WITHIN_MS, () => {
        assert.equal(child.exitCode, null, output);
        return Promise.resolve(reached(output, pid) || undefined);
      });
      left = descendants(pid);
      assert.ok(left.length > 0);
      child.kill('SIGTERM');
      await until('it has ended', ENDED_WITHIN_MS, () => Promise.resolve(child.exitCode ?? undefined));
      assert.deepEqual((await ended)[0], 130, output);
      await until(
        'nothing is left',
        ENDED_WITHIN_MS,
        () => Promise.resolve(stillRunning(left).length === 0 || undefined),
        () => JSON.stringify(stillRunning(left)),
      );
    } finally {
      child.kill('SIGKILL');
    }
  });
