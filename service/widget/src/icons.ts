import { svg, html, type TemplateResult } from "lit";

const icon = (paths: TemplateResult): TemplateResult =>
  html`<svg viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.75"
    stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">${paths}</svg>`;

export const speech = icon(svg`<path d="M4 5.5h16v11h-9l-4.5 3.5v-3.5H4z"/><path d="M8.5 9.5h7M8.5 12.5h4.5"/>`);
export const cross = icon(svg`<path d="M6 6l12 12M18 6L6 18"/>`);
export const bin = icon(svg`<path d="M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 10.5v5.5M13.5 10.5v5.5"/>`);
export const arrow = icon(svg`<path d="M12 19V5M5.5 11.5L12 5l6.5 6.5"/>`);
export const square = icon(svg`<rect x="7" y="7" width="10" height="10" rx="1.5" fill="currentColor"/>`);
export const copy = icon(svg`<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M15 9V5.5A1.5 1.5 0 0 0 13.5 4h-8A1.5 1.5 0 0 0 4 5.5v8A1.5 1.5 0 0 0 5.5 15H9"/>`);
export const tick = icon(svg`<path d="M5 12.5l4.5 4.5L19 7.5"/>`);
export const page = icon(svg`<path d="M6 3.5h8l4 4v13H6z"/><path d="M14 3.5v4h4M9 12h6M9 15.5h6"/>`);
export const thumb = icon(svg`<path d="M7.5 10.5v9M7.5 10.5l4-7c1.7 0 2.6 1.2 2.3 2.8L13.2 9.5h4.9c1.3 0 2.2 1.2 1.9 2.4l-1.4 5.7c-.2.9-1 1.6-2 1.6H7.5M7.5 10.5H4v9h3.5"/>`);
export const retry = icon(svg`<path d="M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9M19.5 4.5V9H15"/>`);
