#include "lib/env/process.h"
#include "sgw/sgw.h"

int main(int argc, char **argv)
{
    static const struct link_driver *const drivers[] = {&link_driver_can, NULL};
    return process_main(&sgw_class, drivers, argc, argv);
}
