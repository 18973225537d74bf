#include "backend/vos/vos.h"
#include "lib/env/process.h"

int main(int argc, char **argv)
{
    static const struct link_driver *const drivers[] = {&link_driver_gsdp, &link_driver_call,
                                                        &link_driver_serve, NULL};
    return process_main(&vos_class, drivers, argc, argv);
}
