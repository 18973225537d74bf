#!/usr/bin/env python3
"""late_spaak.py PARAMETERS: a SpaaK Module on the hub that says its cyclic status, and after three seconds of it unlocks the
doors, on its own account. Used by tests/test_external_word.c, on the reader of docs/examples."""
import json
import os
import secrets
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs", "examples"))
import reader

CYCLE_S = 0.1


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        parameters = json.load(f)
    bus = reader.join_bus(parameters["links"][0], parameters["name"], [reader.BCM_STATUS])
    try:
        for cycle in range(600):
            reader.send_status(bus)
            if cycle == 30:
                key = bytes.fromhex(parameters["stores"]["spaak"]["body-key"]["hex"])
                reader.send_command(bus, key, 1, secrets.token_bytes(16))
            time.sleep(CYCLE_S)
    except OSError:
        pass  # the run is over


if __name__ == "__main__":
    main()
