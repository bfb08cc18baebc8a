"""The page at `/docs`: every route of the HTTP interface with its fields, problems and an example.

Written here rather than by FastAPI, whose page fetches its scripts from a third party: a visitor's
browser asks nobody but this service.
"""

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Schema = Mapping[str, Any]


def reference_page(api: Schema, stylesheet: str) -> str:
    """The page of an OpenAPI document; `stylesheet` is the address of the site's."""
    operations = [
        (method, path, operation)
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
        if method != "head"
    ]
    contents = "".join(
        f'<li><a href="#{_anchor(method, path)}"><code>{method.upper()} {escape(path)}</code></a></li>'
        for method, path, _ in operations
    )
    body = "\n".join(part for operation in operations for part in _operation(*operation, api))
    info = api["info"]
    return _PAGE.format(
        title=f"{escape(info['title'])} {escape(info['version'])}",
        summary=escape(info["summary"]),
        description=_prose(info.get("description", "")),
        stylesheet=escape(stylesheet, quote=True),
        contents=contents,
        body=body,
    )


def _operation(method: str, path: str, operation: Schema, api: Schema) -> Iterator[str]:
    yield f'<h2 id="{_anchor(method, path)}"><code>{method.upper()} {escape(path)}</code></h2>'
    yield f"<p>{_prose(operation.get('description', operation.get('summary', '')))}</p>"
    rows = [
        (parameter["name"], parameter["schema"], parameter.get("required", False))
        for parameter in operation.get("parameters", ())
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        schema = _resolved(body, api)
        needed = schema.get("required", ())
        rows += [(name, field, name in needed) for name, field in schema["properties"].items()]
    if rows:
        yield "<table><thead><tr><th>Field</th><th>Type</th><th>What it is</th></tr></thead><tbody>"
        yield from (_row(name, field, required) for name, field, required in rows)
        yield "</tbody></table>"
    if body and (examples := _resolved(body, api).get("examples")):
        example = json.dumps(examples[0], ensure_ascii=False)
        command = f"curl -s $ADDRESS{path} -H 'Content-Type: application/json' \\\n  -d '{example}'"
        yield f"<pre>{escape(command)}</pre>"
    problems = ", ".join(
        f"{status} {escape(answer.get('description', ''))}"
        for status, answer in operation["responses"].items()
        if status[0] in "45"
    )
    if problems:
        yield f"<p>Problems: {problems}.</p>"


def _row(name: str, field: Schema, required: bool) -> str:
    about = _prose(field.get("description", ""))
    kind = _kind(field) + ("" if required else ", optional")
    return f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{about}</td></tr>"


def _prose(text: str) -> str:
    """A description as HTML: what stands between backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _kind(field: Schema) -> str:
    if "anyOf" in field:
        return " or ".join(_kind(option) for option in field["anyOf"])
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    if "const" in field or "enum" in field:
        return " | ".join(str(value) for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {_kind(field.get('items', {}))}"
    return str(field.get("type", "any"))


def _resolved(schema: Schema, api: Schema) -> Schema:
    if "$ref" in schema:
        found: Schema = api["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def _anchor(method: str, path: str) -> str:
    return escape(f"{method}{path}".translate(str.maketrans("/{}", "---")), quote=True)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{stylesheet}">
</head>
<body class="reference">
<main class="sheet">
<h1>{title}</h1>
<p>{summary} The whole contract, for programs: <a href="/openapi.json">OpenAPI</a>.</p>
<p>{description}</p>
<nav aria-label="Routes"><ul>{contents}</ul></nav>
{body}
</main>
</body>
</html>
"""
