/* spaaksim dk: Digital Key messages of Bluetooth LE as text, for dk.log and captures. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ccc/dk_fields.h"
#include "lib/media/ble/ble.h"
#include "sim/commands.h"
#include "sim/hex_reader.h"
#include "sim/language/text_file.h"
#include "sim/run/dk_log.h"
#include "sim/run/dk_pairs.h"

#define LINE_MAX_TEXT (3 * BLE_MTU_MAX + DK_LOG_LEAD) /* hex with a blank after each byte */
#define INDENT        "                  "
#define AROUND        64 /* lines, in which what has left arrives */

struct line {
    struct dk_log_line log;
    char *rest; /* log.rest */
    unsigned number;
    size_t len; /* of the SDU */
    uint8_t *sdu;
    bool paired; /* it has left and arrived */
};

struct lines {
    struct line *list;
    size_t count, cap;
};

/* ---- one message ---- */

static void print_fields(struct span sdu)
{
    struct dk_message m;
    struct dk_field f[DK_FIELDS_MAX];
    char value[DK_VALUE_MAX];
    size_t n = dk_message_parse(sdu, &m) == ERR_OK ? dk_fields(&m, f) : 0;
    for (size_t i = 0; i < n; i++) {
        dk_fields_describe(&m, &f[i], value);
        printf(INDENT "%-18s %s\n", f[i].name, value);
    }
    for (size_t i = 0; !n && i < sdu.len; i++)
        printf("%s%02x%s", i % 32 ? i % 8 ? "" : " " : INDENT, sdu.p[i],
               i % 32 == 31 || i + 1 == sdu.len ? "\n" : "");
}

static void print_message(const char *lead, struct span sdu, bool verbose)
{
    char text[DK_TEXT_MAX];
    dk_fields_line(sdu, text);
    printf("%s%s\n", lead, text);
    if (verbose)
        print_fields(sdu);
}

/* As a log has it, "> 0301...", too. */
static bool describe(const char *text, unsigned number, bool verbose)
{
    uint8_t sdu[BLE_MTU_MAX];
    size_t blanks = strspn(text, " \t");
    bool marked = text[blanks] == '>' || text[blanks] == '<';
    long len = hex_read(marked ? text + blanks + 1 : text, sdu, sizeof sdu);
    if (len <= 0)
        return hex_refuse("dk", text, number, "not hex, or longer than an SDU may be");
    print_message("", span_of(sdu, (size_t)len), verbose);
    return true;
}

/* ---- a log ---- */

static bool is_sdu(const struct line *l)
{
    return l->log.kind == DK_LOG_LEAVES || l->log.kind == DK_LOG_REACHES;
}

static struct line *add(struct lines *all, const struct dk_log_line *log, unsigned number)
{
    if (all->count == all->cap) {
        all->cap = all->cap ? 2 * all->cap : 256;
        all->list = realloc(all->list, all->cap * sizeof *all->list);
        if (!all->list)
            abort();
    }
    struct line *l = &all->list[all->count++];
    *l = (struct line){.log = *log, .number = number};
    l->log.rest = l->rest = strdup(log->rest);
    if (!l->rest)
        abort();
    return l;
}

static bool take(struct lines *all, const char *text, unsigned number)
{
    struct dk_log_line log;
    uint8_t sdu[BLE_MTU_MAX];
    const char *why = dk_log_read(text, &log);
    if (why)
        return hex_refuse("dk", text, number, why);
    bool carries = log.kind == DK_LOG_LEAVES || log.kind == DK_LOG_REACHES;
    long len = carries ? hex_read(log.rest, sdu, sizeof sdu) : 0;
    if (carries && len <= 0)
        return hex_refuse("dk", text, number, "not hex, or longer than an SDU may be");
    struct line *l = add(all, &log, number);
    l->len = (size_t)len;
    l->sdu = malloc(l->len + 1);
    if (!l->sdu)
        abort();
    memcpy(l->sdu, sdu, l->len);
    return true;
}

static void keep_pair(void *ctx, size_t left, size_t came)
{
    struct line *list = ctx;
    list[left].paired = list[came].paired = true;
}

static void pair_all(struct lines *all)
{
    struct dk_pair *list = calloc(all->count + 1, sizeof *list);
    size_t count = 0;
    if (!list)
        abort();
    for (size_t i = 0; i < all->count; i++) {
        const struct line *l = &all->list[i];
        bool came = l->log.kind == DK_LOG_REACHES;
        if (is_sdu(l) && !l->log.refused)
            list[count++] = (struct dk_pair){.from = came ? l->log.other : l->log.who,
                                             .to = came ? l->log.who : l->log.other,
                                             .bytes = span_of(l->sdu, l->len),
                                             .at = i,
                                             .came = came};
    }
    dk_pairs_find(list, count, keep_pair, all->list);
    free(list);
}

static void print_line(const struct line *l, bool verbose)
{
    static const char *const marks[] = {
        [DK_LOG_LEAVES] = ">", [DK_LOG_REACHES] = "<", [DK_LOG_TELLS] = "tells", [DK_LOG_HEARS] = "hears"};
    char lead[DK_LOG_LEAD + 60], shown[DK_LOG_LEAD + 60], refused[60] = "";
    bool again = l->log.kind == DK_LOG_REACHES && l->paired;
    if (l->log.refused)
        snprintf(refused, sizeof refused, "(%.48s) ", err_name(l->log.refused));
    snprintf(lead, sizeof lead, "%12.3f ms  %s %s %s %s", (double)l->log.time_us / 1000.0, l->log.who,
             l->log.other, marks[l->log.kind], refused);
    text_shown(shown, sizeof shown, lead);
    if (is_sdu(l) && !again)
        print_message(shown, span_of(l->sdu, l->len), verbose);
    else if (!is_sdu(l) && verbose)
        printf("%s%s\n", shown, l->log.rest); /* words are checked: they have no other characters */
}

static bool is_changed(const struct line *left, const struct line *came)
{
    return came->log.kind == DK_LOG_REACHES && !came->paired && left->len == came->len &&
           strcmp(left->log.who, came->log.other) == 0 && strcmp(left->log.other, came->log.who) == 0;
}

/* One of that length which nobody has sent, among the lines around; NULL: none. */
static struct line *find_changed(struct lines *all, size_t left)
{
    size_t from = left > AROUND ? left - AROUND : 0;
    for (size_t i = from; i < all->count && i < left + AROUND; i++)
        if (is_changed(&all->list[left], &all->list[i]))
            return &all->list[i];
    return NULL;
}

static void print_missing(struct lines *all, size_t left)
{
    struct line *came = find_changed(all, left);
    if (!came) {
        printf("line %u did not arrive\n", all->list[left].number);
        return;
    }
    came->paired = true;
    printf("line %u arrived changed, in line %u\n", all->list[left].number, came->number);
}

static void print_log(struct lines *all, bool verbose)
{
    pair_all(all);
    for (size_t i = 0; i < all->count; i++)
        print_line(&all->list[i], verbose);
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].log.kind == DK_LOG_LEAVES && !all->list[i].paired && !all->list[i].log.refused)
            print_missing(all, i);
}

static void free_log(struct lines *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->list[i].rest);
        free(all->list[i].sdu);
    }
    free(all->list);
}

static bool take_any(struct lines *all, const char *text, unsigned number, bool verbose)
{
    if (dk_log_is_line(text))
        return take(all, text, number);
    return !text[strspn(text, " \t\r")] || describe(text, number, verbose);
}

static bool read_log(bool verbose)
{
    static char text[LINE_MAX_TEXT];
    struct lines all = {.count = 0};
    enum text_line got = TEXT_LINE_NONE;
    bool ok = true;
    for (unsigned number = 1; got != TEXT_LINE_ENDLESS; number++) {
        got = text_line_read(stdin, text, sizeof text);
        if (got == TEXT_LINE_NONE)
            break;
        if (text_line_why(got))
            ok = hex_refuse("dk", text, number, text_line_why(got));
        else
            ok &= take_any(&all, text, number, verbose);
    }
    if (ferror(stdin))
        ok = hex_refuse("dk", "the input", 0, strerror(errno));
    print_log(&all, verbose);
    free_log(&all);
    return ok;
}

int command_dk(int argc, char **argv)
{
    bool verbose = argc > 1 && strcmp(argv[1], "--verbose") == 0, ok = true;
    int first = verbose ? 2 : 1;
    if (argc == first)
        return read_log(verbose) ? EXIT_PASSED : EXIT_WRONG;
    for (int i = first; i < argc; i++)
        ok &= describe(argv[i], 0, verbose);
    return ok ? EXIT_PASSED : EXIT_WRONG;
}
