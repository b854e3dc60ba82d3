import type { Browser } from 'puppeteer-core';

export interface TracePage {
  /** Names of the spans as they stand on the page, from top to bottom. */
  spanNames(): Promise<string[]>;
  /** Clicks a span. @returns the text of the page once it shows that span's details. */
  open(spanName: string): Promise<string>;
}

const TIMEOUT_MS = 30_000;

/** Zipkin's page of one trace, when its spans have been drawn. */
export async function tracePage(browser: Browser, url: string, service = 'slipstream'): Promise<TracePage> {
  const page = await browser.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.goto(url);
  const row = (name: string): string => `${service}: ${name}`;
  const lines = async (): Promise<string[]> => String(await page.evaluate('document.body.innerText')).split('\n');
  await page.locator(`::-p-text(${row('')})`).wait();
  return {
    async spanNames() {
      const all = (await lines()).filter((line) => line.startsWith(row(''))).map((line) => line.slice(row('').length));
      // The first is the title of the page.
      return all.slice(1);
    },
    async open(spanName) {
      await page.locator(`::-p-text(${row(spanName)})`).click();
      const heading = JSON.stringify(`Span name ${spanName} Span ID`);
      await page.waitForFunction(`document.body.innerText.replace(/\\s+/g, ' ').includes(${heading})`);
      return (await lines()).join('\n');
    },
  };
}
