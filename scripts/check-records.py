#!/usr/bin/env python3
"""check-records.py DIR...: holds every line of trace.jsonl and bytes.jsonl in these directories against docs/*.schema.json.

The schemas are read by a validator written here, for as much of JSON Schema as they use: a keyword that it does not know is
an error. Where python3-jsonschema is installed it judges the lines, too. Exit status 1 at the first line that is wrong.
"""
import json
import os
import re
import sys

try:
    import jsonschema
except ImportError:
    jsonschema = None

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs")
TYPES = {"object": dict, "string": str, "integer": int}
SILENT = {"$schema", "$id", "title", "description"}


def wrong_object(schema, value):
    for name in schema.get("required", []):
        if name not in value:
            return f"{name} is missing"
    for name, member in value.items():
        if name not in schema["properties"]:
            return f"{name} is unknown"
        reason = wrong(schema["properties"][name], member)
        if reason:
            return f"{name}: {reason}"
    return None


RULES = {
    "type": lambda rule, v: isinstance(v, TYPES[rule]) and not isinstance(v, bool),
    "const": lambda rule, v: v == rule and type(v) is type(rule),
    "enum": lambda rule, v: v in rule,
    "pattern": lambda rule, v: re.search(rule, v) is not None,
    "minimum": lambda rule, v: v >= rule,
    "maximum": lambda rule, v: v <= rule,
    "minLength": lambda rule, v: len(v) >= rule,
    "maxLength": lambda rule, v: len(v) <= rule,
    "oneOf": lambda rule, v: sum(wrong(s, v) is None for s in rule) == 1,
    "required": lambda rule, v: True,
    "additionalProperties": lambda rule, v: rule is False,
    "properties": lambda rule, v: True,
}


def wrong(schema, value):
    """Why the value does not fit; None when it does."""
    for keyword, rule in schema.items():
        if keyword not in SILENT and not RULES[keyword](rule, value):
            return f"{json.dumps(value)} is against {keyword}"
    return wrong_object(schema, value) if "properties" in schema else None


def one_of_each(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("a member twice")
    return dict(pairs)


class Order:
    """What no schema of single lines can say about a trace."""

    def __init__(self):
        self.seq = {}

    def wrong(self, e):
        if e["seq"] == 0:
            return None
        before = self.seq.get(e["component"], 0)
        self.seq[e["component"]] = e["seq"]
        return None if e["seq"] > before else f"seq {e['seq']} after {before}"


def check(path, kind):
    with open(os.path.join(DOCS, kind + ".schema.json"), encoding="utf-8") as f:
        schema = json.load(f)
    second = jsonschema and jsonschema.Draft202012Validator(schema)
    if second:
        second.check_schema(schema)
    order, count = Order(), 0
    with open(path, encoding="utf-8", newline="\n") as lines:
        for count, line in enumerate(lines, 1):
            try:
                value = json.loads(line, object_pairs_hook=one_of_each)
                reason = wrong(schema, value) or (kind == "trace" and order.wrong(value))
            except ValueError as e:
                reason = str(e)
            if not reason and second and not second.is_valid(value):
                reason = "python3-jsonschema refuses it, the validator here does not"
            if reason:
                print(f"{path}:{count}: {reason}")
                sys.exit(1)
    return count


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    for directory in sys.argv[1:]:
        for kind in ("trace", "bytes"):
            path = os.path.join(directory, kind + ".jsonl")
            if kind == "trace" or os.path.exists(path):
                print(f"{path}: {check(path, kind)} lines" + (", two validators" if jsonschema else ""))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as e:
        print(e)
        sys.exit(1)
