/* The end of a production line: modules, their CSRs in pages to the PKI, and what came back (RP-02). Stands
 * in for the tester on a bench and in a virtual world. */
#ifndef tests_line_h
#define tests_line_h

#include "backend/pki/pki.h"
#include "sim/plant/modules.h"
#include "tests/support.h"

#define LINE_MODULES 1000

struct line_module {
    struct module_csr csr;
    enum csr_defect defect;
    bool answered;
    enum err e;
    uint8_t certificate[ECU_IDENTITY_MAX];
    size_t len;
    /* the first that ever came for it, whatever the tester has forgotten since */
    uint8_t first[ECU_IDENTITY_MAX];
    size_t first_len;
};

struct line {
    size_t count, pages;
    uint8_t batch_id[PKI_BATCH_ID];
    struct line_module modules[LINE_MODULES];
};

/* Why the PKI refuses a CSR with that defect. */
extern const enum err line_reasons[CSR_DEFECTS];

void line_make(struct line *l, const char *first_serial, size_t count, const struct csr_flaw *flaws,
               size_t flaw_count);
/* RP-02/3: the page of that number, from 1; its length. */
size_t line_pack(const struct line *l, size_t page, uint8_t out[PKI_PAGE_MAX]);
/* RP-02/6: an answer. Its error, or MSG_MALFORMED; INTERNAL for another certificate than the first for a
 * module. */
enum err line_take(struct line *l, struct span answer, size_t *page);
/* The tester starts again and has the CSRs only. */
void line_forget(struct line *l);
void line_forget_ever(struct line *l);
bool line_complete(const struct line *l);

/* A PKI on a bench that has those serials on its list. */
void line_pki(struct bench *b, const char *first_serial, size_t count);
void line_pki_on_disk(struct bench *b, const char *first_serial, size_t count);
/* Its next life, with the same store. */
void line_pki_again(struct bench *b);
/* Gives it a page and takes the answer. MSG_NO_ANSWER when there is none. */
enum err line_give(struct line *l, struct bench *b, size_t page);
/* All pages in order; the first error. */
enum err line_run(struct line *l, struct bench *b);

/* What is wrong with the end of a batch: a module without its certificate or with another reason than its
 * defect has, a certificate of the store that no module has. NULL: nothing. */
const char *line_judge(const struct line *l, struct store *pki);

#endif
