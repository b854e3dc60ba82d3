/** `npm run test:failures`: the conditions of docs/failures.md, row by row, on real servers. Servers named in the environment are used for what changes none of them, all others started. */
import { runServerSuite } from './server-suite.ts';

await runServerSuite({
  name: 'failures',
  tests: [
    'failures/*',
    'search/leader',
    'replication/leader-lost',
    'replication/own-nodes',
    'replication/bad-input',
  ].map((file) => `test/integration/${file}.int.test.ts`),
});
