// How a turn looks. Values are bound as text or attributes: what a person or a report wrote is never HTML.

import { html, nothing, type TemplateResult } from "lit";
import type { Turn } from "./conversation.js";
import { excerpt } from "./excerpt.js";
import * as icons from "./icons.js";
import { address, type Citation, type Passage, type Report } from "./service.js";
import type { Strings } from "./strings.js";

/** What a turn needs of the widget: its words, what it knows, and what its buttons do. */
export interface Widget {
  base: string;
  language: string;
  words: Strings;
  reports: Map<string, Report>;
  copied: { citation: Citation; done: boolean } | undefined;
  starters: string[];
  ask(question: string): void;
  retry(turn: Turn): void;
  cite(event: Event, citation: Citation, url: string): void;
  copy(citation: Citation): void;
  judge(turn: Turn, rating: "up" | "down"): void;
  explain(event: SubmitEvent, turn: Turn): void;
  leave(turn: Turn): void;
  widen(turn: Turn): void;
}

export function turnView(widget: Widget, turn: Turn, last: boolean): TemplateResult {
  const { words } = widget;
  return html`<li class="turn" data-turn=${turn.id}>
    <h3 class="asked"><span class="unseen">${words.asked}: </span><span dir="auto">${turn.question}</span></h3>
    ${turn.reply ? replyView(widget, turn, last) : stateView(widget, turn)}
  </li>`;
}

export function startersView(widget: Widget): TemplateResult | typeof nothing {
  if (!widget.starters.length) return nothing;
  return html`<div class="starters">
    <h3>${widget.words.starters}</h3>
    <ul>${widget.starters.map((question) => html`<li>
      <button type="button" dir="auto" @click=${() => widget.ask(question)}>${question}${icons.arrow}</button>
    </li>`)}</ul>
  </div>`;
}

/** Where a citation stands: its headings, and the report with number and date, as far as known. */
export function place(widget: Widget, citation: Citation): { headings: string; report: string } {
  const report = widget.reports.get(citation.document_id);
  const date = report?.date ? longDate(report.date, widget.language) : "";
  const name = [report?.publisher, report?.number ?? citation.document_id, date].filter(Boolean).join(" · ");
  return { headings: [citation.document_title, ...citation.heading_path].join(" › "), report: name };
}

/** The language of a report's words, for whoever reads them aloud; nothing as long as it is not known. */
function languageOf(widget: Widget, citation: Citation | undefined): string | typeof nothing {
  return widget.reports.get(citation?.document_id ?? "")?.language ?? nothing;
}

export function longDate(date: string, language: string): string {
  const time = Date.parse(date);
  return Number.isNaN(time) ? date : new Intl.DateTimeFormat(language, { dateStyle: "long", timeZone: "UTC" }).format(time);
}

function stateView(widget: Widget, turn: Turn): TemplateResult {
  const { words } = widget;
  if (turn.state === "waiting" || turn.state === "slow")
    return html`<p class="state"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>${words[turn.state]}</p>`;
  const wait = Math.ceil(((turn.retryAt ?? 0) - Date.now()) / 1000);
  return html`
    ${turn.failure ? failureView(words, turn.failure) : html`<p class="stopped">${words.stopped}</p>`}
    <button type="button" class="quiet" ?disabled=${wait > 0} @click=${() => widget.retry(turn)}>
      ${icons.retry}${wait > 0 ? words.retryIn(wait) : words.retry}
    </button>`;
}

function failureView(words: Strings, failure: NonNullable<Turn["failure"]>): TemplateResult {
  const { kind, detail, requestId } = failure;
  return html`<div class="failure">
    <p>${words.failures[kind]}</p>
    ${detail && kind !== "limited" && kind !== "busy" ? html`<small>${detail}</small>` : nothing}
    ${requestId && kind === "failed" ? html`<small>${words.reference(requestId)}</small>` : nothing}
  </div>`;
}

function replyView(widget: Widget, turn: Turn, last: boolean): TemplateResult {
  const { words } = widget;
  const { query } = turn.reply!;
  const { corrected, resolved } = query ?? {}; // `resolved` is for machines: all that was searched with
  return html`
    ${corrected ? html`<p class="understood">${words.searched(corrected)}</p>` : nothing}
    ${resolved ? html`<p class="understood">${words.followed}</p>` : nothing}
    ${turn.reply!.answerable && turn.reply!.answer ? answerView(widget, turn) : silenceView(widget, turn)}
    ${judgeView(widget, turn)}
    ${turn.reply!.reason === "off_topic" && last ? startersView(widget) : nothing}`;
}

function answerView(widget: Widget, turn: Turn): TemplateResult {
  const { words } = widget;
  const { answer, citations, results } = turn.reply!;
  const cited = answer!.citations.filter((index) => citations[index]);
  const others = results.filter((result) => !cited.includes(result.citation) && citations[result.citation]);
  return html`
    <blockquote class="said" dir="auto">${words.openQuote}<span lang=${languageOf(widget, citations[cited[0]!])}>${answer!.text}</span>${words.closeQuote}${cited.map(
      (_, at) => html`<a href="#" aria-label=${words.source(at + 1)} @click=${toCard}>${at + 1}</a>`,
    )}</blockquote>
    ${cited.map((index, at) => cardView(widget, turn, citations[index]!, passageOf(results, index), at + 1))}
    ${others.length ? html`<details>
      <summary>${words.related}</summary>
      ${others.map((result) => cardView(widget, turn, citations[result.citation]!, result, 0))}
    </details>` : nothing}`;
}

function silenceView(widget: Widget, turn: Turn): TemplateResult {
  const { words } = widget;
  const { reason, citations, results } = turn.reply!;
  const near = results.filter((result) => citations[result.citation]);
  const cards = near.map((result) => cardView(widget, turn, citations[result.citation]!, result, -1));
  return html`
    <p class="silence">${words.silent}</p>
    <p class="note">${words.reasons[reason ?? ""] ?? words.reasons.not_in_report}</p>
    ${!near.length ? nothing : reason === "off_topic"
      ? html`<details><summary>${words.nearest}</summary>${cards}</details>`
      : html`<h4>${words.nearest}</h4>${cards}`}`;
}

/** A source. `number` counts the sources of an answer; 0: merely related; -1: near, but not an answer. */
function cardView(widget: Widget, turn: Turn, citation: Citation, passage: Passage | undefined, number: number): TemplateResult {
  const { words, copied } = widget;
  const shown = passage ? excerpt(passage.text, passage.highlights[0], !!turn.whole) : aroundQuote(citation);
  const { headings, report } = place(widget, citation);
  const language = languageOf(widget, citation);
  const url = address(widget.base, citation);
  const here = url?.split("#")[0] === location.href.split("#")[0];
  const isCopied = copied?.citation === citation;
  return html`<div class="card ${number < 0 ? "near" : ""}" role="group" tabindex="-1" aria-label=${number > 0 ? words.source(number) : number ? words.notAnswer : words.related}>
    <div class="place">
      ${number > 0 ? html`<span class="number" aria-hidden="true">${number}</span>` : nothing}
      <span><strong dir="auto" lang=${language}>${headings}</strong>${report}</span>
      ${number < 0 ? html`<span class="tag">${words.notAnswer}</span>` : nothing}
    </div>
    <blockquote dir="auto" lang=${language}>${shown.before}<mark>${shown.marked}</mark>${shown.after}</blockquote>
    ${shown.cut || (turn.whole && passage) ? html`<button type="button" class="more" aria-expanded=${String(!!turn.whole)} @click=${() => widget.widen(turn)}>
      ${turn.whole ? words.shorter : words.whole}</button>` : nothing}
    <div class="actions">
      ${url ? html`<a href=${url} target=${here ? "_self" : "_blank"} rel="noopener" @click=${(event: Event) => widget.cite(event, citation, url)}>
        ${icons.page}${words.openInReport}${here ? nothing : html`<span class="unseen">${words.newTab}</span>`}</a>` : nothing}
      <button type="button" @click=${() => widget.copy(citation)}>
        ${isCopied && copied.done ? icons.tick : icons.copy}${isCopied ? (copied.done ? words.copied : words.notCopied) : words.copy}
      </button>
    </div>
  </div>`;
}

function judgeView(widget: Widget, turn: Turn): TemplateResult {
  const { words } = widget;
  const button = (rating: "up" | "down") => html`<button type="button" class=${rating} aria-label=${words[rating]} title=${words[rating]}
    aria-pressed=${String(turn.rating === rating)}
    @click=${() => widget.judge(turn, rating)}>${icons.thumb}</button>`;
  const status = turn.feedback === "sent" ? words.thanks : turn.feedback === "failed" ? words.feedbackFailed : "";
  return html`
    <div class="judge" role="group" aria-label=${words.useful}>
      <span>${status || words.useful}</span>${button("up")}${button("down")}
    </div>
    ${turn.feedback === "asking" ? whyView(widget, turn) : nothing}`;
}

function whyView(widget: Widget, turn: Turn): TemplateResult {
  const { words } = widget;
  const complaints = turn.reply!.answerable ? ["wrong", "incomplete", "wrong_place", "other"] : ["should_answer", "other"];
  return html`<form class="why" @submit=${(event: SubmitEvent) => widget.explain(event, turn)}>
    <fieldset>
      <legend>${words.why}</legend>
      ${complaints.map((complaint, at) => html`<label class="choice">
        <input type="radio" name="reason" value=${complaint} ?checked=${at === 0}>${words.complaints[complaint]}
      </label>`)}
    </fieldset>
    <label class="words">${words.comment}
      <textarea name="comment" maxlength="1000" rows="2"></textarea>
    </label>
    <p>${words.privacy}</p>
    <div class="pair">
      <button class="solid">${words.sendFeedback}</button>
      <button type="button" class="quiet" @click=${() => widget.leave(turn)}>${words.cancel}</button>
    </div>
  </form>`;
}

function passageOf(results: Passage[], index: number): Passage | undefined {
  return results.find((result) => result.citation === index);
}

function aroundQuote(citation: Citation): { before: string; marked: string; after: string; cut: boolean } {
  const { prefix = "", suffix = "" } = citation.selectors?.find((selector) => selector.type === "TextQuoteSelector") ?? {};
  return { before: prefix && `…${prefix}`, marked: citation.cited_text, after: suffix && `${suffix}…`, cut: false };
}

/** From a number in the answer to its card, without touching the page's address. */
function toCard(event: Event): void {
  event.preventDefault();
  const link = event.currentTarget as HTMLElement;
  const number = Number(link.textContent) - 1;
  const card = link.closest(".turn")!.querySelectorAll<HTMLElement>(".card:not(details .card)")[number];
  card?.scrollIntoView({ block: "nearest" });
  card?.focus({ preventScroll: true });
}
