#include "lib/env/process.h"
#include "tbm/tbm.h"

int main(int argc, char **argv)
{
    const struct process_parts parts = {
        .class = &tbm_class,
        .drivers = {&link_driver_can, &link_driver_gsdp},
    };
    return process_main(&parts, argc, argv);
}
