/*
 * subject.h
 *		What tests of card logic share: TAP, one card, a clock of the test's own,
 *		and commands to the card as an SM-SR sends them.
 */
#ifndef FLEET_SUBJECT_H
#define FLEET_SUBJECT_H

#include "../fleet.h"

#define SECOND	UINT64_C(1000000)
#define SENT	1024

extern void ok(bool condition, const char *format,...)
			__attribute__((format(printf, 2, 3)));
extern void is(uint64_t got, uint64_t expected, const char *what);
extern int	finish(void);		/* prints the plan; the exit status */

/* A short message of a card. */
typedef struct Sent
{
	uint64_t	at;
	uint64_t	msisdn;
	unsigned	owner;
	Address		to;
	uint8_t		len;
	uint8_t		ud[SMS_MAX_UD];
} Sent;

extern Sent sent[SENT];
extern int	sent_count;
extern Fleet fleet;
extern Card *card;				/* the first of them */
extern uint64_t cntr;			/* of the last packet to it */
extern const Address smsr;

/* A new fleet, without an SMSC: what cards send goes to "sent". */
extern void begin_with(FleetConfig config);
extern void begin(void);
extern void later(double seconds);

/* Of the answer to the last run() or open_por(). */
extern Scp80Response por;
extern SmsrBytes answer;		/* data of the last R-APDU */
extern int	answer_segments;

extern Scp80Keys keys_of(const Card *c);
extern Scp80Header header_of(uint8_t spi1, uint8_t spi2);
/* To the card, with one bit of octet "flip" wrong if that is not negative. */
extern void send_packet(const Scp80Header *header, SmsrBytes data, int flip);

/* Put together and open what was sent since "from"; false if that is no PoR. */
extern bool open_por(int from, uint8_t spi2);

/* One command in a script; its SW, or the PoR's status if that is not 00, or -1. */
extern int run(const SmsrWriter *apdu);

/* A writer into apdu_room. */
extern uint8_t apdu_room[512];
extern SmsrWriter apdu(void);
extern SmsrAid isdp(uint32_t tar);
extern int do_enable(uint32_t tar);
extern int do_disable(uint32_t tar);
extern int do_delete(uint32_t tar);
extern int do_fallback(uint32_t tar);
extern int do_emergency(uint32_t tar);
extern int do_no_emergency(uint32_t tar);
extern int do_create(uint32_t tar, uint32_t memory);
extern int do_confirm(uint16_t sequence);
extern int do_octets(const void *octets, size_t len);

/* Whether message i is a notification; opens it. */
extern bool notification(int i, Notification *n, Scp80Command *command);
extern void is_notification(int i, uint8_t type, uint16_t sequence, uint32_t tar, const char *what);
extern uint16_t enabled_tar(void);

#endif							/* FLEET_SUBJECT_H */
