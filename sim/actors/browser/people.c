#include "sim/actors/browser/browser_parts.h"

static const struct browser_person people[] = {
    {"anna", "lake-and-lantern", "2718-2818"},
    {"bert", "field-and-feather", "3141-5926"},
    {"mallory", "whatever-it-may-be", "0000-0000"},
    {"hugo", "harbour-and-hedge", NULL},
};
const char *const browser_person_names[] = {"anna", "bert", "mallory", "hugo", NULL};

const struct browser_person *browser_person_at(uint64_t index)
{
    return &people[index];
}
