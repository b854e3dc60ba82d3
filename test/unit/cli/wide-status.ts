// A process of its own for process.test.ts: the real terminal, and a supervisor in memory with more to tell than a pipe holds.
import { run } from '../../../src/cli/run.ts';
import { flushed, processTerminal } from '../../../src/cli/terminal.ts';
import { bench, index, pair } from './cli-bench.ts';

const pairs = Array.from({ length: 20_000 }, (_, shard) => pair({ shard }));
const { deps } = bench({ answer: () => [index(pairs)] });
const code = await run(process.argv.slice(2), { ...deps, ...processTerminal(process, {}) });
await flushed(process.stdout);
process.exit(code);
