#!/bin/sh
# node-modules.sh BUILD: brings the programs of tests/api/package-lock.json into BUILD and names their folder. Exit status 3, and
# a word on standard error: they cannot be had here.
set -u
folder=$1/node
{ command -v node && command -v npm; } >/dev/null || { echo "node and npm are not installed" >&2; exit 3; }
mkdir -p "$folder"
# one at a time: tests run beside each other
exec 9>"$folder/lock"
flock 9
want=$(cat tests/api/package.json tests/api/package-lock.json tests/api/.npmrc | sha256sum; node --version)
if [ "$want" != "$(cat "$folder/have" 2>/dev/null)" ]; then
    rm -f "$folder/have"
    cp tests/api/package.json tests/api/package-lock.json tests/api/.npmrc "$folder"
    if ! (cd "$folder" && npm ci --ignore-scripts --fetch-retries 1) >"$folder/log" 2>&1; then
        grep -qE 'E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH|HOSTUNREACH)' "$folder/log" &&
            { echo "npm reaches no registry" >&2; exit 3; }
        cat "$folder/log" >&2
        exit 1
    fi
    printf '%s\n' "$want" >"$folder/have"
fi
echo "$folder/node_modules"
