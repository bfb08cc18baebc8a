import { html, type TemplateResult } from "lit";

/**
 * Speaks through two polite live regions in turn. One would not do: a screen reader stays silent when the
 * same words are set again, and may miss words that replace others before they were read. Each sentence
 * goes into the region that is empty, the other is emptied, so every sentence is spoken once.
 */
export class Announcer {
  private words = ["", ""];
  private turn = 0;

  constructor(private readonly changed: () => void) {}

  say(words: string): void {
    this.words[this.turn] = words;
    this.turn = 1 - this.turn;
    this.words[this.turn] = "";
    this.changed();
  }

  render(): TemplateResult[] {
    return this.words.map((words) => html`<div class="unseen" aria-live="polite" aria-atomic="true">${words}</div>`);
  }
}
