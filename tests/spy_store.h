/* A store before another one: counts the commits of a component, and decides what becomes of one of them. */
#ifndef tests_spy_store_h
#define tests_spy_store_h

#include "lib/host/node.h"
#include "tests/pairing_rig.h"

struct spy_store {
    struct store store;  /* first */
    struct store *inner; /* where it is kept */
    struct node *node;   /* dies when power goes */
    size_t commits, at;  /* counted from 1; 0: none */
    enum rig_fate fate;  /* of the one at `at` */
    bool fired;
};

/* It lies where the caller says and outlasts the lives of the component: what is closed is the caller's. */
struct spy_store spy_store_before(struct store *inner, struct node *node);
/* The same, but closed with all that it has; takes the place of the node's store. */
struct spy_store *spy_store_new(struct node *node);

#endif
