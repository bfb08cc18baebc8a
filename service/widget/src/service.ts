// What the widget asks of the service: three calls, and every way in which they can fail.

export interface Citation {
  cited_text: string;
  document_id: string;
  document_title: string;
  document_sha256: string;
  start_char_index: number;
  end_char_index: number;
  heading_path: string[];
  url: string;
  text_fragment: string;
  selectors: { type: string; prefix?: string; suffix?: string }[];
}

export interface Passage {
  text: string;
  highlights: [number, number][];
  citation: number;
}

export interface Answer {
  id: string;
  bundle_id: string;
  request_id: string;
  query: { text: string; corrected: string | null; resolved: string | null };
  answerable: boolean;
  reason: string | null;
  answer: { text: string; citations: number[] } | null;
  citations: Citation[];
  results: Passage[];
}

export interface Report {
  id: string;
  title: string;
  publisher: string | null;
  author: string | null;
  date: string | null;
  number: string | null;
  language: string | null;
}

export interface Message {
  role: "user" | "assistant";
  content: string;
}

export type Kind = "offline" | "unreachable" | "slow" | "limited" | "busy" | "refused" | "failed";

/** Why there is no answer. `detail` and `requestId` are the service's own words, when it had any. */
export interface Failure {
  kind: Kind;
  status: number;
  detail: string;
  requestId: string;
  retryAfter: number;
}

export class ServiceError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.detail || failure.kind);
  }
}

/** Seconds after which an answer is no longer waited for. */
const PATIENCE = 60;
const KINDS: Record<number, Kind> = { 429: "limited", 503: "busy" };

export async function ask(base: string, body: object, signal: AbortSignal): Promise<Answer> {
  const patience = AbortSignal.timeout(PATIENCE * 1000);
  try {
    const response = await post(base, "v1/answer", body, AbortSignal.any([signal, patience]));
    const streamed = response.headers.get("Content-Type")?.startsWith("text/event-stream");
    const reply = streamed ? await fromStream(response) : await response.json();
    if (typeof reply?.answerable !== "boolean" || !Array.isArray(reply.citations) || !Array.isArray(reply.results))
      throw failed("failed");
    return reply;
  } catch (error) {
    if (signal.aborted || error instanceof ServiceError) throw error;
    throw failed(patience.aborted ? "slow" : navigator.onLine ? "unreachable" : "offline");
  }
}

export async function sendFeedback(base: string, body: object): Promise<void> {
  await post(base, "v1/feedback", body, AbortSignal.timeout(15_000));
}

export async function suggestions(base: string, documents: string[]): Promise<string[]> {
  const { data } = await get<{ data: { query: string; document_id: string }[] }>(base, "v1/suggestions");
  return data.filter((item) => !documents.length || documents.includes(item.document_id)).map((item) => item.query);
}

export function report(base: string, id: string): Promise<Report> {
  return get(base, `v1/documents/${encodeURIComponent(id)}`);
}

/** An address from the service, only if it is one that a browser fetches: never `javascript:`. */
export function address(base: string, citation: Citation): string | undefined {
  const fragment = citation.text_fragment?.startsWith("#:~:") ? citation.text_fragment.slice(1) : "";
  try {
    // Both fragments in one address: the script's, and the one that works without a script.
    const url = new URL(citation.url + (citation.url.includes("#") ? fragment : fragment && `#${fragment}`), base);
    return /^https?:$/.test(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}

async function get<T>(base: string, path: string): Promise<T> {
  const response = await fetch(new URL(path, base), { credentials: "omit", signal: AbortSignal.timeout(15_000) });
  if (!response.ok) throw failed("failed", { status: response.status });
  return response.json();
}

async function post(base: string, path: string, body: object, signal: AbortSignal): Promise<Response> {
  const response = await fetch(new URL(path, base), {
    method: "POST",
    credentials: "omit",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream, application/json;q=0.9" },
    body: JSON.stringify(body),
    signal,
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => null);
  throw fromProblem(response.status, problem, response.headers);
}

function fromProblem(status: number, problem: any, headers?: Headers): ServiceError {
  return failed(KINDS[status] ?? (status < 500 ? "refused" : "failed"), {
    status,
    detail: String(problem?.detail ?? ""),
    requestId: String(problem?.request_id ?? headers?.get("X-Request-Id") ?? ""),
    retryAfter: seconds(headers?.get("Retry-After")),
  });
}

function failed(kind: Kind, more: Partial<Failure> = {}): ServiceError {
  return new ServiceError({ kind, status: 0, detail: "", requestId: "", retryAfter: 0, ...more });
}

/** Retry-After is seconds or a date; in a page of another origin it may be missing. */
function seconds(header: string | null | undefined): number {
  const value = Number(header ?? 0);
  const wait = Number.isNaN(value) ? (Date.parse(header!) - Date.now()) / 1000 : value;
  return Math.min(Math.max(Math.ceil(wait) || 0, 0), 3600);
}

async function fromStream(response: Response): Promise<any> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    pending += value ?? "";
    const events = pending.split(/\r?\n\r?\n/);
    pending = events.pop()!;
    for (const event of events) {
      const name = /^event: ?(.*)$/m.exec(event)?.[1];
      const data = event.match(/^data: ?.*$/gm)?.map((line) => line.replace(/^data: ?/, "")).join("\n");
      if (name === "answer") return JSON.parse(data!);
      if (name === "error") {
        const problem = JSON.parse(data!);
        throw fromProblem(problem.status, problem);
      }
    }
    if (done) throw failed("unreachable");
  }
}
