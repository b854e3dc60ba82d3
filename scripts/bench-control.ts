/**
 * Measures the control plane with many idle pairs that the journal knows (10,000 unless told): how long a start takes, what an idle pair
 * keeps in memory, how soon commands are accepted, and what an idle supervisor says to NATS.
 *
 *     npm run bench:control -- --json
 *     npm run bench:control -- --indices 200 --shards 5
 *     npm run bench:control -- --crashed          the owner before was killed: every pair is fenced first
 *
 * NATS is real, over the loopback interface (that of SLIPSTREAM_NATS_URL, else one of its own). The supervisor's actors, journal and command
 * service are those of production, in this process. Both search clusters are the tests' fakes behind the ports of production, in the same
 * process; telemetry is silent. What an idle pair holds is counted from when the fakes stand. Of the process's resident memory, garbage and
 * code included, only what lives in the heap when they stand is taken off as theirs.
 */
import { keepHeapSmall } from '../src/infra/system/small-heap.ts';

// As the command does, before anything large is loaded: the young heap never shrinks.
keepHeapSmall();
await import('./measure-control.ts');
