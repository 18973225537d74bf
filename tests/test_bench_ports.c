/* Ports that stand on another vehicle's bus (port_spec.bench), in both worlds: by the tester, which has one
 * on its own vehicle's diagnostic segment, and two at benches. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/host/medium.h"
#include "tests/check.h"
#include "tests/launch.h"

static const char *const worlds[] = {"process", "virtual"};

#define HEAD "schema: 1\\nname: b\\ntitle: t\\nuse_case: RP-01\\n"

/* Writes a scenario and runs it; the exit code. */
static int run(const char *directory, const char *world, const char *body, char out[4096])
{
    return launch_run(out, 4096,
                      "printf '" HEAD "%s' >%s/b.yaml && '%s'/bin/spaaksim run %s/b.yaml --world %s  "
                      "--out %s/%s --verbose 2>&1",
                      body, directory, launch_build(), directory, world, directory, world);
}

/* Is there a line in the file with all of these? */
static bool has_line(const char *directory, const char *world, const char *name, const char *a, const char *b)
{
    char folder[200];
    snprintf(folder, sizeof folder, "%s/%s", directory, world);
    char *text = launch_file(folder, name), *rest = text, *line;
    bool found = false;
    while ((line = launch_line(&rest)))
        found |= strstr(line, a) && strstr(line, b);
    free(text);
    return found;
}

/* v0003's bench is there, v0002's is not; each SGW answers on its own bus, and hears nothing of the other's.
 */
Test(bench_ports, each_is_on_the_bus_of_its_vehicle)
{
    static const char body[] =
        "run: [sgw, tester, v0003.sgw]\\n"
        "do:\\n"
        "  - {call: uds, to: tester, ecu: sgw, request: \"22F18C\", at: start}\\n"
        "  - {call: uds, to: tester, ecu: sgw, bench: 3, request: \"22F18C\", at: start, after: 100 ms}\\n"
        "expect:\\n"
        "  - {event: note, by: tester, detail: \"bench=1 62f18c53475730303030303030303031\"}\\n"
        "  - {event: note, by: tester, detail: \"bench=3 62f18c53475730303030303030303033\"}\\n"
        "never:\\n"
        "  - {event: retry}\\n"
        "  - {event: fail}\\n";
    char directory[64], out[4096];
    launch_directory(directory);
    for (size_t w = 0; w < 2; w++) {
        cr_expect(eq(int, run(directory, worlds[w], body, out), 0), "%s", out);
        cr_expect(
            has_line(directory, worlds[w], "can.log", " diagnostic 7AA#", "53475730303030303030303031"));
        cr_expect(
            has_line(directory, worlds[w], "can.log", " v0003.diag 7AA#", "53475730303030303030303033"));
        cr_expect(not(has_line(directory, worlds[w], "can.log", " diagnostic 7AA#", "3033CC")));
        cr_expect(has_line(directory, worlds[w], "trace.jsonl", "\"tester\"", "bench-3 up"));
        cr_expect(not(has_line(directory, worlds[w], "trace.jsonl", "\"tester\"", "bench-2")),
                  "a bench without its vehicle stays down");
    }
    launch_remove(directory);
}

Test(bench_ports, a_bench_is_cut_and_healed)
{
    static const char body[] =
        "run: [sgw, tester, v0002.sgw]\\n"
        "do:\\n"
        "  - {call: uds, to: tester, ecu: sgw, bench: 2, request: \"3E00\", at: start, after: 3 s}\\n"
        "faults:\\n"
        "  - cut: {link: bench-2, component: tester, at: start, after: 2 s, heal_after: 200 ms}\\n"
        "expect:\\n"
        "  - {event: link, by: tester, detail: \"bench-2 down\"}\\n"
        "  - {event: link, by: tester, detail: \"bench-2 up\"}\\n"
        "  - {event: note, by: tester, detail: \"bench=2 7e00\"}\\n";
    char directory[64], out[4096];
    launch_directory(directory);
    for (size_t w = 0; w < 2; w++)
        cr_expect(eq(int, run(directory, worlds[w], body, out), 0), "%s", out);
    launch_remove(directory);
}

/* What nobody stands at is no link of the run, and a call to it is refused. */
Test(bench_ports, a_bench_without_its_vehicle_is_no_link)
{
    char directory[64], out[4096];
    launch_directory(directory);
    for (size_t w = 0; w < 2; w++) {
        int rc = run(directory, worlds[w],
                     "run: [sgw, tester]\\nfaults:\\n"
                     "  - cut: {link: bench-2, component: tester, at: start, heal_after: 1 ms}\\n"
                     "expect:\\n  - {event: link}\\n",
                     out);
        cr_expect(eq(int, rc, 2), "%s", out);
        rc = run(directory, worlds[w],
                 "run: [sgw, tester]\\n"
                 "do:\\n  - {call: install-anchors, to: tester, bench: 2, at: start}\\n"
                 "expect:\\n  - {event: link}\\n",
                 out);
        cr_expect(eq(int, rc, 1), "%s", out);
        cr_expect(ne(ptr, strstr(out, "tester refused install-anchors: the link is down (LINK_DOWN)"), NULL),
                  "%s", out);
    }
    launch_remove(directory);
}

static const struct {
    unsigned bench, own, group;
} groups[] = {{0, 0, 0}, {0, 7, 7}, {1, 0, 0}, {1, 7, 0}, {2, 0, 2}, {3, 2, 3}, {62, 0, 62}};

Test(bench_ports, the_first_vehicle_s_group_is_0)
{
    static const struct component_class vehicle = {.place = PLACE_VEHICLE},
                                        outside = {.place = PLACE_OUTSIDE};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        const struct port_spec port = {.medium = "can", .bench = groups[i].bench};
        unsigned group = medium_group(&port, groups[i].own);
        cr_expect(eq(u32, group, groups[i].group), "row %zu", i);
        cr_expect(medium_at_bench(&port, &vehicle, group), "row %zu", i);
        cr_expect(eq(int, medium_at_bench(&port, &outside, group), groups[i].bench == 0), "row %zu", i);
        cr_expect(eq(int, medium_at_bench(&port, &vehicle, group + 1), groups[i].bench == 0), "row %zu", i);
    }
}
