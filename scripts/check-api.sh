#!/bin/sh
# check-api.sh BUILD: the page docs/api.md is what docs/api.json makes, and the file is sound OpenAPI in the eyes of a program that
# knows nothing of us. That program comes by npm, as tests/api/package-lock.json pins it, into BUILD; without node, npm or a
# network it is skipped, and that is said.
set -u
build=$1
/usr/bin/python3 scripts/api-doc.py docs/api.json docs/api.md || exit 1
modules=$(scripts/node-modules.sh "$build")
case $? in
0) ;;
3) echo "SKIPPED: docs/api.json in the eyes of spectral"; exit 0 ;;
*) exit 1 ;;
esac
"$modules/.bin/spectral" lint --quiet --fail-severity hint --ruleset tests/api/spectral.json docs/api.json
