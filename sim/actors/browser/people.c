#include "sim/actors/browser/browser_parts.h"

static const struct browser_person people[] = {
    {"anna", "lake-and-lantern", "48210973"},
    {"bert", "field-and-feather", "31415926"},
    {"mallory", "whatever-it-may-be", "00000000"},
    {"hugo", "candle-and-compass", NULL},
};
const char *const browser_person_names[] = {"anna", "bert", "mallory", "hugo", NULL};

const struct browser_person *browser_person_at(uint64_t index)
{
    return &people[index];
}
