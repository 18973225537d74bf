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
# candump starts while the first cyclic frames pass and is stopped at the end: compare what lies 10 ms inside its first and
# last line. By the kernel's stamp, not by line: vcan delivers on the sender's CPU, so two frames sent at one moment on two
# CPUs reach two listeners in either order, each with the stamp it was given once.
window() { awk 'NR == 1 { first = substr($1, 2, 17) } { last = substr($1, 2, 17) } END { printf "%.6f %.6f", first + 0.01, last - 0.01 }' "$1"; }
frames() { awk -v from="$2" -v to="$3" '{ t = substr($1, 2, 17) + 0 } t >= from && t <= to { print $1, $2, $3 }' "$1"; }
between=$(window "$out/candump.log")
frames "$out/pp01/can.log" $between >"$out/ours.arrived"
frames "$out/candump.log" $between >"$out/theirs.arrived"
moved=$(diff "$out/ours.arrived" "$out/theirs.arrived" | grep -c '^<')
sort "$out/ours.arrived" >"$out/ours"
sort "$out/theirs.arrived" >"$out/theirs"
n=$(wc -l <"$out/theirs")
if [ "$n" -lt 100 ]; then
    fail "candump saw $n frames only"
elif cmp -s "$out/ours" "$out/theirs"; then
    step same "$n frames, the same bytes and times in can.log and in candump's log; $moved arrived in another order"
else
    fail "can.log and candump differ"
    diff "$out/ours" "$out/theirs" | head -n 20
fi

# ---- existing interfaces by name ----
step interfaces "CAN=body=vb,telematics=vt,..."
cat >"$share/named.sh" <<NAMED
for i in vb vt vi vd; do ip link add dev \$i type vcan mtu 72 && ip link set \$i up || exit 3; done
all=body=vb,telematics=vt,infotainment=vi,diagnostic=vd
"$build/bin/spaaksim" run pp01-provisioned --out "$out/named" --can \$all || exit
"$build/bin/spaaksim" run pp01-flood-loses --out "$out/wire" --can \$all >"$out/wire.txt" 2>&1
[ \$? = 3 ] && grep -q 'vb is virtual and has no bit rate' "$out/wire.txt" || { cat "$out/wire.txt"; exit 4; }
NAMED
own=--net
[ "$(id -u)" = 0 ] || own="--map-root-user --net"
unshare $own sh "$share/named.sh" >"$out/named.txt" 2>&1 || { fail "existing interfaces"; cat "$out/named.txt"; }
tail -n 1 "$out/named.txt"
grep -q ' vt 6B0##' "$out/named/can.log" || fail "can.log lacks the frames of the named interfaces"

# ---- a tester's tool at the connector ----
# Its answers come over vcan, and the play passes only when can.log has every frame that the tool sent, too.
step uds "spaaksim uds beside a play, CAN=vcan"
desk=$(mktemp -d)
mkfifo "$desk/lines"
"$build/bin/spaaksim" play pp01 --can vcan --out "$desk/out" <"$desk/lines" >"$out/play.txt" 2>&1 &
playing=$!
exec 9>"$desk/lines"
tries=0
until "$build/bin/spaaksim" uds "$desk/out" sgw read F18C >"$out/uds.txt" 2>&1 || [ $tries = 30 ]; do
    sleep 1
    tries=$((tries + 1))
done
grep -q '"SGW0000000001"' "$out/uds.txt" || { fail "the SGW does not answer"; cat "$out/uds.txt"; }
echo quit >&9
exec 9>&-
wait $playing || { fail "the play on vcan"; cat "$out/play.txt"; }
tail -n 1 "$out/play.txt"
grep -q ' diagnostic 7A2##' "$desk/out/can.log" || fail "can.log lacks the tool's frames"
rm -rf "$desk"

# ---- our ISO-TP against the kernel's ----
step isotp "our engine against the kernel's"
"$build/tests/kernel_isotp" || fail "ISO-TP against the kernel"
exit $bad
