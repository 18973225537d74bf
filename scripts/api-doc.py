#!/usr/bin/python3
"""api-doc.py docs/api.json: the page docs/api.md on standard output. With the page as second argument: whether it is that.

The page is made of the OpenAPI file and of nothing else; a key of the file that it would not show is an error."""
import difflib
import json
import sys

METHODS = ("get", "put", "post", "delete", "patch")
KNOWN = {
    "document": {"openapi", "info", "servers", "tags", "paths", "components"},
    "path": {"servers", "parameters", *METHODS},
    "operation": {"operationId", "tags", "summary", "description", "security", "parameters", "requestBody", "responses", "x-scope"},
    "parameter": {"name", "in", "required", "description", "schema", "example"},
    "header": {"description", "required", "schema"},
    "response": {"description", "headers", "content", "x-by", "x-retry", "x-retry-reasons"},
    "components": {"securitySchemes", "parameters", "headers", "schemas", "responses"},
    "property": {"type", "description", "allOf", "$ref", "pattern", "const", "enum", "minimum", "maximum", "minLength", "maxLength"},
    "schema": {"type", "description", "pattern", "properties", "required", "additionalProperties"},
}
file = {}


def known(kind, thing):
    others = set(thing) - KNOWN[kind]
    if others:
        sys.exit(f"api-doc: {kind} with {', '.join(sorted(others))}: the page would not show it")
    return thing


def follow(thing):
    while "$ref" in thing:
        path, thing = thing["$ref"].removeprefix("#/").split("/"), file
        for part in path:
            thing = thing[part]
    return thing


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    for row in rows:
        yield "| " + " | ".join(cell(c) for c in row) + " |"


# ---- schemas ----

def anchor(name):
    return f"[{name}](#{name.lower()})"


def form(schema):
    """What a value must be, in a few words."""
    known("property", schema)
    if "$ref" in schema:
        return anchor(schema["$ref"].split("/")[-1])
    words = [form(part) for part in schema.get("allOf", [])]
    if "const" in schema:
        words.append(f"`{schema['const']}`")
    elif "enum" in schema:
        words.append(", ".join(f"`{e}`" for e in schema["enum"]))
    elif "type" in schema:
        words.append(schema["type"])
    if "pattern" in schema:
        words.append(f"`{schema['pattern']}`")
    if "minimum" in schema:
        words.append(f"{schema['minimum']} to {schema['maximum']}")
    if "minLength" in schema:
        words.append(f"at least {schema['minLength']} characters")
    if "maxLength" in schema:
        words.append(f"at most {schema['maxLength']} characters")
    return " ".join(words)


def schemas():
    yield "## Schemas"
    for name, schema in file["components"]["schemas"].items():
        known("schema", schema)
        yield from ("", f"### {name}", "", schema["description"])
        if schema["type"] != "object":
            yield from ("", f"`{schema['pattern']}`")
            continue
        yield ""
        yield from table(("member", "", "form", "what"), (
            (f"`{n}`", "" if n in schema["required"] else "may lack", form(p), p.get("description", ""))
            for n, p in schema["properties"].items()))
        assert schema["additionalProperties"] is False, name


# ---- operations ----

def parameter_rows(parameters):
    for p in map(follow, parameters):
        known("parameter", p)
        yield f"`{p['name']}`", p["in"], form(p["schema"]), p["description"]


def content_form(content):
    (kind, body), = content.items()
    return f"`{kind}`", body


def reasons(response):
    """Reason by reason, and whose word it may be."""
    by = response["x-by"]
    names = content_form(response["content"])[1]["schema"]["allOf"][1]["properties"]["reason"]["enum"]
    return ", ".join(f"`{n}`" + ("" if n in by.get("tbe", ()) and n not in by.get("door", ()) else
                                 " (door)" if n not in by.get("tbe", ()) else " (door, too)") for n in names)


def header_words(response):
    headers = ((name, known("header", follow(h))) for name, h in response.get("headers", {}).items())
    return "; ".join(f"`{name}`: {form(h['schema'])}" + ("" if h["required"] else " (may lack)") for name, h in headers)


def asking_again(response):
    """What all reasons have in common, then those that differ."""
    by_word = {}
    for name, word in response.get("x-retry-reasons", {}).items():
        by_word.setdefault(word, []).append(f"`{name}`")
    return "; ".join([f"`{response['x-retry']}`"] + [f"`{word}` with {', '.join(names)}" for word, names in by_word.items()])


def good(status, response):
    yield from ("", f"**{status}**: {response['description']}")
    if "content" in response:
        kind, body = content_form(response["content"])
        yield from ("", f"{kind}, {form(body['schema'])}:", "", "```json", json.dumps(body["example"], indent=2), "```")
    yield from ("", header_words(response) + ".")


def refusals(responses):
    yield ""
    yield from table(("status", "reasons", "asking again", "what", "headers"), (
        (status, reasons(r), asking_again(r), r["description"], header_words(r)) for status, r in responses))


def operation(path, item, method):
    o = known("operation", item[method])
    hosts = ", ".join(s["url"].removeprefix("https://").removesuffix(":{port}") for s in item["servers"])
    yield from ("", f"### {o['summary']}", "", f"`{method.upper()} {path}` at {hosts} (`{o['operationId']}`)", "", o["description"])
    yield from ("", f"Token: scope `{o['x-scope']}`." if o["security"] else "Without a token.")
    parameters = list(parameter_rows(item.get("parameters", []) + o.get("parameters", [])))
    if parameters:
        yield ""
        yield from table(("parameter", "in", "form", "what"), parameters)
    if "requestBody" in o:
        kind, body = content_form(o["requestBody"]["content"])
        yield from ("", f"Body: {kind}, {form(body['schema'])}:", "", "```json", json.dumps(body["example"], indent=2), "```")
    all_of_it = {s: known("response", follow(r)) for s, r in o["responses"].items()}
    for status, response in all_of_it.items():
        if status < "300":
            yield from good(status, response)
    yield from refusals((s, r) for s, r in all_of_it.items() if s >= "400")


# ---- the page ----

def by_tag(tag):
    for path, item in file["paths"].items():
        known("path", item)
        for method in METHODS:
            if method in item and tag in item[method]["tags"]:
                yield from operation(path, item, method)


def overview():
    yield from ("", "## Calls", "")
    yield from table(("call", "host", "token", "what"), (
        (f"`{m.upper()} {path}`", ", ".join(s["description"].rstrip(".").lower() for s in item["servers"]),
         f"scope `{item[m]['x-scope']}`" if item[m]["security"] else "", item[m]["summary"])
        for path, item in file["paths"].items() for m in METHODS if m in item))


def page():
    known("document", file), known("components", file["components"])
    info = file["info"]
    yield from ("# The door for apps and operators", "",
                "<!-- made by scripts/api-doc.py of api.json: change that file, then `scripts/api-doc.py docs/api.json >docs/api.md` -->", "",
                f"{info['title']}, version {info['version']}. [api.json](api.json) is the same for machines (OpenAPI {file['openapi']}).", "",
                info["description"].replace("\n### ", "\n## "))
    yield from overview()
    for name, scheme in file["components"]["securitySchemes"].items():
        yield from ("", "## The token", "", scheme["description"])
    for tag in file["tags"]:
        yield from ("", f"## {tag['name'].capitalize()}", "", tag["description"])
        yield from by_tag(tag["name"])
    yield ""
    yield from schemas()


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        file.update(json.load(f))
    made = "\n".join(page()) + "\n"
    if len(sys.argv) == 2:
        sys.stdout.write(made)
        return
    with open(sys.argv[2], encoding="utf-8") as f:
        there = f.read()
    if there != made:
        sys.stderr.writelines(difflib.unified_diff(there.splitlines(True), made.splitlines(True), sys.argv[2], "made anew", n=0))
        sys.exit(f"api-doc: {sys.argv[2]} is not what {sys.argv[1]} makes: scripts/api-doc.py {sys.argv[1]} >{sys.argv[2]}")


main()
