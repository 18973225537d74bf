#!/bin/sh
# kernel-can.sh BUILD: what needs a kernel with CAN. PP-01 on vcan with the same bytes in our can.log as candump saw, and
# our ISO-TP against the kernel's, both directions, classic and FD. Runs in the guest, or natively where there is vcan.
set -u
build=$1
share=${SPAAKSIM_SHARE:-$(mktemp -d)}
out=$share/out
mkdir -p "$out"
bad=0
step() { printf '  %-10s %s\n' "$1" "$2"; }
fail() { echo "kernel-can: $1" >&2; bad=1; }

# ---- pp01 on vcan, candump beside it ----
step pp01 "CAN=vcan, candump beside it"
"$build/bin/spaaksim" run pp01 --can vcan --out "$out/pp01" --tap "exec candump -L any >$out/candump.log" >"$out/pp01.txt" 2>&1
rc=$?
tail -n 1 "$out/pp01.txt"
[ $rc = 0 ] || { fail "pp01 on vcan: exit $rc"; cat "$out/pp01.txt"; }
grep -q 'CAN on vcan' "$out/pp01.txt" || fail "pp01 did not run on vcan"
# candump starts while the first cyclic frames pass and is stopped at the end: compare from its first line to its last
frames() { awk '{ print $2, $3 }' "$1"; }
frames "$out/pp01/can.log" >"$out/ours"
frames "$out/candump.log" >"$out/theirs"
n=$(wc -l <"$out/theirs")
if [ "$n" -lt 100 ]; then
    fail "candump saw $n frames only"
else
    first=$(head -n 1 "$out/candump.log")
    at=$(grep -nxF "$first" "$out/pp01/can.log" | head -n 1 | cut -d: -f1)
    if [ -z "$at" ]; then
        fail "candump's first frame is not in can.log"
        head -n 3 "$out/candump.log" "$out/pp01/can.log"
    else
        tail -n +"$at" "$out/ours" | head -n "$n" >"$out/ours.cut"
        if cmp -s "$out/ours.cut" "$out/theirs"; then
            step same "$n frames, the same bytes in can.log and in candump's log"
        else
            fail "can.log and candump differ"
            diff "$out/ours.cut" "$out/theirs" | head -n 20
        fi
    fi
fi

# ---- existing interfaces by name ----
step interfaces "CAN=body=vb,telematics=vt,..."
cat >"$share/named.sh" <<NAMED
for i in vb vt vi vd; do ip link add dev \$i type vcan mtu 72 && ip link set \$i up || exit 3; done
"$build/bin/spaaksim" run pp01-provisioned --out "$out/named" --can body=vb,telematics=vt,infotainment=vi,diagnostic=vd
NAMED
own=--net
[ "$(id -u)" = 0 ] || own="--map-root-user --net"
unshare $own sh "$share/named.sh" >"$out/named.txt" 2>&1 || { fail "existing interfaces"; cat "$out/named.txt"; }
tail -n 1 "$out/named.txt"
grep -q ' vt 6B0##' "$out/named/can.log" || fail "can.log lacks the frames of the named interfaces"

# ---- our ISO-TP against the kernel's ----
step isotp "our engine against the kernel's"
"$build/tests/kernel_isotp" || fail "ISO-TP against the kernel"
exit $bad
