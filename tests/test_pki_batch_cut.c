/* Batches that are interrupted (RP-02): on a bench, at each step of each page and with a store that refuses;
 * in a virtual world, between any two events, on either side. However it went, the end is that of a batch
 * that nothing happened to: each sound module has its one certificate, and the PKI has no other. */
#include "tests/check.h"
#include "tests/line.h"

#define SERIAL   "SPAAK00000001"
#define MODULES  20
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct csr_flaw flaws[] = {{2, CSR_FLIPPED}, {9, CSR_UNLISTED}, {19, CSR_DUPLICATE}};

static struct line line;
static struct bench pki;

static void count_entry(void *ctx, const char *key, struct span value)
{
    (void)key, (void)value;
    ++*(size_t *)ctx;
}

static size_t entries(struct store *s)
{
    size_t n = 0;
    ASSERT_OK(store_scan(s, "", count_entry, &n));
    return n;
}

/* ---- a store that refuses ---- */

struct refusing {
    struct store store; /* first */
    struct store *inner;
    size_t calls, refused; /* which call, from 1; 0: none */
    enum err reason;
};

static enum err refuse(struct refusing *r)
{
    return ++r->calls == r->refused ? r->reason : ERR_OK;
}

static enum err refusing_get(struct store *s, const char *key, void *buf, size_t cap, size_t *len)
{
    struct refusing *r = (struct refusing *)s;
    enum err e = refuse(r);
    return e ? e : store_get(r->inner, key, buf, cap, len);
}

static enum err refusing_apply(struct store *s, const struct store_put *puts, size_t n)
{
    struct refusing *r = (struct refusing *)s;
    enum err e = refuse(r);
    return e ? e : store_apply(r->inner, puts, n);
}

static const struct store_ops refusing_ops = {.get = refusing_get, .apply = refusing_apply};

/* Gives a page while the store refuses that call; how many there were. */
static size_t give_refused(struct bench *b, size_t page, size_t call, enum err reason, enum err *result)
{
    struct refusing r = {
        .store.ops = &refusing_ops, .inner = b->node.store, .refused = call, .reason = reason};
    b->node.store = &r.store;
    *result = line_give(&line, b, page);
    b->node.store = r.inner;
    return r.calls;
}

/* ---- on a bench ---- */

static void begin(void)
{
    line_forget_ever(&line);
    line_pki(&pki, SERIAL, MODULES);
}

static void make(void)
{
    line_make(&line, SERIAL, MODULES, flaws, COUNT(flaws));
    cr_assert(eq(sz, line.pages, 3));
}

static void expect_good_end(const char *what, size_t page)
{
    const char *problem = line_judge(&line, pki.node.store);
    cr_expect(eq(ptr, (void *)problem, NULL), "%s, page %zu: %s", what, page, problem);
    bench_free(&pki);
}

static void kill_at(const char *step, size_t page)
{
    struct fault_plan plan = {.count = 1};
    struct fault *f = &plan.faults[0];
    *f = (struct fault){.number = 1, .kind = FAULT_KILL};
    text_copy(f->component, sizeof f->component, "pki");
    text_copy(f->step, sizeof f->step, step);
    pki.node.plan = &plan;
    EXPECT_ERR(line_give(&line, &pki, page), ERR_MSG_NO_ANSWER);
    cr_expect(eq(u32, f->number, 0), "it died at %s of page %zu", step, page);
    pki.node.plan = NULL;
}

static void kill_before_the_request(size_t page)
{
    (void)page;
}

static void kill_at_4(size_t page)
{
    size_t before = entries(pki.node.store);
    kill_at("RP-02/4", page);
    cr_expect(eq(sz, entries(pki.node.store), before), "nothing is kept");
}

static void kill_at_5(size_t page)
{
    size_t before = entries(pki.node.store);
    kill_at("RP-02/5", page);
    cr_expect(lt(sz, before, entries(pki.node.store)), "all is kept, none has left");
}

/* The answer has left, and arrives nowhere. */
static void lose_the_answer(size_t page)
{
    uint8_t out[PKI_PAGE_MAX];
    node_on_bytes(&pki.node, 1, "tester", span_of(out, line_pack(&line, page, out)));
}

/* The store's calls for a page, by a PKI of its own. */
static size_t calls_for(size_t page)
{
    static struct line kept;
    struct bench another;
    enum err e;
    kept = line;
    line_forget_ever(&line);
    line_pki(&another, SERIAL, MODULES);
    size_t calls = give_refused(&another, page, 0, ERR_OK, &e);
    ASSERT_OK(e);
    bench_free(&another);
    line = kept;
    return calls;
}

static void refuse_the_commit(size_t page)
{
    enum err e;
    size_t before = entries(pki.node.store), calls = calls_for(page);
    cr_expect(eq(sz, give_refused(&pki, page, calls, ERR_STORE_FAILED, &e), calls));
    EXPECT_ERR(e, ERR_STORE_FAILED);
    cr_expect(eq(sz, entries(pki.node.store), before), "nothing is kept");
}

static const struct {
    const char *what;
    void (*happens)(size_t page);
} interruptions[] = {
    {"killed before the request", kill_before_the_request},
    {"killed at RP-02/4", kill_at_4},
    {"the commit refused", refuse_the_commit},
    {"killed at RP-02/5", kill_at_5},
    {"killed with the answer on its way", lose_the_answer},
};

static void interrupt(size_t i, size_t page, bool tester_too)
{
    begin();
    for (size_t before = 1; before < page; before++)
        EXPECT_OK(line_give(&line, &pki, before));
    interruptions[i].happens(page);
    line_pki_again(&pki);
    if (tester_too)
        line_forget(&line);
    for (size_t next = tester_too ? 1 : page; next <= line.pages; next++)
        EXPECT_OK(line_give(&line, &pki, next), "%s, page %zu of %zu", interruptions[i].what, next, page);
    expect_good_end(interruptions[i].what, page);
}

Test(batch_cut, each_page_at_each_step_is_continued)
{
    make();
    for (size_t i = 0; i < COUNT(interruptions); i++)
        for (size_t page = 1; page <= 3; page++) {
            interrupt(i, page, false);
            interrupt(i, page, true);
        }
}

/* A store that fails is the PKI's trouble and no module's: the page is refused whole. */
Test(batch_cut, a_store_that_refuses_any_call_of_a_page)
{
    static const enum err reasons[] = {ERR_STORE_FAILED, ERR_NO_MEMORY};
    enum err e;
    make();
    for (size_t k = 0; k < COUNT(reasons); k++)
        for (size_t page = 1; page <= 3; page++) {
            size_t calls = calls_for(page);
            begin();
            size_t before = entries(pki.node.store);
            for (size_t call = 1; call <= calls; call++) {
                cr_expect(eq(sz, give_refused(&pki, page, call, reasons[k], &e), call), "it stops there");
                EXPECT_ERR(e, reasons[k]);
                cr_expect(eq(sz, entries(pki.node.store), before), "page %zu call %zu", page, call);
                cr_expect(eq(sz, bench_count(&pki, TRACE_REJECT, reasons[k]), 1));
            }
            EXPECT_OK(line_run(&line, &pki));
            expect_good_end("a refused call", page);
        }
}

/* ---- in a virtual world ---- */

struct tester {
    struct env *env;
    size_t page;
};

enum { PORT_TO_PKI };

static const char *trouble; /* what a tester got and must not get */

static void send_page(struct tester *t)
{
    uint8_t out[PKI_PAGE_MAX];
    if (t->page > line.pages)
        return;
    env_send_bytes(t->env, PORT_TO_PKI, "", span_of(out, line_pack(&line, t->page, out)));
}

static enum err tester_init(void *self, struct env *env, const struct component_args *args)
{
    struct tester *t = self;
    (void)args;
    *t = (struct tester){env, 1};
    line_forget(&line);
    return ERR_OK;
}

static void tester_on_link(void *self, unsigned port, enum link_state state)
{
    (void)port;
    if (state != LINK_DOWN)
        send_page(self);
}

static void tester_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct tester *t = self;
    size_t page;
    (void)port, (void)address;
    enum err e = line_take(&line, bytes, &page);
    if (e)
        trouble = err_name(e);
    if (page == t->page) {
        t->page++;
        send_page(t);
    }
}

static const struct port_spec to_pki[] = {
    {.name = "plant", .medium = "call", .end = PORT_ASKS, .server = "pki"}};

static const struct component_class tester_class = {.name = "tester",
                                                    .place = PLACE_OUTSIDE,
                                                    .size = sizeof(struct tester),
                                                    .message_max = PKI_PAGE_MAX,
                                                    .ports = to_pki,
                                                    .port_count = 1,
                                                    .init = tester_init,
                                                    .on_link = tester_on_link,
                                                    .on_bytes = tester_on_bytes};

/* The PKI, with this tester as a caller. */
static const struct component_class *admitting_pki(void)
{
    static const char *const callers[] = {"tester", NULL};
    static struct port_spec ports[ENV_PORTS];
    static struct component_class class;
    class = pki_class;
    for (size_t i = 0; i < class.port_count; i++) {
        ports[i] = pki_class.ports[i];
        if (strcmp(ports[i].name, "plant") == 0)
            ports[i].callers = callers;
    }
    class.ports = ports;
    return &class;
}

struct plant_world {
    struct virtual *v;
    struct virtual_node *pki, *tester;
};

static const struct component_args nobody = {.serial = ""};

static void world_begin(struct plant_world *w)
{
    static struct virtual_options options = {.seed = 1};
    unsigned call;
    struct call_value values[2] = {{.text = SERIAL}, {.number = MODULES}};
    options.twins = media_twins;
    line_forget_ever(&line);
    trouble = NULL;
    w->v = virtual_new(&options);
    cr_assert(ne(ptr, w->v, NULL));
    w->pki = virtual_add(w->v, admitting_pki(), "pki", 0, &nobody);
    w->tester = virtual_add(w->v, &tester_class, "tester", 0, &nobody);
    test_equip(&pki_class, "", virtual_store(w->pki));
    ASSERT_OK(virtual_start(w->pki));
    cr_assert(component_call(&pki_class, "register-serials", &call));
    virtual_call(w->pki, call, values);
    while (virtual_step(w->v, 1000))
        ;
    ASSERT_OK(virtual_start(w->tester));
}

/* Kills one of them after so many events, and lets it start again; false when there were fewer. */
static bool run_killed(struct plant_world *w, bool kill_pki, size_t after, uint64_t pause_us)
{
    size_t n = 0;
    world_begin(w);
    struct virtual_node *victim = kill_pki ? w->pki : w->tester;
    while (n < after && virtual_step(w->v, 1000000))
        n++;
    if (n < after)
        return false;
    virtual_kill(victim, "killed");
    uint64_t until_us = virtual_now_us(w->v) + pause_us;
    while (virtual_step(w->v, until_us))
        ;
    ASSERT_OK(virtual_start(victim));
    while (!line_complete(&line) && virtual_step(w->v, 10000000))
        ;
    return true;
}

static size_t expect_world_end(struct plant_world *w, bool killed_pki, size_t after)
{
    const char *problem = line_judge(&line, virtual_store(w->pki)), *who = killed_pki ? "pki" : "tester";
    cr_expect(eq(ptr, (void *)problem, NULL), "%s killed after %zu events: %s", who, after, problem);
    cr_expect(eq(ptr, (void *)trouble, NULL), "%s killed after %zu events: %s", who, after, trouble);
    size_t n = entries(virtual_store(w->pki));
    virtual_free(w->v);
    return n;
}

static void kill_everywhere(bool kill_pki, uint64_t pause_us)
{
    struct plant_world w;
    size_t after = 0, whole = 0;
    make();
    while (run_killed(&w, kill_pki, after, pause_us)) {
        size_t n = expect_world_end(&w, kill_pki, after);
        if (after++ == 0)
            whole = n;
        cr_expect(eq(sz, n, whole), "the same entries after %zu events", after);
    }
    expect_world_end(&w, kill_pki, after);
    cr_expect(ge(sz, after, 2 * 3 + 2), "three requests, three answers, and the links");
}

Test(batch_cut, the_pki_killed_between_any_two_events)
{
    kill_everywhere(true, 0);
    kill_everywhere(true, 500);
}

Test(batch_cut, the_tester_killed_between_any_two_events)
{
    kill_everywhere(false, 0);
    kill_everywhere(false, 500);
}
