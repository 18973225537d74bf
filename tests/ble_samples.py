#!/usr/bin/env python3
"""ble_samples.py: the toolbox of docs/examples/bluetooth.py against sample data of the Bluetooth Core Specification (volume 3 part H,
appendix D; volume 6 part C, 1.1). Prints how many values were right; exit status 1 when one was not."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs", "examples"))
import bluetooth as b

U = "20b003d2f297be2c5e2c83a7e9f9a5b9eff49111acf4fddbcc0301480e359de6"
V = "55188b3d32f6bb9a900afcfbeed4e72a59cb9ac2f19d7cfb6b4fdd49f47fc5fd"
DH = "ec0234a357c8ad05341010a60a397d9b99796b13b4f866f1868d34f373bfa698"
N1, N2 = "d5cb8454d177733effffb2ec712baeab", "a6e8e7cc25a75f6e216583f7ff3dc4cf"
A1, A2 = "0056123737bfce", "00a713702dcfc1"
R, IO = "12a3343bb453bb5408da42d20c2d0fc8", "010102"
IRK, LTK = "ec0234a357c8ad05341010a60a397d9b", "4c68384139f574d836bcf34e9dfb01bf"


def x(text):
    return bytes.fromhex(text)


def values():
    """(what, is, must)"""
    yield "f4", b.f4(x(U), x(V), x(N1), b"\0"), "f2c916f107a9bd1cf1eda1bea974872d"
    mac_key, ltk = b.f5(x(DH), x(N1), x(N2), x(A1), x(A2))
    yield "f5 MacKey", mac_key, "2965f176a1084a02fd3f6a20ce636e20"
    yield "f5 LTK", ltk, "6986791169d7cd23980522b594750a38"
    yield "f6", b.f6(mac_key, x(N1), x(N2), x(R), x(IO), x(A1), x(A2)), "e3c473989cd0e8c5d26c0b09da958f61"
    yield "ah", b.ah(x(IRK), x("708194")), "0dfbaa"
    key = b.aes(x(LTK), x("0213243546576879" "acbdcedfe0f10213"))
    yield "session key", key, "99ad1b5226a37e3e058e3b8e27c2c666"
    iv = x("24abdcba" "bebaafde")
    yield "packet of the central", b.Packets(key, iv, True).seal(b.CONTROL, b"\6"), "9fcda7f448"
    yield "packet of the peripheral", b.Packets(key, iv, False).seal(b.CONTROL, b"\6"), "a34c13a415"


def main():
    rows = list(values())
    wrong = [what for what, value, must in rows if value != x(must)]
    for what in wrong:
        print("wrong: %s" % what)
    print("%d of %d values are right" % (len(rows) - len(wrong), len(rows)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
