#!/usr/bin/python3
"""sequence-doc.py BUILD: the page docs/sequence.md on standard output, made from a run of op05 in the virtual world. With the page as
second argument: whether it is that."""
import difflib
import json
import os
import subprocess
import sys
import tempfile

SCENARIO = "op05"
CHAPTERS = {
    "OP-01a": "The app gets the deep link",
    "OP-02": "Phase 1: pairing mode",
    "OP-03": "Phase 2: SPAKE2+, the key is made and accepted",
    "OP-04": "Phase 3: the key proves itself",
    "OP-05": "Phase 4: the key is tracked",
}
CUT = 90  # characters of an APDU's text that a trace keeps
COLUMNS = ("person", "phone", "wcp", "spaak", "bcm", "hu", "tbe", "vos", "dos", "kts")
NAMES = {
    "wcp": "charging pad", "spaak": "SpaaK Module", "bcm": "body controller", "hu": "head unit",
    "tbe": "TBE", "vos": "VOS", "dos": "DOS", "kts": "KTS",
}


def run(build):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        done = subprocess.run([f"{build}/bin/spaaksim", "run", SCENARIO, "--world", "virtual", "--quiet", "--out", out],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"sequence-doc: {SCENARIO} did not pass\n{done.stdout}{done.stderr}")
        with open(os.path.join(out, "trace.jsonl"), encoding="utf-8") as f:
            return [json.loads(line) for line in f]


def by_chapter(events):
    """A chapter begins with the first step of its use case, and what a person did or the reader carried just before it."""
    order, chapters, waiting = list(CHAPTERS), {name: [] for name in CHAPTERS}, []
    at = -1
    for event in events:
        use_case = event.get("step", "").split("/")[0]
        if use_case in CHAPTERS:
            at = max(at, order.index(use_case))
            chapters[order[at]] += waiting
            waiting = []
        if at >= 0 or event["kind"] in ("call", "step"):
            waiting.append(event)
        if at >= 0 and event["kind"] != "call":
            chapters[order[at]] += waiting
            waiting = []
    chapters[order[-1]] += waiting
    return chapters


def clean(text):
    return text.replace(";", ",").replace("#", "no. ")


def apdu(event):
    """Direction and text; of a text that was cut the members that are whole."""
    arrow, text = event["detail"].split(" ", 1)
    return arrow, text.rsplit(", ", 1)[0] + ", ..." if len(text) >= CUT else text


def arrow_of(event):
    """(from, arrow, to, text) of an event that the picture shows; None: it does not."""
    who, kind, detail = event["component"], event["kind"], event.get("detail", "")
    if who not in COLUMNS:
        return None
    step = event.get("step", "")
    if kind == "call":
        return "person", "->>", who, detail
    if kind == "show" and event.get("message") == "screen" and who == "hu":
        return who, "-->>", "person", detail
    if kind == "step" and step.startswith("OP-"):
        return who, "note", who, f"{step} {detail}"
    if kind == "note" and who in ("dos", "vos"):
        return who, "note", who, detail
    if kind == "send" and event.get("peer") in COLUMNS:
        return who, "->>", event["peer"], f"{step} {event['message']}"
    if kind == "apdu":
        arrow, text = apdu(event)
        return (who, "->>", "phone", text) if arrow == ">" else ("phone", "-->>", who, text)
    return None


def is_piece(row):
    """Of a message that comes in several APDUs."""
    return row[1] in ("->>", "-->>") and "phone" in (row[0], row[2]) and row[3].startswith(("WRITE DATA 84 D4 00", "GET RESPONSE", "61", "9000 ok"))


def folded(rows):
    """Command and answer, the same again and again: once, with how often."""
    out, i = [], 0
    while i < len(rows):
        pair, times = rows[i:i + 2], 1
        if len(pair) == 2 and all(is_piece(row) for row in pair):
            while rows[i + 2 * times:i + 2 * times + 2] == pair:
                times += 1
        if times > 1:
            out += [(*pair[0][:3], f"{pair[0][3]}, {times} times"), pair[1]]
            i += 2 * times
        else:
            out.append(rows[i])
            i += 1
    return out


def picture(events):
    rows = folded([row for row in map(arrow_of, events) if row])
    yield "```mermaid"
    yield "sequenceDiagram"
    used = {name for row in rows for name in (row[0], row[2])}
    for name in COLUMNS:
        if name in used:
            yield f"    participant {name} as {NAMES.get(name, name)}"
    for source, arrow, target, text in rows:
        if arrow == "note":
            yield f"    Note over {source}: {clean(text)}"
        else:
            yield f"    {source}{arrow}{target}: {clean(text)}"
    yield "```"


def page(build):
    yield "# The sequence of a pairing"
    yield ""
    yield f"<!-- made by scripts/sequence-doc.py from a run of {SCENARIO}: `scripts/sequence-doc.py build >docs/sequence.md` makes it anew -->"
    yield ""
    yield f"What `build/bin/spaaksim run {SCENARIO} --world virtual` does, made from its trace: steps of the use cases as notes, messages and APDUs as"
    yield "arrows, as the reader traced them; what a person does, and reads on the head unit. Times, faults and what comes of them:"
    yield "[pairing.md](pairing.md); the protocol: [ccc.md](ccc.md)."
    for name, events in by_chapter(run(build)).items():
        yield from ("", f"## {name}: {CHAPTERS[name]}", "")
        yield from picture(events)


def main():
    made = "\n".join(page(sys.argv[1])) + "\n"
    if len(sys.argv) == 2:
        sys.stdout.write(made)
        return
    with open(sys.argv[2], encoding="utf-8") as f:
        there = f.read()
    if there != made:
        sys.stderr.writelines(difflib.unified_diff(there.splitlines(True), made.splitlines(True), sys.argv[2], "made anew", n=0))
        sys.exit(f"sequence-doc: {sys.argv[2]} is not what {SCENARIO} does: scripts/sequence-doc.py {sys.argv[1]} >{sys.argv[2]}")


main()
