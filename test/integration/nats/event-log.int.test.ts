import { testEventLog } from '../../conformance/event-log.suite.ts';
import { natsEventLogBench } from '../../support/nats-journal.ts';

testEventLog('JetStream', natsEventLogBench);
