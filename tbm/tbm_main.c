#include "lib/env/process.h"
#include "tbm/tbm.h"

int main(int argc, char **argv)
{
    static const struct link_driver *const drivers[] = {&link_driver_can, &link_driver_gsdp, NULL};
    return process_main(&tbm_class, drivers, argc, argv);
}
