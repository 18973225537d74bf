/* Problems in words: where, what, and what may have been meant. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "sim/language/tree.h"

#define WORD_MAX   64 /* longer ones resemble nothing */
#define PREFIX_MIN 2  /* characters of a beginning that says what is meant */

/* A text that was quoted in part may end inside a character. */
static void drop_halves(char *text)
{
    char *out = text;
    for (size_t left = strlen(text), n; left; text += n, left -= n) {
        n = text_character(text, left);
        if (n)
            memmove(out, text, n);
        out += n;
        n = n ? n : 1;
    }
    *out = '\0';
}

bool tree_bad(struct tree_problem *p, struct tree_mark at, const char *format, ...)
{
    va_list args;
    if (p->text[0])
        return false;
    p->line = at.line;
    p->column = at.column;
    va_start(args, format);
    vsnprintf(p->text, sizeof p->text, format, args);
    va_end(args);
    drop_halves(p->text);
    return false;
}

static unsigned least_of(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Rows of the table of distances between beginnings of a and b: this one and the two before it. */
unsigned text_distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX], la = (unsigned)strlen(a), lb = (unsigned)strlen(b);
    if (la >= WORD_MAX || lb >= WORD_MAX)
        return 99;
    for (unsigned j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= la; i++) {
        unsigned *row = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= lb; j++) {
            row[j] = least_of(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && earlier[j - 2] + 1 < row[j])
                row[j] = earlier[j - 2] + 1;
        }
    }
    return rows[la % 3][lb];
}

static const char *shortest_longer(const char *word, const char *const *candidates)
{
    const char *best = NULL;
    size_t len = strlen(word);
    for (; len >= PREFIX_MIN && *candidates; candidates++)
        if (strncmp(word, *candidates, len) == 0 && (!best || strlen(*candidates) < strlen(best)))
            best = *candidates;
    return best;
}

const char *text_closest(const char *word, const char *const *candidates)
{
    const char *best = shortest_longer(word, candidates);
    size_t len = strlen(word);
    unsigned least = len < 6 ? 2 : (unsigned)len / 3 + 1; /* of a short word, one character may be wrong */
    if (best)
        return best;
    for (; *candidates; candidates++) {
        unsigned d = text_distance(word, *candidates);
        if (d < least) {
            least = d;
            best = *candidates;
        }
    }
    return best;
}

/* As many whole words as there is room for. */
static void list_words(const char *const *words, char *out, size_t cap)
{
    size_t used = 0;
    for (; *words; words++) {
        const char *more = words[1] ? ", ..." : "";
        size_t need = strlen(*words) + (used ? 2 : 0);
        if (used + need + strlen(more) >= cap) {
            snprintf(out + used, cap - used, "%s...", used ? ", " : "");
            return;
        }
        used += (size_t)snprintf(out + used, cap - used, "%s%s", used ? ", " : "", *words);
    }
}

bool tree_unknown(struct tree_problem *p, struct tree_mark at, const char *what, const char *word,
                  const char *const *candidates)
{
    const char *best = text_closest(word, candidates);
    char all[150] = "";
    if (best)
        return tree_bad(p, at, "unknown %.80s \"%.60s\"; did you mean \"%s\"?", what, word, best);
    list_words(candidates, all, sizeof all);
    return tree_bad(p, at, "unknown %.80s \"%.60s\"; %s%s", what, word,
                    *all ? "known are: " : "there is none", all);
}
