// Marks the span named by "#char=start,end" on a reader page, and scrolls to it.
// Offsets count Unicode code points of the report's text; a JavaScript string counts UTF-16 units.

const bar = document.getElementById("cited");
const outcome = bar.querySelector("[role=status]");
let timer;

/** The span as a range inside one element, or null if it is elsewhere. Gaps between elements are blank. */
function rangeIn(element, from, to) {
  const range = document.createRange();
  let at = Number(element.dataset.start);
  let open = false;
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    let units = 0;
    for (const point of node.data) {
      if (at >= from && at < to) {
        if (!open) range.setStart(node, units);
        open = true;
        range.setEnd(node, units + point.length);
      }
      at += 1;
      units += point.length;
    }
  }
  return open ? range : null;
}

/** Wrap the text of a range in <mark>, text node by text node: the range may cross elements. */
function wrap(range) {
  const nodes = [];
  const walker = document.createTreeWalker(range.commonAncestorContainer, NodeFilter.SHOW_TEXT);
  for (let node = walker.currentNode; node; node = walker.nextNode())
    if (node.nodeType === Node.TEXT_NODE && range.intersectsNode(node)) nodes.push(node);
  return nodes.flatMap((node) => {
    const part = document.createRange();
    part.setStart(node, node === range.startContainer ? range.startOffset : 0);
    part.setEnd(node, node === range.endContainer ? range.endOffset : node.length);
    if (part.collapsed) return [];
    const mark = document.createElement("mark");
    part.surroundContents(mark);
    return [mark];
  });
}

function clear() {
  for (const mark of document.querySelectorAll("article mark")) {
    const parent = mark.parentNode;
    mark.replaceWith(...mark.childNodes);
    parent.normalize();
  }
  bar.hidden = true;
}

function show() {
  const mark = document.querySelector("article mark");
  mark.tabIndex = -1;
  mark.focus({ preventScroll: true });
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  mark.scrollIntoView({ block: "center", behavior: calm || bar.hidden ? "instant" : "smooth" });
}

function read() {
  const match = /^#char=(\d+),(\d+)/.exec(location.hash);
  clear();
  if (!match) return;
  const [from, to] = [Number(match[1]), Number(match[2])];
  const ranges = [...document.querySelectorAll("[data-start]")].map((element) => rangeIn(element, from, to));
  for (const range of ranges) if (range) wrap(range);
  if (!document.querySelector("article mark")) return;
  show();
  bar.hidden = false;
}

async function copy() {
  const quote = [...document.querySelectorAll("article mark")].map((mark) => mark.textContent).join("");
  const source = [document.querySelector("h1").textContent, document.querySelector(".byline").textContent];
  tell("");
  try {
    await navigator.clipboard.writeText(`“${quote}”\n— ${source.filter(Boolean).join(", ")}. ${location.href}`);
    tell("Copied");
  } catch {
    tell("Could not be copied");
  }
}

/** Say in the bar what has happened, aloud too, and take it back after a while. */
function tell(words) {
  outcome.textContent = words;
  clearTimeout(timer);
  timer = setTimeout(() => (outcome.textContent = ""), 2500);
}

bar.addEventListener("click", ({ target }) => {
  if (target.dataset.do === "show") show();
  else if (target.dataset.do === "copy") copy();
  else if (target.dataset.do === "clear") {
    clear();
    history.replaceState(null, "", location.pathname);
    document.getElementById("report").focus({ preventScroll: true });
  }
});
addEventListener("hashchange", read);
read();
