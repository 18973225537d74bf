#!/bin/sh
# check.sh BUILD [PART...]: what reviewers need not look for. The arrows between folders, and these parts or some of them: form,
# what components may reach, scenario files, lint by the other compiler, lengths, the API's description, the sequence of a pairing,
# and what comes of a kill at each of its steps.
set -u
build=$1
shift
parts=${*:-format symbols scenarios lint length api sequence killed}
bad=0
say() { printf '  %-10s %s\n' "$1" "$2"; }
wanted() { # part, what it looks at
    case " $parts " in *" $1 "*) say "$1" "$2" ;; *) return 1 ;; esac
}
for part in $parts; do
    case $part in format | symbols | scenarios | lint | length | api | sequence | killed) ;; *) echo "check: there is no part \"$part\"" >&2; exit 2 ;; esac
done
fail() { echo "check: $1" >&2; bad=1; }
sources=$(scripts/sources.sh)
[ -n "$sources" ] || { echo "check: no sources here" >&2; exit 2; }

# Some at a time on each core; all of them again only when one has changed.
check_format() {
    mkdir -p "$build/check"
    { clang-format --version; printf '%s\n' $sources .clang-format | xargs sha256sum; } >"$build/check/format.new"
    cmp -s "$build/check/format.new" "$build/check/format" && return
    rm -f "$build/check/format"
    printf '%s\n' $sources | xargs -P "$(nproc)" -n 40 clang-format --dry-run -Werror &&
        mv "$build/check/format.new" "$build/check/format"
}
if wanted format "$(printf '%s\n' $sources | wc -l) files"; then
    check_format || fail "clang-format: \`make format\` puts it right"
fi

say includes "arrows between folders"
# A component is a folder: every one below these, so that a new one cannot escape the rules.
# Tests may have folders of components too: those with a cast of their own.
casts=$(ls tests/*/cast.c | sed 's,/cast.c$,,')
components=$(ls -d ecu/*/ backend/*/ sim/actors/*/ | sed 's,/$,,'; echo sgw; echo tbm)
# What each room may include; a folder always knows itself. Below lib the arrows go media > host > env, msg and ccc > pki and
# env > can and crypto > base, msg > uds > crypto; a component knows lib without its hosts, and no other component.
arrows() { # folder, allowed pattern
    [ -d "$1" ] || { fail "$1 is a room of the house, but not there"; return; }
    grep -rn '^#include "' --include='*.[ch]' "$1" | grep -vE "#include \"($1|$2)/" && fail "$1 includes what it must not"
}
arrows lib/base 'lib/base'
arrows lib/crypto 'lib/base'
arrows lib/can 'lib/base'
arrows lib/pki 'lib/(base|crypto)'
arrows lib/env 'lib/(base|crypto|can)'
arrows lib/msg 'lib/(base|crypto|can|pki|env|uds)|proto'
arrows lib/ccc 'lib/(base|crypto|pki)|proto'
# what is stored is written with protobuf, nothing else of the Digital Key
grep -rn '#include "proto/' --include='*.[ch]' lib/ccc | grep -v '^lib/ccc/records/' && fail "only lib/ccc/records knows protobuf"
arrows lib/uds 'lib/(base|crypto)'
arrows lib/http 'lib/base'
arrows lib/html 'lib/base'
arrows lib/mail 'lib/base'
arrows lib/json 'lib/base'
arrows lib/ble 'lib/base'
arrows lib/token 'lib/(base|crypto|ccc)'
arrows lib/card 'lib/(base|crypto|pki|ccc)'
arrows lib/host 'lib/(base|crypto|can|env)'
arrows lib/media 'lib/(base|crypto|can|env|host|http|mail|ble)'
for folder in $components $casts; do
    # who plays the plant takes its modules from it
    case $folder in sim/actors/*) plant='|sim/plant' ;; *) plant= ;; esac
    arrows "$folder" "lib/(base|crypto|can|pki|env|msg|ccc|card|uds|http|html|mail|json|token|ble)(/[a-z]+)?|proto$plant"
done
ls lib | grep -vxE 'base|crypto|can|pki|env|msg|ccc|card|uds|http|html|mail|json|token|ble|host|media' && fail "lib has a room that no rule speaks of"
# Names of components stand in cast.c and with the actors only, names of media in lib/media only; lib and the rest of sim
# read them where they are declared. Comments may use them as examples.
named() { # name, folders...
    name=$1
    shift
    grep -rnE "\"$name\"" --include='*.[ch]' "$@" | grep -v '^sim/\(cast\.c\|actors/\)' | sed 's,/\*.*,,' | grep "\"$name\""
}
for folder in $components; do
    name=$(basename "$folder")
    named "$name" sim lib/base lib/env lib/host lib/msg lib/pki lib/ccc lib/uds && fail "\"$name\" is named outside its own room"
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

if wanted symbols "components and protocol modules do no I/O"; then
    scripts/check-symbols.sh "$build" || bad=1
fi

if wanted scenarios "all files"; then
    "$build/bin/spaaksim" check >/dev/null || fail "a scenario file is wrong"
    for folder in $casts; do
        "$build/$folder/bin/spaaksim" check "$folder"/*.yaml >/dev/null || fail "a scenario file in $folder is wrong"
    done
fi

# Criterion's macros are clean under neither tool
if wanted lint "clang's warnings, clang-tidy"; then
    # shellcheck disable=SC2046
    scripts/check-lint.sh "$build" $(printf '%s\n' $sources | grep '\.c$' | grep -v '^tests/test_') || fail "clang warns, or clang-tidy finds something"
fi

if wanted length "functions and files"; then
    scripts/check-length.sh $sources || bad=1
fi

if wanted api "docs/api.json, and the page that is made of it"; then
    scripts/check-api.sh "$build" || fail "docs/api.json or docs/api.md"
fi

if wanted sequence "docs/sequence.md is what op05 does"; then
    /usr/bin/python3 scripts/sequence-doc.py "$build" docs/sequence.md || bad=1
fi

if wanted killed "docs/pairing.md says what comes of op03-killed-*"; then
    /usr/bin/python3 scripts/killed-doc.py "$build" docs/pairing.md || bad=1
fi
exit $bad
