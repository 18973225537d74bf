#include "backend/gsdp/gsdp.h"
#include "lib/env/process.h"

int main(int argc, char **argv)
{
    static const struct link_driver *const drivers[] = {&link_driver_gsdp, NULL};
    return process_main(&gsdp_class, drivers, argc, argv);
}
