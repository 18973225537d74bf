#include "lib/host/process_internal.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/peer.h"
#include "lib/host/spawn.h"

static struct link *open_link(struct process *p, unsigned port)
{
    const struct port_spec *spec = &p->node.class->ports[port];
    const char *reason = "this program has no driver for it";
    struct link *l = NULL;
    struct link_open o = {.event = p->event,
                          .spec = spec,
                          .name = p->name,
                          .endpoint = p->endpoints[port],
                          .tally = p->slot ? &p->slot->tallies[port] : NULL,
                          .tokens = &p->tokens,
                          .runner = p->runner,
                          .message_max = component_message_max(p->node.class),
                          .hooks = process_host_hooks(p, port)};
    link_tally_begin(o.tally);
    for (const struct link_driver *const *d = p->parts->drivers; *d && !l; d++)
        if ((*d)->medium == p->node.media[port])
            l = (*d)->open(&o, &reason);
    if (!l)
        fprintf(stderr, "%s: link %s (%s): %s\n", p->name, spec->name, p->endpoints[port], reason);
    return l;
}

static bool open_board(struct process *p)
{
    if (p->board_fd < 0)
        return true;
    p->board = board_open(p->board_fd);
    if (p->board && p->slot_number < BOARD_SLOTS)
        p->slot = &p->board->slots[p->slot_number];
    return p->slot != NULL;
}

static bool open_memo(struct process *p)
{
    if (p->memo_fd < 0)
        return true;
    p->memo = work_memo_open(p->memo_fd);
    close(p->memo_fd);
    if (!p->memo)
        fprintf(stderr, "%s: what works came to in other runs cannot be read\n", p->name);
    return p->memo != NULL;
}

/* The descriptor is not needed any longer, and gone before anybody can be talked to. */
static bool read_tokens(struct process *p)
{
    p->runner = p->control >= 0 ? peer_process(p->control) : 0;
    if (p->tokens_fd < 0)
        return true;
    bool ok = token_ring_read(&p->tokens, p->tokens_fd);
    close(p->tokens_fd);
    if (!ok)
        fprintf(stderr, "%s: its tokens cannot be read\n", p->name);
    return ok;
}

static bool open_links(struct process *p)
{
    if (!read_tokens(p))
        return false;
    for (unsigned i = 0; i < p->node.class->port_count; i++) {
        p->links[i] = open_link(p, i);
        if (!p->links[i])
            return false;
        if (p->cut[i])
            p->links[i]->ops->set_cut(p->links[i], true);
    }
    for (size_t i = 0; i < p->radio_count; i++)
        process_words_radio(p, p->radios[i]);
    return true;
}

static bool open_all(struct process *p)
{
    const char *reason = "";
    const struct process_parts *parts = p->parts;
    struct store *store =
        parts->class->stores ? parts->open_store(p->store_path, &reason) : store_memory_new();
    struct crypto *crypto = crypto_new(NULL);
    if (!store || !crypto || sd_event_new(&p->event) < 0 || !open_board(p) || !open_memo(p)) {
        fprintf(stderr, "%s: cannot start: %s\n", p->name, reason);
        store_close(store);
        crypto_free(crypto);
        return false;
    }
    node_prepare(&p->node, process_host_calls(p), parts->class, parts->media, p->name, crypto, store,
                 &p->plan);
    p->node.talk_only = p->tap_depth == TAP_TALK;
    p->node.sequence = p->node.cause = p->sequence;
    if (!open_links(p))
        return false;
    sd_event_add_time(p->event, &p->clock, CLOCK_MONOTONIC, UINT64_MAX, 1, process_loop_on_clock, p);
    sd_event_source_set_enabled(p->clock, SD_EVENT_OFF);
    return p->control < 0 ||
           sd_event_add_io(p->event, &p->control_io, p->control, EPOLLIN, process_words_on_control, p) >= 0;
}

/* What others see of this process comes first; the runner need not wait for the rest. */
static void let_go(struct process *p)
{
    node_stop(&p->node);
    for (size_t i = 0; i < ENV_PORTS; i++)
        if (p->links[i])
            p->links[i]->ops->close(p->links[i]);
    store_close(p->node.store);
    fflush(stderr);
    if (p->tap >= 0)
        close(p->tap);
    if (p->control >= 0)
        close(p->control);
}

static void close_all(struct process *p)
{
    sd_event_source_unref(p->control_io); /* it watches what let_go closes */
    p->control_io = NULL;
    let_go(p);
    while (p->late) {
        struct late *late = p->late;
        p->late = late->next;
        free(late);
    }
    sd_event_source_unref(p->clock);
    sd_event_source_unref(p->work_io);
    worker_free(p->worker);
    work_memo_close(p->memo);
    board_close(p->board);
    sd_event_unref(p->event);
    crypto_free(p->node.env.crypto);
}

int process_main(const struct process_parts *parts, int argc, char **argv)
{
    static struct process p = {
        .control = -1, .tap = -1, .board_fd = -1, .tokens_fd = -1, .memo_fd = -1, .trace_due_us = ENV_NEVER};
    struct component_args args = {.serial = p.serial, .settings = p.settings};
    p.parts = parts;
    int rc = 1;
    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr,
                "usage: %s CONFIGURATION\nStarted by spaaksim; see lib/host/process.h for the file.\n",
                parts->class->name);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    static char log_buffer[16384];
    setvbuf(stderr, log_buffer, _IOFBF, sizeof log_buffer); /* written with the trace, and by exit */
    prctl(PR_SET_PDEATHSIG, SIGKILL);                       /* nothing outlives the runner */
    spawn_without_cores();                                  /* it may be started by others than the runner */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is the runner's to handle */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    for (size_t i = 0; i < ENV_TIMERS; i++)
        p.due_us[i] = ENV_NEVER;
    p.clock_due_us = ENV_NEVER;
    if (!process_configure(&p, parts->class, argv[1]))
        return 2;
    program_invocation_short_name = p.name; /* what a failed assertion begins with */
    if (open_all(&p)) {
        uint8_t first;
        if (parts->class->stores) /* who keeps keys signs: the generator is made ready now */
            crypto_random(p.node.env.crypto, &first, 1);
        args.store_key = p.store_key.given ? p.store_key.bytes : NULL;
        args.former_store_key = p.former_store_key.given ? p.former_store_key.bytes : NULL;
        enum err e = node_start(&p.node, &args);
        OPENSSL_cleanse(&p.former_store_key, sizeof p.former_store_key);
        if (e)
            fprintf(stderr, "%s: cannot start: %s (%s)\n", p.name, err_text(e), err_name(e));
        else
            rc = process_loop_run(&p);
    }
    close_all(&p);
    return rc;
}
