/* Declarations that cannot be, each with its sentence. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "sim/declarations.h"

static enum err init(void *self, struct env *env, const struct component_args *args)
{
    (void)self;
    (void)env;
    (void)args;
    return ERR_OK;
}

static void on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    (void)self;
    (void)port;
    (void)address;
    (void)bytes;
}

static const char *const nobody[] = {"nobody", NULL};
static const char *const nine_shows[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", NULL};
static const struct parameter_spec nine[10] = {{.name = "1"}, {.name = "2"}, {.name = "3"},
                                               {.name = "4"}, {.name = "5"}, {.name = "6"},
                                               {.name = "7"}, {.name = "8"}, {.name = "9"}};
static const struct call_spec long_call[] = {{.name = "long", .parameters = nine}, {.name = NULL}};

#define PORT(...)                                        \
    .port_count = 1, .ports = (const struct port_spec[]) \
    {                                                    \
        {                                                \
            __VA_ARGS__                                  \
        }                                                \
    }

static const struct {
    struct component_class class;
    const char *says; /* NULL: fine */
} rows[] = {
    {{.init = init, .on_bytes = on_bytes, PORT(.name = "a", .medium = "call", .end = PORT_LISTENS)}, NULL},
    {{.init = init,
      .on_bytes = on_bytes,
      PORT(.name = "a", .medium = "call", .end = PORT_ASKS, .server = "door")},
     NULL},
    {{.on_bytes = on_bytes}, "door has no init"},
    {{.init = init, PORT(.name = "a", .medium = "canx")},
     "port \"a\" of door: no medium \"canx\"; there are can"},
    {{.init = init, PORT(.name = "a")}, "no medium \"\""},
    {{.init = init, PORT(.medium = "can")}, "a port of door has no name"},
    {{.init = init, .on_bytes = on_bytes, PORT(.name = "a", .medium = "can")},
     "goes to on_frame, which is not there"},
    {{.init = init, PORT(.name = "a", .medium = "call", .end = PORT_ASKS, .server = "gate")},
     "asks \"gate\", which is not in the cast"},
    {{.init = init, PORT(.name = "a", .medium = "call", .end = PORT_ASKS, .server = "other")},
     "asks other, which has no port of that name"},
    {{.init = init, PORT(.name = "a", .medium = "call", .end = PORT_LISTENS, .callers = nobody)},
     "admits \"nobody\", which is not in the cast"},
    {{.init = init,
      .on_bytes = on_bytes,
      PORT(.name = "a", .medium = "call", .end = PORT_LISTENS, .bench = 2)},
     "port \"a\" of door: only a bus has a bench"},
    {{.init = init, PORT(.name = "a", .medium = "can", .bench = 2)}, NULL},
    {{.init = init, .timer_count = ENV_TIMERS + 1}, "more than 48 timers"},
    {{.init = init, .port_count = ENV_PORTS + 1}, "more than 8 ports"},
    {{.init = init, .shows = nine_shows}, "more than 8 shows"},
    {{.init = init, .lasting = (const struct lasting_spec[]){{"ring", "rang"}, {.call = NULL}}},
     "door says when its call \"ring\" is done, and has none"},
    {{.init = init, .handouts = (const struct handout_spec[]){{"nobody", "key"}, {.key = NULL}}},
     "door hands \"key\" to \"nobody\", which is not in the cast"},
    {{.init = init, .handouts = (const struct handout_spec[]){{"other", "key"}, {.key = NULL}}}, NULL},
    {{.init = init, .calls = long_call}, "the call \"long\" of door has more than 8 parameters"},
};

Test(declarations, each_that_cannot_be_is_named)
{
    static const struct component_class other = {.name = "other", .init = init};
    char problem[DECLARATION_PROBLEM];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct component_class class = rows[i].class;
        class.name = "door";
        const struct component_class *const classes[] = {&class, &other};
        bool ok = declarations_check(&(struct cast){classes, 2}, problem);
        cr_expect(eq(int, ok, rows[i].says == NULL), "row %zu: %s", i, problem);
        if (!ok && rows[i].says)
            cr_expect(ne(ptr, strstr(problem, rows[i].says), NULL), "row %zu: %s", i, problem);
    }
}

Test(declarations, ours_can_be)
{
    char problem[DECLARATION_PROBLEM] = "";
    cr_expect(declarations_check(&cast, problem), "%s", problem);
}
