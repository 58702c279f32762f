/*
 * share.c
 *		Whose messages leave next: start-time fair queueing in two levels.
 *
 * Virtual time is 0 at the beginning of each call; a state keeps how far finish
 * tags are ahead of it, so that no number grows with the time.
 */
#include "share.h"

#include <string.h>

#include "blob.h"

#define STATE_LETTER	'S'
#define STATE_VERSION	1

/* A message of weight 1 */
#define MESSAGE			(UINT64_C(1) << 32)

/*
 * How far a tag may be ahead.  Only settlements without any grant between them
 * lead here: the capacity of a call is 2^20 at most, and so are they.
 */
#define MAX_AHEAD		(UINT64_C(1) << 56)

/* What an entry is about; of a lane that the state knows too, that comes first. */
typedef enum EntryKind
{
	ENTRY_FLOW,					/* of a state: the tag of a flow */
	ENTRY_LANE,					/* of a state: the tag of a lane */
	ENTRY_ASKED					/* a lane of the caller's */
} EntryKind;

typedef struct Entry
{
	uint64_t	tenant;
	int64_t		id;
	uint64_t	ahead;			/* finish tag; to write: less the virtual time */
	uint32_t	index;			/* of the caller's lane */
	uint8_t		priority;
	uint8_t		kind;
} Entry;

typedef struct HeapItem
{
	uint64_t	tag;			/* start tag of its next message */
	uint32_t	weight;
	uint32_t	tie;
	uint32_t	index;
} HeapItem;

typedef struct Heap
{
	HeapItem   *item;
	size_t		count;
} Heap;

typedef struct Flow
{
	uint64_t	ahead;			/* finish tag */
	int64_t		extra;
	size_t		first;			/* entries of its lanes */
	size_t		end;
	Heap		lanes;			/* those with something waiting, by entry */
	uint32_t	weight;			/* of the priority and the tenant; 0: no lane of the caller's */
} Flow;

typedef struct Share
{
	ShareLane  *lanes;
	Entry	   *entry;
	size_t		entries;
	Flow	   *flow;
	size_t		flows;
	HeapItem   *lane_items;
	Heap		heap;			/* flows with something waiting */
	uint32_t	salt;			/* 0 while no tag was ever left out */
} Share;

uint32_t
share_priority_weight(int priority)
{
	static const uint32_t weight[SHARE_PRIORITIES] = {64, 16, 4, 1};

	return priority >= 0 && priority < SHARE_PRIORITIES ? weight[priority] : 0;
}

/* FNV-1a, 64 bits */
uint64_t
share_tenant(SmsrBytes name)
{
	uint64_t	hash = UINT64_C(0xCBF29CE484222325);

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ name.data[i]) * UINT64_C(0x100000001B3);
	return hash;
}

/* ---- order ---- */

static int
compare(const Entry *a, const Entry *b)
{
	bool		a_flow = a->kind == ENTRY_FLOW;
	bool		b_flow = b->kind == ENTRY_FLOW;

	if (a->tenant != b->tenant)
		return a->tenant < b->tenant ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (a_flow != b_flow)
		return a_flow ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static void
sink_entry(Entry *entry, size_t i, size_t count)
{
	Entry		moved = entry[i];

	for (size_t child; (child = 2 * i + 1) < count; i = child)
	{
		if (child + 1 < count && compare(&entry[child], &entry[child + 1]) < 0)
			child++;
		if (compare(&moved, &entry[child]) >= 0)
			break;
		entry[i] = entry[child];
	}
	entry[i] = moved;
}

/* Heapsort: qsort() may allocate. */
static void
sort_entries(Entry *entry, size_t count)
{
	for (size_t i = count / 2; i > 0; i--)
		sink_entry(entry, i - 1, count);
	for (size_t end = count; end > 1; end--)
	{
		Entry		last = entry[end - 1];

		entry[end - 1] = entry[0];
		entry[0] = last;
		sink_entry(entry, 0, end - 1);
	}
}

/* The least tag; of equal ones the heavier, which is the more urgent. */
static bool
before(const HeapItem *a, const HeapItem *b)
{
	if (a->tag != b->tag)
		return a->tag < b->tag;
	if (a->weight != b->weight)
		return a->weight > b->weight;
	return a->tie < b->tie;
}

/*
 * Between equals any order will do that is one, as long as all tags are known.
 * When some had to be left out, those who were served may stand beside those
 * who were not: then no order may be the same for ever.
 */
static uint32_t
tie(const Share *s, size_t index)
{
	uint32_t	mixed = (uint32_t) index;

	if (s->salt != 0)
	{
		/* odd factors and shifts: one to one, so that no two are equal */
		mixed = (mixed ^ s->salt) * UINT32_C(0x9E3779B1);
		mixed = (mixed ^ mixed >> 15) * UINT32_C(0x85EBCA77);
		mixed ^= mixed >> 13;
	}
	return mixed;
}

static void
sink(Heap *heap, size_t i)
{
	HeapItem	moved = heap->item[i];

	for (size_t child; (child = 2 * i + 1) < heap->count; i = child)
	{
		if (child + 1 < heap->count && before(&heap->item[child + 1], &heap->item[child]))
			child++;
		if (!before(&heap->item[child], &moved))
			break;
		heap->item[i] = heap->item[child];
	}
	heap->item[i] = moved;
}

static void
make_heap(Heap *heap)
{
	for (size_t i = heap->count / 2; i > 0; i--)
		sink(heap, i - 1);
}

/* The first has had its turn: its next one is at tag, or it has none. */
static void
again(Heap *heap, uint64_t tag, bool more)
{
	if (more)
		heap->item[0].tag = tag;
	else
		heap->item[0] = heap->item[--heap->count];
	if (heap->count > 0)
		sink(heap, 0);
}

/* ---- state: salt, then for each tag the flow, the lane if it is one's, and it ---- */

#define FLOW_OCTETS		17
#define LANE_OCTETS		25
#define OF_A_LANE		0x80	/* beside the priority */

static bool
read_state(SmsrBytes state, Share *s, SmsrError *error)
{
	SmsrBytes	in;

	if (state.len == 0)
		return true;
	if (!blob_open(state, STATE_LETTER, STATE_VERSION, &in, error))
		return false;
	if (in.len < 4)
		return smsr_fail(error, SMSR_TRUNCATED, "salt", 2, "4 octets");
	s->salt = get_u32(in.data);
	for (size_t at = 4; at < in.len;)
	{
		const uint8_t *p = in.data + at;
		Entry		e = {0};
		size_t		len;

		if (s->entries == SHARE_STATE_ENTRIES)
			return smsr_fail(error, SMSR_TOO_LONG, "tags", at + 2, "at most 4096");
		len = in.len - at > 8 && (p[8] & OF_A_LANE) != 0 ? LANE_OCTETS : FLOW_OCTETS;
		if (in.len - at < len)
			return smsr_fail(error, SMSR_TRUNCATED, "tags", at + 2, "17 octets for a flow, 25 for a lane");
		e.tenant = get_u64(p);
		e.priority = p[8] & 0x7F;
		e.kind = len == LANE_OCTETS ? ENTRY_LANE : ENTRY_FLOW;
		e.id = e.kind == ENTRY_LANE ? (int64_t) get_u64(p + 9) : 0;
		e.ahead = get_u64(p + len - 8);
		if (e.priority >= SHARE_PRIORITIES)
			return smsr_fail(error, SMSR_BAD_VALUE, "priority of a tag", at + 10, "0 to 3");
		if (e.ahead == 0 || e.ahead > MAX_AHEAD)
			return smsr_fail(error, SMSR_BAD_VALUE, "tag", at + len - 6, "1 to 2^56");
		if (s->entries > 0 && compare(&s->entry[s->entries - 1], &e) >= 0)
			return smsr_fail(error, SMSR_BAD_VALUE, "tags", at + 2, "tags in ascending order");
		s->entry[s->entries++] = e;
		at += len;
	}
	return true;
}

static size_t
count_tags(const Share *s, uint64_t least)
{
	size_t		count = 0;

	for (size_t i = 0; i < s->entries; i++)
		count += s->entry[i].ahead >= least;
	for (size_t i = 0; i < s->flows; i++)
		count += s->flow[i].ahead >= least;
	return count;
}

/* The least tag that is written, so that there are no more than there may be. */
static uint64_t
least_written(const Share *s)
{
	uint64_t	low = 1;
	uint64_t	high = MAX_AHEAD + 1;

	while (low < high)
	{
		uint64_t	middle = low + (high - low) / 2;

		if (count_tags(s, middle) > SHARE_STATE_ENTRIES)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
write_state(Share *s, SmsrWriter *w)
{
	size_t		begin = blob_begin(w, STATE_LETTER, STATE_VERSION);
	uint64_t	least = 1;

	if (count_tags(s, least) > SHARE_STATE_ENTRIES)
	{
		least = least_written(s);
		s->salt = s->salt == UINT32_MAX ? 1 : s->salt + 1;
	}
	put_u32(w, s->salt);
	for (size_t i = 0; i < s->flows; i++)
	{
		const Flow *f = &s->flow[i];
		const Entry *of = &s->entry[f->first];

		if (f->ahead >= least)
		{
			put_u64(w, of->tenant);
			put_u8(w, of->priority);
			put_u64(w, f->ahead);
		}
		for (const Entry *e = of; e < s->entry + f->end; e++)
		{
			if (e->ahead < least)
				continue;
			put_u64(w, e->tenant);
			put_u8(w, e->priority | OF_A_LANE);
			put_u64(w, (uint64_t) e->id);
			put_u64(w, e->ahead);
		}
	}
	blob_end(w, begin);
}

/* ---- the two levels ---- */

size_t
share_most(size_t count, size_t state_len)
{
	/* a tag for each lane and for its flow, and those of the state */
	size_t		tags = 2 * count + state_len / FLOW_OCTETS;

	return SHARE_HEADER + LANE_OCTETS * (tags < SHARE_STATE_ENTRIES ? tags : SHARE_STATE_ENTRIES);
}

size_t
share_room(size_t count, size_t state_len)
{
	return (count + state_len / FLOW_OCTETS) * (sizeof(Entry) + sizeof(Flow) + 2 * sizeof(HeapItem));
}

static void
use_room(Share *s, const ShareLane *lanes, size_t count, size_t state_len, void *room)
{
	size_t		most = count + state_len / FLOW_OCTETS;

	memset(s, 0, sizeof(*s));
	/* grants are written by one of the two callers only */
	s->lanes = (ShareLane *) lanes;
	s->entry = room;
	s->flow = (Flow *) (s->entry + most);
	s->lane_items = (HeapItem *) (s->flow + most);
	s->heap.item = s->lane_items + most;
}

static bool
add_lanes(Share *s, size_t count, SmsrError *error)
{
	if (count > SHARE_MAX_LANES)
		return smsr_fail(error, SMSR_TOO_LONG, "lane", SHARE_MAX_LANES, "at most a million lanes");
	for (size_t i = 0; i < count; i++)
	{
		const ShareLane *lane = &s->lanes[i];

		if (lane->priority < 0 || lane->priority >= SHARE_PRIORITIES)
			return smsr_fail(error, SMSR_BAD_VALUE, "priority", i, "0 to 3");
		if (lane->weight < 1 || lane->weight > SHARE_MAX_WEIGHT)
			return smsr_fail(error, SMSR_BAD_VALUE, "weight", i, "1 to 1000");
		s->entry[s->entries++] = (Entry) {
			.tenant = lane->tenant, .id = lane->id, .index = (uint32_t) i,
			.priority = (uint8_t) lane->priority, .kind = ENTRY_ASKED
		};
	}
	return true;
}

/*
 * Entries in order become flows of lanes: what the state says of a flow goes
 * into it, what it says of a lane into the caller's, if he has it.
 */
static bool
make_flows(Share *s, SmsrError *error)
{
	Flow	   *f = NULL;
	const Entry *of = NULL;
	size_t		kept = 0;

	for (size_t i = 0; i < s->entries; i++)
	{
		Entry	   *e = &s->entry[i];

		if (f == NULL || e->tenant != of->tenant || e->priority != of->priority)
		{
			f = &s->flow[s->flows++];
			*f = (Flow) {.first = kept};
			/* a flow of which no lane is known keeps an entry to be known by */
			s->entry[kept] = *e;
			of = &s->entry[kept++];
			if (e->kind == ENTRY_FLOW)
			{
				f->ahead = e->ahead;
				s->entry[f->first].ahead = 0;
				f->end = kept;
				continue;
			}
			e = &s->entry[f->first];
		}
		else if (e->kind == ENTRY_ASKED && s->entry[kept - 1].id == e->id &&
				 s->entry[kept - 1].kind == ENTRY_ASKED)
			return smsr_fail(error, SMSR_BAD_VALUE, "lane", e->index, "each lane once");
		else if (e->kind == ENTRY_ASKED && s->entry[kept - 1].id == e->id &&
				 s->entry[kept - 1].kind == ENTRY_LANE)
		{
			e->ahead = s->entry[kept - 1].ahead;
			s->entry[kept - 1] = *e;
		}
		else
			s->entry[kept++] = *e;
		f->end = kept;
		if (e->kind == ENTRY_ASKED && f->weight < s->lanes[e->index].weight)
			f->weight = s->lanes[e->index].weight;
	}
	s->entries = kept;
	for (size_t i = 0; i < s->flows; i++)
		s->flow[i].weight *= share_priority_weight(s->entry[s->flow[i].first].priority);
	return true;
}

static bool
load(Share *s, SmsrBytes state, const ShareLane *lanes, size_t count, void *room, SmsrError *error)
{
	use_room(s, lanes, count, state.len, room);
	if (!read_state(state, s, error) || !add_lanes(s, count, error))
		return false;
	sort_entries(s->entry, s->entries);
	return make_flows(s, error);
}

static void
line_up(Share *s)
{
	HeapItem   *item = s->lane_items;

	for (size_t i = 0; i < s->flows; i++)
	{
		Flow	   *f = &s->flow[i];

		f->lanes.item = item;
		for (size_t j = f->first; j < f->end; j++)
		{
			const Entry *e = &s->entry[j];

			if (e->kind == ENTRY_ASKED && s->lanes[e->index].backlog > 0)
				f->lanes.item[f->lanes.count++] = (HeapItem) {
					e->ahead, 1, tie(s, j), (uint32_t) j
				};
		}
		item += f->lanes.count;
		make_heap(&f->lanes);
		if (f->lanes.count > 0)
			s->heap.item[s->heap.count++] = (HeapItem) {
				f->ahead, f->weight, tie(s, i), (uint32_t) i
			};
	}
	make_heap(&s->heap);
}

/* One message of the flow whose turn it is, and of its lane whose turn it is. */
static void
serve(Share *s)
{
	Flow	   *f = &s->flow[s->heap.item[0].index];
	Entry	   *e = &s->entry[f->lanes.item[0].index];
	ShareLane  *lane = &s->lanes[e->index];

	lane->grant++;
	e->ahead = f->lanes.item[0].tag + MESSAGE;
	again(&f->lanes, e->ahead, lane->grant < lane->backlog);
	f->ahead = s->heap.item[0].tag + MESSAGE / f->weight;
	again(&s->heap, f->ahead, f->lanes.count > 0);
}

static uint64_t
less(uint64_t tag, uint64_t now)
{
	return tag > now ? tag - now : 0;
}

/*
 * From tags to how far they are ahead of the virtual time, which is the least
 * start tag of what waits.  Where nothing waits everybody is equal.
 */
static void
come_to_rest(Share *s)
{
	for (size_t i = 0; i < s->flows; i++)
	{
		Flow	   *f = &s->flow[i];

		f->ahead = s->heap.count == 0 ? 0 : less(f->ahead, s->heap.item[0].tag);
		for (size_t j = f->first; j < f->end; j++)
			s->entry[j].ahead = f->lanes.count == 0 ? 0 : less(s->entry[j].ahead, f->lanes.item[0].tag);
	}
	if (s->heap.count == 0)
		s->salt = 0;
}

bool
share(SmsrBytes state, ShareLane *lanes, size_t count, uint32_t capacity, void *room,
	  SmsrWriter *next, SmsrError *error)
{
	Share		s;

	if (capacity > SHARE_MAX_CAPACITY)
		return smsr_fail(error, SMSR_BAD_VALUE, "capacity", 0, "0 to 1000000");
	if (!load(&s, state, lanes, count, room, error))
		return false;
	for (size_t i = 0; i < count; i++)
		lanes[i].grant = 0;
	line_up(&s);
	for (; capacity > 0 && s.heap.count > 0; capacity--)
		serve(&s);
	come_to_rest(&s);
	write_state(&s, next);
	return true;
}

/*
 * A level's settlement: tags move by what was taken beyond the grants.  Who got
 * less, because others' packets were longer than their grants or did not fit,
 * still waits, and comes before the virtual time; that is then the least of their
 * tags, so all others move up.  But who gets less at each claim, and be it that
 * nothing of his can be sent, does not save that up: behind those who got all they
 * were granted he stays by what one settlement may do, twice the messages that
 * were taken beyond grants and the longest packet.
 */
typedef struct Level
{
	int64_t		beyond;			/* messages taken beyond grants */
	int64_t		reference;		/* least tag of who got all he was granted */
	int64_t		least;			/* tag that becomes the virtual time */
} Level;

static int64_t
settled_tag(uint64_t ahead, int64_t extra, int64_t unit)
{
	return (int64_t) ahead + extra * unit;
}

static void
look_at(Level *level, uint64_t ahead, int64_t extra, int64_t unit)
{
	int64_t		tag = settled_tag(ahead, extra, unit);

	if (extra < 0)
		return;
	level->beyond += extra;
	if (tag < level->reference)
		level->reference = tag;
}

/* below 0: before the virtual time */
static int64_t
bounded_tag(const Level *level, uint64_t ahead, int64_t extra, int64_t unit)
{
	int64_t		tag = settled_tag(ahead, extra, unit);
	int64_t		most = 2 * (level->beyond + SHARE_LONGEST) * unit;
	int64_t		bound = level->reference == INT64_MAX ? -most : level->reference - most;

	if (extra < 0 && tag < bound)
		tag = bound < (int64_t) ahead ? bound : (int64_t) ahead;
	return tag;
}

static uint64_t
moved_up(const Level *level, int64_t tag)
{
	tag -= level->least;
	return tag < (int64_t) MAX_AHEAD ? (uint64_t) tag : MAX_AHEAD;
}

static void
settle_lanes(Share *s, Flow *f)
{
	Level		level = {0, INT64_MAX, 0};

	for (size_t j = f->first; j < f->end; j++)
		if (s->entry[j].kind == ENTRY_ASKED)
			look_at(&level, s->entry[j].ahead, s->lanes[s->entry[j].index].extra, MESSAGE);
	for (int moving = 0; moving < 2; moving++)
		for (size_t j = f->first; j < f->end; j++)
		{
			Entry	   *e = &s->entry[j];
			int64_t		tag = e->kind != ENTRY_ASKED ? (int64_t) e->ahead :
				bounded_tag(&level, e->ahead, s->lanes[e->index].extra, MESSAGE);

			if (moving)
				e->ahead = e->kind == ENTRY_FLOW ? 0 : moved_up(&level, tag);
			else if (tag < level.least)
				level.least = tag;
		}
}

static void
settle_flows(Share *s)
{
	Level		level = {0, INT64_MAX, 0};

	for (size_t i = 0; i < s->flows; i++)
		if (s->flow[i].weight > 0)
			look_at(&level, s->flow[i].ahead, s->flow[i].extra, MESSAGE / s->flow[i].weight);
	for (int moving = 0; moving < 2; moving++)
		for (size_t i = 0; i < s->flows; i++)
		{
			Flow	   *f = &s->flow[i];
			int64_t		tag = f->weight == 0 ? (int64_t) f->ahead :
				bounded_tag(&level, f->ahead, f->extra, (int64_t) (MESSAGE / f->weight));

			if (moving)
				f->ahead = moved_up(&level, tag);
			else if (tag < level.least)
				level.least = tag;
		}
}

bool
share_settle(SmsrBytes state, const ShareLane *lanes, size_t count, void *room, SmsrWriter *next,
			 SmsrError *error)
{
	Share		s;

	if (!load(&s, state, lanes, count, room, error))
		return false;
	for (size_t i = 0; i < s.flows; i++)
	{
		Flow	   *f = &s.flow[i];

		for (size_t j = f->first; j < f->end; j++)
		{
			const Entry *e = &s.entry[j];

			if (e->kind != ENTRY_ASKED)
				continue;
			if (lanes[e->index].extra > SHARE_MAX_CAPACITY || lanes[e->index].extra < -SHARE_MAX_CAPACITY)
				return smsr_fail(error, SMSR_BAD_VALUE, "extra", e->index, "-1000000 to 1000000");
			f->extra += lanes[e->index].extra;
		}
		if (f->extra > SHARE_MAX_CAPACITY)
			f->extra = SHARE_MAX_CAPACITY;
		if (f->extra < -SHARE_MAX_CAPACITY)
			f->extra = -SHARE_MAX_CAPACITY;
		settle_lanes(&s, f);
	}
	settle_flows(&s);
	write_state(&s, next);
	return true;
}
