/* Markup as a stream of tags and texts; strict and bounded. */
#ifndef sim_actors_browser_markup_h
#define sim_actors_browser_markup_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define MARKUP_NAME       24  /* of tags and attributes, with the end */
#define MARKUP_VALUE      512 /* of an attribute, decoded, with its end */
#define MARKUP_ATTRIBUTES 12

struct markup_attribute {
    char name[MARKUP_NAME], value[MARKUP_VALUE]; /* "" for one without a value */
};

enum markup_kind { MARKUP_OPEN, MARKUP_CLOSE, MARKUP_TEXT, MARKUP_END };

struct markup_piece {
    enum markup_kind kind;
    char name[MARKUP_NAME]; /* of a tag */
    struct markup_attribute attributes[MARKUP_ATTRIBUTES];
    size_t attribute_count;
    char text[MARKUP_VALUE]; /* of a text: its beginning, decoded */
};

struct markup {
    const char *at, *end;
};

/* After the document type, which must be there. ERR_BAD_SYNTAX. */
enum err markup_begin(struct markup *m, struct span html);
/* ERR_BAD_SYNTAX, ERR_NO_SPACE. What stands in <style> is passed over. */
enum err markup_next(struct markup *m, struct markup_piece *out);
/* NULL when it has none. */
const char *markup_value(const struct markup_piece *tag, const char *name);

#endif
