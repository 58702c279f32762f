/*
 * units.c
 *	  What is awkward to reach over a socket: the ends of numbers and buffers.
 *	  t/06_units.t compiles it with sanitizers and runs it; it prints TAP.
 */
#include "backoff.h"
#include "memory.h"
#include "receipt.h"
#include "smpp.h"
#include "status.h"
#include "window.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int	tests;
static int	failures;

static void
ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, name);
	failures += !good;
}

static void
is_text(const char *got, const char *want, const char *name)
{
	ok(strcmp(got, want) == 0, name);
	if (strcmp(got, want) != 0)
		printf("# got \"%s\", want \"%s\"\n", got, want);
}

static uint32_t
next_random(void)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static void
test_time(void)
{
	static const struct
	{
		int64_t		seconds;
		const char *text;
	}			cases[] = {
		{1, "000000000001000R"}, {59, "000000000059000R"}, {60, "000000000100000R"}, {3600, "000000010000000R"},
		{86399, "000000235959000R"}, {86400, "000001000000000R"}, {29 * 86400, "000029000000000R"},
		{30 * 86400, "000100000000000R"}, {364 * 86400, "001130000000000R"}, {365 * 86400, "010000000000000R"},
		{INT64_MAX, "990000000000000R"},
	};
	char		text[17];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		smpp_relative_time(text, cases[i].seconds);
		is_text(text, cases[i].text, "relative time");
	}
}

static void
test_window(void)
{
	Window		window;
	WindowEntry entry;
	uint32_t	held;
	bool		good = true;
	int			taken = 0;

	window_init(&window, 10);
	window.next = window.oldest = SMPP_SEQUENCE_LAST - 2;
	for (int i = 0; i < 10; i++)
	{
		uint32_t	sequence = window_add(&window, i, 0, i)->sequence;

		good = good && sequence >= 1 && sequence <= SMPP_SEQUENCE_LAST;
	}
	ok(good && window.next == 8, "sequence numbers go round at 0x7FFFFFFF and leave out 0");
	ok(window_oldest(&window)->sms_id == 0, "the oldest is the oldest");
	ok(!window_take(&window, 0, &entry), "0 is never in the window");
	ok(!window_take(&window, 100, &entry), "nor is what was not put there");
	ok(window_take(&window, SMPP_SEQUENCE_LAST - 2, &entry) && entry.sms_id == 0, "the first can be taken");
	ok(!window_take(&window, SMPP_SEQUENCE_LAST - 2, &entry), "once");
	ok(window_oldest(&window)->sms_id == 1, "then the second is the oldest");

	/* one that stays while the others go round the table many times */
	held = window_oldest(&window)->sequence;
	while (window.count > 1)
	{
		WindowEntry *oldest = NULL;

		for (uint32_t s = 1; s < 20 && !oldest; s++)
		{
			if (window_take(&window, s, &entry))
				oldest = &entry;
		}
		if (!oldest && !window_take(&window, SMPP_SEQUENCE_LAST, &entry))
			break;
	}
	ok(window.count == 1, "all but one taken");
	good = true;
	for (int i = 0; i < 1000; i++)
	{
		uint32_t	sequence = window_add(&window, 1000 + i, 0, 1000 + i)->sequence;

		good = good && sequence != held && window_take(&window, sequence, &entry) && entry.sms_id == 1000 + i;
	}
	ok(good, "a thousand pass an old one by");
	ok(window_oldest(&window)->sequence == held, "which is still there");
	ok(window_take(&window, held, &entry) && entry.sms_id == 1, "and is itself");
	ok(window_oldest(&window) == NULL, "an empty window has no oldest");

	/* random against a plain table of what must be in it */
	{
		uint32_t	sequences[10];
		int64_t		ids[10];
		int			count = 0;

		good = true;
		for (int i = 0; i < 100000 && good; i++)
		{
			if (count < 10 && next_random() % 2)
			{
				sequences[count] = window_add(&window, i, 0, i)->sequence;
				ids[count++] = i;
			}
			else if (count > 0)
			{
				int			at = (int) (next_random() % (uint32_t) count);

				good = window_take(&window, sequences[at], &entry) && entry.sms_id == ids[at];
				memmove(sequences + at, sequences + at + 1, (size_t) (count - at - 1) * sizeof(sequences[0]));
				memmove(ids + at, ids + at + 1, (size_t) (count - at - 1) * sizeof(ids[0]));
				count--;
				taken++;
			}
			if (count > 0)
				good = good && window_oldest(&window)->sms_id == ids[0];
			good = good && window.count == (size_t) count;
		}
		ok(good && taken > 10000, "a random walk");
	}
	window_free(&window);
}

static void
test_queue(void)
{
	Queue		queue;
	int			in = 0;
	int			out = 0;
	bool		good = true;

	queue_init(&queue, sizeof(int));
	for (int i = 0; i < 10000; i++)
	{
		if (queue.count == 0 || next_random() % 3)
			queue_push(&queue, &in), in++;
		else
		{
			size_t		n = 1 + next_random() % queue.count;

			for (size_t k = 0; k < n; k++)
				good = good && *(int *) queue_at(&queue, k) == out + (int) k;
			queue_drop(&queue, n);
			out += (int) n;
		}
	}
	ok(good && queue.count == (size_t) (in - out), "a queue keeps order while it grows and goes round");
	queue_free(&queue);
}

static void
test_receipt(void)
{
	static const struct
	{
		const char *text;
		const char *id;
		const char *state;
	}			cases[] = {
		{"id:0123456789 sub:001 dlvrd:001 submit date:2401010000 done date:2401010001 stat:DELIVRD err:000 Text:id:9", "0123456789", "DELIVRD"},
		{"ID:ab-12 STAT:undeliv", "ab-12", "UNDELIV"},
		{"msgid:5 id:6 stat:EXPIRED", "6", "EXPIRED"},
		{"id:7", "7", "UNKNOWN"},
		{"stat:DELIVRD", "", "DELIVRD"},
		{"id:", "", "UNKNOWN"},
		{"", "", "UNKNOWN"},
		{"id:1234567890123456789012345678901234567890123456789012345678901234567890 stat:ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"1234567890123456789012345678901234567890123456789012345678901234", "ABCDEFGHIJKLMNO"},
	};
	char		id[SMPP_ID];
	char		state[RECEIPT_STATE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		SmppMessage message = {.message_state = -1};
		size_t		length = strlen(cases[i].text);
		uint8_t    *exact = malloc(length + 1);

		memcpy(exact, cases[i].text, length);
		exact = realloc(exact, length ? length : 1);
		message.ud = exact;
		message.ud_length = length;
		ok(receipt_parse(&message, id, state) == (cases[i].id[0] != '\0'), "a receipt names a message or not");
		is_text(id, cases[i].id, "which");
		is_text(state, cases[i].state, "and its state");
		free(exact);
	}
}

static void
test_pack(void)
{
	uint8_t		pdu[SMPP_PACKED];
	uint8_t		ud[SMPP_UD_LONGEST + 1] = {0};
	SmppSubmit	submit = {.service_type = "",.source = "12345678901234567890",.destination = "12345678901234567890",
	.ud = ud,.ud_length = SMPP_UD_LONGEST,.validity = INT64_MAX,.data_coding = 0xF6,.protocol_id = 0x7F};
	SmppBindRequest request = {.system_id = "123456789012345",.password = "12345678",.system_type = "123456789012",
	.address_range = "1234567890123456789012345678901234567890"};
	size_t		length = smpp_pack_submit(pdu, 0x7FFFFFFF, &submit);
	SmppHeader	header;

	ok(length == 16 + 1 + 2 + 21 + 2 + 21 + 3 + 1 + 17 + 5 + 140, "submit_sm with every field at its longest");
	ok(smpp_frame(pdu, length, &header) == SMPP_FRAME_WHOLE && header.length == length && header.sequence == 0x7FFFFFFF &&
	   header.command == SMPP_SUBMIT_SM && header.status == 0, "and its header");
	ok(smpp_frame(pdu, length - 1, &header) == SMPP_FRAME_PARTIAL, "an octet short is partial");
	submit.ud_length++;
	ok(smpp_pack_submit(pdu, 1, &submit) == 0, "141 octets are refused");
	submit.ud_length = 1;
	submit.destination = "123456789012345678901";
	ok(smpp_pack_submit(pdu, 1, &submit) == 0, "21 digits are refused, not truncated");
	ok(smpp_pack_bind(pdu, 1, &request) == 16 + 16 + 9 + 13 + 3 + 41, "bind with every field at its longest");
	request.password = "123456789";
	ok(smpp_pack_bind(pdu, 1, &request) == 0, "a password of 9 is refused, not truncated");
	ok(strstr(smpp_complaint(), "123456789") == NULL, "and not repeated");
	ok(smpp_pack_message_answer(pdu, SMPP_DELIVER_SM, 0x64, 0) == 17, "an answer to sequence number 0");
	ok(smpp_frame(pdu, 17, &header) == SMPP_FRAME_WHOLE && header.sequence == 0 && header.status == 0x64, "carries it");
}

/* Every PDU stands at the end of an allocation of its own: one octet too far is seen. */
static void
unpack_exactly(const uint8_t *octets, size_t length, uint32_t command)
{
	uint8_t    *pdu = memory_copy(octets, length);
	SmppHeader	header;
	SmppMessage message;
	char		id[SMPP_ID];
	char		state[RECEIPT_STATE];
	char		system_id[16];
	uint32_t	big = htonl((uint32_t) length);

	memcpy(pdu, &big, 4);
	big = htonl(command);
	memcpy(pdu + 4, &big, 4);
	if (smpp_frame(pdu, length, &header) == SMPP_FRAME_WHOLE)
	{
		if (smpp_unpack_message(pdu, &header, &message))
		{
			volatile uint8_t sum = 0;

			for (size_t i = 0; i < message.ud_length; i++)
				sum ^= message.ud[i];
			receipt_parse(&message, id, state);
		}
		smpp_unpack_submit_answer(pdu, &header, id);
		smpp_unpack_bind_answer(pdu, &header, system_id);
	}
	free(pdu);
}

static void
test_unpack(void)
{
	static const uint8_t good[] = {
		0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1,
		0, 1, 1, '3', '4', '6', 0, 1, 1, '9', '9', 0, 0x40, 0x7F, 0, 0, 0, 0, 0, 0xF6, 0, 5, 2, 0x71, 0, 1, 2,
		0x00, 0x1E, 0, 3, 'a', 'b', 0, 0x04, 0x27, 0, 1, 2, 0x04, 0x24, 0, 2, 'x', 'y'
	};
	uint8_t		work[2000];

	for (size_t length = SMPP_HEADER; length <= sizeof(good); length++)
	{
		unpack_exactly(good, length, SMPP_DELIVER_SM);
		unpack_exactly(good, length, SMPP_DATA_SM);
	}
	ok(true, "every truncation is survived");
	for (int i = 0; i < 60000; i++)
	{
		size_t		length = sizeof(good);

		memcpy(work, good, sizeof(good));
		if (i % 4 == 0)
		{
			length = SMPP_HEADER + next_random() % (sizeof(work) - SMPP_HEADER);
			for (size_t at = SMPP_HEADER; at < length; at++)
				work[at] = next_random() % 3 ? (uint8_t) next_random() : 0;
		}
		else
		{
			for (int n = 1 + (int) (next_random() % 4); n > 0; n--)
				work[SMPP_HEADER + next_random() % (sizeof(good) - SMPP_HEADER)] = (uint8_t) next_random();
			length -= next_random() % 8;
		}
		unpack_exactly(work, length, i % 2 ? SMPP_DELIVER_SM : SMPP_DATA_SM);
	}
	ok(true, "random PDUs are survived");
}

static void
test_backoff(void)
{
	Backoff		backoff;
	bool		good = true;
	int64_t		nominal = 100;

	backoff_init(&backoff);
	for (int i = 0; i < 20; i++)
	{
		int64_t		delay = backoff_next(&backoff, 100, 1000);

		good = good && delay >= nominal * 3 / 4 && delay <= nominal * 5 / 4 + 1;
		nominal = nominal * 2 > 1000 ? 1000 : nominal * 2;
	}
	ok(good, "back-off doubles up to its limit, with jitter");
	for (int i = 0; i < 100; i++)
	{
		backoff_reset(&backoff);
		good = good && backoff_next(&backoff, 1, 1) <= 2;
	}
	ok(good, "and begins anew");
}

static void
test_status(void)
{
	is_text(status_words(0x0E), "ESME_RINVPASWD (invalid password)", "a status in words");
	ok(status_verdict(0x0B) == VERDICT_PERMANENT && status_verdict(0x58) == VERDICT_THROTTLED &&
	   status_verdict(0x14) == VERDICT_THROTTLED && status_verdict(0x08) == VERDICT_TEMPORARY &&
	   status_verdict(0x0A) == VERDICT_MISCONFIGURED && status_verdict(0x4FF) == VERDICT_TEMPORARY &&
	   status_verdict(0) == VERDICT_OK, "verdicts");
}

int
main(void)
{
	test_time();
	test_window();
	test_queue();
	test_receipt();
	test_pack();
	test_unpack();
	test_backoff();
	test_status();
	printf("1..%d\n", tests);
	return failures > 0;
}
