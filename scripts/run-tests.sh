#!/bin/sh
# run-tests.sh BUILD TEST...: runs Criterion programs one after the other, adds up their counts, fails on any failure, on a
# sanitizer's or leak report, and when no test ran.
set -u
build=$1
shift
logs=$build/test-logs
rm -rf "$logs"
mkdir -p "$logs"
# in quotes of its own: the sanitizers end a value at a blank
reports="\"$PWD/$logs/san\""
export ASAN_OPTIONS="detect_leaks=1:log_path=$reports:exitcode=23:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:log_path=$reports:${UBSAN_OPTIONS:-}"
export SPAAKSIM_BUILD="$build"
tested=0 passing=0 failing=0 crashing=0 bad=""
for test in "$@"; do
    name=$(basename "$test")
    "$test" --xml="$logs/$name.xml" >"$logs/$name.out" 2>&1
    rc=$?
    line=$(sed 's/\x1b\[[0-9;]*m//g' "$logs/$name.out" | grep 'Synthesis: Tested:' | tail -n 1)
    n() { printf '%s' "$line" | sed -n "s/.*$1: \([0-9]*\).*/\1/p"; }
    t=$(n Tested)
    if [ "$rc" != 0 ] || [ -z "$t" ] || [ "$t" = 0 ]; then
        bad="$bad $name"
        echo "---- $name (exit $rc)"
        cat "$logs/$name.out"
    else
        printf '  %-24s %3s tests\n' "$name" "$t"
        grep '^SKIPPED' "$logs/$name.out" | sort -u | sed 's/^/    /'
    fi
    tested=$((tested + ${t:-0}))
    passing=$((passing + $(n Passing || echo 0) + 0))
    failing=$((failing + $(n Failing || echo 0) + 0))
    crashing=$((crashing + $(n Crashing || echo 0) + 0))
done
# What a kill leaves of a leak check that it struck: the check finds the thread gone, says so, and dies with it. Such a
# report holds that line alone; a finding has more lines.
struck='^==[0-9]*==Unable to get registers from thread [0-9]*\.$'
for report in "$logs"/san.*; do
    [ -e "$report" ] || continue
    if [ -s "$report" ] && ! grep -qv "$struck" "$report"; then
        echo "  (a kill struck the leak check of process ${report##*.})"
        continue
    fi
    bad="$bad $(basename "$report")"
    echo "---- sanitizer report $report"
    cat "$report"
done
echo "[====] Synthesis: Tested: $tested | Passing: $passing | Failing: $failing | Crashing: $crashing"
[ "$tested" -gt 0 ] || { echo "no test ran" >&2; exit 1; }
[ -z "$bad" ] || { echo "failed:$bad" >&2; exit 1; }
