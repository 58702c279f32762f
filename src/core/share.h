/*
 * share.h
 *		Whose messages leave next, where more wait than may leave.
 *
 * Pure: (state, lanes with what waits in them, capacity) -> (how many of each
 * lane, state').  Start-time fair queueing in two levels (P. Goyal, H. M. Vin,
 * H. Cheng: Start-time Fair Queuing, SIGCOMM 1996): a flow is one tenant's lanes
 * of one priority, and its weight is that of the priority times the tenant's;
 * the lanes of a flow share what it gets evenly.  So nobody gets more by having
 * more lanes.
 *
 * A message's start tag is the later of the virtual time and its flow's finish
 * tag; it moves the finish tag on by 1 / weight; the message with the least start
 * tag is next.  The virtual time is the least start tag of what waits (the paper
 * has that of what is being served, which is the one before it); when nothing
 * waits any more everybody is equal again.  What follows, over any messages in a
 * row during all of which two flows f and m have some waiting, with w their
 * weights and n what they got:
 *
 *		| n_f / w_f - n_m / w_m |  <=  1 / w_f + 1 / w_m
 *
 * and so before a flow's next message each other flow gets at most 1 + w_m / w_f:
 * nothing starves.  The same holds between the lanes of a flow, with weights of 1
 * and counting only this flow's messages.  Who has had nothing waiting begins at
 * the virtual time: there is no credit for not having asked.
 *
 * Messages are counted one by one: short messages, if the caller counts those.
 * What he took otherwise than he was granted he settles, so that the account is
 * of what left; then the bound has the largest amount settled at a time in the
 * place of 1.  Who got less than he was granted, because longer packets of others
 * went first, comes before them the next time.  Where whole packets of at most L
 * messages are taken until a grant is reached, and none overtakes one that has no
 * room, a flow is at most L / w_f beyond the virtual time, and at most what F flows
 * took too much and what was left, F (L - 1), behind it: after any number of calls,
 *
 *		n_f / w_f - n_m / w_m  <=  L / w_f + (F (L - 1) + 1) / w_m
 *
 * Who takes less than that explains, and be it nothing at all each time, saves up
 * no more than twice what others took beyond their grants in one call, and twice
 * SHARE_LONGEST.
 *
 * Tags are integers: in a flow of weight w 2^-32 w of a message's worth is lost
 * to rounding, at most 1.5e-5.
 */
#ifndef SMSR_SHARE_H
#define SMSR_SHARE_H

#include "bytes.h"
#include "error.h"

#define SHARE_PRIORITIES		4
#define SHARE_MAX_WEIGHT		1000	/* of a tenant */
#define SHARE_MAX_CAPACITY		1000000
#define SHARE_LONGEST			30	/* messages of a packet */
#define SHARE_MAX_LANES			1000000
/*
 * Most finish tags that a state keeps: that many flows and lanes may be ahead of
 * others.  Of more, those that are furthest ahead are kept; the others are taken
 * for equals, and equals are served in another order each time, so that still
 * nobody starves, but by chance and not by the bound.
 */
#define SHARE_STATE_ENTRIES		4096
#define SHARE_HEADER			10
#define SHARE_STATE_MAX			(SHARE_HEADER + 25 * SHARE_STATE_ENTRIES)	/* octets */

typedef struct ShareLane
{
	int64_t		id;
	uint64_t	tenant;			/* share_tenant() */
	int			priority;		/* 0 is the most urgent */
	uint32_t	weight;			/* the tenant's, 1 is ordinary; of several the greatest counts */
	uint32_t	backlog;		/* messages that wait; more than the capacity need not be counted */
	int32_t		extra;			/* to settle: taken beyond what was granted, or less */
	uint32_t	grant;			/* result: messages of this lane to take now */
} ShareLane;

/* 64, 16, 4, 1: the weight of a priority, 0 if there is no such */
extern uint32_t share_priority_weight(int priority);

/* A tenant's name as a number; two of one number would share one tenant's share. */
extern uint64_t share_tenant(SmsrBytes name);

/* Octets that the next state has at most. */
extern size_t share_most(size_t count, size_t state_len);

/* Octets that the two below work in, aligned as malloc() aligns. */
extern size_t share_room(size_t count, size_t state_len);

/*
 * No octets are a state too: nobody is ahead.  The grants are as many as the
 * capacity, or as all that waits.  Appends the next state to next.  Errors: of
 * the state by the octet; of lanes ("lane", "priority", "weight", "extra", the
 * offset is the lane's index) and of the "capacity".
 */
extern bool share(SmsrBytes state, ShareLane *lanes, size_t count, uint32_t capacity, void *room,
				  SmsrWriter *next, SmsrError *error);

/* The state after extra messages of each lane; capacity and backlog are not looked at. */
extern bool share_settle(SmsrBytes state, const ShareLane *lanes, size_t count, void *room,
						 SmsrWriter *next, SmsrError *error);

#endif							/* SMSR_SHARE_H */
