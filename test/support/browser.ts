import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, launch } from 'puppeteer-core';

export interface TestBrowser extends AsyncDisposable {
  readonly browser: Browser;
}

/** A headless Chromium with nothing of a person's in it. It is told to reach for nothing but the pages it is given. */
export async function testBrowser(): Promise<TestBrowser> {
  const executablePath = process.env['SLIPSTREAM_CHROMIUM'] ?? '/usr/bin/chromium';
  assert.ok(
    existsSync(executablePath),
    `${executablePath} is no file: install Chromium or name it in SLIPSTREAM_CHROMIUM`,
  );
  const userDataDir = await mkdtemp(join(tmpdir(), 'slipstream-browser-'));
  const browser = await launch({
    executablePath,
    userDataDir,
    defaultViewport: { width: 1600, height: 1000 },
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
    ],
  });
  return {
    browser,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await rm(userDataDir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
