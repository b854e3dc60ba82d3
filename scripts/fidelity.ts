/** `npm run test:fidelity`: every kind of document and index, copied and compared to the byte. Servers named in the environment are used, the others started. */
import { runServerSuite } from './server-suite.ts';

await runServerSuite({ name: 'fidelity tests', tests: ['test/integration/fidelity/*.int.test.ts'] });
