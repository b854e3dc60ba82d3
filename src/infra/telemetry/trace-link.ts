/** The page of Zipkin that shows a trace. @param zipkinUrl e.g. `http://127.0.0.1:9411` */
export function zipkinTraceUrl(zipkinUrl: string, traceId: string): string {
  return `${zipkinUrl.replace(/\/+$/, '')}/zipkin/traces/${traceId}`;
}
