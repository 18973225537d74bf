#!/bin/sh
# bench.sh BUILD: all figures as JSON lines on standard output; nothing else. One core for what is said to be on one core.
set -eu
build=$1
one_core=""
command -v taskset >/dev/null && one_core="taskset -c 0"
$one_core "$build/tests/bench_core"
$one_core "$build/tests/bench_ccc"
"$build/tests/bench_process" hub
"$build/tests/bench_process" run "$build"
