#include "backend/pki/pki.h"
#include "lib/env/process.h"
#include "lib/link/sqlite_store.h"

int main(int argc, char **argv)
{
    const struct process_parts parts = {
        .class = &pki_class,
        .drivers = {&link_driver_serve},
        .open_store = sqlite_store_open_durable,
    };
    return process_main(&parts, argc, argv);
}
