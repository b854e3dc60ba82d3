/**
 * `npm run demo`: an index of a real cluster is copied into a second one, followed live, paused and resumed over NATS, and compared.
 * Exit code 0 only when both sides were found identical and every transition was recorded; 130 and 143 when it was stopped.
 */
import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import { failureLines, Interrupted } from './demo-failure.ts';
import { runDemo } from './run-demo.ts';
import { consoleStory, seconds } from './story.ts';

const USAGE = `npm run demo -- [--keep] [--documents N] [--json]

  --keep         leave the servers and the supervisor up afterwards, until Ctrl-C
  --documents N  load only the first N of the 135,233 cities (at least 2,000)
  --json         end with one line of JSON that holds the figures
`;
const CITIES = 135_233;
const DOCUMENTS_MIN = 2_000;

const NEXT = [
  '',
  'Next:',
  '  npm run demo -- --keep   it stays up: try the commands, open the traces',
  '  slipstream.example.yml   to start from, for clusters of your own',
  '  docs/cli.md              every command; docs/commands.md: over NATS',
];

interface Options {
  readonly keep: boolean;
  readonly json: boolean;
  readonly documents: number;
}

/** Text: what is wrong with the command line. */
function optionsOf(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        keep: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        documents: { type: 'string' },
      },
    });
    const documents = Number(values.documents ?? CITIES);
    if (!Number.isInteger(documents) || documents < DOCUMENTS_MIN)
      return `--documents ${values.documents}: expected a whole number from ${DOCUMENTS_MIN} on`;
    return { keep: values.keep, json: values.json, documents: Math.min(documents, CITIES) };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Fires at the first signal that asks for the end; a terminal and npm may both send one. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => controller.abort(new Interrupted(name)));
  // Whoever reads this has gone away, as after a hang-up.
  process.stdout.on('error', () => controller.abort(new Interrupted('SIGHUP')));
  return controller.signal;
}

async function main(options: Options): Promise<number> {
  const story = consoleStory(process.stdout, process.env);
  const startedMs = performance.now();
  let result: object = {};
  let took = '';
  const finish = (exitCode: number, ...lines: string[]): number => {
    story.say('', ...lines);
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return exitCode;
  };
  try {
    await runDemo({
      ...options,
      story,
      env: process.env,
      signal: interruption(),
      tell: (figures) => {
        result = figures;
        took = seconds(performance.now() - startedMs);
      },
    });
    const next = options.keep ? [] : NEXT;
    return finish(0, `Identical, in ${took}. Everything is stopped, and what it made is removed.`, ...next);
  } catch (error) {
    result = { ok: false, failure: failureLines(error).join('\n') };
    if (error instanceof Interrupted)
      return finish(128 + constants.signals[error.by], `Stopped by ${error.by}. Nothing is left behind.`);
    return finish(1, ...failureLines(error).map((line) => story.paint('red', line)));
  }
}

const options = optionsOf(process.argv.slice(2));
if (typeof options === 'string') process.stderr.write(`${options}\n\n${USAGE}`);
// Whatever may still hold a socket open has nothing more to say.
const code = typeof options === 'string' ? 64 : await main(options);
process.stdout.write('', () => process.exit(code));
