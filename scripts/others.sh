#!/bin/sh
# others.sh: the project as others have it: a copy without .git in a folder with a blank in its name, where an ordinary user
# builds with clang -O3 and with gcc -O0 and -O3, runs a scenario in each world, and checks what needs no clang-tidy.
set -eu
cd "$(dirname "$0")/.."
ordinary=60999 # nobody's number: no name, no home
scripts/setup.sh build
scripts/setup.sh check
top=$(mktemp -d "${TMPDIR:-/tmp}/spaaksim others.XXXXXX")
trap 'rm -rf "$top"' EXIT
copy="$top/a copy"
mkdir "$copy"
tar --exclude=./build --exclude=./out --exclude=./.git -cf - . | tar -xf - -C "$copy"
as=""
if [ "$(id -u)" = 0 ]; then
    chmod 755 "$top"
    chown -R $ordinary:$ordinary "$copy"
    as="setpriv --reuid $ordinary --regid $ordinary --clear-groups env -u HOME -u XDG_RUNTIME_DIR"
fi
cd "$copy"
do_make() {
    echo "-- make $*"
    # shellcheck disable=SC2086
    $as make -j"$(nproc)" "$@" >log 2>&1 || { cat log >&2; exit 1; }
    grep -E '^(PASS|FAIL|BLOCKED)' log || true
}
do_make CC=clang OPT=-O3
do_make CC=clang OPT=-O3 scenario NAME=pp01 WORLD=virtual
do_make CC=gcc OPT=-O3 BUILD=build/O3
do_make CC=gcc OPT=-O0 BUILD=build/O0 scenario NAME=pp01
do_make CC=clang OPT=-O3 CAST_BIN= check ONLY='format length'

echo "-- a sanitizer's report where the path has a blank"
# shellcheck disable=SC2016
printf '%s\n' '#include <stdio.h>' 'int main(int argc, char **argv)' '{' '    int a[2] = {argc, 0};' \
    '    printf("Synthesis: Tested: 1 | Passing: %d\n", a[argc + (argv[0] != NULL)]);' '    return 0;' '}' >overrun.c
gcc -fsanitize=address overrun.c -o overrun
# shellcheck disable=SC2086
if $as scripts/run-tests.sh build ./overrun >log 2>&1 || ! grep -q 'sanitizer report build/test-logs/san' log; then
    cat log >&2
    echo "it was not seen" >&2
    exit 1
fi
