/*
 * test_share.c
 *		Fair shares against what they promise, message by message, and against the
 *		ideal that divides messages.
 */
#include "core/share.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/blob.h"

#define ROUNDING	1e-3		/* in messages of a flow; see share.h */

static uint32_t
dice(uint32_t sides)
{
	static uint32_t state = 7;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return (uint32_t) ((uint64_t) state * sides >> 32);
}

/* ---- a state that goes through octets with each call ---- */

typedef struct Kept
{
	uint8_t		octets[SHARE_STATE_MAX];
	size_t		len;
} Kept;

/* Exactly as large as they must be, for the sanitizer */
static void
call(Kept *kept, ShareLane *lanes, size_t count, uint32_t capacity)
{
	void	   *room = malloc(share_room(count, kept->len) + 1);
	SmsrWriter	w = smsr_writer(malloc(share_most(count, kept->len)), share_most(count, kept->len));
	SmsrError	error;

	if (!share(smsr_bytes(kept->octets, kept->len), lanes, count, capacity, room, &w, &error) || w.overflow)
		abort();
	memcpy(kept->octets, w.data, w.len);
	kept->len = w.len;
	free(w.data);
	free(room);
}

static void
settle(Kept *kept, const ShareLane *lanes, size_t count)
{
	void	   *room = malloc(share_room(count, kept->len) + 1);
	SmsrWriter	w = smsr_writer(malloc(share_most(count, kept->len)), share_most(count, kept->len));
	SmsrError	error;

	if (!share_settle(smsr_bytes(kept->octets, kept->len), lanes, count, room, &w, &error) || w.overflow)
		abort();
	memcpy(kept->octets, w.data, w.len);
	kept->len = w.len;
	free(w.data);
	free(room);
}

static ShareLane
lane(int64_t id, uint64_t tenant, int priority, uint32_t weight, uint32_t backlog)
{
	return (ShareLane) {.id = id, .tenant = tenant, .priority = priority, .weight = weight, .backlog = backlog};
}

/* ---- who has got how much while both had something waiting ---- */

#define MAX_FLOWS	40

typedef struct Account
{
	double		got;			/* messages by weight */
	double		weight;
	bool		waiting;
} Account;

typedef struct Pair
{
	double		now;			/* got of the one less got of the other */
	double		least;
	double		most;
	double		passed;			/* messages of others since the first one's last */
} Pair;

typedef struct Book
{
	size_t		count;
	Account		account[MAX_FLOWS];
	Pair		pair[MAX_FLOWS][MAX_FLOWS];
	double		worst;			/* of what the bound allows, at most 1 */
	double		worst_wait;
} Book;

/*
 * n messages of one: every interval during which two were waiting ends here.
 * largest: the most that an account was moved by at a time.
 */
static void
book(Book *b, size_t who, double n, double largest)
{
	for (size_t i = 0; i < b->count; i++)
	{
		Pair	   *p = &b->pair[who][i];
		Pair	   *q = &b->pair[i][who];
		double		bound = largest * (1 / b->account[who].weight + 1 / b->account[i].weight);

		if (i == who || !b->account[i].waiting)
			continue;
		p->now += n / b->account[who].weight;
		p->most = fmax(p->most, p->now);
		p->least = fmin(p->least, p->now);
		q->now = -p->now;
		q->most = -p->least;
		q->least = -p->most;
		b->worst = fmax(b->worst, (p->most - p->least) / bound);
		/* and i had nothing since: other flows must not pass it for ever */
		q->passed += n;
		p->passed = 0;
		b->worst_wait = fmax(b->worst_wait, (q->passed / largest - ROUNDING) /
							 (1 + b->account[who].weight / b->account[i].weight));
	}
}

static void
waiting(Book *b, size_t who, bool is)
{
	if (b->account[who].waiting != is)
		for (size_t i = 0; i < b->count; i++)
			b->pair[who][i] = b->pair[i][who] = (Pair) {0};
	b->account[who].waiting = is;
}

/*
 * Lanes of some tenants, messages that come in bursts, claims of what there is
 * capacity for.  Flows by their weights, lanes of a flow by themselves.
 */
typedef struct Fairness
{
	double		flows;			/* worst of the bound */
	double		lanes;
	double		wait;
	size_t		longest;
	long		served;
} Fairness;

static Fairness
simulate(int tenants, int lanes_each, int claims, uint32_t parts)
{
	static const double priority[] = {64, 16, 4, 1};
	Fairness	result = {0};
	size_t		count = (size_t) (tenants * lanes_each);
	ShareLane  *lanes = scratch(count * sizeof(ShareLane));
	uint32_t   *backlog = scratch(count * sizeof(uint32_t));
	size_t	   *flow = scratch(count * sizeof(size_t));
	Book	   *flows = scratch(sizeof(Book));
	Book	   *of_flow = scratch((size_t) tenants * sizeof(Book));
	Kept	   *kept = scratch(sizeof(Kept));
	double		largest = parts + (parts > 1 ? parts - 1 : 0);

	memset(flows, 0, sizeof(Book));
	memset(of_flow, 0, (size_t) tenants * sizeof(Book));
	kept->len = 0;
	flows->count = (size_t) tenants;
	for (int t = 0; t < tenants; t++)
	{
		int			p = (int) dice(4);
		uint32_t	weight = dice(2) ? 1 : 1 + dice(20);

		flows->account[t].weight = priority[p] * weight;
		of_flow[t].count = (size_t) lanes_each;
		for (int l = 0; l < lanes_each; l++)
		{
			size_t		i = (size_t) (t * lanes_each + l);

			lanes[i] = lane((int64_t) (i * 7919 % 1009), share_tenant(smsr_bytes(&t, sizeof(t))), p, weight, 0);
			backlog[i] = 0;
			flow[i] = (size_t) t;
			of_flow[t].account[l].weight = 1;
		}
	}
	for (int n = 0; n < claims; n++)
	{
		for (size_t i = 0; i < count; i++)
		{
			if (backlog[i] == 0 && dice(50) == 0)
				backlog[i] = 1 + dice(dice(4) == 0 ? 5000 : 30);
			lanes[i].backlog = backlog[i];
		}
		for (size_t f = 0; f < (size_t) tenants; f++)
		{
			bool		any = false;

			for (size_t l = 0; l < (size_t) lanes_each; l++)
			{
				waiting(&of_flow[f], l, backlog[f * (size_t) lanes_each + l] > 0);
				any = any || backlog[f * (size_t) lanes_each + l] > 0;
			}
			waiting(flows, f, any);
		}
		call(kept, lanes, count, 1);
		for (size_t i = 0; i < count; i++)
		{
			uint32_t	taken = lanes[i].grant;

			/* packets are taken whole: the last one may need more than was granted */
			if (parts > 1 && taken > 0 && backlog[i] > taken + parts)
				taken += dice(parts);
			lanes[i].extra = (int32_t) taken - (int32_t) lanes[i].grant;
			if (taken == 0)
				continue;
			result.served += taken;
			backlog[i] -= taken;
			book(flows, flow[i], taken, largest);
			book(&of_flow[flow[i]], i % (size_t) lanes_each, taken, largest);
		}
		if (parts > 1)
			settle(kept, lanes, count);
		result.longest = kept->len > result.longest ? kept->len : result.longest;
	}
	result.flows = flows->worst;
	result.wait = flows->worst_wait;
	for (int t = 0; t < tenants; t++)
		result.lanes = fmax(result.lanes, of_flow[t].worst);
	return result;
}

TEST_SUITE(share_fairness)
{
	static const struct
	{
		const char *name;
		int			tenants;
		int			lanes;
		int			claims;
		uint32_t	parts;
	}			runs[] =
	{
		{"two tenants", 2, 1, 8000, 1},
		{"five tenants of three lanes", 5, 3, 8000, 1},
		{"thirty tenants of four lanes", 30, 4, 3000, 1},
		{"one tenant of forty lanes", 1, 40, 5000, 1},
		{"five tenants, packets of one to four messages", 5, 3, 8000, 4},
		{"thirty tenants, packets of one to four messages", 30, 2, 3000, 4},
	};

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
	{
		Fairness	f = simulate(runs[i].tenants, runs[i].lanes, runs[i].claims, runs[i].parts);

		ok(f.served > runs[i].claims / 2, "%s: %ld messages", runs[i].name, f.served);
		ok(f.flows <= 1 + ROUNDING && f.lanes <= 1 + ROUNDING,
		   "%s: over any interval, %.4f of what flows may differ by, %.4f of what lanes may", runs[i].name, f.flows, f.lanes);
		ok(f.wait <= 1, "%s: nobody is passed by more than the bound (%.4f)", runs[i].name, f.wait);
	}
}

/* ---- packets of several messages, in claims that are not much larger ---- */

typedef struct Packets
{
	uint32_t	size;			/* messages of a packet, 0: 1 to 5 */
	uint64_t	taken;
	uint32_t	next;			/* of its next packet */
} Packets;

/* Of one flow: packets until the grant is reached, or one has no room */
static bool
take_packets(ShareLane *lane, Packets *of, uint32_t *room)
{
	for (uint32_t got = 0; got < lane->grant; got += of->next)
	{
		if (got > 0 && of->size == 0)
			of->next = 1 + dice(5);
		if (of->next > *room)
			return false;
		*room -= of->next;
		lane->extra += (int32_t) of->next;
		of->taken += of->next;
	}
	if (lane->grant > 0 && of->size == 0)
		of->next = 1 + dice(5);
	return true;
}

/* As a claim does: who is granted a part of a packet goes first; who has no room is not overtaken */
static void
claim_packets(Kept *kept, ShareLane *lanes, Packets *of, size_t count, uint32_t capacity)
{
	uint32_t	room = capacity;
	bool		first[3];
	bool		fits = true;

	for (size_t i = 0; i < count; i++)
		lanes[i].backlog = capacity + 5;
	call(kept, lanes, count, capacity);
	for (size_t i = 0; i < count; i++)
	{
		lanes[i].extra = -(int32_t) lanes[i].grant;
		first[i] = lanes[i].grant % of[i].next != 0;
	}
	for (size_t i = count; i > 0; i--)
		if (first[i - 1])
			fits = fits && take_packets(&lanes[i - 1], &of[i - 1], &room);
	for (size_t i = 0; i < count; i++)
		if (!first[i])
			fits = fits && take_packets(&lanes[i], &of[i], &room);
	settle(kept, lanes, count);
}

TEST_SUITE(share_packets)
{
	static const uint32_t sizes[][3] = {{5, 1, 1}, {5, 5, 1}, {3, 1, 0}, {5, 2, 1}, {0, 1, 0}, {0, 5, 1}};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		for (int weighted = 0; weighted < 2; weighted++)
		{
			double		worst = 0;
			uint32_t	worst_at = 0;
			double		longest = 0;

			for (int i = 0; i < 3; i++)
				longest = fmax(longest, sizes[s][i] == 0 ? 5 : sizes[s][i]);
			for (uint32_t capacity = 5; capacity <= 40; capacity++)
			{
				ShareLane	lanes[3];
				Packets		of[3];
				double		weight[3];
				Kept	   *kept = scratch(sizeof(Kept));

				kept->len = 0;
				for (int i = 0; i < 3; i++)
				{
					weight[i] = weighted ? 1 + i : 1;
					lanes[i] = lane(i, (uint64_t) i + 1, 2, (uint32_t) weight[i], 0);
					of[i] = (Packets) {sizes[s][i], 0, sizes[s][i] == 0 ? 1 + dice(5) : sizes[s][i]};
				}
				for (int n = 0; n < 3000; n++)
				{
					claim_packets(kept, lanes, of, 3, capacity);
					for (int f = 0; f < 3; f++)
						for (int m = 0; m < 3; m++)
						{
							/* as share.h has it: one packet ahead, and behind by what three may take too much */
							double		apart = ((double) of[f].taken / weight[f] - (double) of[m].taken / weight[m]) /
								(longest / weight[f] + (3 * (longest - 1) + 1) / weight[m]);

							if (apart > worst)
							{
								worst = apart;
								worst_at = capacity;
							}
						}
				}
			}
			ok(worst <= 1 + ROUNDING, "packets of %u, %u and %u, weights %s: apart by %.2f of what they may, after claims of %u",
			   sizes[s][0], sizes[s][1], sizes[s][2], weighted ? "1, 2, 3" : "equal", worst, worst_at);
		}
}

/* Who is granted and takes nothing, whatever the reason, does not save that up. */
TEST_SUITE(share_stuck)
{
	ShareLane	l[3];
	Kept	   *kept = scratch(sizeof(Kept));
	uint32_t	first = 0;

	kept->len = 0;
	for (int i = 0; i < 3; i++)
		l[i] = lane(i, (uint64_t) i + 1, 2, 1, 9999);
	for (int n = 0; n < 5000; n++)
	{
		call(kept, l, 3, 9);
		for (int i = 0; i < 3; i++)
			l[i].extra = i == 0 ? -(int32_t) l[i].grant : 0;
		settle(kept, l, 3);
	}
	for (int n = 0; n < 100; n++)
	{
		call(kept, l, 3, 9);
		first += l[0].grant;
	}
	ok(first <= 300 + 2 * SHARE_LONGEST, "stuck for 5000 claims, then he gets %u of 900 among three", first);
	}

/* Many at a time are as many ones. */
TEST_SUITE(share_at_once)
{
	int			different = 0;

	for (int n = 0; n < 300; n++)
	{
		size_t		count = 1 + dice(12);
		ShareLane	lanes[12];
		ShareLane	singly[12];
		uint32_t	sum[12] = {0};
		Kept	   *a = scratch(sizeof(Kept));
		Kept	   *b = scratch(sizeof(Kept));

		a->len = 0;
		for (size_t i = 0; i < count; i++)
			lanes[i] = lane((int64_t) i, dice(4), (int) dice(4), 1 + dice(10), 0);
		for (int round = 0; round < 3; round++)
		{
			uint32_t	capacity = 1 + dice(80);
			uint32_t	all = 0;
			uint32_t	granted = 0;

			for (size_t i = 0; i < count; i++)
			{
				all += lanes[i].backlog = dice(3) == 0 ? 0 : dice(40);
				sum[i] = 0;
			}
			memcpy(singly, lanes, sizeof(lanes));
			memcpy(b->octets, a->octets, a->len);
			b->len = a->len;
			call(a, lanes, count, capacity);
			for (uint32_t k = 0; k < capacity; k++)
			{
				call(b, singly, count, 1);
				for (size_t i = 0; i < count; i++)
				{
					sum[i] += singly[i].grant;
					singly[i].backlog -= singly[i].grant;
				}
			}
			for (size_t i = 0; i < count; i++)
			{
				granted += lanes[i].grant;
				different += sum[i] != lanes[i].grant;
			}
			different += granted != (capacity < all ? capacity : all);
			different += a->len != b->len || memcmp(a->octets, b->octets, a->len) != 0;
		}
	}
	ok(different == 0, "a claim of many grants what as many of one do, and leaves the same state");
}

/*
 * From nothing, against weighted max-min by water filling: nobody gets more
 * than one message above the ideal, and what is missing is what the others got
 * beyond theirs, by weight.
 */
TEST_SUITE(share_ideal)
{
	static const double priority[] = {64, 16, 4, 1};
	double		most = 0;
	double		missing = 0;

	for (int n = 0; n < 1000; n++)
	{
		size_t		count = 2 + dice(30);
		ShareLane	lanes[32];
		double		weight[32];
		uint32_t	capacity = 1 + dice(3000);
		double		low = 0;
		double		high = 1e9;
		double		unsatisfied = 0;
		Kept	   *kept = scratch(sizeof(Kept));

		kept->len = 0;
		for (size_t i = 0; i < count; i++)
		{
			lanes[i] = lane((int64_t) i, i, (int) dice(4), 1 + dice(5), dice(2) ? dice(2000) : dice(20));
			weight[i] = priority[lanes[i].priority] * lanes[i].weight;
		}
		call(kept, lanes, count, capacity);
		/* the level to which the water rises */
		for (int half = 0; half < 100; half++)
		{
			double		level = (low + high) / 2;
			double		all = 0;

			for (size_t i = 0; i < count; i++)
				all += fmin(lanes[i].backlog, weight[i] * level);
			if (all < capacity)
				low = level;
			else
				high = level;
		}
		for (size_t i = 0; i < count; i++)
			unsatisfied += lanes[i].backlog > weight[i] * low ? weight[i] : 0;
		for (size_t i = 0; i < count; i++)
		{
			double		ideal = fmin(lanes[i].backlog, weight[i] * low);

			most = fmax(most, lanes[i].grant - ideal);
			if (unsatisfied > 0)
				missing = fmax(missing, (ideal - lanes[i].grant) / (1 + weight[i] * (double) count / unsatisfied));
		}
	}
	ok(most <= 1 + ROUNDING, "no more than a message above the ideal (%.4f)", most);
	ok(missing <= 1, "and below it by no more than its part of the others' (%.4f)", missing);
}

TEST_SUITE(share_rules)
{
	Kept	   *kept = scratch(sizeof(Kept));
	ShareLane	l[6];
	uint32_t	first = 0;
	uint32_t	second = 0;

	ok(share_priority_weight(0) == 64 && share_priority_weight(1) == 16 && share_priority_weight(2) == 4 &&
	   share_priority_weight(3) == 1 && share_priority_weight(4) == 0 && share_priority_weight(-1) == 0, "weights of priorities");
	ok(share_tenant(smsr_bytes("", 0)) == UINT64_C(0xCBF29CE484222325) &&
	   share_tenant(smsr_bytes("a", 1)) == UINT64_C(0xAF63DC4C8601EC8C) &&
	   share_tenant(smsr_bytes("foobar", 6)) == UINT64_C(0x85944171F73967E8), "FNV-1a");

	/* 64 : 16 : 4 : 1 */
	kept->len = 0;
	for (int p = 0; p < 4; p++)
		l[p] = lane(p, (uint64_t) p, p, 1, 9999);
	call(kept, l, 4, 850);
	ok(l[0].grant == 640 && l[1].grant == 160 && l[2].grant == 40 && l[3].grant == 10, "shares by priority");

	kept->len = 0;
	for (int p = 0; p < 4; p++)
	{
		call(kept, l, 4, 1);
		ok(l[p].grant == 1, "of equals the more urgent is first, %d", p);
	}

	/* more lanes are no more */
	kept->len = 0;
	for (int i = 0; i < 5; i++)
		l[i] = lane(i, 1, 2, 1, 9999);
	l[5] = lane(5, 2, 2, 1, 9999);
	call(kept, l, 6, 100);
	ok(l[5].grant == 50 && l[0].grant == 10 && l[4].grant == 10, "five lanes of one tenant and one of another");
	for (int i = 0; i < 100; i++)
	{
		/* nor are new ones each time */
		for (int j = 0; j < 5; j++)
			l[j].id = 10 + 5 * i + j;
		call(kept, l, 6, 1);
		first += l[5].grant;
	}
	ok(first >= 49 && first <= 51, "nor by new lanes with every claim (%u of 100)", first);

	/* of several weights of one tenant the greatest counts */
	kept->len = 0;
	l[0] = lane(1, 1, 2, 1, 9999);
	l[1] = lane(2, 1, 2, 3, 9999);
	l[2] = lane(3, 2, 2, 1, 9999);
	call(kept, l, 3, 40);
	ok(l[0].grant == 15 && l[1].grant == 15 && l[2].grant == 10, "weights that do not agree");

	/* who was away comes back as an equal */
	kept->len = 0;
	l[0] = lane(1, 1, 2, 1, 9999);
	l[1] = lane(2, 2, 2, 1, 9999);
	call(kept, l, 2, 10);
	l[1].backlog = 0;
	call(kept, l, 2, 1000);
	ok(l[0].grant == 1000 && l[1].grant == 0, "alone");
	l[1].backlog = 9999;
	call(kept, l, 2, 10);
	ok(l[1].grant >= 5 && l[1].grant <= 6, "no credit for having been away (%u of 10)", l[1].grant);

	/* who is left alone for a while and then not: what he was ahead is forgotten */
	for (int i = 0; i < 500; i++)
	{
		call(kept, l, 2, 1);
		second += l[0].grant;
	}
	ok(second == 250, "to the message (%u of 500)", second);

	/* what is settled counts */
	kept->len = 0;
	call(kept, l, 2, 10);
	l[0].extra = 20;
	l[1].extra = 0;
	settle(kept, l, 2);
	call(kept, l, 2, 20);
	ok(l[0].grant == 0 && l[1].grant == 20, "twenty beyond the grant: twenty for the other");
	call(kept, l, 2, 10);
	ok(l[0].grant == 5 && l[1].grant == 5, "and then they are equal");
	l[0].extra = -5;
	settle(kept, l, 2);
	call(kept, l, 2, 10);
	ok(l[0].grant == 7 || l[0].grant == 8, "what is given back is made up for (%u of 10)", l[0].grant);
	l[0].extra = -1000000;
	settle(kept, l, 2);
	call(kept, l, 2, 200);
	ok(l[0].grant <= 100 + SHARE_LONGEST, "within bounds (%u of 200)", l[0].grant);
	kept->len = 0;
	call(kept, l, 2, 10);
	l[0].extra = SHARE_MAX_CAPACITY;
	for (int i = 0; i < 20; i++)
		settle(kept, l, 2);
	l[1].backlog = 5;
	call(kept, l, 2, 10);
	ok(l[0].grant == 5 && l[1].grant == 5, "whoever is far ahead gets what nobody else wants");

	/* when nothing waits any more everybody is equal */
	l[0].backlog = 3;
	l[1].backlog = 0;
	call(kept, l, 2, 10);
	ok(kept->len == SHARE_HEADER && l[0].grant == 3, "the state of an empty queue is empty");
	call(kept, l, 0, 10);
	ok(kept->len == SHARE_HEADER, "nobody there");
	l[0].backlog = l[1].backlog = 7;
	call(kept, l, 2, 0);
	ok(l[0].grant == 0 && l[1].grant == 0, "no capacity");
	call(kept, l, 2, SHARE_MAX_CAPACITY);
	ok(l[0].grant == 7 && l[1].grant == 7, "more capacity than messages");

	/* ids of all sizes, and the same id in two flows */
	kept->len = 0;
	l[0] = lane(INT64_MIN, 1, 2, 1, 10);
	l[1] = lane(INT64_MAX, 1, 2, 1, 10);
	l[2] = lane(INT64_MIN, 1, 3, 1, 10);
	l[3] = lane(INT64_MIN, UINT64_MAX, 2, 1, 10);
	for (int i = 0; i < 6; i++)
	{
		call(kept, l, 4, 3);
		for (int j = 0; j < 4; j++)
			l[j].backlog -= l[j].grant;
	}
	ok(l[0].backlog == 6 && l[1].backlog == 6 && l[2].backlog == 8 && l[3].backlog == 2, "extreme ids, and one in three flows");
}

/* More lanes than a state keeps */
TEST_SUITE(share_many)
{
	size_t		count = 10000;
	ShareLane  *lanes = scratch(count * sizeof(ShareLane));
	uint32_t   *got = scratch(count * sizeof(uint32_t));
	Kept	   *kept = scratch(sizeof(Kept));
	uint32_t	least = UINT32_MAX;
	uint32_t	most = 0;
	size_t		longest = 0;
	int			left_out = 0;

	kept->len = 0;
	memset(got, 0, count * sizeof(uint32_t));
	for (size_t i = 0; i < count; i++)
		lanes[i] = lane((int64_t) i, i, 2, 1, 100);
	for (int n = 0; n < 40; n++)
	{
		call(kept, lanes, count, 3000);
		longest = kept->len > longest ? kept->len : longest;
		left_out += kept->octets[5] != 0;
		for (size_t i = 0; i < count; i++)
			got[i] += lanes[i].grant;
	}
	for (size_t i = 0; i < count; i++)
	{
		least = got[i] < least ? got[i] : least;
		most = got[i] > most ? got[i] : most;
	}
	ok(left_out > 20 && longest <= SHARE_STATE_MAX, "10000 tenants, not all of which a state of %zu octets keeps", longest);
	call(kept, lanes, count, SHARE_MAX_CAPACITY);
	ok(kept->len == SHARE_HEADER && kept->octets[5] == 0, "when nothing waits any more that is forgotten");
	ok(least > 0, "nobody starves (%u to %u, where 12 are a share)", least, most);

	kept->len = 0;
	for (size_t i = 0; i < count; i++)
		lanes[i] = lane((int64_t) i, 1, 2, 1, 100);
	lanes[0].tenant = 2;
	memset(got, 0, count * sizeof(uint32_t));
	for (int n = 0; n < 40; n++)
	{
		call(kept, lanes, count, 1000);
		got[0] += lanes[0].grant;
		lanes[0].backlog = 9999;
	}
	ok(got[0] > 19500 && got[0] < 20500, "one tenant of one lane beside one of 9999: %u of 40000", got[0]);
}

/* ---- states, and lanes that there can not be ---- */

static SmsrBytes
state_of(const char *contents)
{
	SmsrBytes	in = hex(contents);
	SmsrWriter	w = writer(in.len + SHARE_HEADER);
	size_t		begin = blob_begin(&w, 'S', 1);

	put_u32(&w, 0);
	put_bytes(&w, in.data, in.len);
	blob_end(&w, begin);
	return smsr_written(&w);
}

static bool
refuses(SmsrBytes state, ShareLane *lanes, size_t count, uint32_t capacity, SmsrError *error)
{
	SmsrWriter	w = writer(SHARE_STATE_MAX);
	bool		read = share(state, lanes, count, capacity, scratch(share_room(count, state.len) + 1), &w, error);

	return read;
}

#define FLOW_1	"0000000000000001 02 0000000040000000"
#define LANE_1	"0000000000000001 82 0000000000000005 0000000100000000"

TEST_SUITE(share_state)
{
	ShareLane	l[3] = {lane(5, 1, 2, 1, 9), lane(6, 1, 2, 1, 9), lane(7, 2, 2, 1, 9)};
	Kept	   *kept = scratch(sizeof(Kept));
	SmsrError	error;
	SmsrBytes	state;
	SmsrWriter	many = writer(SHARE_HEADER + 17 * (SHARE_STATE_ENTRIES + 1));
	size_t		begin = blob_begin(&many, 'S', 1);
	int			taken = 0;

	put_u32(&many, 0);
	kept->len = 0;
	call(kept, l, 3, 1);
	is_hex(smsr_bytes(kept->octets, kept->len), "5301 00000000" FLOW_1 LANE_1 "DA6345DD", "version 1");
	state = copy_of(smsr_bytes(kept->octets, kept->len));
	succeeds(refuses(state, l, 3, 1, &error), &error, "read again");
	ok(l[0].grant == 0 && l[1].grant == 0 && l[2].grant == 1, "the other tenant's turn");
	for (size_t bit = 0; bit < state.len * 8; bit++)
	{
		SmsrBytes	broken = copy_of(state);

		((uint8_t *) broken.data)[bit / 8] ^= (uint8_t) (1 << bit % 8);
		taken += refuses(broken, l, 3, 1, &error);
	}
	ok(taken == 0, "with any one bit changed it is refused");
	for (size_t len = 1; len < state.len; len++)
		taken += refuses(copy_of(smsr_bytes(state.data, len)), l, 3, 1, &error);
	ok(taken == 0, "with anything cut off it is refused");

	fails(refuses(hex("53020000 0000"), l, 3, 1, &error), &error, SMSR_UNSUPPORTED, "version", 1, "version 2");
	fails(refuses(hex("5301 000000 012D2563"), l, 3, 1, &error), &error, SMSR_TRUNCATED, "salt", 2, "half a salt");
	fails(refuses(state_of("0000000000000001 02 00000000000000"), l, 3, 1, &error), &error, SMSR_TRUNCATED, "tags", 6, "half a flow");
	fails(refuses(state_of(FLOW_1 "0000000000000001 82 0000000000000005"), l, 3, 1, &error), &error, SMSR_TRUNCATED, "tags", 23, "half a lane");
	fails(refuses(state_of("0000000000000001 04 0000000000000001"), l, 3, 1, &error), &error, SMSR_BAD_VALUE, "priority of a tag", 14, "priority 4");
	fails(refuses(state_of("0000000000000001 02 0000000000000000"), l, 3, 1, &error), &error, SMSR_BAD_VALUE, "tag", 15, "a tag that says nothing");
	fails(refuses(state_of("0000000000000001 02 0100000000000001"), l, 3, 1, &error), &error, SMSR_BAD_VALUE, "tag", 15, "a tag that is too far ahead");
	succeeds(refuses(state_of("0000000000000001 02 0100000000000000"), l, 3, 1, &error), &error, "as far as may be");
	fails(refuses(state_of(FLOW_1 FLOW_1), l, 3, 1, &error), &error, SMSR_BAD_VALUE, "tags", 23, "a flow twice");
	fails(refuses(state_of(LANE_1 LANE_1), l, 3, 1, &error), &error, SMSR_BAD_VALUE, "tags", 31, "a lane twice");
	fails(refuses(state_of(LANE_1 FLOW_1), l, 3, 1, &error), &error, SMSR_BAD_VALUE, "tags", 31, "a flow behind its lane");
	succeeds(refuses(state_of(LANE_1), l, 3, 1, &error), &error, "a lane of which the flow is not ahead");
	for (int i = 0; i <= SHARE_STATE_ENTRIES; i++)
	{
		put_u64(&many, (uint64_t) i);
		put_u8(&many, 0);
		put_u64(&many, 1);
	}
	blob_end(&many, begin);
	fails(refuses(smsr_written(&many), l, 3, 1, &error), &error, SMSR_TOO_LONG, "tags", 6 + 17 * SHARE_STATE_ENTRIES, "too many");

	fails(refuses(state, l, 3, SHARE_MAX_CAPACITY + 1, &error), &error, SMSR_BAD_VALUE, "capacity", 0, "too much capacity");
	l[1].id = 5;
	fails(refuses(state, l, 3, 1, &error), &error, SMSR_BAD_VALUE, "lane", 1, "a lane twice that the state knows");
	fails(refuses(smsr_bytes(NULL, 0), l, 3, 1, &error), &error, SMSR_BAD_VALUE, "lane", 1, "a lane twice");
	l[1] = lane(6, 1, 4, 1, 9);
	fails(refuses(state, l, 3, 1, &error), &error, SMSR_BAD_VALUE, "priority", 1, "priority 4 of a lane");
	l[1] = lane(6, 1, -1, 1, 9);
	fails(refuses(state, l, 3, 1, &error), &error, SMSR_BAD_VALUE, "priority", 1, "priority -1");
	l[1] = lane(6, 1, 2, 0, 9);
	fails(refuses(state, l, 3, 1, &error), &error, SMSR_BAD_VALUE, "weight", 1, "weight 0");
	l[1] = lane(6, 1, 2, SHARE_MAX_WEIGHT + 1, 9);
	fails(refuses(state, l, 3, 1, &error), &error, SMSR_BAD_VALUE, "weight", 1, "weight 1001");
	l[1] = lane(6, 1, 2, SHARE_MAX_WEIGHT, 9);
	l[2].extra = -SHARE_MAX_CAPACITY - 1;
	many = writer(SHARE_STATE_MAX);
	fails(share_settle(state, l, 3, scratch(share_room(3, state.len)), &many, &error), &error, SMSR_BAD_VALUE, "extra", 2, "too much to settle");
}
