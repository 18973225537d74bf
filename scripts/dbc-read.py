#!/usr/bin/env python3
"""dbc-read.py cantools|canmatrix FILE: what that parser finds in a DBC file, one line for each message:

    928 TBM_Status from TBM to SPAAK 8 bytes classic

and at the end the bus and the comment of each signal that has one. Exit status 77 when the parser is not installed.

    build/bin/spaaksim dbc >spaak.dbc && scripts/dbc-read.py canmatrix spaak.dbc
"""
import contextlib
import io
import sys


def by_cantools(path):
    import cantools
    db = cantools.database.load_file(path, database_format="dbc")
    bus = db.dbc.attributes["BusType"].value
    for m in db.messages:
        to = sorted({r for s in m.signals for r in s.receivers} | set(m.receivers))
        yield m.frame_id, m.name, m.senders, to, m.length, m.is_fd, [(s.name, s.comment) for s in m.signals]
    yield bus


def by_canmatrix(path):
    import canmatrix.formats
    db = canmatrix.formats.loadp_flat(path, import_type="dbc")
    for f in db.frames:
        f.update_receiver()
        signals = [(s.name, s.comment) for s in f.signals]
        yield f.arbitration_id.id, f.name, f.transmitters, sorted(f.receivers), f.size, f.is_fd, signals
    yield db.attribute("BusType")


def main():
    readers = {"cantools": by_cantools, "canmatrix": by_canmatrix}
    if len(sys.argv) != 3 or sys.argv[1] not in readers:
        print(__doc__)
        return 2
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            *messages, bus = list(readers[sys.argv[1]](sys.argv[2]))
    except ImportError:
        print(f"{sys.argv[1]} is missing", file=sys.stderr)
        return 77
    for number, name, senders, receivers, length, fd, _ in messages:
        print(f"{number} {name} from {','.join(senders)} to {','.join(receivers)} {length} bytes"
              f" {'FD' if fd else 'classic'}")
    print(f"bus {bus}")
    for _, name, *_, signals in messages:
        for signal, comment in signals:
            if comment:
                print(f"{name}.{signal}: {comment}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
