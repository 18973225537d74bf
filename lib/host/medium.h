/* A medium: what carries the bytes of ports. One folder below lib/media each, with a driver for the process
 * world (lib/host/link.h), a twin for the virtual world (lib/host/twin.h) and a set-up for the runner
 * (lib/host/setup.h); this is what hosts need to know of it beside those. */
#ifndef lib_host_medium_h
#define lib_host_medium_h

#include "lib/env/component.h"

struct medium {
    const char *name;      /* as in port_spec.medium */
    bool frames;           /* the bytes are a struct bus_frame each, and have a row of the matrix */
    bool topics;           /* addresses are topics: declarations say who may reach them */
    enum link_state ready; /* the state in which a link does what it is for */
    /* What it has carried lies in a maildir of its name among the records of a run, where secrets may stand:
     * 0700, and not searched for them. The tap hears only how long its messages are. */
    bool keeps;
    /* Its bytes are APDUs, a command and an answer in turn; addresses at the listening end name cards. A run
     * hears that end and keeps a log of them (apdu.log). */
    bool apdus;
    bool distances; /* between its devices, as a scenario says (the `radio` of lib/host/link.h) */
    /* Do two devices hear each other when so far apart, in those words? NULL: no distances. */
    bool (*near)(const char *way);
    /* Writes what a component has told it (env_tell), or news, as a record may have it: without secrets. A
     * run then keeps a log of these words and of the bytes, heard at both ends (dk.log). NULL: it does not.
     */
    void (*words_shown)(const char *words, bool news, char *out, size_t cap);
};

/* A program's choice of media: NULL at the end. */
const struct medium *medium_find(const struct medium *const *media, const char *name);

/* Has a run a log of what it carries? */
bool medium_talks(const struct medium *m);

/* Two-ended links, said once for both worlds: an asking port reaches a listening port of the same name and
 * medium whose class declares the asker as caller, in the same vehicle if the server belongs to one. The
 * asking end is up from when the listening end has admitted it until either end dies, closes or is cut; the
 * listening end is up while its component is there and is not cut. A medium without lasting connections says
 * in its header what its links say instead. False: may not reach it. */
bool medium_reaches(const struct component_class *asker, unsigned asker_group, const struct port_spec *port,
                    const struct component_class *server, unsigned server_group, unsigned *server_port);

/* Buses, said once for both worlds: on those of which vehicle a port of a component of group `own` stands. */
unsigned medium_group(const struct port_spec *port, unsigned own);
/* Has that port another end when this component takes part? One at a bench needs somebody of its vehicle. */
bool medium_at_bench(const struct port_spec *port, const struct component_class *class, unsigned group);

#endif
