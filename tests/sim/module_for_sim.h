/* module_for_sim.h - what test_sim_snapshot.c looks up in the module. */
#ifndef UWSK_TESTS_MODULE_FOR_SIM_H
#define UWSK_TESTS_MODULE_FOR_SIM_H

void change(int step);
int is_as_new(void);
int sum(void); /* 1 + every step */

#endif
