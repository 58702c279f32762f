/*
 * establishment.h
 *		ES5.EstablishISDRKeySet (SGP.02 clause 4.1.1.8): keys that an SM-SR and a
 *		card agree on, by scenario #3 of GlobalPlatform's Amendment A.
 *
 * The SM-SR's side in order:
 *
 *	1.	establishment_write_certificate(): its certificate, in STORE DATA;
 *	2.	establishment_read_challenge(): the card's random challenge;
 *	3.	establishment_prepare(): CRT and ephemeral key, which have to be kept,
 *		the private one sealed, until step 6;
 *	4.	establishment_write_signed(): what SK.SR.ECDSA signs, here or in an HSM;
 *	5.	establishment_write_command(): CRT, ePK and signature, in STORE DATA;
 *	6.	establishment_conclude(): the keys, or why there are none.
 *
 * In a change of SM-SR the one that has the card does 1, 2 and 5 with what the
 * other hands it (ES7), and the other the rest.  Once step 6 has succeeded the
 * card has these keys: what comes behind may warn, never fail.
 */
#ifndef SMSR_ESTABLISHMENT_H
#define SMSR_ESTABLISHMENT_H

#include "bytes.h"
#include "crt.h"
#include "curve.h"
#include "error.h"
#include "es5.h"

#define ESTABLISHMENT_RECEIPT_LEN	16
/* of curves below 384 bits: Amendment A table 3-27 */
#define ESTABLISHMENT_DR_LEN		16

/* STORE DATA's data of the second command, at most, without its blocks' headers */
#define ESTABLISHMENT_COMMAND_LEN	(3 + CRT_MAX_LEN + 3 + 5 + CURVE_POINT_LEN + 3 + CURVE_SIGNATURE_LEN)

typedef enum EpkForm
{
	EPK_B0F0,					/* a public key data object, as in certificates */
	EPK_RAW						/* the point alone: cards before SGP.02 v3 */
} EpkForm;

typedef enum ChallengeForm
{
	CHALLENGE_EITHER,			/* their lengths tell them apart */
	CHALLENGE_TLV,				/* in tag 85 */
	CHALLENGE_BARE
} ChallengeForm;

typedef enum DrPlace
{
	DR_BEHIND_CRT,
	DR_BEFORE_CRT,
	DR_NOT_IN_RECEIPT
} DrPlace;

/*
 * What no text at hand settles, or cards do in two ways.  All of it is here, and
 * a platform version that differs gets values of its own; nothing else in core
 * knows of alternatives.
 */
typedef struct EstablishmentProfile
{
	EpkForm		epk;			/* DGI 7F49 of the second command */
	ChallengeForm challenge;	/* the answer to the first */
	DrPlace		dr_place;		/* in what the receipt is computed over */
	bool		has_access;		/* tag 96 in the CRT ... */
	uint8_t		access;			/* ... with this value */
	uint8_t		counter_len;	/* tag 91 in the CRT */
	uint8_t		psk_usage;		/* tag 95 in the CRT of a PSK */
	bool		le;				/* Le behind STORE DATA that has an answer */
	Es5RangeMeaning finalise;	/* ranges of FinaliseISDRhandover */
} EstablishmentProfile;

/* B0/F0, either challenge, DR behind the CRT, no 96, empty 91, 5C, no Le, ranges to keep */
extern const EstablishmentProfile establishment_default;

/* ---- the SM-SR's side ---- */

/* What the new key set is to be. */
typedef struct EstablishmentRequest
{
	uint8_t		parameter;		/* CRT_DELETE_KEYS, CRT_WITH_DR, CRT_WITH_IDS */
	uint8_t		key_type;		/* KEY_TYPE_AES: KIc, KID, DEK; KEY_TYPE_PSK */
	uint8_t		key_len;
	uint8_t		kvn;
	uint64_t	counter;		/* where the set's counter begins */
	SmsrBytes	sdin;			/* with CRT_WITH_IDS */
	SmsrBytes	host_id;		/* with CRT_WITH_IDS */
} EstablishmentRequest;

/* The CRT that a profile makes of a request; both servers of a change build it. */
extern bool establishment_write_crt(const EstablishmentProfile *profile, const EstablishmentRequest *request,
									SmsrWriter *w, SmsrError *error);

/* What is kept between the commands.  The server that relays has no private key. */
typedef struct Establishment
{
	Curve		curve;			/* of the ECASD's key, and so of this one */
	uint8_t		private_key[CURVE_PRIVATE_LEN];
	uint8_t		point[CURVE_POINT_LEN];
	uint8_t		crt[CRT_MAX_LEN];
	size_t		crt_len;
} Establishment;

extern bool establishment_prepare(const EstablishmentProfile *profile, const EstablishmentRequest *request,
								  Curve curve, Establishment *establishment, SmsrError *error);
extern void establishment_cleanse(Establishment *establishment);

/* The challenge, which points into the answer's data: 16 or 32 octets. */
extern bool establishment_read_challenge(const EstablishmentProfile *profile, SmsrBytes data,
										 SmsrBytes *challenge, SmsrError *error);

/* What is signed, the challenge included, which is not transmitted. */
extern bool establishment_write_signed(const EstablishmentProfile *profile, const Establishment *establishment,
									   SmsrBytes challenge, SmsrWriter *w, SmsrError *error);
/* The same signed with a private key that is at hand; its curve is the CI's. */
extern bool establishment_sign(const EstablishmentProfile *profile, const Establishment *establishment,
							   SmsrBytes challenge, Curve curve, SmsrBytes private_key,
							   uint8_t signature[CURVE_SIGNATURE_LEN], SmsrError *error);

/* Data of the two commands: DGI 3A01; DGIs 3A02, 7F49 and 5F37. */
extern bool establishment_write_certificate(SmsrBytes certificate, SmsrWriter *w, SmsrError *error);
extern bool establishment_write_command(const EstablishmentProfile *profile, const Establishment *establishment,
										SmsrBytes signature, SmsrWriter *w, SmsrError *error);

/*
 * As STORE DATA: so many blocks, and one of them as a C-APDU.  The blocks of both
 * commands are one series: first is 0 for the certificate, and for the command
 * behind it the count of the certificate's.
 */
extern size_t establishment_blocks(size_t data_len);
extern bool establishment_write_block(const EstablishmentProfile *profile, SmsrBytes data, bool last_command,
									  size_t first, size_t index, SmsrWriter *w, SmsrError *error);

typedef struct EstablishedKeys
{
	uint8_t		key_type;
	uint8_t		kvn;
	uint8_t		key_id;			/* of key[0]; the others follow */
	uint64_t	counter;		/* where it begins */
	size_t		count;			/* KIc, KID, DEK; or one */
	size_t		len;
	uint8_t		key[CRT_MAX_KEYS][CRT_MAX_KEY_LEN];
} EstablishedKeys;

/*
 * The keys, if the receipt in the answer's data proves that the card has them.
 * A wrong one is SMSR_BAD_VALUE on "receipt".  sin (the ECASD's tag 42) matters
 * with CRT_WITH_IDS only.  A failure leaves no key behind; the caller cleanses
 * them, and the Establishment.
 */
extern bool establishment_conclude(const EstablishmentProfile *profile, const Establishment *establishment,
								   SmsrBytes ecasd_point, SmsrBytes sin, SmsrBytes data,
								   EstablishedKeys *keys, SmsrError *error);
extern void established_keys_cleanse(EstablishedKeys *keys);

/*
 * The list of FinaliseISDRhandover: what the SM-SR keeps or what it does not,
 * whichever the profile says that the card reads in it.
 */
extern void establishment_write_finalise(const EstablishmentProfile *profile,
										 const Es5KeyRange *own, size_t own_count,
										 const Es5KeyRange *others, size_t other_count, SmsrWriter *w);

/* ---- the card's side, and what both have in common ---- */

/* The second command's data; all of it points into the data. */
typedef struct EstablishmentCommand
{
	SmsrBytes	crt_octets;
	Crt			crt;
	SmsrBytes	point;			/* ePK */
	bool		has_curve;		/* the form says which one, as in curve */
	Curve		curve;
	SmsrBytes	signed_part;	/* what is transmitted of it */
	SmsrBytes	signature;
} EstablishmentCommand;

extern bool establishment_read_command(SmsrBytes data, EstablishmentCommand *command, SmsrError *error);
extern bool establishment_verify_command(const EstablishmentCommand *command, SmsrBytes challenge,
										 Curve curve, SmsrBytes point, SmsrError *error);

/* Receipt key and keys from the shared secret; dr is empty if there is none. */
extern bool establishment_derive(const Crt *crt, const uint8_t secret[CURVE_SECRET_LEN], SmsrBytes dr,
								 SmsrBytes sin, uint8_t receipt_key[CRT_MAX_KEY_LEN],
								 EstablishedKeys *keys, SmsrError *error);
extern bool establishment_receipt(const EstablishmentProfile *profile, SmsrBytes receipt_key,
								  SmsrBytes crt_octets, SmsrBytes dr,
								  uint8_t receipt[ESTABLISHMENT_RECEIPT_LEN], SmsrError *error);

#endif							/* SMSR_ESTABLISHMENT_H */
