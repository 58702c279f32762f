/*
 * plans.h
 *		Who may see plans.
 */
#ifndef SMSR_PLANS_H
#define SMSR_PLANS_H

extern void smsr_guard_plans_init(void);

#endif							/* SMSR_PLANS_H */
