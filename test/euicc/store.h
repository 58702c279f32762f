/*
 * store.h
 *		The cards' state in a file, so that they survive the simulator.
 */
#ifndef FLEET_STORE_H
#define FLEET_STORE_H

#include "fleet.h"

extern bool store_save(Fleet *fleet, const char *path, Text *why);

/* The file is checked as a whole before anything is changed. */
extern bool store_restore(Fleet *fleet, const char *path, Text *why);

#endif							/* FLEET_STORE_H */
