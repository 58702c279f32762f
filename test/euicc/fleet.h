/*
 * fleet.h
 *		All cards, the clock, and what they have in common.
 */
#ifndef FLEET_FLEET_H
#define FLEET_FLEET_H

#include "card.h"
#include "faults.h"
#include "memory.h"
#include "timers.h"

#define MAX_OPERATORS	16

typedef struct FleetConfig
{
	uint64_t	seed;
	uint32_t	cards;
	uint64_t	first;			/* serial number of the first card */
	unsigned	operators;
	unsigned	profiles;		/* of each card at the start */
	uint64_t	cntr;			/* stored counter at the start */
	bool		has_master;		/* the keys follow from this, and not from the seed */
	uint8_t		master[KEY_LEN];
	uint64_t	smsr_address;
	uint8_t		notification_spi1;
	unsigned	max_segments;	/* a card's buffer */
	bool		unsecured_errors;
	bool		auto_personalize;
	int			personalize_owner;	/* operator, or -1: by TAR */
	double		unreachable;	/* fraction of cards whose Disabled profiles get no network */
	uint8_t		pol1[CARD_PROFILES];
	uint64_t	refresh;		/* microseconds */
	uint64_t	attach;
	uint64_t	repeat;
	unsigned	tries;
	double		first_attach;	/* seconds over which to spread it; negative: none */
	bool		https;			/* made with a PSK, and the EIS says so */
	bool		https_notify;	/* notifications go in a session */
	uint8_t		https_address[4];	/* of the server that cards have stored */
	uint16_t	https_port;		/* 0: they have none */
	char		https_host[64];
	char		https_uri[128];
	unsigned	max_fragment;	/* of TLS records; 0: not asked for */
	unsigned	https_retries;
	uint64_t	https_retry_delay;	/* microseconds */
	uint64_t	https_timeout;
	double		https_poll;		/* seconds between sessions without a trigger; 0: none */
} FleetConfig;

extern void fleet_card_keys(const FleetConfig *config, uint64_t serial, uint8_t keys[KEYS][KEY_LEN]);

#define FLEET_STATS(X) \
	X(mt_submitted, "submit_sm taken") \
	X(mt_refused, "submit_sm refused") \
	X(mt_lost, "lost on the way to the card") \
	X(mt_unattached, "for a profile that is not enabled, or by another operator's SMSC") \
	X(mt_expired, "validity over while the card was off") \
	X(mt_delivered, "short messages that reached a card") \
	X(mt_not_for_card, "not for the (U)SIM: no UDH, PID or DCS") \
	X(mt_unreadable, "no packet, or no segment of one, in it") \
	X(mo_sent, "short messages sent by cards") \
	X(mo_lost, "lost on the way from the card") \
	X(mo_delivered, "deliver_sm acknowledged") \
	X(mo_rejected, "deliver_sm refused for good") \
	X(receipts, "delivery receipts sent") \
	X(packets, "command packets executed") \
	X(unauthentic, "packets whose keys or CC are wrong") \
	X(counter_low, "packets with a counter not above the stored one") \
	X(low_security, "packets below the minimum security level") \
	X(unknown_tar, "packets for another TAR") \
	X(triggers, "packets with no script in them") \
	X(commands, "ES5 commands executed") \
	X(refused_commands, "of these answered with an error") \
	X(por_sent, "PoRs sent") \
	X(por_withheld, "PoRs not sent: fault, or asked by delivery report") \
	X(switches, "profiles enabled by command, confirmed") \
	X(rollbacks, "changes rolled back") \
	X(fallbacks, "spontaneous fall-backs") \
	X(notifications, "notifications sent, repetitions included") \
	X(confirmations, "notifications confirmed") \
	X(unconfirmed, "notifications given up") \
	X(pol1_deleted, "profiles deleted at confirmation because of POL1") \
	X(https_bad_triggers, "triggers that can not be read, or without a key or a server") \
	X(https_opened, "TLS handshakes done") \
	X(https_failed, "connections that failed before that") \
	X(https_requests, "POSTs") \
	X(https_resumed, "of these repeated on another connection") \
	X(https_scripts, "scripts taken") \
	X(https_ended, "sessions ended by 204") \
	X(https_refused, "sessions ended by another answer") \
	X(https_bad_answers, "answers that make no sense") \
	X(https_broken, "connections broken off: fault") \
	X(https_stalled, "POSTs that paused in the middle: fault") \
	X(https_timeouts, "answers that did not come in time") \
	X(https_given_up, "sessions given up") \
	X(segments, "segments of profiles") \
	X(segments_repeated, "segments refused because they had been there") \
	X(downloads, "profiles that came to their end")

typedef struct FleetStats
{
#define X(name, text) uint64_t name;
	FLEET_STATS(X)
#undef X
} FleetStats;

/* Carries a short message of a card to its operator's SMSC. */
typedef void (*SendMo) (void *carrier, Card *card, const Profile *from,
						const Address *to, const uint8_t *tp_ud, size_t len);

struct Fleet
{
	FleetConfig config;
	Faults		faults;
	FleetStats	stats;
	Card	   *cards;
	Timers		timers;
	uint64_t	now;			/* microseconds; monotonic, or a test's own */
	Scp80	   *scp80;
	SendMo		send_mo;
	void		(*is_back) (void *carrier, Card *card); /* on again, or attached elsewhere */
	void	   *carrier;
	uint64_t   *by_msisdn_key;	/* open addressing; 0 is free */
	uint32_t   *by_msisdn_card;
	size_t		by_msisdn_cap;
	size_t		by_msisdn_count;
	uint64_t	random_events;	/* numbers the fleet's own draws */
	uint32_t	off_epoch;
	struct HttpsAgents *agents; /* NULL: no network */
};

extern const FleetConfig FLEET_DEFAULTS;

extern void fleet_init(Fleet *fleet, const FleetConfig *config);
extern void fleet_free(Fleet *fleet);
extern void fleet_run(Fleet *fleet, uint64_t now);	/* timers due by now */
extern Card *fleet_card(Fleet *fleet, uint64_t serial);
/* EID or serial number; NULL if neither */
extern Card *fleet_find(Fleet *fleet, const char *text);
extern void fleet_index_msisdn(Fleet *fleet, const Card *card, uint64_t msisdn);
/* The card that has a profile with this number, and the profile. */
extern Card *fleet_by_msisdn(Fleet *fleet, uint64_t msisdn, Profile **profile);

extern void fleet_power(Fleet *fleet, Card *card, bool on);
/* After a change of the faults "off" and "fallback_per_hour". */
extern void fleet_apply_faults(Fleet *fleet);
#endif							/* FLEET_FLEET_H */
