// Cutting text. The service counts Unicode code points; a JavaScript string counts UTF-16 units.

export interface Excerpt {
  before: string;
  marked: string;
  after: string;
  cut: boolean;
}

const CONTEXT = 180;

/** A passage around its marked span; shortened to `CONTEXT` characters on either side unless `whole`. */
export function excerpt(text: string, span: [number, number] | undefined, whole: boolean): Excerpt {
  const points = Array.from(text);
  const [start, end] = span ?? [0, 0];
  const first = whole || start <= CONTEXT * 1.4 ? 0 : wordAt(points, start - CONTEXT, start);
  const last = whole || points.length - end <= CONTEXT * 1.4 ? points.length : wordAt(points, end + CONTEXT, points.length);
  return {
    before: (first ? "… " : "") + points.slice(first, start).join(""),
    marked: points.slice(start, end).join(""),
    after: points.slice(end, last).join("").trimEnd() + (last < points.length ? " …" : ""),
    cut: first > 0 || last < points.length,
  };
}

/** The first position from `from` on that follows white space; `limit` if there is none. */
function wordAt(points: string[], from: number, limit: number): number {
  for (let at = from; at < limit; at++) if (/\s/.test(points[at - 1]!)) return at;
  return limit;
}
