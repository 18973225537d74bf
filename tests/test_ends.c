/* scripts/check-ends.sh finds who takes the other end of the Digital Key, and only that. In a folder of the
 * test's own, with objects made for it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/launch.h"

static char directory[64], out[2048];

static void make(void)
{
    char here[400];
    launch_directory(directory);
    cr_assert(getcwd(here, sizeof here) != NULL);
    cr_assert(eq(int,
                 launch_run(out, sizeof out,
                            "cd '%s' && mkdir -p scripts build && cp '%s'/scripts/check-ends.sh scripts",
                            directory, here),
                 0),
              "%s", out);
}

static void drop(void)
{
    launch_remove(directory);
}

/* A function that calls another, in a file of that path. */
static void add(const char *path, const char *name, const char *calls)
{
    cr_assert(eq(int,
                 launch_run(out, sizeof out,
                            "cd '%s' && mkdir -p \"$(dirname %s)\" \"build/obj/$(dirname %s)\" && "
                            "echo 'void %s(void); void %s(void); void %s(void) { %s(); }' >%s.c && "
                            "cc -c %s.c -o build/obj/%s.o",
                            directory, path, path, name, calls, name, calls, path, path, path),
                 0),
              "%s", out);
}

static int check(void)
{
    return launch_run(out, sizeof out, "cd '%s' && scripts/check-ends.sh build 2>&1", directory);
}

static void add_both_ends(void)
{
    add("lib/ccc/device/device", "dk_device_open", "abort");
    add("lib/ccc/vehicle/vehicle_pairing", "vehicle_pairing_begin", "abort");
    add("lib/ccc/records/key_record", "dk_record_load_key", "abort");
    add("lib/ccc/channel", "channel_open", "abort");
    add("sgw/sgw", "sgw_init", "abort");
    add("tbm/tbm", "tbm_init", "abort");
    add("backend/vos/vos", "vos_init", "channel_open");
    add("sim/actors/skimmer/skimmer", "skimmer_init", "vehicle_pairing_begin");
    add("ecu/spaak/spaak", "spaak_init", "vehicle_pairing_begin");
    add("sim/actors/phone/phone", "phone_init", "dk_device_open");
}

Test(ends, each_takes_its_own, .init = make, .fini = drop, .timeout = 60)
{
    add_both_ends();
    cr_expect(eq(int, check(), 0), "%s", out);
    cr_expect(eq(str, out, ""));
}

/* Who takes what, and what is said of it. */
static const struct {
    const char *path, *name, *calls, *said;
} violations[] = {
    {"sim/actors/phone/more", "phone_more", "vehicle_pairing_begin",
     "check: build/obj/sim/actors/phone/more.o takes the other end of the Digital Key: "
     "vehicle_pairing_begin"},
    {"ecu/spaak/more", "spaak_more", "dk_device_open",
     "check: build/obj/ecu/spaak/more.o takes the other end of the Digital Key: dk_device_open"},
    {"sim/actors/skimmer/more", "skimmer_more", "dk_record_load_key",
     "check: build/obj/sim/actors/skimmer/more.o takes the other end of the Digital Key: dk_record_load_key"},
    {"backend/vos/more", "vos_more", "vehicle_pairing_begin",
     "check: build/obj/backend/vos/more.o takes the other end of the Digital Key: vehicle_pairing_begin"},
    /* by an object that both may have */
    {"lib/ccc/channel", "channel_open", "dk_device_open",
     "takes the other end of the Digital Key: dk_device_open"},
};

Test(ends, whoever_takes_the_other_is_named, .init = make, .fini = drop, .timeout = 60)
{
    for (size_t i = 0; i < sizeof violations / sizeof violations[0]; i++) {
        add_both_ends();
        add(violations[i].path, violations[i].name, violations[i].calls);
        cr_expect(eq(int, check(), 1), "%s", violations[i].path);
        cr_expect(strstr(out, violations[i].said) != NULL, "%s", out);
        cr_assert(eq(int,
                     launch_run(out, sizeof out, "cd '%s' && rm -rf build/obj && find . -name '*.c' -delete",
                                directory),
                     0));
    }
}
