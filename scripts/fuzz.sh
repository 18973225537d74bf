#!/bin/sh
# fuzz.sh BUILD SECONDS [TARGET...]: fuzzes all targets (or those named), as many at a time as there are cores, for SECONDS
# altogether. What was learnt stays in BUILD/corpus; an input that breaks something stays in BUILD/findings. The target
# "scenarios" is a program of its own: FILES malformed scenario files (10000), made from SEED (1). Exit status 1 when something
# was found.
set -u
build=$1
seconds=$2
shift 2
program=$build/tests/fuzz_main
corpus=$build/corpus findings=$build/findings logs=$build/logs
mkdir -p "$corpus" "$findings" "$logs"
FUZZ_SEEDS=$corpus "$program" || exit 2
targets=${*:-scenarios $(FUZZ_LIST=1 "$program")}
cores=$(nproc)
export ASAN_OPTIONS="detect_leaks=1:${ASAN_OPTIONS:-}" UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}"
case " $targets " in *" scenarios "*)
    "$build/tests/fuzz_scenarios" "${SEED:-1}" "${FILES:-10000}" "$build/scenarios" 2>"$logs/scenarios" ||
        { echo "see $build/scenarios/in/t.yaml and $logs/scenarios" >&2; exit 1; }
esac
set -- $(printf '%s\n' $targets | grep -vx scenarios)
[ $# -gt 0 ] || exit 0
each=$((seconds * cores / $#))
[ "$each" -ge 1 ] || each=1
echo "fuzzing $# targets, $each s each, $cores at a time; corpus in $corpus"
export program corpus findings logs each
printf '%s\n' "$@" | xargs -P "$cores" -n 1 sh -c '
    FUZZ_TARGET=$1 "$program" -max_total_time="$each" -max_len=4096 -timeout=20 -print_final_stats=1 \
        -artifact_prefix="$findings/$1-" "$corpus/$1" >"$logs/$1" 2>&1
    rc=$?
    runs=$(sed -n "s/^stat::number_of_executed_units: *//p" "$logs/$1")
    cov=$(grep -o "cov: [0-9]*" "$logs/$1" | tail -n 1)
    printf "  %-16s %9s runs  %-10s %s\n" "$1" "${runs:-?}" "$cov" "$([ $rc = 0 ] && echo ok || echo "FAILED, see $logs/$1")"
    exit $rc' _
rc=$?
[ $rc = 0 ] || { echo "findings:" >&2; ls "$findings" >&2; exit 1; }
