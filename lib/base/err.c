#include "lib/base/err.h"

#include <stddef.h>
#include <string.h>

static const struct {
    enum err number;
    const char *name;
    const char *text;
} rows[] = {
#define X(name, number, text) {ERR_##name, #name, text},
    ERR_LIST(X)
#undef X
};

#define ROWS (sizeof rows / sizeof rows[0])

const char *err_name(enum err e)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].number == e)
            return rows[i].name;
    return "UNKNOWN";
}

const char *err_text(enum err e)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].number == e)
            return rows[i].text;
    return "an error number that nobody defined";
}

int err_name_known(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return 1;
    return 0;
}

enum err err_from_name(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].number;
    return ERR_NOT_FOUND;
}
