// The page at "/": a box, the answer, the excerpts it came from. Text is set as text, never as HTML.
const $ = (id) => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children);
  return node;
}

// Offsets count code points; a JavaScript string counts UTF-16 units.
function marked(text, [start, end]) {
  const points = Array.from(text);
  return [
    points.slice(0, start).join(""),
    element("mark", {}, points.slice(start, end).join("")),
    points.slice(end).join(""),
  ];
}

function card(result, citation) {
  const place = [citation.document_title, ...citation.heading_path].join(" › ");
  return element(
    "article", { className: "card" },
    element("p", { className: "place" }, `${citation.document_id} · ${place}`),
    element("blockquote", {}, ...marked(result.text, result.highlights[0])),
    element("a", { href: citation.url }, "Open in report"),
  );
}

function show(reply) {
  const cards = reply.results.map((result) => card(result, reply.citations[result.citation]));
  const parts = reply.answerable
    ? [element("p", { className: "said" }, `“${reply.answer.text}”`), cards[0]]
    : [
        element("p", { className: "said" }, "The report does not say."),
        ...(reply.reason === "off_topic" || !cards.length
          ? [] : [element("p", { className: "note" }, "Nearest passages, not an answer:"), ...cards]),
      ];
  $("answer").replaceChildren(...parts);
}

async function ask(query) {
  $("question").value = query;
  $("answer").replaceChildren(element("p", { className: "note" }, "Reading…"));
  try {
    const response = await fetch("/v1/answer", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ query }),
    });
    const reply = await response.json();
    if (response.ok) show(reply);
    else $("answer").replaceChildren(element("p", { className: "note" }, `${reply.title}: ${reply.detail}`));
  } catch {
    $("answer").replaceChildren(element("p", { className: "note" }, "The service cannot be reached."));
  }
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask($("question").value);
});

const [starters, reports] = await Promise.all(
  ["/v1/suggestions", "/v1/documents"].map((path) => fetch(path).then((response) => response.json())),
);
$("byline").textContent = reports.data
  .map((report) => [report.publisher, report.id, report.title, report.date].filter(Boolean).join(" · "))
  .slice(0, 3)
  .join("; ");
$("suggestions").replaceChildren(
  ...starters.data.slice(0, 5).map(({ query }) =>
    element("li", {}, element("button", { type: "button", onclick: () => ask(query) }, query))),
);
