import { css } from "lit";

// A host page can reach the element itself, but nothing inside. So the element takes nothing from the
// page (`all: initial`, which no rule of the page can outdo), and the inside starts from the browser's
// own defaults: the reader's font size, not the page's. What a site may set are the custom properties
// named --report-chat-*; README.md lists them.
export const styles = css`
  :host {
    all: initial !important;
    display: block !important;
    color-scheme: light dark !important;
  }
  :host([theme="light"]) { color-scheme: light !important; }
  :host([theme="dark"]) { color-scheme: dark !important; }
  :host([hidden]) { display: none !important; }

  .root {
    all: initial;
    display: block;
    direction: inherit;
    color-scheme: inherit;
    --ink: light-dark(#1b2430, #e9ebee);
    --soft: light-dark(#545f6c, #a9b3bf);
    --paper: light-dark(#ffffff, #161a20);
    --wash: light-dark(#f5f6f4, #1e242c);
    --line: light-dark(#dadedb, #39424d);
    --edge: light-dark(#78838f, #7f8a97);
    --mark: light-dark(#ffedb0, #5d4b00);
    --alarm: light-dark(#9a1b1b, #ffb0a8);
    --accent: var(--report-chat-accent, light-dark(#1d4f7c, #93c4ec));
    --on-accent: var(--report-chat-on-accent, light-dark(#ffffff, #10151b));
    --radius: var(--report-chat-radius, 10px);
    --sans: var(--report-chat-font, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans", "Liberation Sans", sans-serif);
    --serif: var(--report-chat-quote-font, "Iowan Old Style", "Palatino Linotype", Palatino, "URW Palladio L", Georgia, "Noto Serif", "Liberation Serif", serif);
    font: 1em/1.5 var(--sans);
    font-size: medium;
    color: var(--ink);
    text-align: start;
    overflow-wrap: anywhere;
    -webkit-text-size-adjust: 100%;
  }
  *, ::before, ::after { box-sizing: border-box; }
  h2, h3, h4, p, ul, ol, blockquote, fieldset { margin: 0; padding: 0; border: 0; min-inline-size: 0; }
  h2, h3, h4 { font-size: 1em; }
  ul, ol { list-style: none; }
  [hidden] { display: none !important; }
  .unseen {
    position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
  }

  button, textarea { font: inherit; color: inherit; }
  button {
    min-block-size: 44px; min-inline-size: 44px; padding: 0; border: 1px solid transparent; border-radius: 8px;
    background: none; cursor: pointer; display: inline-flex; align-items: center; justify-content: center; gap: .45em;
    text-align: start;
  }
  button[disabled] { cursor: default; color: var(--soft); }
  a { color: var(--accent); text-underline-offset: .16em; }
  svg { flex: none; display: block; }
  :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  ::selection { background: var(--mark); color: var(--ink); }

  /* launcher */
  .launcher {
    position: fixed; inset-block-end: 20px; inset-inline-end: 20px; z-index: var(--report-chat-z, 2147483000);
    min-block-size: 52px; padding: 0 1.25em 0 1.05em; border-radius: 26px; border: 1px solid transparent;
    background: var(--accent); color: var(--on-accent); font-weight: 600;
    box-shadow: 0 1px 2px rgb(0 0 0 / .2), 0 8px 24px rgb(0 0 0 / .18);
  }
  .launcher:focus-visible { outline-color: var(--ink); outline-offset: 3px; box-shadow: 0 0 0 3px var(--paper); }

  /* panel */
  .panel {
    position: relative; display: flex; flex-direction: column; background: var(--paper);
    border: 1px solid var(--line); border-radius: var(--radius); overflow: hidden;
    block-size: var(--report-chat-height, auto); max-block-size: var(--report-chat-height, min(46em, 90vh));
  }
  .panel.floating {
    position: fixed; inset-block-end: 20px; inset-inline-end: 20px; z-index: var(--report-chat-z, 2147483000);
    inline-size: min(var(--report-chat-width, 26.5em), calc(100vw - 40px));
    block-size: min(var(--report-chat-height, 44em), calc(100vh - 40px));
    block-size: min(var(--report-chat-height, 44em), calc(100dvh - 40px));
    max-block-size: none;
    box-shadow: 0 2px 6px rgb(0 0 0 / .12), 0 18px 50px rgb(0 0 0 / .22);
  }
  header { display: flex; align-items: center; gap: 2px; padding: 8px 6px 8px 16px; border-block-end: 1px solid var(--line); }
  :host(:dir(rtl)) header { padding: 8px 16px 8px 6px; }
  header div { flex: 1; min-inline-size: 0; padding-block: 4px; }
  h2 { font-size: 1.0625em; font-weight: 650; line-height: 1.3; letter-spacing: -.005em; }
  header p { font-size: .8125em; line-height: 1.4; color: var(--soft); }
  header button { color: var(--soft); }
  header button:hover { color: var(--ink); background: var(--wash); }

  .log { position: relative; flex: 1 1 auto; min-block-size: 6em; overflow-y: auto; overscroll-behavior: contain; padding: 18px 16px; scrollbar-width: thin; }
  .log:focus-visible { outline-offset: -4px; border-radius: var(--radius); }
  .turn + .turn { margin-block-start: 26px; padding-block-start: 24px; border-block-start: 1px solid var(--line); }
  .turn { content-visibility: auto; contain-intrinsic-size: auto 320px; }

  /* before the first question */
  .starters h3 { font-size: .8125em; font-weight: 600; color: var(--soft); margin-block-end: 8px; }
  .starters li + li { border-block-start: 1px solid var(--line); }
  .starters button {
    inline-size: 100%; justify-content: space-between; padding: 9px 4px; border-radius: 4px; color: var(--accent); line-height: 1.35;
  }
  .starters button:hover { text-decoration: underline; text-underline-offset: .16em; }
  .starters svg { rotate: 90deg; color: var(--soft); inline-size: 16px; }
  :host(:dir(rtl)) .starters svg { rotate: -90deg; }
  .turn .starters { margin-block-start: 18px; }

  /* a turn */
  .asked { font-weight: 600; line-height: 1.4; color: var(--soft); }
  .asked [dir] { display: block; white-space: pre-wrap; }
  .understood { font-size: .875em; color: var(--soft); margin-block-start: 2px; }
  .said, .silence {
    font: 1.1875em/1.45 var(--serif); margin-block-start: 8px; text-wrap: pretty; letter-spacing: .002em; white-space: pre-line;
  }
  .said a { font: 600 .6em/1 var(--sans); vertical-align: .55em; margin-inline-start: .2em; padding: .2em .1em; text-decoration: none; }
  .said a:hover { text-decoration: underline; }
  .note { font-size: .9375em; color: var(--soft); margin-block-start: 4px; }

  .card { margin-block-start: 14px; border: 1px solid var(--line); border-radius: 8px; background: var(--wash); scroll-margin: 12px; }
  .card.near { background: none; border-style: dashed; border-color: var(--edge); }
  .card:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  .place { display: flex; gap: 10px; padding: 11px 14px 0; font-size: .8125em; line-height: 1.4; color: var(--soft); }
  .place strong { display: block; color: var(--ink); font-weight: 600; }
  .number {
    flex: none; inline-size: 1.7em; block-size: 1.7em; border-radius: 50%; display: grid; place-items: center;
    background: var(--accent); color: var(--on-accent); font-weight: 700; font-size: .923em; border: 1px solid transparent;
  }
  .tag { flex: none; align-self: start; margin-inline-start: auto; border: 1px solid var(--edge); border-radius: 4px; padding: 0 .5em; color: var(--ink); font-weight: 600; }
  .card blockquote { padding: 8px 14px 12px; font: .9375em/1.55 var(--serif); white-space: pre-line; }
  mark { background: var(--mark); color: inherit; padding: .08em 0; border-radius: 2px; box-decoration-break: clone; -webkit-box-decoration-break: clone; }
  .near mark { background: none; text-decoration: underline dotted var(--edge); text-underline-offset: .2em; }
  .actions { display: flex; flex-wrap: wrap; border-block-start: 1px solid var(--line); padding-inline: 6px; }
  .near .actions { border-block-start-style: dashed; }
  .actions > * {
    display: inline-flex; align-items: center; gap: .4em; min-block-size: 44px; padding: 0 8px; border-radius: 6px;
    font-size: .875em; font-weight: 600; color: var(--accent); text-decoration: none; line-height: 1.2;
  }
  .actions > :hover { text-decoration: underline; text-underline-offset: .16em; }
  .actions svg { inline-size: 17px; block-size: 17px; }
  .more { font-size: .875em; padding-inline: 8px; margin: -8px 6px 2px; color: var(--accent); }
  h4 { font-size: .8125em; font-weight: 600; color: var(--soft); margin-block-start: 16px; }
  h4 + .card { margin-block-start: 8px; }
  details { margin-block-start: 12px; }
  summary { min-block-size: 44px; display: flex; align-items: center; gap: .5em; font-size: .875em; font-weight: 600; color: var(--accent); cursor: pointer; border-radius: 6px; list-style: none; }
  summary::-webkit-details-marker { display: none; }
  summary::before { content: ""; inline-size: .42em; block-size: .42em; border: solid currentColor; border-width: 0 1.75px 1.75px 0; rotate: -45deg; margin-inline: .2em .1em; }
  :host(:dir(rtl)) summary::before { rotate: 135deg; }
  details[open] > summary::before, :host(:dir(rtl)) details[open] > summary::before { rotate: 45deg; }
  details .card { margin-block-start: 4px; }
  details .card + .card { margin-block-start: 12px; }

  .judge { display: flex; flex-wrap: wrap; align-items: center; gap: 0 2px; margin-block-start: 10px; font-size: .875em; color: var(--soft); }
  .judge span { margin-inline-end: 6px; }
  .judge button:hover { background: var(--wash); color: var(--ink); }
  .judge button[aria-pressed="true"] { color: var(--accent); background: var(--wash); border-color: var(--accent); }
  .judge .down svg { rotate: 180deg; }
  .why { margin-block-start: 8px; padding: 12px 14px 10px; border: 1px solid var(--line); border-radius: 8px; font-size: .9375em; }
  legend { padding: 0; font-weight: 600; }
  .why label.choice { display: flex; align-items: center; gap: .65em; min-block-size: 44px; cursor: pointer; }
  input[type="radio"] { inline-size: 18px; block-size: 18px; margin: 0; accent-color: var(--accent); flex: none; }
  .why label.words { display: block; margin-block: 6px 4px; }
  .why p { font-size: .8667em; color: var(--soft); margin-block: 6px 10px; }
  .pair { display: flex; flex-wrap: wrap; gap: 8px; }
  .solid { background: var(--accent); color: var(--on-accent); font-weight: 600; padding-inline: 1.1em; }
  .quiet { border-color: var(--edge); padding-inline: 1.1em; font-weight: 600; }
  .quiet:hover:not([disabled]) { background: var(--wash); }

  .state { margin-block-start: 12px; color: var(--soft); display: flex; align-items: center; gap: .7em; }
  .dots { display: inline-flex; gap: 5px; flex: none; }
  .dots i { inline-size: 6px; block-size: 6px; border-radius: 50%; background: CurrentColor; opacity: .75; }
  .failure { margin-block-start: 12px; padding: 2px 0 2px 14px; border-inline-start: 3px solid var(--alarm); }
  :host(:dir(rtl)) .failure { padding: 2px 14px 2px 0; }
  .failure small { display: block; font-size: .8125em; color: var(--soft); margin-block-start: 2px; }
  .failure + button, .stopped + button { margin-block-start: 12px; }
  .stopped { margin-block-start: 10px; color: var(--soft); }

  /* composer */
  .offline { padding: 10px 16px; font-size: .875em; background: var(--wash); border-block-start: 1px solid var(--line); }
  form.ask { display: flex; align-items: end; gap: 8px; padding: 12px; border-block-start: 1px solid var(--line); }
  textarea {
    flex: 1; inline-size: 100%; min-inline-size: 0; min-block-size: 44px; max-block-size: 9.5em; padding: 9px 12px; resize: none;
    field-sizing: content; background: var(--paper); border: 1px solid var(--edge); border-radius: 8px; line-height: 1.5;
  }
  textarea::placeholder { color: var(--soft); opacity: 1; }
  textarea:focus-visible { outline-offset: 0; border-color: var(--accent); }
  form.ask button { inline-size: 44px; background: var(--accent); color: var(--on-accent); }
  form.ask button.halt { background: none; color: var(--accent); border-color: var(--accent); }

  @media (max-width: 30em) {
    .panel.floating { inset: auto 0 0 0; inline-size: 100vw; block-size: 100vh; block-size: 100dvh; border-radius: 0; border-width: 0; }
    .launcher { inset-block-end: 14px; inset-inline-end: 14px; }
  }
  @media (max-height: 26em) {
    header p { display: none; }
    .panel.floating { inset-block: auto 0; block-size: 100vh; block-size: 100dvh; border-radius: 0; }
    .log { padding-block: 12px; }
  }
  @media (prefers-reduced-motion: no-preference) {
    .panel.floating:not([hidden]) { animation: rise .18s cubic-bezier(.2, .7, .3, 1); }
    .dots i { animation: breathe 1.2s infinite ease-in-out; }
    .dots i:nth-child(2) { animation-delay: .15s; }
    .dots i:nth-child(3) { animation-delay: .3s; }
    .log { scroll-behavior: smooth; }
    @keyframes rise { from { opacity: 0; translate: 0 10px; } }
    @keyframes breathe { 0%, 80%, 100% { opacity: .3; } 40% { opacity: 1; } }
  }
  @media (forced-colors: active) {
    .panel, .card, .why { border-color: CanvasText; }
    mark { background: Mark; color: MarkText; forced-color-adjust: none; }
    .near mark { background: none; color: CanvasText; }
    .launcher, .solid, form.ask button, .number { border-color: ButtonBorder; }
    .judge button[aria-pressed="true"] { background: Highlight; color: HighlightText; forced-color-adjust: none; }
    .dots i { background: CanvasText; }
    button[disabled] { color: GrayText; }
    :focus-visible { outline-color: Highlight; }
  }
  @media print {
    .launcher, form.ask, .judge, .why, .actions, .more, .offline, .starters, header button, .quiet { display: none !important; }
    .panel, .panel.floating { position: static; inline-size: auto; block-size: auto; max-block-size: none; overflow: visible; border: 0; box-shadow: none; }
    .log { overflow: visible; padding-inline: 0; }
    .turn { content-visibility: visible; break-inside: avoid-page; }
    .root { --paper: #fff; --ink: #000; --soft: #333; --wash: #fff; --mark: #ffedb0; }
    mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  }
`;
