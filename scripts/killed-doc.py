#!/usr/bin/python3
"""killed-doc.py BUILD [PAGE]: the table "step x process that is killed" of docs/pairing.md on standard output, made from the runs of
op03-killed-* in the virtual world. With the page as second argument: whether its table is that, cell by cell."""
import concurrent.futures
import glob
import json
import os
import subprocess
import sys
import tempfile

BEGIN, END = "<!-- killed: made by scripts/killed-doc.py -->", "<!-- /killed -->"
ORDER = ("spaak", "wcp", "phone", "hu", "bcm", "sgw", "tbm", "vos")
HELP_US = 12_000_000  # so long after its kill somebody helps: the scenarios say so
WORTH_SAYING_S = 1.5   # longer than anybody would wonder about
PAIRED, PHASE_2, PHASE_3 = "OP-04/6", "OP-03/2", "OP-04/3"


def run(build, process, folder):
    out = os.path.join(folder, process)
    done = subprocess.run([f"{build}/bin/spaaksim", "run", f"op03-killed-{process}", "--world", "virtual", "--quiet", "--out", out],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"killed-doc: op03-killed-{process} did not pass\n{done.stdout}{done.stderr}")
    cells = {}
    for path in glob.glob(os.path.join(out, "*", "trace.jsonl")):
        with open(path, encoding="utf-8") as f:
            step = os.path.basename(os.path.dirname(path)).replace("_", "/")
            cells[step] = cell(process, [json.loads(line) for line in f])
    return cells


def is_step(event, step):
    return event["kind"] == "step" and event.get("step") == step and event["component"] == "spaak"


def screen(events):
    """The words with which the last screen begins."""
    shown = [e["detail"] for e in events if e["kind"] == "show" and e["component"] == "hu" and e.get("message") == "screen"]
    return " ".join(shown[-1].split(":")[0].split()[:3])


def cell(process, events):
    """What has come of the kill before anybody helps."""
    kill = next(i for i, e in enumerate(events) if e["kind"] == "life" and e["component"] == process and e.get("detail") == "killed")
    killed_us = events[kill]["t_us"]
    end = next(i for i, e in enumerate(events) if e["kind"] == "call" and e["t_us"] >= killed_us + HELP_US)
    before, after = events[:kill], events[kill:end]
    paired = [e for e in after if is_step(e, PAIRED)]
    if not paired:
        helped = any(is_step(e, PAIRED) for e in events[end:])
        return f"waits: `{screen(events[:end])}`" if helped else "stands"
    again = [name for name, step in (("phase 2 again", PHASE_2), ("phase 3 again", PHASE_3))
             if any(is_step(e, step) for e in before) and any(is_step(e, step) for e in after)]
    took_s = (paired[0]["t_us"] - killed_us) / 1e6
    return (again or ["goes on"])[0] + (f", {took_s:.0f} s" if took_s >= WORTH_SAYING_S else "")


def table(build):
    processes = [os.path.basename(path)[len("op03-killed-"):-len(".yaml")] for path in glob.glob("scenarios/op03/op03-killed-*.yaml")]
    processes = [p for p in processes if p != "in-processes"]
    if sorted(processes) != sorted(ORDER):
        sys.exit(f"killed-doc: scenarios kill {sorted(processes)}, the table has {sorted(ORDER)}")
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        columns = dict(zip(ORDER, pool.map(lambda p: run(build, p, folder), ORDER)))
    steps = sorted({step for cells in columns.values() for step in cells})
    lines = [["killed at", *ORDER], ["---"] * (1 + len(ORDER))]
    lines += [[step] + [columns[p].get(step, "") for p in ORDER] for step in steps]
    return ["| " + " | ".join(line) + " |" for line in lines]


def compare(page, made):
    with open(page, encoding="utf-8") as f:
        text = f.read().split("\n")
    if BEGIN not in text or END not in text:
        sys.exit(f"killed-doc: {page} has no table between \"{BEGIN}\" and \"{END}\"")
    there = text[text.index(BEGIN) + 1:text.index(END)]
    differ = [(a, b) for a, b in zip(there, made) if a != b]
    for a, b in differ:
        print(f"{page}:{text.index(a) + 1}: the page says\n  {a}\nthe runs say\n  {b}", file=sys.stderr)
    if len(there) != len(made):
        print(f"{page}: its table has {len(there)} lines, the runs make {len(made)}", file=sys.stderr)
    return 0 if there == made else 1


def main():
    made = table(sys.argv[1])
    if len(sys.argv) == 3:
        sys.exit(compare(sys.argv[2], made))
    print("\n".join(made))


main()
