#!/usr/bin/env python3
"""when_there.py PROGRAM PARAMETERS [ARGUMENT ...]: says "ready" when all that PROGRAM imports is there, and runs it when a run has
written PARAMETERS and the sockets that they name are made: what Python takes to start is no part of the time that a run waits.
Used by tests/test_external*.c."""
import json
import os
import re
import runpy
import stat
import sys
import time


def is_socket(path):
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def is_open(path):
    """Are the parameters whole, and is every door there that they lead to?"""
    try:
        with open(path, encoding="utf-8") as f:
            links = json.load(f)["links"]
    except (OSError, ValueError):
        return False
    doors = [door for link in links for name, door in re.findall(r"(\w+)[=:](/[^;]+)", link["endpoint"]) if name != "listen"]
    return all(map(is_socket, doors))


def main():
    program, parameters = sys.argv[1:3]
    sys.argv[:2] = []
    sys.argv.insert(0, program)
    sys.path.insert(0, os.path.dirname(os.path.abspath(program)))
    runpy.run_path(program, run_name="when_there")
    print("ready", flush=True)
    looks = 0
    while looks < 2:  # one who is made may not listen yet
        time.sleep(0.02)
        looks = looks + 1 if is_open(parameters) else 0
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
