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
# Reports that tell of no fault of ours. What a kill leaves of a leak check that it struck: the check finds the thread gone, says
# so, and dies with it; that line stands alone. And a leak of the test runner's own, which Debian's Criterion has now and then
# when two workers end together: every frame of every allocation is its own, none is of the programs under test.
struck='^==[0-9]*==Unable to get registers from thread [0-9]*\.$'
is_nothing() {
    [ -s "$1" ] || return 1
    grep -qv "$struck" "$1" || return 0
    grep -q 'ERROR: LeakSanitizer: detected memory leaks' "$1" && grep -q '^ *#[0-9].*libcriterion\.so' "$1" &&
        ! grep -q 'ERROR: AddressSanitizer\|runtime error' "$1" &&
        ! grep '^ *#[0-9]' "$1" | grep -qv 'libcriterion\.so\|libsanitizer/\|in __interceptor_'
}
# exit_of NAME CODE SYNTHESIS: the tests' own exit code, but 0 where all have passed and 23 is for a leak that is nothing.
exit_of() {
    [ "$2" = 23 ] || return "$2"
    case $3 in *"Failing: 0 | Crashing: 0"*) ;; *) return 23 ;; esac
    found=$(find "$logs" -name 'san.*' -newer "$logs/$1.begun")
    [ -n "$found" ] || return 23
    for one in $found; do
        is_nothing "$one" || return 23
    done
}
tested=0 passing=0 failing=0 crashing=0 bad=""
for test in "$@"; do
    name=$(basename "$test")
    : >"$logs/$name.begun"
    "$test" --xml="$logs/$name.xml" >"$logs/$name.out" 2>&1
    rc=$?
    line=$(sed 's/\x1b\[[0-9;]*m//g' "$logs/$name.out" | grep 'Synthesis: Tested:' | tail -n 1)
    n() { printf '%s' "$line" | sed -n "s/.*$1: \([0-9]*\).*/\1/p"; }
    t=$(n Tested)
    exit_of "$name" "$rc" "$line"
    rc=$?
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
for report in "$logs"/san.*; do
    [ -e "$report" ] || continue
    if is_nothing "$report"; then
        echo "  (no fault of ours in $report: $(sed -n '/[^ =]/{p;q}' "$report"))"
        continue
    fi
    bad="$bad $(basename "$report")"
    echo "---- sanitizer report $report"
    cat "$report"
done
# once more, for who sees only the end of a long log
for name in $bad; do
    [ ! -e "$logs/$name.out" ] || { echo "---- $name again"; tail -n 60 "$logs/$name.out"; }
done
echo "[====] Synthesis: Tested: $tested | Passing: $passing | Failing: $failing | Crashing: $crashing"
[ "$tested" -gt 0 ] || { echo "no test ran" >&2; exit 1; }
[ -z "$bad" ] || { echo "failed:$bad" >&2; exit 1; }
