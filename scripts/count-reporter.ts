/** A test reporter that writes one JSON object: the counts of the whole run, and what failed with its reason. */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

export interface FailedTest {
  readonly name: string;
  /** File and line. */
  readonly where: string;
  readonly reason: string;
}

const LINES_MAX = 14;
const COLUMNS_MAX = 600;

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const failures: FailedTest[] = [];
  for await (const event of events) {
    if (event.type === 'test:fail') {
      const { name, file = '', line = 0, details } = event.data;
      const { cause, failureType } = details.error as Error & { failureType?: string };
      // A suite fails with its tests.
      if (failureType === 'subtestsFailed') continue;
      failures.push({
        name,
        where: `${relative(process.cwd(), file)}:${line}`,
        reason: shortened(cause ?? details.error),
      });
    } else if (event.type === 'test:summary' && event.data.file === undefined)
      yield JSON.stringify({ ...event.data.counts, failures });
  }
}

function shortened(reason: unknown): string {
  const text = typeof reason === 'string' ? reason : inspect(reason, { depth: 3 });
  return text
    .split('\n')
    .slice(0, LINES_MAX)
    .map((line) => line.slice(0, COLUMNS_MAX))
    .join('\n');
}
