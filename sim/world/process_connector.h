/* The diagnostic connectors of a process world: the runner's own end on a vehicle's diagnostic segment,
 * beside the components, by the same driver as theirs. It is opened when somebody first has something to
 * send. */
#ifndef sim_world_process_connector_h
#define sim_world_process_connector_h

#include "sim/world/process_setup.h"

/* Lists the ends among those that take part, so that their frames are let in and counted. Returns how many.
 */
size_t process_connector_list(struct process_world *w, struct setup_instance *out);
/* NULL: it is no connector's. */
struct link_tally *process_connector_tally(struct process_world *w, const struct setup_instance *who);
enum link_state process_connector_state(struct process_world *w, unsigned group);
void process_connector_put(struct process_world *w, unsigned group, const struct bus_frame *f);
/* Sockets for tools, served by the world's loop; and the end of all that. */
void process_connector_open_desk(struct process_world *w);
void process_connector_close(struct process_world *w);

#endif
