#!/bin/sh
# coverage.sh BUILD FOLDER PERCENT TEST...: runs the tests and prints which branches of the folder's sources they took, by file, with
# the lines where one was not. Fails below PERCENT of all branches. Not counted: what assertions do when they fail.
set -u
build=$1 folder=$2 percent=$3
shift 3
find "$build/obj/$folder" -name '*.gcda' -delete
scripts/run-tests.sh "$build" "$@" || exit 1
gcovr --root . --object-directory "$build/obj/$folder" --filter "$folder/" --branches --exclude-throw-branches \
    --exclude-unreachable-branches --exclude-branches-by-pattern '.*\bassert\(.*' --fail-under-branch "$percent" \
    "$build/obj/$folder" 2>"$build/gcovr.log"
rc=$?
[ $rc = 0 ] || { cat "$build/gcovr.log" >&2; echo "coverage: not $percent % of the branches of $folder" >&2; exit 1; }
