/* A page of ours: what a person sees and can do on it. The reader takes well-formed HTML only, all tags
 * closed and in order, attributes in double quotes, nothing that runs or asks for another file; what is not
 * of that form is no page. */
#ifndef sim_actors_browser_page_h
#define sim_actors_browser_page_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define PAGE_TEXT   96  /* of a heading, with its end */
#define PAGE_WORD   48  /* of names, outcomes, reasons */
#define PAGE_VALUE  160 /* of attributes */
#define PAGE_FORMS  4
#define PAGE_FIELDS 10
#define PAGE_LINKS  24

struct page_field {
    char name[PAGE_WORD], value[PAGE_VALUE];
    bool hidden;   /* its value is sent as it is */
    bool checkbox; /* its value is sent when the person ticks it */
};

struct page_form {
    char action[PAGE_VALUE];
    struct page_field fields[PAGE_FIELDS];
    size_t field_count;
};

struct page {
    char heading[PAGE_TEXT];
    char outcome[PAGE_WORD], reason[PAGE_WORD]; /* data-outcome, data-reason; "" for none */
    struct page_form forms[PAGE_FORMS];         /* all are POST */
    size_t form_count;
    char links[PAGE_LINKS][PAGE_VALUE]; /* paths of the same host */
    size_t link_count;
};

/* ERR_BAD_SYNTAX: not of our form; ERR_NO_SPACE: more than fits. The page is then wiped. */
enum err page_read(struct span html, struct page *out);
const struct page_form *page_form(const struct page *p, const char *action);
bool page_links_to(const struct page *p, const char *path);

#endif
