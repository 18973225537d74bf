#!/usr/bin/env python3
"""isotp-by-tshark.py CAN_LOG [IDS]: the ISO-TP messages of a can.log as Wireshark's dissector puts them together, one
line for each: bus, identifier, bytes in hex. IDS, as "1712-1743,1952", default to those of the message matrix. Exit
status 77 when there is no tshark.

    scripts/isotp-by-tshark.py out/pp01/can.log
    scripts/isotp-by-tshark.py --pcap telematics out/pp01/can.log >telematics.pcap      for Wireshark itself
"""
import os
import shutil
import struct
import subprocess
import sys
import tempfile

MATRIX_IDS = "1712-1743,1952-1967,2015"  # 6B0 to 6CF, 7A0 to 7AF, 7DF
LINKTYPE_CAN_SOCKETCAN = 227
EXTENDED, REMOTE, FDF = 0x80000000, 0x40000000, 4


def frames(log):
    """Each line of candump's log: seconds, microseconds, bus, frame with the kernel's header."""
    for line in log:
        stamp, bus, text = line.split()
        seconds, micros = stamp.strip("()").split(".")
        number, data = text.split("#", 1)
        can_id, flags = int(number, 16) | (EXTENDED if len(number) == 8 else 0), 0
        if data.startswith("#"):
            flags, data = FDF | int(data[1], 16) & 3, data[2:]
        if data.startswith("R"):
            can_id, data = can_id | REMOTE, ""
        data = bytes.fromhex(data)
        yield int(seconds), int(micros), bus, struct.pack(">IBBBB", can_id, len(data), flags, 0, 0) + data


def write_pcap(path, log, bus):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0xFFFF, LINKTYPE_CAN_SOCKETCAN))
        for seconds, micros, name, frame in frames(log):
            if name == bus:
                out.write(struct.pack("<IIII", seconds, micros, len(frame), len(frame)) + frame)


def messages(pcap, ids):
    """Single frames, and the last frames of others: there the dissector shows the whole."""
    fields = ["can.id", "iso15765.message_type", "data.data"]
    out = subprocess.run(
        ["tshark", "-n", "-r", pcap, "-o", f"iso15765.can.ids:{ids}",
         "-Y", "iso15765.message_type == 0 || iso15765.reassembled.length", "-T", "fields"]
        + [a for f in fields for a in ("-e", f)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    for line in out.stdout.splitlines():
        can_id, _, data = line.split("\t")
        yield int(can_id, 0), data.replace(":", "")


def main(args):
    if args[:1] == ["--pcap"] and len(args) == 3:
        with open(args[2], encoding="ascii") as log:
            write_pcap("/dev/stdout", log, args[1])
        return 0
    if not 1 <= len(args) <= 2 or args[0].startswith("-"):
        print(__doc__)
        return 2
    if not shutil.which("tshark"):
        print("tshark is missing: scripts/setup.sh optional", file=sys.stderr)
        return 77
    with open(args[0], encoding="ascii") as f:
        log = f.readlines()
    with tempfile.TemporaryDirectory() as folder:
        for bus in sorted({line.split()[1] for line in log}):
            pcap = os.path.join(folder, "bus.pcap")
            write_pcap(pcap, log, bus)
            for can_id, data in messages(pcap, args[1] if len(args) > 1 else MATRIX_IDS):
                print(f"{bus} {can_id:03X} {data}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
