#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/replay/compare.h"

#define SIGNALS 200

struct signal {
    uint32_t id;
    char name[40];
    unsigned start, bits;
    bool big; /* Motorola: start is its highest bit */
};

/* Our own DBC file, so that there is one table of fields. */
static const struct signal *all_signals(size_t *count)
{
    static struct signal signals[SIGNALS];
    static size_t known;
    char *text = NULL, line[600];
    size_t len;
    FILE *out = known ? NULL : open_memstream(&text, &len);
    if (out) {
        matrix_write_dbc(out);
        fclose(out);
    }
    FILE *in = text ? fmemopen(text, len, "r") : NULL;
    uint32_t id = 0;
    while (in && fgets(line, sizeof line, in) && known < SIGNALS) {
        struct signal s = {0};
        char order;
        unsigned message;
        if (sscanf(line, "BO_ %u", &message) == 1)
            id = message;
        if (sscanf(line, " SG_ %39s : %u|%u@%c", s.name, &s.start, &s.bits, &order) != 4)
            continue;
        s.id = id;
        s.big = order == '0';
        signals[known++] = s;
    }
    if (in)
        fclose(in);
    free(text);
    *count = known;
    return signals;
}

static bool bit_of(const struct bus_frame *f, unsigned bit)
{
    return bit / 8 < bus_frame_data(f) && f->data[bit / 8] >> bit % 8 & 1;
}

static uint64_t value_of(const struct bus_frame *f, const struct signal *s)
{
    uint64_t v = 0;
    unsigned bit = s->big ? s->start : s->start + s->bits - 1;
    for (unsigned i = 0; i < s->bits; i++) {
        v = v << 1 | bit_of(f, bit);
        if (!s->big)
            bit--;
        else
            bit = bit % 8 ? bit - 1 : bit + 15; /* on to the highest bit of the next byte */
    }
    return v;
}

bool signals_differ(const struct bus_frame *a, const struct bus_frame *b, bool (*pass)(const char *name),
                    struct signal_difference *out)
{
    size_t count;
    const struct signal *s = all_signals(&count);
    for (size_t i = 0; i < count; i++) {
        uint64_t x = value_of(a, &s[i]), y = value_of(b, &s[i]);
        if (s[i].id != a->id || x == y || (pass && pass(s[i].name)))
            continue;
        *out = (struct signal_difference){.a = x, .b = y};
        text_copy(out->name, sizeof out->name, s[i].name);
        return true;
    }
    return false;
}
