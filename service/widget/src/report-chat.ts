import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Announcer } from "./announcer.js";
import { Memory, messages, type Turn } from "./conversation.js";
import * as icons from "./icons.js";
import { address, ask, report, sendFeedback, ServiceError, suggestions, type Answer, type Citation, type Report } from "./service.js";
import { strings, type Strings } from "./strings.js";
import { styles } from "./styles.js";
import { longDate, place, startersView, turnView, type Widget } from "./view.js";

/** Milliseconds after which the wait is called long. */
const LONG = 5_000;
const MAX_QUESTION = 2_000;
const MAX_STARTERS = 5;
const HOME = new URL(".", import.meta.url).href;

/** `<report-chat>`: asks a report-qa service and shows what the report says. README.md tells how to use it. */
export class ReportChat extends LitElement implements Widget {
  static override styles = styles;
  static override properties = {
    apiBase: { attribute: "api-base" },
    mode: { reflect: true },
    theme: { reflect: true },
    suggestions: {
      converter: (value: string | null) => value?.split("|").map((item) => item.trim()).filter(Boolean),
    },
    documents: { converter: (value: string | null) => value?.split(/\s+/).filter(Boolean) ?? [] },
    heading: {},
    locale: { attribute: "lang" },
  };

  declare apiBase: string;
  declare mode: "launcher" | "inline";
  declare theme: "auto" | "light" | "dark";
  declare suggestions: string[] | undefined;
  declare documents: string[];
  declare heading: string;
  declare locale: string;

  reports = new Map<string, Report>();
  copied: { citation: Citation; done: boolean } | undefined;
  private served: string[] = [];
  private turns: Turn[] = [];
  private opened = false;
  private ready = false;
  private memory: Memory | undefined;
  private current: { turn: Turn; abort: AbortController } | undefined;
  private returnTo: HTMLElement | null = null;
  private ticking: ReturnType<typeof setInterval> | undefined;
  private readonly announcer = new Announcer(() => this.requestUpdate());

  constructor() {
    super();
    this.apiBase = "";
    this.mode = "launcher";
    this.theme = "auto";
    this.documents = [];
    this.heading = "";
    this.locale = "";
  }

  // --- for the page ---

  /** Show the panel (launcher mode) and go to the question. */
  open(): void {
    if (this.mode !== "inline" && !this.opened) {
      this.returnTo = deepActive();
      this.opened = true;
    }
    this.prepare();
    this.requestUpdate();
    void this.updateComplete.then(() => this.input.focus({ preventScroll: this.mode !== "inline" }));
  }

  /** Hide the panel (launcher mode); focus goes from it back to where it was. */
  close(): void {
    if (!this.opened) return;
    this.opened = false;
    this.requestUpdate();
    // Who is on the page around it stays there. Nowhere is a place to come back from: Safari focuses no clicked button.
    if (!this.matches(":focus-within") && document.activeElement !== document.body) return;
    void this.updateComplete.then(() => {
      const launcher = this.renderRoot.querySelector<HTMLElement>(".launcher");
      (this.returnTo?.isConnected && this.returnTo !== document.body ? this.returnTo : launcher)?.focus();
    });
  }

  /** Ask a question; the service's answer, or null where there is none. A question under way is stopped. */
  async ask(question: string): Promise<Answer | null> {
    question = question.trim().slice(0, MAX_QUESTION);
    if (!question) return null;
    this.stop();
    if (this.mode !== "inline" && !this.opened) this.open();
    this.prepare();
    if (this.shadowRoot?.activeElement?.closest(".starters")) this.input.focus(); // the starters go away
    const turn: Turn = { id: (this.turns.at(-1)?.id ?? 0) + 1, question, state: "waiting" };
    this.turns = [...this.turns, turn];
    return this.answer(turn);
  }

  /** Stop waiting for an answer. */
  stop(): void {
    this.current?.abort.abort();
  }

  /** Forget the conversation. */
  clear(): void {
    this.stop();
    this.turns = [];
    this.memory?.save([]);
    this.announcer.say(this.words.cleared);
    void this.updateComplete.then(() => this.isShown && this.input.focus());
  }

  // --- life ---

  override connectedCallback(): void {
    super.connectedCallback();
    this.memory = new Memory(`${this.id} ${this.base}`);
    this.turns = this.memory.load();
    addEventListener("online", this.online);
    addEventListener("offline", this.online);
    document.addEventListener("keydown", this.escape);
    if (this.mode === "inline") this.prepare();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.stop();
    this.memory?.release();
    this.ready = false;
    clearInterval(this.ticking);
    removeEventListener("online", this.online);
    removeEventListener("offline", this.online);
    document.removeEventListener("keydown", this.escape);
  }

  private readonly online = (): void => {
    if (!navigator.onLine && this.isShown) this.announcer.say(this.words.youAreOffline);
    this.requestUpdate();
  };

  override willUpdate(changed: PropertyValues): void {
    if (changed.has("mode") && this.mode === "inline" && this.isConnected) this.prepare();
  }

  /** Fetch the starter questions, once, when they may be seen. Without them the widget works too. */
  private prepare(): void {
    if (this.ready) return;
    this.ready = true;
    for (const { reply } of this.turns) for (const citation of reply?.citations ?? []) this.learn(citation.document_id);
    if (this.suggestions) return;
    suggestions(this.base, this.documents).then(
      (found) => {
        this.served = found;
        this.requestUpdate();
      },
      () => (this.ready = false),
    );
  }

  /** What is known of a report: publisher, number and date, for the source cards. */
  private learn(id: string): void {
    if (this.reports.has(id)) return;
    this.reports.set(id, { id, title: id, publisher: null, author: null, date: null, number: null, language: null });
    report(this.base, id).then(
      (found) => {
        this.reports.set(id, found);
        this.requestUpdate();
      },
      () => this.reports.delete(id),
    );
  }

  // --- asking ---

  private async answer(turn: Turn): Promise<Answer | null> {
    const abort = new AbortController();
    this.current = { turn, abort };
    Object.assign(turn, { state: "waiting", failure: undefined, retryAt: undefined });
    this.announcer.say(this.words.waiting);
    this.reveal(turn);
    const long = setTimeout(() => {
      turn.state = "slow";
      this.announcer.say(this.words.slow);
    }, LONG);
    try {
      const body = {
        query: turn.question,
        limit: 3,
        history: messages(this.turns, turn),
        ...(this.documents.length ? { documents: this.documents } : {}),
      };
      const reply = await ask(this.base, body, abort.signal);
      if (abort.signal.aborted) throw abort.signal.reason;
      turn.reply = reply;
      turn.state = "done";
      for (const citation of reply.citations) this.learn(citation.document_id);
      this.announcer.say(this.spoken(reply));
      this.tell("answer", { question: turn.question, answer: reply });
      return reply;
    } catch (error) {
      if (abort.signal.aborted) {
        turn.state = "stopped";
        if (this.turns.includes(turn)) this.announcer.say(this.words.stopped);
      } else {
        this.fail(turn, error);
      }
      return null;
    } finally {
      clearTimeout(long);
      if (this.current?.turn === turn) this.current = undefined;
      if (this.turns.includes(turn)) this.memory?.save(this.turns);
      this.requestUpdate();
    }
  }

  private fail(turn: Turn, error: unknown): void {
    const failure = error instanceof ServiceError ? error.failure : { kind: "failed" as const, status: 0, detail: "", requestId: "", retryAfter: 0 };
    turn.state = "failed";
    turn.failure = failure;
    if (failure.retryAfter) {
      turn.retryAt = Date.now() + failure.retryAfter * 1000;
      this.tick();
    }
    this.announcer.say(this.words.failures[failure.kind]!);
    this.tell("error", { question: turn.question, ...failure });
  }

  /** Count down to the moment at which trying again makes sense. */
  private tick(): void {
    clearInterval(this.ticking);
    this.ticking = setInterval(() => {
      if (!this.turns.some((turn) => (turn.retryAt ?? 0) > Date.now())) clearInterval(this.ticking);
      this.requestUpdate();
    }, 1000);
  }

  retry(turn: Turn): void {
    this.stop();
    this.input.focus(); // the button goes away
    void this.answer(turn);
  }

  private spoken(reply: Answer): string {
    const { words } = this;
    const cited = reply.citations[reply.answer?.citations[0] ?? -1];
    if (reply.answerable && reply.answer) return words.spoken(reply.answer.text, cited ? place(this, cited).headings : "");
    const why = words.reasons[reply.reason ?? ""] ?? words.reasons.not_in_report;
    return `${words.silent} ${why} ${reply.results.length ? words.spokenNear(reply.results.length) : ""}`.trim();
  }

  /** Bring a turn's question to the top of the list, without moving the page around it. */
  private reveal(turn: Turn): void {
    this.requestUpdate();
    void this.updateComplete.then(() => {
      const item = this.renderRoot.querySelector<HTMLElement>(`[data-turn="${turn.id}"]`);
      if (item) this.log.scrollTop = item.offsetTop - 16;
    });
  }

  // --- what a turn's buttons do ---

  cite(event: Event, citation: Citation, url: string): void {
    if (!this.tell("citation", { citation, url })) event.preventDefault();
  }

  async copy(citation: Citation): Promise<void> {
    const known = this.reports.get(citation.document_id);
    const date = known?.date && longDate(known.date, this.language);
    const source = [known?.author, citation.document_title, known?.publisher, known?.number ?? citation.document_id, date];
    const { openQuote, closeQuote, copied, notCopied } = this.words;
    const url = address(this.base, citation) ?? "";
    const text = `${openQuote}${citation.cited_text}${closeQuote}\n— ${source.filter(Boolean).join(", ")}. ${url}`;
    const done = await navigator.clipboard?.writeText(text).then(() => true, () => false) ?? false;
    const state = (this.copied = { citation, done });
    this.announcer.say(done ? copied : notCopied);
    setTimeout(() => {
      if (this.copied === state) this.copied = undefined;
      this.requestUpdate();
    }, 2_500);
  }

  judge(turn: Turn, rating: "up" | "down"): void {
    if (turn.feedback === "sending") return; // not disabled: a button that is loses the focus
    if (rating === "up") return void this.send(turn, rating);
    turn.feedback = "asking";
    this.requestUpdate();
    void this.updateComplete.then(() => this.within(turn, ".why input")?.focus());
  }

  explain(event: SubmitEvent, turn: Turn): void {
    event.preventDefault();
    const given = new FormData(event.target as HTMLFormElement);
    this.within(turn, ".down")?.focus();
    void this.send(turn, "down", String(given.get("reason")), String(given.get("comment")).trim());
  }

  leave(turn: Turn): void {
    turn.feedback = undefined;
    this.within(turn, ".down")?.focus();
    this.requestUpdate();
  }

  widen(turn: Turn): void {
    turn.whole = !turn.whole;
    this.requestUpdate();
  }

  private async send(turn: Turn, rating: "up" | "down", reason?: string, comment?: string): Promise<void> {
    const reply = turn.reply!;
    const cited = reply.citations[reply.answer?.citations[0] ?? reply.results[0]?.citation ?? 0];
    turn.feedback = "sending";
    this.requestUpdate();
    try {
      await sendFeedback(this.base, {
        answer_id: reply.id,
        bundle_id: reply.bundle_id,
        query: turn.question,
        history: messages(this.turns, turn),
        answerable: reply.answerable,
        citation: cited && {
          document_id: cited.document_id,
          document_sha256: cited.document_sha256,
          start_char_index: cited.start_char_index,
          end_char_index: cited.end_char_index,
        },
        rating,
        ...(reason && { reason }),
        ...(comment && { comment }),
      });
      Object.assign(turn, { feedback: "sent", rating });
      this.announcer.say(this.words.thanks);
      this.tell("feedback", { answerId: reply.id, rating, reason, comment });
    } catch {
      turn.feedback = "failed";
      this.announcer.say(this.words.feedbackFailed);
    }
    this.memory?.save(this.turns);
    this.requestUpdate();
  }

  // --- rendering ---

  get base(): string {
    return new URL(this.apiBase ? this.apiBase.replace(/\/*$/, "/") : HOME, document.baseURI).href;
  }

  get language(): string {
    return this.locale || this.closest("[lang]")?.getAttribute("lang") || "en";
  }

  get words(): Strings {
    return strings(this.language);
  }

  get starters(): string[] {
    return (this.suggestions ?? this.served).slice(0, MAX_STARTERS);
  }

  private get isShown(): boolean {
    return this.mode === "inline" || this.opened;
  }

  private get input(): HTMLTextAreaElement {
    return this.renderRoot.querySelector<HTMLTextAreaElement>("form.ask textarea")!;
  }

  private get log(): HTMLElement {
    return this.renderRoot.querySelector<HTMLElement>(".log")!;
  }

  private within(turn: Turn, selector: string): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>(`[data-turn="${turn.id}"] ${selector}`);
  }

  private tell(name: string, detail: object): boolean {
    return this.dispatchEvent(new CustomEvent(`report-chat:${name}`, { detail, bubbles: true, composed: true, cancelable: true }));
  }

  override render(): TemplateResult {
    const { words } = this;
    const inline = this.mode === "inline";
    return html`<div class="root" lang=${this.words === strings("fr") ? "fr" : "en"}>
      ${inline ? nothing : html`<button type="button" class="launcher" aria-expanded=${String(this.opened)} aria-haspopup="dialog"
        ?hidden=${this.opened} @click=${this.open}>${icons.speech}${this.heading || words.open}</button>`}
      ${this.panel(words, inline)}
      ${this.announcer.render()}
    </div>`;
  }

  private panel(words: Strings, inline: boolean): TemplateResult {
    return html`<div class="panel ${inline ? "" : "floating"}" role=${inline ? "region" : "dialog"} aria-modal=${inline ? nothing : "false"}
      aria-labelledby="title" ?hidden=${!this.isShown} ?inert=${!this.isShown} @keydown=${this.escape}>
      <header>
        <div><h2 id="title">${this.heading || words.title}</h2><p>${words.promise}</p></div>
        ${this.turns.length ? html`<button type="button" aria-label=${words.clear} title=${words.clear} @click=${this.clear}>${icons.bin}</button>` : nothing}
        ${inline ? nothing : html`<button type="button" aria-label=${words.close} title=${words.close} @click=${this.close}>${icons.cross}</button>`}
      </header>
      <div class="log" role="log" aria-live="off" aria-label=${words.conversation} tabindex="0">
        ${this.turns.length
          ? html`<ol>${repeat(this.turns, (turn) => turn.id, (turn) => turnView(this, turn, turn === this.turns.at(-1)))}</ol>`
          : startersView(this)}
      </div>
      ${navigator.onLine ? nothing : html`<p class="offline">${words.youAreOffline}</p>`}
      <form class="ask" @submit=${this.submit}>
        <textarea dir="auto" rows="1" name="question" maxlength=${MAX_QUESTION} autocomplete="off" aria-label=${words.question}
          placeholder=${words.placeholder} enterkeyhint="send" @keydown=${this.enter}></textarea>
        ${this.current
          ? html`<button type="button" class="halt" aria-label=${words.stop} title=${words.stop} @click=${this.halt}>${icons.square}</button>`
          : html`<button type="submit" aria-label=${words.send} title=${words.send}>${icons.arrow}</button>`}
      </form>
    </div>`;
  }

  /** Close, wherever the focus is: the panel may cover what has it. What the page has made use of is not for us. */
  private readonly escape = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
    if (!this.opened || this.mode === "inline") return;
    event.stopPropagation();
    this.close();
  };

  private enter(event: KeyboardEvent): void {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    (event.target as HTMLTextAreaElement).form!.requestSubmit();
  }

  private submit(event: SubmitEvent): void {
    event.preventDefault();
    if (this.current || !this.input.value.trim()) return;
    void this.ask(this.input.value);
    this.input.value = "";
    this.input.focus();
  }

  private halt(): void {
    this.stop();
    this.input.focus();
  }
}

function deepActive(): HTMLElement | null {
  let active = document.activeElement;
  while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
  return active as HTMLElement | null;
}

if (!customElements.get("report-chat")) customElements.define("report-chat", ReportChat);

declare global {
  interface HTMLElementTagNameMap {
    "report-chat": ReportChat;
  }
}
