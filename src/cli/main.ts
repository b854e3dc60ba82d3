#!/usr/bin/env node
import { EXIT, exitOf } from './exit-codes.ts';
import { nodeFault } from './node-version.ts';
import { failureText } from './report.ts';

// Everything else is loaded behind this: an older Node would stumble over its syntax first.
const fault = nodeFault(process.versions.node);
if (fault === undefined) await import('./process.ts');
else {
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify({ ok: false, failure: fault })}\n`);
  else process.stderr.write(failureText(fault));
  process.exitCode = EXIT[exitOf(fault)].code;
}
