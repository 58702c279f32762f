/*
 * fuzz_schedule.c
 *		What people write, windows and plans of waves, and what a table gives back,
 *		states of paces and shares: it is read whole or refused with a reason, and
 *		what was read keeps its promises.
 *
 * The first octet says which.  A state is read as it is, and once more with a
 * CRC that is right.
 */
#include "fuzz.h"

#include "core/blob.h"
#include "core/pace.h"
#include "core/share.h"
#include "core/wave.h"
#include "core/window.h"

static void
windows(SmsrBytes input)
{
	Windows		w;
	SmsrError	error;
	int			open = 0;

	if (!windows_parse((const char *) input.data, input.len, &w, &error))
	{
		explained(error, input.len);
		return;
	}
	for (int m = 0; m < WEEK_MINUTES; m++)
		open += windows_open(&w, m);
	property(open > 0);
	/* no bit behind the last minute */
	property(w.open[WEEK_MINUTES / 64] >> WEEK_MINUTES % 64 == 0);
	for (int m = 0; m < WEEK_MINUTES; m += 97)
	{
		int			opens = windows_until_open(&w, m);
		int			closes = windows_until_closed(&w, m);

		property(opens >= 0 && opens < WEEK_MINUTES && windows_open(&w, (m + opens) % WEEK_MINUTES));
		property((closes < 0) == (open == WEEK_MINUTES));
		property(closes < 0 || !windows_open(&w, (m + closes) % WEEK_MINUTES));
		property(opens == 0 || closes == 0);
	}
}

static void
waves(SmsrBytes input)
{
	static Wave wave[WAVES_MAX];
	int64_t		total = take_u8(&input);
	size_t		count;
	int64_t		sum = 0;
	WavePlan	plan;
	SmsrError	error;

	total <<= take_u8(&input) % 32;
	if (!waves_parse((const char *) input.data, input.len, &plan, &error))
	{
		explained(error, input.len);
		return;
	}
	if (!waves_of(&plan, total, wave, &count, &error))
	{
		property(error.code == SMSR_TOO_LONG && count == WAVES_MAX);
		return;
	}
	for (size_t i = 0; i < count; i++)
	{
		property(wave[i].size > 0);
		sum += wave[i].size;
	}
	property(sum == total);
}

/* The same octets with the CRC that they should have */
static SmsrBytes
mended(SmsrBytes state, SmsrWriter *w)
{
	SmsrBytes	head = smsr_bytes(state.data, state.len > 4 ? state.len - 4 : 0);
	size_t		begin = w->len;

	put_bytes(w, head.data, head.len);
	blob_end(w, begin);
	return smsr_written(w);
}

static void
pace_state(SmsrBytes state, uint8_t limit, int64_t step)
{
	Pace		pace;
	Pace		again;
	SmsrWriter	w = heap_writer(PACE_STATE_MAX);
	uint32_t	used = 0;
	uint32_t	granted;
	SmsrError	error;

	if (!pace_read(state, &pace, &error))
		explained(error, state.len);
	else
	{
		pace_write(&pace, &w);
		property(!w.overflow && (state.len == 0 || same_bytes(smsr_written(&w), state)));
		granted = pace_take(&pace, limit, (int64_t) ((uint64_t) pace.last + (uint64_t) step), 0, 7);
		property(granted <= 7 && granted <= limit);
		for (size_t i = 0; i < pace.entries; i++)
			used += used > limit ? 0 : pace.entry[i].count;
		property(granted == 0 || used <= limit);
		w.len = 0;
		pace_write(&pace, &w);
		property(!w.overflow && pace_read(smsr_written(&w), &again, &error));
		property(again.entries == pace.entries && again.last == pace.last);
		granted = pace_take(&again, limit, pace.last, step < 0 ? 0 : step % (PACE_MAX_AHEAD + 1), 7);
		property(granted <= 7 && (granted == 0 || again.entry[0].age >= -PACE_MAX_AHEAD));
		for (size_t i = 1; i < again.entries; i++)
			property(again.entry[i - 1].age < again.entry[i].age);
	}
	free(w.data);
}

static void
share_state(SmsrBytes state, SmsrBytes dice)
{
	ShareLane	lanes[8];
	size_t		count = take_u8(&dice) % 9;
	uint32_t	capacity = take_u8(&dice);
	uint64_t	waiting = 0;
	uint64_t	granted = 0;
	SmsrWriter	w = heap_writer(share_most(count, state.len));
	void	   *room = malloc(share_room(count, state.len) + 1);
	SmsrError	error;

	for (size_t i = 0; i < count; i++)
	{
		uint8_t		d = take_u8(&dice);

		lanes[i] = (ShareLane) {.id = d & 3, .tenant = d >> 2 & 1, .priority = d >> 3 & 3, .weight = 1 + (d >> 5), .backlog = take_u8(&dice)};
		waiting += lanes[i].backlog;
	}
	if (!share(state, lanes, count, capacity, room, &w, &error))
	{
		/* of lanes the offset is an index */
		property(error.code != SMSR_OK && error.field != NULL && error.expected != NULL);
		property(error.offset <= state.len || error.offset < count);
	}
	else
	{
		SmsrBytes	next = smsr_written(&w);
		SmsrWriter	after = heap_writer(share_most(count, next.len));

		property(!w.overflow);
		for (size_t i = 0; i < count; i++)
		{
			property(lanes[i].grant <= lanes[i].backlog);
			granted += lanes[i].grant;
			lanes[i].extra = (int32_t) lanes[i].backlog - 100;
		}
		property(granted == (waiting < capacity ? waiting : capacity));
		free(room);
		room = malloc(share_room(count, next.len) + 1);
		property(share_settle(next, lanes, count, room, &after, &error) && !after.overflow);
		free(after.data);
	}
	free(room);
	free(w.data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SmsrBytes	input = smsr_bytes(data, size);
	SmsrWriter	w = heap_writer(size + 4);
	SmsrBytes	dice;

	switch (take_u8(&input) & 3)
	{
		case 0:
			windows(input);
			break;
		case 1:
			waves(input);
			break;
		case 2:
			dice = take_bytes(&input, 5);
			if (dice.len == 5)
			{
				int64_t		step = (int64_t) (get_u32(dice.data + 1) << (dice.data[0] & 7)) - INT64_C(0x40000000);

				pace_state(input, dice.data[0], step);
				pace_state(mended(input, &w), dice.data[0], step);
			}
			break;
		default:
			dice = take_bytes(&input, 18);
			share_state(input, dice);
			share_state(mended(input, &w), dice);
			break;
	}
	free(w.data);
	return 0;
}
