#!/bin/sh
# check-ends.sh BUILD: who plays one end of the Digital Key takes nothing of the other, not by a detail of lib/ccc either: from an
# object to those that define what it takes, and so on. Both ends stand in one header at times: the objects decide.
set -u
build=$1/obj
bad=0
own=$(mktemp "$1/ends.XXXXXX")
trap 'rm -f "$own" "$own.takes"' EXIT
objects() { find "$@" -name '*.c' ! -name '*_main.c' 2>/dev/null | sed "s,^,$build/,; s,c\$,o,"; }
all=$(objects ecu sgw tbm backend sim/actors lib)
# shellcheck disable=SC2086
nm -A --defined-only -g $all | awk 'NF == 3 { sub(/:.*/, "", $1); print $3, $1 }' >"$own"
# shellcheck disable=SC2086
nm -A -u $all | awk '{ o = $1; sub(/:.*/, "", o); print $NF, o }' >"$own.takes"
one_end() { # pattern of objects of the other end, folders of this one...
    other=$1
    shift
    objects "$@" | awk -v other="$other" -v own="$own" -v takes="$own.takes" '
        BEGIN {
            while ((getline s < own) > 0) { split(s, f, " "); at[f[1]] = f[2] }
            while ((getline s < takes) > 0) { split(s, f, " "); if (f[1] in at) needs[f[2]] = needs[f[2]] " " f[1] }
        }
        { todo[++n] = $1; seen[$1] = 1; by[$1] = $1 }
        END {
            for (i = 1; i <= n; i++) {
                count = split(needs[todo[i]], names, " ")
                for (k = 1; k <= count; k++) {
                    o = at[names[k]]
                    if (o in seen) continue
                    seen[o] = 1
                    by[o] = by[todo[i]]
                    todo[++n] = o
                    if (o ~ other) { print "check: " by[o] " takes the other end of the Digital Key: " names[k] " of " o; bad = 1 }
                }
            }
            exit bad
        }' >&2 || bad=1
}
device_end='lib/ccc/(device/|records/(framework|key)_record)' vehicle_end='lib/ccc/(vehicle/|records/vehicle_record)'
for folder in sim/actors/phone sim/actors/card; do
    [ ! -d "$folder" ] || one_end "$vehicle_end" "$folder"
done
one_end "$device_end" ecu sgw tbm sim/actors/skimmer
one_end "$device_end|$vehicle_end" backend
exit $bad
