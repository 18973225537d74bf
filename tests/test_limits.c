/* docs/limits.md tells the truth: each row's limit is tried, and one more. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/env/isotp_port.h"
#include "lib/http/http.h"
#include "lib/mail/mail.h"
#include "lib/media/can/hub_pace.h"
#include "lib/msg/msg.h"
#include "sgw/sgw.h"
#include "tbm/tbm.h"
#include "tests/check.h"
#include "tests/stage.h"
#include "tests/support.h"

static uint8_t zeros[70000];

/* ---- ISO-TP, the engine ---- */

static struct isotp engine(bool fd)
{
    static uint8_t rx[8];
    struct isotp tp;
    struct isotp_config c = isotp_config_default(1, 2);
    c.fd = c.brs = fd;
    c.tx_dl = fd ? 64 : 8;
    c.tx_wait_max = ISOTP_PORT_WAITS;
    ASSERT_OK(isotp_init(&tp, &c, rx, sizeof rx));
    return tp;
}

/* The first frame of a message of n bytes. */
static struct bus_frame first_frame(bool fd, size_t n)
{
    struct isotp tp = engine(fd);
    struct bus_frame f;
    struct isotp_event ev;
    ASSERT_OK(isotp_send(&tp, zeros, (uint32_t)n, 0));
    cr_assert(isotp_output(&tp, 0, &f, &ev));
    return f;
}

static const char *one_classic_frame(size_t n)
{
    return first_frame(false, n).data[0] >> 4 ? "segments" : "one";
}

static const char *one_fd_frame(size_t n)
{
    return first_frame(true, n).data[0] >> 4 ? "segments" : "one";
}

static const char *length_in_12_bits(size_t n)
{
    struct bus_frame f = first_frame(true, n);
    return f.data[0] == 0x10 && f.data[1] == 0 ? "32 bits" : "12 bits";
}

static const char *waits(size_t n)
{
    struct isotp tp = engine(true);
    struct bus_frame f, wait = {.id = 2, .len = 3, .data = {0x31}};
    struct isotp_event ev = {0};
    isotp_send(&tp, zeros, 100, 0);
    isotp_output(&tp, 0, &f, &ev);
    for (size_t i = 0; i < n; i++)
        isotp_input(&tp, &wait, 0, &ev);
    return err_name(ev.reason);
}

static const char *wait_for_flow_control(size_t ms)
{
    struct isotp tp = engine(true);
    struct bus_frame f;
    struct isotp_event ev;
    isotp_send(&tp, zeros, 100, 0);
    isotp_output(&tp, 0, &f, &ev);
    isotp_expire(&tp, ms * 1000 - 1, &ev); /* the limit itself is too late */
    return err_name(ev.reason);
}

static const char *wait_for_consecutive_frame(size_t ms)
{
    static uint8_t rx[100];
    struct isotp tp;
    struct isotp_config c = isotp_config_default(1, 2);
    struct bus_frame f = first_frame(true, 100);
    struct isotp_event ev;
    f.id = 2;
    ASSERT_OK(isotp_init(&tp, &c, rx, sizeof rx));
    isotp_input(&tp, &f, 0, &ev);
    isotp_output(&tp, 0, &f, &ev);
    isotp_expire(&tp, ms * 1000 - 1, &ev);
    return err_name(ev.reason);
}

/* ---- components ---- */

enum { TBM_CAN, TBM_GSDP };

static void tbm_begin(struct bench *b, enum link_state gsdp)
{
    static const struct component_args args = {.serial = "S1"};
    bench_prepare(b, &tbm_class, test_crypto());
    ASSERT_OK(node_start(&b->node, &args));
    b->up[TBM_CAN] = true;
    node_on_link(&b->node, TBM_CAN, LINK_UP);
    b->up[TBM_GSDP] = gsdp != LINK_DOWN;
    node_on_link(&b->node, TBM_GSDP, gsdp);
    b->sent_count = 0;
}

/* The flow control that the TBM answers a first frame with. */
static const char *to_a_component(size_t n)
{
    struct bench b;
    struct bus_frame f = first_frame(true, n);
    tbm_begin(&b, LINK_SUBSCRIBED);
    f.id = matrix_row(MATRIX_SPAAK_VOS_UP)->id;
    bench_frame(&b.node, TBM_CAN, &f);
    cr_assert(eq(sz, b.sent_count, 1));
    uint8_t status = b.sent[0].frame.data[0];
    bench_free(&b);
    return status == 0x30 ? "OK" : status == 0x32 ? err_name(ERR_ISOTP_BUFFER_OVERFLOW) : "?";
}

static const char *from_a_component(size_t n)
{
    struct bench b;
    static struct isotp_port port;
    tbm_begin(&b, LINK_SUBSCRIBED);
    isotp_port_init(&port, &b.node.env, TBM_CAN, 0, MATRIX_SPAAK_VOS_DOWN, MATRIX_SPAAK_VOS_UP);
    enum err e = isotp_port_send(&port, span_of(zeros, n));
    isotp_port_fini(&port);
    bench_free(&b);
    return err_name(e);
}

static const char *gsdp_to_a_vehicle(size_t n)
{
    struct bench b;
    tbm_begin(&b, LINK_SUBSCRIBED);
    node_on_bytes(&b.node, TBM_GSDP, "spaak/S1/down/vos", span_of(zeros, n));
    const struct trace_event *e = bench_last(&b, TRACE_REJECT);
    const char *reason = err_name(e ? (enum err)e->reason : ERR_OK);
    cr_expect(eq(sz, b.sent_count, e == NULL), "a first frame, or nothing");
    bench_free(&b);
    return reason;
}

static const char *message_opened(size_t n)
{
    struct msg_policy policy = {.crypto = test_crypto()};
    struct msg_opened m;
    enum err e = msg_open(&policy, span_of(zeros, n), &m);
    return err_name(e == ERR_MSG_MALFORMED ? ERR_OK : e); /* zeros are read, and are no message */
}

static const char *held_by_the_tbm(size_t n)
{
    struct bench b;
    struct bus_frame f = {
        .id = matrix_row(MATRIX_SPAAK_VOS_UP)->id, .flags = BUS_FD, .len = 8, .data = {1, 'x'}};
    tbm_begin(&b, LINK_DOWN);
    for (size_t i = 0; i < n; i++)
        bench_frame(&b.node, TBM_CAN, &f);
    bool full = bench_count(&b, TRACE_HOLD, ERR_QUEUE_FULL) > 0;
    bench_free(&b);
    return err_name(full ? ERR_QUEUE_FULL : ERR_OK);
}

static const char *told_apart_by_the_sgw(size_t n)
{
    struct bench b;
    static const struct component_args none = {.serial = ""};
    bench_prepare(&b, &sgw_class, test_crypto());
    ASSERT_OK(bench_start(&b, &none));
    struct bus_frame f = {.id = 0x7FF, .len = 1};
    bench_frame(&b.node, SEGMENT_BODY, &f); /* reported at once; the 100 ms begin */
    for (size_t i = 0; i < n; i++) {
        f.id = (uint32_t)i;
        bench_frame(&b.node, SEGMENT_BODY, &f);
    }
    bench_run_ms(&b, 100);
    bool others = strstr(bench_last(&b, TRACE_DROP)->detail, "id=others") != NULL;
    bench_free(&b);
    return others ? "others" : "apart";
}

/* ---- links ---- */

static const char *sent_on_stage(unsigned port, size_t n)
{
    static char text[8192];
    memset(text, 'x', n);
    text[n] = '\0';
    stage_begin(true, port, 1);
    stage_start(stage_find("server"));
    stage_settle();
    stage_start(stage_find("a"));
    if (port == PORT_PLATE)
        stage_tell(stage_find("a"), "server", "open");
    for (int i = 0; i < 1000 && !strstr(stage_find("a")->log, "up"); i++)
        stage_settle();
    if (port == PORT_PLATE) {
        stage_tell(stage_find("server"), "", "field-on");
        for (int i = 0; i < 1000 && !strstr(stage_find("server")->log, "card-here"); i++)
            stage_settle();
    }
    enum err e = port == PORT_PLATE ? stage_send(stage_find("server"), "card1", text)
                                    : stage_send(stage_find("a"), "", text);
    stage_finish();
    return err_name(e);
}

static const char *handed_to_a_link(size_t n)
{
    struct bench b;
    tbm_begin(&b, LINK_SUBSCRIBED);
    enum err e = env_send_bytes(&b.node.env, TBM_GSDP, "spaak/S1/up/vos", span_of(zeros, n));
    bench_free(&b);
    return err_name(e);
}

static const char *between_servers(size_t n)
{
    return sent_on_stage(PORT_DESK, n);
}

static const char *apdu(size_t n)
{
    return sent_on_stage(PORT_PLATE, n);
}

static void nowhere(void *ctx, const void *from, uint8_t segment, const struct bus_frame *f, uint64_t at_ns)
{
    (void)ctx, (void)from, (void)segment, (void)f, (void)at_ns;
}

/* A full sender is one that has the limit waiting: one more frame waits at the node. */
static const char *waiting_for_the_wire(size_t n)
{
    struct pace *p = pace_new(nowhere, NULL);
    struct bus_frame f = {.id = 1};
    for (size_t i = 0; i + 1 < n; i++)
        pace_put(p, &f, 0, &f, 0);
    bool full = pace_full(p, &f);
    pace_free(p);
    return full ? "waits at the node" : "taken";
}

/* ---- HTTP ---- */

static const char *http_body(size_t n)
{
    static uint8_t out[HTTP_MESSAGE_MAX + 1];
    struct wr w = wr_of(out, sizeof out);
    struct http_request q = {.method = HTTP_POST, .body = span_of(zeros, n)};
    q.words[HTTP_WORD_PATH] = span_of("/", 1);
    return err_name(http_request_write(&q, &w));
}

static const char *http_asked(size_t n)
{
    enum err e = ERR_OK;
    stage_begin(false, PORT_WEB, 1);
    stage_start(stage_find("a"));
    stage_settle();
    for (size_t i = 0; i < n; i++)
        e = stage_send(stage_find("a"), "", "x");
    stage_finish();
    return err_name(e);
}

/* ---- mail ---- */

static const char *mail_written(size_t subject, size_t text)
{
    static uint8_t out[MAIL_MESSAGE_MAX];
    static char letters[MAIL_TEXT_MAX + 1];
    struct wr w = wr_of(out, sizeof out);
    memset(letters, 'a', sizeof letters);
    const struct mail m = {.from = span_of("a@b", 3),
                           .to = span_of("a@b", 3),
                           .subject = span_of(letters, subject),
                           .text = span_of(letters, text)};
    return err_name(mail_write(&m, &w));
}

static const char *mail_subject(size_t n)
{
    return mail_written(n, 0);
}

static const char *mail_text(size_t n)
{
    return mail_written(0, n);
}

static const char *mail_under_way(size_t n)
{
    enum err e = ERR_OK;
    stage_begin(false, PORT_POST, 1);
    stage_start(stage_find("a"));
    stage_settle();
    for (size_t i = 0; i < n; i++)
        e = stage_send(stage_find("a"), "", "driver@home.example");
    stage_finish();
    return err_name(e);
}

/* ---- the table ---- */

static const struct {
    const char *what;
    const char *(*probe)(size_t n);
    const char *within, *beyond;
} rows[] = {
    {"message in one classic CAN frame", one_classic_frame, "one", "segments"},
    {"message in one CAN FD frame", one_fd_frame, "one", "segments"},
    {"ISO-TP length in 12 bits", length_in_12_bits, "12 bits", "32 bits"},
    {"ISO-TP message to a component", to_a_component, "OK", "ISOTP_BUFFER_OVERFLOW"},
    {"ISO-TP message from a component", from_a_component, "OK", "NO_SPACE"},
    {"GSDP message to a vehicle", gsdp_to_a_vehicle, "OK", "MSG_TOO_LONG"},
    {"message of the protocol, opened", message_opened, "OK", "MSG_TOO_LONG"},
    {"bytes that a component hands to a link", handed_to_a_link, "OK", "NO_SPACE"},
    {"request or answer between servers", between_servers, "OK", "NO_SPACE"},
    {"body of an HTTP request or response", http_body, "OK", "MSG_TOO_LONG"},
    {"HTTP requests of one port without an answer yet", http_asked, "OK", "BUSY"},
    {"subject of a mail", mail_subject, "OK", "MSG_TOO_LONG"},
    {"text of a mail", mail_text, "OK", "MSG_TOO_LONG"},
    {"mails of one port without news yet", mail_under_way, "OK", "BUSY"},
    {"APDU on NFC", apdu, "OK", "NO_SPACE"},
    {"WAITs in a row that a component bears", waits, "OK", "ISOTP_WFT_OVERRUN"},
    {"wait for a flow control", wait_for_flow_control, "OK", "ISOTP_TIMEOUT_BS"},
    {"wait for a consecutive frame", wait_for_consecutive_frame, "OK", "ISOTP_TIMEOUT_CR"},
    {"messages that the TBM holds, per direction and service", held_by_the_tbm, "OK", "QUEUE_FULL"},
    {"identifiers that the SGW tells apart in 100 ms", told_apart_by_the_sgw, "apart", "others"},
    {"frames of one node that wait for a paced segment", waiting_for_the_wire, "taken", "waits at the node"},
};

#define ROWS (sizeof rows / sizeof rows[0])

/* The next cell of a line of the table, without its blanks. */
static char *next_cell(char **line)
{
    char *cell = strsep(line, "|");
    cr_assert(cell != NULL);
    cell += strspn(cell, " ");
    cell[strlen(cell) - (size_t)(strlen(cell) > 0 && cell[strlen(cell) - 1] == ' ')] = '\0';
    return cell;
}

static void check_row(char *line)
{
    next_cell(&line);
    const char *what = next_cell(&line), *limit = next_cell(&line);
    next_cell(&line);
    const char *reason = next_cell(&line);
    size_t i = 0, n = strtoul(limit, NULL, 10);
    while (i < ROWS && strcmp(rows[i].what, what) != 0)
        i++;
    cr_assert(lt(sz, i, ROWS), "nobody tries \"%s\"", what);
    cr_expect(eq(str, (char *)rows[i].probe(n), (char *)rows[i].within), "%s: %zu", what, n);
    cr_expect(eq(str, (char *)rows[i].probe(n + 1), (char *)rows[i].beyond), "%s: %zu", what, n + 1);
    if (err_name_known(rows[i].beyond))
        cr_expect(eq(str, (char *)reason, (char *)rows[i].beyond), "%s", what);
    else
        cr_expect(eq(str, (char *)reason, ""), "%s", what);
}

Test(limits, are_what_the_page_says)
{
    FILE *f = fopen("docs/limits.md", "r");
    char line[400];
    size_t count = 0;
    cr_assert(f != NULL);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '|' || strncmp(line, "| what |", 8) == 0 || strncmp(line, "| ---", 5) == 0)
            continue;
        check_row(line);
        count++;
    }
    fclose(f);
    cr_expect(eq(sz, count, ROWS), "every limit that is tried stands on the page");
}

/* One number, three places. */
Test(limits, isotp_buffers_and_rows_hold_the_longest_message)
{
    cr_expect(eq(int, ISOTP_PORT_MAX, MSG_MAX));
    for (unsigned i = 0; i < MATRIX_MESSAGES; i++) {
        const struct matrix_row *row = matrix_row((enum matrix_message)i);
        int longest = row->kind == MATRIX_ISOTP ? ISOTP_PORT_MAX : row->kind == MATRIX_SINGLE ? 62 : 0;
        cr_expect(eq(int, row->pdu_max, longest), "%s", row->name);
    }
}
