#!/bin/sh
# check-length.sh FILE...: refuses functions above 60 lines and files above 900; names those worth a second look.
awk '
    FNR == 1 { start = 0 }
    /^[A-Za-z_].*\)[ \t]*$/ { head = $0; line = FNR }
    /^\{/ { start = FNR }
    /^\}/ && start { n = FNR - start + 1; if (n > 60) { printf "check: %s:%d: %d lines: %s\n", FILENAME, line, n, head; bad = 1 } start = 0 }
    FNR == 901 { printf "check: %s has more than 900 lines\n", FILENAME; bad = 1 }
    END { exit bad }' "$@"
