#include "sim/cast.h"

#include <string.h>

#include "backend/gsdp/gsdp.h"
#include "backend/pki/pki.h"
#include "backend/vos/vos.h"
#include "ecu/spaak/spaak.h"
#include "sgw/sgw.h"
#include "sim/actors/rogue/rogue.h"
#include "sim/language/scenario.h"
#include "tbm/tbm.h"

/* Servers first: they are up when the vehicle wakes. */
const struct component_row component_rows[] = {
    {"broker", NULL, false, false},      {"pki", &pki_class, false, true},
    {"vos", &vos_class, false, true},    {"gsdp", &gsdp_class, false, true},
    {"sgw", &sgw_class, true, false},    {"tbm", &tbm_class, true, false},
    {"spaak", &spaak_class, true, true}, {"rogue", &injector_class, true, false},
};
const size_t component_row_count = sizeof component_rows / sizeof component_rows[0];

const char *const component_names[] = {"broker", "pki", "vos", "gsdp", "sgw", "tbm", "spaak", "rogue", NULL};

const struct component_row *component_find(const char *name)
{
    for (size_t i = 0; i < component_row_count; i++)
        if (strcmp(component_rows[i].name, name) == 0)
            return &component_rows[i];
    return NULL;
}
