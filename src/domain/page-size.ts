/**
 * How many documents to ask for in one page, so that a page stays near a target of bytes whatever the documents weigh. Starts small,
 * since the first page's documents are unknown; grows at most fourfold a page, shrinks at once.
 */
export interface PageSizing {
  readonly documents: number;
  /** Moving estimate of one hit's bytes in a response; undefined before the first page. */
  readonly bytesEach: number | undefined;
}

export const FIRST_PAGE_DOCUMENTS = 4;

export interface PageLimits {
  /** max_read_request_operation_count, and the leader's max_result_window. */
  readonly documentsMax: number;
  readonly bytesTarget: number;
}

export function firstPage(limits: PageLimits): PageSizing {
  return { documents: Math.min(FIRST_PAGE_DOCUMENTS, limits.documentsMax), bytesEach: undefined };
}

export function nextPage(
  sizing: PageSizing,
  seen: { documents: number; bytes: number },
  limits: PageLimits,
): PageSizing {
  if (seen.documents === 0) return sizing;
  const latest = seen.bytes / seen.documents;
  // The heavier of the two estimates counts, so that a run of large documents shrinks the page at once and a small one grows it slowly.
  const bytesEach = sizing.bytesEach === undefined ? latest : Math.max(latest, sizing.bytesEach * 0.75 + latest * 0.25);
  const fitting = Math.max(1, Math.floor(limits.bytesTarget / bytesEach));
  return { documents: Math.min(fitting, sizing.documents * 4, limits.documentsMax), bytesEach };
}

/** Bytes to reserve before a page is read. */
export function expectedBytes(sizing: PageSizing): number {
  return Math.ceil(sizing.documents * (sizing.bytesEach ?? 4096) * 1.1) + 1024;
}
