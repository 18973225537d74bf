#!/bin/sh
# check.sh BUILD: what reviewers need not look for. Form, lint, the arrows between folders, what components may reach,
# scenario files, both compilers.
set -u
build=$1
bad=0
say() { printf '  %-10s %s\n' "$1" "$2"; }
fail() { echo "check: $1" >&2; bad=1; }
sources=$(git ls-files '*.c' '*.h')

say format "$(printf '%s\n' $sources | wc -l) files"
# shellcheck disable=SC2086
clang-format --dry-run -Werror $sources || fail "clang-format: \`make format\` puts it right"

say includes "arrows between folders"
# lib knows no component; a component knows lib and itself only; sim, which puts all together, knows their headers.
arrows() { # folder, allowed pattern
    grep -rn '^#include "' --include='*.[ch]' "$1" | grep -vE "#include \"($2)" | grep -v '"sim/injector.h"'
}
for folder in lib; do arrows $folder 'lib/|proto/' && fail "lib includes something above it"; done
for folder in ecu sgw tbm backend/vos backend/gsdp backend/pki; do
    arrows $folder "lib/|proto/|$folder/" && fail "$folder includes what it must not"
done
grep -rn '#include "[^"]*_internal.h"' --include='*.[ch]' sim tests && fail "an internal header is used outside its component"

say symbols "components and protocol modules do no I/O"
scripts/check-symbols.sh "$build" || bad=1

say scenarios "all files"
"$build/bin/spaaksim" check >/dev/null || fail "a scenario file is wrong"

say clang "all warnings are errors"
printf '%s\n' $sources | grep '\.c$' | grep -v '^tests/test_' |
    xargs -P "$(nproc)" -n 8 clang -fsyntax-only -std=gnu17 -D_GNU_SOURCE -I. -isystem "$build/gen" -Wall -Wextra -Wconversion \
        -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Werror ||
    fail "clang warns"

say lint "clang-tidy"
printf '%s\n' $sources | grep '\.c$' | grep -v '^tests/' |
    xargs -P "$(nproc)" -n 6 sh -c 'clang-tidy --quiet --warnings-as-errors="*" "$@" -- -std=gnu17 -D_GNU_SOURCE -I. -isystem '"$build"'/gen 2>/dev/null' _ ||
    fail "clang-tidy finds something"

say length "functions and files"
scripts/check-length.sh $sources || bad=1
exit $bad
