#!/bin/sh
# check.sh BUILD: what reviewers need not look for. Form, lint, the arrows between folders, what components may reach,
# scenario files, both compilers.
set -u
build=$1
bad=0
say() { printf '  %-10s %s\n' "$1" "$2"; }
fail() { echo "check: $1" >&2; bad=1; }
sources=$(scripts/sources.sh)

say format "$(printf '%s\n' $sources | wc -l) files"
# shellcheck disable=SC2086
clang-format --dry-run -Werror $sources || fail "clang-format: \`make format\` puts it right"

say includes "arrows between folders"
# A component is a folder: every one below these, so that a new one cannot escape the rules.
# Tests may have folders of components too: those with a cast of their own.
casts=$(ls tests/*/cast.c | sed 's,/cast.c$,,')
components=$(ls -d ecu/*/ backend/*/ sim/actors/*/ | sed 's,/$,,'; echo sgw; echo tbm)
# What each room may include; a folder always knows itself. Below lib the arrows go media > host > env, msg and ccc > pki and
# env > can and crypto > base; a component knows lib without its hosts, and no other component.
arrows() { # folder, allowed pattern
    [ -d "$1" ] || { fail "$1 is a room of the house, but not there"; return; }
    grep -rn '^#include "' --include='*.[ch]' "$1" | grep -vE "#include \"($1|$2)/" && fail "$1 includes what it must not"
}
arrows lib/base 'lib/base'
arrows lib/crypto 'lib/base'
arrows lib/can 'lib/base'
arrows lib/pki 'lib/(base|crypto)'
arrows lib/env 'lib/(base|crypto|can)'
arrows lib/msg 'lib/(base|crypto|can|pki|env)|proto'
arrows lib/ccc 'lib/(base|crypto|pki)'
arrows lib/host 'lib/(base|crypto|can|env)'
arrows lib/media 'lib/(base|crypto|can|env|host)'
for folder in $components $casts; do
    arrows "$folder" 'lib/(base|crypto|can|pki|env|msg|ccc)(/[a-z]+)?|proto'
done
ls lib | grep -vxE 'base|crypto|can|pki|env|msg|ccc|host|media' && fail "lib has a room that no rule speaks of"
# Names of components stand in cast.c and with the actors only, names of media in lib/media only; lib and the rest of sim
# read them where they are declared. Comments may use them as examples.
named() { # name, folders...
    name=$1
    shift
    grep -rnE "\"$name\"" --include='*.[ch]' "$@" | grep -v '^sim/\(cast\.c\|actors/\)' | sed 's,/\*.*,,' | grep "\"$name\""
}
for folder in $components; do
    name=$(basename "$folder")
    named "$name" sim lib/base lib/env lib/host lib/msg lib/pki lib/ccc && fail "\"$name\" is named outside its own room"
    # a folder, its class and its program are called alike, and the one list has it
    grep -rq "\.name = \"$name\"" --include='*.c' "$folder" || fail "$folder declares no class \"$name\""
    grep -q "&${name}_class" sim/cast.c || fail "$folder is not in sim/cast.c"
done
for medium in $(ls -d lib/media/*/ | xargs -n 1 basename); do
    named "$medium" lib/host sim/world sim/run sim/plant sim/*.c && fail "the medium \"$medium\" is named outside lib/media"
    grep -q "X($medium)" lib/media/media.h || fail "lib/media/$medium has no row in lib/media/media.h"
done
grep -rn '#include "\(ecu\|sgw\|tbm\|backend\)/' sim lib | grep -v '^sim/cast\.c' && fail "a component's header is included outside sim/cast.c"
grep -rn '#include "[^"]*_internal.h"' --include='*.[ch]' sim tests && fail "an internal header is used outside its component"

say symbols "components and protocol modules do no I/O"
scripts/check-symbols.sh "$build" || bad=1

say scenarios "all files"
"$build/bin/spaaksim" check >/dev/null || fail "a scenario file is wrong"
for folder in $casts; do
    "$build/$folder/bin/spaaksim" check "$folder"/*.yaml >/dev/null || fail "a scenario file in $folder is wrong"
done

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
