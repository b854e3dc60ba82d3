/** `npm run check`: format, lint, types and the tests that need no servers. */
import { startGuard } from '../stack/guard.ts';
import { checkSteps, endSignal, type Outcome, runStep, summarize } from './steps.ts';

const started = Date.now();
const runner = { guard: startGuard(), signal: endSignal() };
const outcomes: Outcome[] = [];
for (const step of checkSteps()) outcomes.push(await runStep({ step, runner }));
await runner.guard.sweep();
process.exitCode = summarize({ outcomes, seconds: (Date.now() - started) / 1000, signal: runner.signal });
