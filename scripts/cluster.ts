/** `npm run test:cluster`: 1,000 pairs on three supervisors, killed, suspended, upgraded. Servers named in the environment are used, the others started. */
import { runServerSuite } from './server-suite.ts';

await runServerSuite({
  name: 'tests of several supervisors',
  heapMb: 1_024,
  tests: ['cluster', 'rolling-upgrade', 'event-versions', 'two-owners'].map(
    (name) => `test/integration/control/${name}.int.test.ts`,
  ),
});
