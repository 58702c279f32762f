/*
 * profile.c
 *		The profiles of a card, and the ES5 commands that change them
 *		(SGP.02 clause 4.1.1), with the status words of fielded cards.
 */
#include "download.h"
#include "establish.h"
#include "fleet.h"

#include <string.h>

#include "core/put_key.h"

#define SW_WRONG_LENGTH		0x6700
#define SW_WRONG_P1P2		0x6A86
#define SW_WRONG_INS		0x6D00

Profile *
card_profile(Card *card, uint16_t tar)
{
	for (int i = 0; tar != 0 && i < CARD_PROFILES; i++)
	{
		if (card->profiles[i].tar == tar)
			return &card->profiles[i];
	}
	return NULL;
}

Profile *
card_enabled(Card *card)
{
	for (int i = 0; i < CARD_PROFILES; i++)
	{
		if (card->profiles[i].tar != 0 && card->profiles[i].lcs == ISDP_ENABLED)
			return &card->profiles[i];
	}
	return NULL;
}

Profile *
card_fallback(Card *card)
{
	for (int i = 0; i < CARD_PROFILES; i++)
	{
		if (card->profiles[i].tar != 0 && card->profiles[i].fallback)
			return &card->profiles[i];
	}
	return NULL;
}

Profile *
card_profile_by_msisdn(Card *card, uint64_t msisdn)
{
	for (int i = 0; i < CARD_PROFILES; i++)
	{
		if (card->profiles[i].tar != 0 && card->profiles[i].msisdn == msisdn)
			return &card->profiles[i];
	}
	return NULL;
}

uint32_t
card_free_memory(const Card *card)
{
	uint32_t	used = 0;

	for (int i = 0; i < CARD_PROFILES; i++)
	{
		if (card->profiles[i].tar != 0)
			used += card->profiles[i].memory;
	}
	return used < CARD_MEMORY ? CARD_MEMORY - used : 0;
}

const char *
profile_state(const Profile *profile)
{
	switch (profile->lcs)
	{
		case ISDP_ENABLED:
			return "Enabled";
		case ISDP_DISABLED:
			return "Disabled";
		default:
			return "Created";
	}
}

/* What a profile download leaves behind, as far as the SM-SR can see it. */
void
card_personalize(Fleet *fleet, Card *card, Profile *profile, unsigned owner, uint64_t msisdn)
{
	profile->lcs = ISDP_DISABLED;
	profile->owner = (uint8_t) owner;
	profile->msisdn = msisdn;
	profile->imsi = identity_imsi(card->serial, profile->tar, owner);
	profile->reachable = true;
	fleet_index_msisdn(fleet, card, msisdn);
}

/* The profile with this AID; ISD-P AIDs differ in their TAR alone. */
static Profile *
find(Card *card, const SmsrAid *aid)
{
	SmsrAid		known;
	SmsrError	error;
	uint8_t		tar[3];

	if (!aid_tar(aid, tar) || tar[0] != 0 ||
		!aid_isdp((uint32_t) (tar[1] << 8 | tar[2]), &known, &error) ||
		aid_compare(aid, &known) != 0)
		return NULL;
	return card_profile(card, (uint16_t) (tar[1] << 8 | tar[2]));
}

static bool
switching(const Card *card)
{
	return card->phase != PHASE_IDLE && card->cause != CAUSE_FIRST_ATTACH;
}

static uint16_t
create_isdp(Fleet *fleet, Card *card, const Es5Command *command, SmsrWriter *out)
{
	Profile    *profile = NULL;
	SmsrAid		known;
	SmsrError	error;
	uint8_t		tar[3];
	uint16_t	t;

	if (!aid_tar(&command->aid, tar) || tar[0] != 0 ||
		!aid_isdp((uint32_t) (tar[1] << 8 | tar[2]), &known, &error) ||
		aid_compare(&command->aid, &known) != 0)
		return SW_WRONG_DATA;
	if (aid_compare(&command->loadfile, &AID_ISD_P_LOADFILE) != 0 ||
		aid_compare(&command->module, &AID_ISD_P_MODULE) != 0)
		return SW_REFERENCE_NOT_FOUND;
	t = (uint16_t) (tar[1] << 8 | tar[2]);
	if (card_profile(card, t) != NULL)
		return SW_CONDITIONS;
	for (int i = 0; i < CARD_PROFILES && profile == NULL; i++)
	{
		if (card->profiles[i].tar == 0)
			profile = &card->profiles[i];
	}
	if (profile == NULL || command->memory > card_free_memory(card))
		return SW_NO_MEMORY;
	download_forget(card, t);
	*profile = (Profile) {.tar = t, .lcs = ISDP_SELECTABLE, .memory = command->memory};
	if (fleet->config.auto_personalize)
		card_personalize(fleet, card, profile,
						 fleet->config.personalize_owner >= 0 ?
						 (unsigned) fleet->config.personalize_owner :
						 identity_operator(t, fleet->config.operators),
						 identity_msisdn(card->serial, t));
	put_u8(out, 0);				/* GlobalPlatform: no confirmation */
	return SW_OK;
}

static uint16_t
enable(Fleet *fleet, Card *card, const Es5Command *command)
{
	Profile    *target = find(card, &command->aid);
	Profile    *current = card_enabled(card);

	if (target == NULL)
		return SW_REFERENCE_NOT_FOUND;
	if (target->lcs != ISDP_DISABLED || switching(card))
		return SW_CONDITIONS;
	if (card->pinned != 0)
	{
		/* After fall-back from a profile that must not be left: only back to it. */
		if (target->tar != card->pinned)
			return SW_POL1;
	}
	else if (current != NULL && (current->pol1 & POL1_NO_DISABLE))
		return SW_POL1;
	switching_begin(fleet, card, CAUSE_ENABLE, target->tar);
	return SW_OK;
}

static uint16_t
disable(Fleet *fleet, Card *card, const Es5Command *command)
{
	Profile    *target = find(card, &command->aid);
	Profile    *fallback = card_fallback(card);

	if (target == NULL)
		return SW_REFERENCE_NOT_FOUND;
	if (target->lcs != ISDP_ENABLED || target->fallback || fallback == NULL || switching(card))
		return SW_CONDITIONS;
	if (target->pol1 & POL1_NO_DISABLE)
		return SW_POL1;
	switching_begin(fleet, card, CAUSE_DISABLE, fallback->tar);
	return SW_OK;
}

/* An ISD-P that never became DISABLED (SGP.02 state Created) can go too. */
static uint16_t
delete(Card *card, const Es5Command *command, bool master, SmsrWriter *out)
{
	Profile    *target = find(card, &command->aid);

	if (target == NULL)
		return master ? SW_REFERENCE_NOT_FOUND : SW_NOT_FOUND;
	if (target->lcs == ISDP_ENABLED || target->fallback ||
		(master && target->lcs != ISDP_DISABLED) ||
		(switching(card) && (target->tar == card->from || target->tar == card->to)))
		return SW_CONDITIONS;
	if (!master && (target->pol1 & POL1_NO_DELETE))
		return SW_POL1;
	*target = (Profile) {0};
	put_u8(out, 0);
	return SW_OK;
}

/* The two attributes exclude each other, and an enabled profile can not get this one. */
static uint16_t
set_emergency(Card *card, const Es5Command *command)
{
	Profile    *target = find(card, &command->aid);

	if (target == NULL)
		return SW_REFERENCE_NOT_FOUND;
	if (target->lcs != ISDP_DISABLED || target->fallback || switching(card))
		return SW_CONDITIONS;
	for (int i = 0; i < CARD_PROFILES; i++)
		card->profiles[i].emergency = false;
	target->emergency = true;
	return SW_OK;
}

static uint16_t
unset_emergency(Card *card, const Es5Command *command)
{
	Profile    *target = find(card, &command->aid);

	if (target == NULL)
		return SW_REFERENCE_NOT_FOUND;
	if (!target->emergency || target->lcs == ISDP_ENABLED || switching(card))
		return SW_CONDITIONS;
	target->emergency = false;
	return SW_OK;
}

static uint16_t
set_fallback(Card *card, const Es5Command *command)
{
	Profile    *target = find(card, &command->aid);
	Profile    *current = card_enabled(card);
	Profile    *holder = card_fallback(card);

	if (target == NULL)
		return SW_REFERENCE_NOT_FOUND;
	if ((target->lcs != ISDP_DISABLED && target->lcs != ISDP_ENABLED) || target->emergency ||
		switching(card))
		return SW_CONDITIONS;
	if (current != NULL && (current->pol1 & POL1_NO_DISABLE))
		return SW_POL1;
	if (holder != NULL)
		holder->fallback = false;
	target->fallback = true;
	return SW_OK;
}

static uint16_t
get_status(Card *card, const Es5Command *command, SmsrWriter *out)
{
	bool		found = false;

	for (int i = 0; i < CARD_PROFILES; i++)
	{
		const Profile *profile = &card->profiles[i];
		Es5Isdp		isdp = {0};
		SmsrError	error;

		if (profile->tar == 0 || !aid_isdp(profile->tar, &isdp.aid, &error))
			continue;
		if (command->aid.len != 0 && aid_compare(&command->aid, &isdp.aid) != 0)
			continue;
		isdp.lcs = profile->lcs;
		isdp.fallback = profile->fallback;
		isdp.has_allocated = true;
		isdp.allocated = profile->memory;
		es5_write_isdp(out, &isdp);
		found = true;
	}
	return found ? SW_OK : SW_REFERENCE_NOT_FOUND;
}

static uint16_t
get_resources(Card *card, SmsrWriter *out)
{
	Es5Resources resources = {.free_nvm = card_free_memory(card), .free_ram = 4096};

	for (int i = 0; i < CARD_PROFILES; i++)
		resources.applications += card->profiles[i].tar != 0;
	es5_write_resources(out, &resources);
	return SW_OK;
}

/* 3A07 { A3 { 81 address } }: number of digits or octets, TON/NPI, swapped BCD. */
static uint16_t
update_addressing(Card *card, const Es5Command *command)
{
	TlvReader	r = tlv_reader(command->data);
	SmsrTlv		dgi,
				sms,
				address;
	SmsrError	error;
	uint64_t	number = 0;

	if (!dgi_read(&r, "DGI", &dgi, &error) || dgi.tag != ES5_DGI_ADDRESSING)
		return SW_WRONG_DATA;
	card->smsr_updates++;
	if (!tlv_find(dgi.value, 0xA3, &sms) || !tlv_find(sms.value, 0x81, &address))
		return SW_OK;			/* parameters of another bearer */
	if (address.value.len < 3 || address.value.len > 12)
		return SW_WRONG_DATA;
	for (size_t i = 2; i < address.value.len; i++)
	{
		uint8_t		octet = address.value.data[i];

		if ((octet & 15) > 9 || ((octet >> 4) > 9 && (octet >> 4) != 15))
			return SW_WRONG_DATA;
		number = number * 10 + (octet & 15);
		if ((octet >> 4) != 15)
			number = number * 10 + (octet >> 4);
	}
	card->smsr_address = number;
	return SW_OK;
}

/*
 * PUT KEY (GlobalPlatform Card Specification clause 11.8), format 1 in both
 * forms: three AES keys under the DEK of the set that secured the packet.  P1 00
 * adds a set, another value says which one it takes the place of.
 */
static uint16_t
put_key(Card *card, SmsrBytes apdu, const Es5Command *command, SmsrWriter *out)
{
	const KeySet *by = card_last_set(card);
	const uint8_t old_kvn = apdu.data[2] & 0x7F;
	KeySet	   *place = NULL;
	uint8_t		clear[KEYS * (KEY_LEN + 16)];
	SmsrWriter	room = smsr_writer(clear, sizeof clear);
	PutKey		keys;
	SmsrError	error;

	if (apdu.data[3] != (0x80 | 0x01))
		return SW_WRONG_P1P2;
	if (!put_key_read(command->data, KEY_TYPE_AES, smsr_bytes(by->keys[2], KEY_LEN), &room, &keys, &error))
		return error.code == SMSR_BAD_VALUE ? SW_CHECK_VALUE : SW_WRONG_DATA;
	if (keys.count != KEYS || keys.kvn < 1 || keys.kvn > 0x0F)
		return SW_WRONG_DATA;
	for (int i = 0; i < KEYS; i++)
	{
		if (keys.key_type[i] != KEY_TYPE_AES || keys.key[i].len != KEY_LEN)
			return SW_ALGORITHM;
	}
	if (old_kvn != 0)
	{
		place = card_key_set(card, old_kvn);
		if (place == NULL)
			return SW_REFERENCE_NOT_FOUND;
	}
	if (keys.kvn != old_kvn && card_key_set(card, keys.kvn) != NULL)
		return SW_WRONG_DATA;
	for (int i = 0; place == NULL && i < CARD_KEY_SETS; i++)
	{
		if (card->sets[i].kvn == 0)
			place = &card->sets[i];
	}
	if (place == NULL)
		return SW_NO_MEMORY;
	put_u8(out, keys.kvn);
	place->kvn = keys.kvn;
	place->cntr = 0;
	for (int i = 0; i < KEYS; i++)
	{
		uint8_t		kcv[3];

		memcpy(place->keys[i], keys.key[i].data, KEY_LEN);
		if (key_check_value(KEY_TYPE_AES, keys.key[i], kcv, &error))
			put_bytes(out, kcv, sizeof kcv);
	}
	return SW_OK;
}

static uint16_t
get_key_info(const Card *card, SmsrWriter *out)
{
	Es5KeyInfo	keys[CARD_KEY_SETS * KEYS];
	size_t		count = 0;

	for (int i = 0; i < CARD_KEY_SETS; i++)
	{
		if (is_psk_version(card->sets[i].kvn))
			keys[count++] = (Es5KeyInfo) {1, card->sets[i].kvn, KEY_TYPE_PSK, KEY_LEN};
		for (int j = 0; card->sets[i].kvn != 0 && !is_psk_version(card->sets[i].kvn) && j < KEYS; j++)
			keys[count++] = (Es5KeyInfo) {(uint8_t) (j + 1), card->sets[i].kvn, KEY_TYPE_AES, KEY_LEN};
	}
	es5_write_key_info(out, keys, count);
	return SW_OK;
}

/* A command that es5_read_command() does not know: what is it that is wrong? */
static uint16_t
unknown_command(uint8_t ins)
{
	switch (ins)
	{
		case 0xCA:
		case 0xE2:
		case 0xE4:
		case 0xE6:
		case 0xF2:
			return SW_WRONG_P1P2;
		default:
			return SW_WRONG_INS;
	}
}

static uint16_t
dispatch(Fleet *fleet, Card *card, const Es5Command *command, SmsrBytes apdu, SmsrWriter *out)
{
	switch (command->kind)
	{
		case ES5_CREATE_ISDP:
			return create_isdp(fleet, card, command, out);
		case ES5_ENABLE_PROFILE:
			return enable(fleet, card, command);
		case ES5_DISABLE_PROFILE:
			return disable(fleet, card, command);
		case ES5_DELETE_PROFILE:
			return delete(card, command, false, out);
		case ES5_MASTER_DELETE:
			/* The token is for the ISD-P, which is not simulated: any one will do. */
			return delete(card, command, true, out);
		case ES5_SET_FALLBACK_ATTRIBUTE:
			return set_fallback(card, command);
		case ES5_SET_EMERGENCY_ATTRIBUTE:
			return set_emergency(card, command);
		case ES5_UNSET_EMERGENCY_ATTRIBUTE:
			return unset_emergency(card, command);
		case ES5_GET_STATUS:
			return get_status(card, command, out);
		case ES5_GET_RESOURCES:
			return get_resources(card, out);
		case ES5_GET_KEY_INFO:
			return get_key_info(card, out);
		case ES5_PUT_KEY:
			return put_key(card, apdu, command, out);
		case ES5_UPDATE_ADDRESSING:
			return update_addressing(card, command);
		case ES5_CONFIRM_NOTIFICATION:
			return switching_confirm(fleet, card, command->sequence, out);
		default:
			return unknown_command(apdu.len > 1 ? apdu.data[1] : 0);
	}
}

static void
add_entry(Card *card, Executed entry)
{
	if (card->log_count == card->log_cap)
		card->log = grow(card->log, &card->log_cap, sizeof(Executed));
	card->log[card->log_count++] = entry;
}

/*
 * The log shows what was done and under which counter.  "again" counts changes
 * that succeeded although the change before them was the same: the counter can
 * not forbid that, only an SM-SR that does not repeat itself can.
 */
static void
card_log(Card *card, Source source, const Es5Command *command, uint16_t sw)
{
	Executed	entry = {.cntr = source.cntr, .script = source.script, .kvn = source.kvn, .kind = (uint8_t) command->kind, .sw = sw};
	bool		change = command->kind == ES5_CREATE_ISDP ||
		command->kind == ES5_ENABLE_PROFILE ||
		command->kind == ES5_DISABLE_PROFILE ||
		command->kind == ES5_DELETE_PROFILE ||
		command->kind == ES5_MASTER_DELETE ||
		command->kind == ES5_SET_FALLBACK_ATTRIBUTE;
	uint8_t		tar[3];

	if (command->kind == ES5_PUT_KEY && command->data.len > 0)
		entry.tar = command->data.data[0];
	if (aid_tar(&command->aid, tar))
		entry.tar = (uint16_t) (tar[1] << 8 | tar[2]);
	for (size_t i = card->log_count; change && i-- > 0;)
	{
		const Executed *last = &card->log[i];

		if (last->kind == ES5_GET_STATUS || last->kind == ES5_GET_RESOURCES ||
			last->kind == ES5_CONFIRM_NOTIFICATION || last->kind == ES5_UPDATE_ADDRESSING ||
			last->kind == ES5_SET_EMERGENCY_ATTRIBUTE || last->kind == ES5_UNSET_EMERGENCY_ATTRIBUTE ||
			last->kind == ES5_GET_KEY_INFO || last->kind == ES5_PUT_KEY ||
			last->kind >= KIND_RELAYED || last->kind == ES5_UNKNOWN)
			continue;
		if (sw == SW_OK && last->sw == SW_OK && last->kind == entry.kind && last->tar == entry.tar)
			card->again++;
		break;
	}
	add_entry(card, entry);
}

void
card_relayed(Fleet *fleet, Card *card, uint16_t tar, uint16_t sw)
{
	fleet->stats.commands++;
	if (sw != SW_OK)
		fleet->stats.refused_commands++;
	add_entry(card, (Executed) {.cntr = card->source.cntr, .script = card->source.script, .kvn = card->source.kvn, .kind = KIND_RELAYED, .tar = tar, .sw = sw});
}

uint16_t
card_execute(Fleet *fleet, Card *card, SmsrBytes apdu, SmsrWriter *out)
{
	Es5Command	command = {0};
	SmsrError	error = {0};
	const Source source = card->source;
	uint8_t		kind;
	uint16_t	sw;

	if (establish_execute(fleet, card, apdu, out, &sw, &kind))
	{
		fleet->stats.commands++;
		if (sw != SW_OK)
			fleet->stats.refused_commands++;
		add_entry(card, (Executed) {.cntr = source.cntr, .script = source.script, .kvn = source.kvn, .kind = kind, .sw = sw});
		return sw;
	}
	if (es5_read_command(apdu, &command, &error))
		sw = dispatch(fleet, card, &command, apdu, out);
	else
		sw = error.code == SMSR_BAD_VALUE ? SW_WRONG_DATA : SW_WRONG_LENGTH;
	fleet->stats.commands++;
	if (sw != SW_OK)
		fleet->stats.refused_commands++;
	card_log(card, source, &command, sw);
	return sw;
}
