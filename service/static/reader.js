// Marks the span named by "#char=start,end" on a reader page. Offsets count code points.
function units(text, points) {
  let index = 0;
  for (const char of text) {
    if (points-- <= 0) break;
    index += char.length;
  }
  return index;
}

function mark() {
  for (const old of document.querySelectorAll("mark")) old.replaceWith(old.textContent);
  const match = /^#char=(\d+),(\d+)$/.exec(location.hash);
  if (!match) return;
  const [from, to] = [Number(match[1]), Number(match[2])];
  let first = null;
  for (const run of document.querySelectorAll("[data-start]")) {
    run.normalize();
    const node = run.firstChild;
    const start = Number(run.dataset.start);
    const length = Array.from(node.data).length;
    if (to <= start || from >= start + length) continue;
    const range = document.createRange();
    range.setStart(node, units(node.data, from - start));
    range.setEnd(node, units(node.data, to - start));
    const highlight = document.createElement("mark");
    range.surroundContents(highlight);
    first ??= highlight;
  }
  if (first) {
    first.tabIndex = -1;
    first.focus({ preventScroll: true });
    first.scrollIntoView({ block: "center" });
  }
}

addEventListener("hashchange", mark);
mark();
