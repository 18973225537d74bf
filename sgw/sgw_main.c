#include "lib/env/process.h"
#include "sgw/sgw.h"

int main(int argc, char **argv)
{
    const struct process_parts parts = {
        .class = &sgw_class,
        .drivers = {&link_driver_can},
    };
    return process_main(&parts, argc, argv);
}
