/*
 * kek.h
 *		The key encryption key (KEK): where it is, and what is wrapped under it.
 *
 * It is outside the database, in a file, behind a command or in a PKCS #11
 * token.  Two may be configured: the current one, under which all is wrapped
 * from now on, and a former one, which still opens what it wrapped.
 *
 * Every function here is a whole visit: the KEK is fetched, or the token is
 * opened, and nothing of it is kept afterwards.  Who needs a visit seldom, as a
 * backend does that keeps what it has unwrapped, can afford it, and neither
 * holds a session of a token nor meets one that has become stale.
 */
#ifndef SMSR_KEK_H
#define SMSR_KEK_H

#include "core/sealing.h"

typedef enum KekSlot
{
	KEK_CURRENT,
	KEK_FORMER
} KekSlot;

#define KEK_SLOTS	2

/* What was wrapped, where the form of wrapping can tell. */
typedef enum KekUse
{
	KEK_STORAGE_KEY,
	KEK_TRANSPORT_KEY
} KekUse;

/* The longest form, a token's: nonce, storage key and tag */
#define KEK_WRAPPED_MAX_LEN		(12 + SEALING_KEY_LEN + 16)

/* The name of a KEK, cut off should a token's labels be that long */
#define KEK_NAME_SIZE	256

typedef struct KekItem
{
	SmsrBytes	wrapped;
	SmsrWriter	key;			/* in locked memory */
	bool		opened;
} KekItem;

/* The parameters of both; for _PG_init(). */
extern void kek_define_parameters(void);

/* "file", "command", "pkcs11" or "none" */
extern const char *kek_provider(KekSlot slot);
extern bool kek_configured(KekSlot slot);

/*
 * Which KEKs may have wrapped what is said to be wrapped under name, the likely
 * one first; returns how many.
 */
extern int	kek_candidates(const char *name, KekSlot slots[KEK_SLOTS]);

/* Wrap under the current KEK; name says which that is. */
extern void kek_wrap(KekUse use, SmsrBytes plain, SmsrWriter *out, char name[KEK_NAME_SIZE]);

/* Unwrap what this KEK has wrapped of the items; opened is false for the others. */
extern void kek_unwrap(KekSlot slot, KekUse use, KekItem *items, int count);

/* An error unless the KEK is there; its name. */
extern void kek_check(KekSlot slot, char name[KEK_NAME_SIZE]);

/* ---- for the providers ---- */

typedef struct KekSettings
{
	const char *prefix;			/* of the parameters' names */
	int			provider;
	char	   *file;
	char	   *command;
	char	   *pkcs11_module;
	char	   *pkcs11_token;
	char	   *pkcs11_key;
	char	   *pkcs11_pin_file;
	char	   *pkcs11_pin_command;
} KekSettings;

/*
 * Between begin and end a provider is ready to wrap; end is called whatever
 * happened, an error in begin too.  unwrap says false for what is not wrapped
 * under this KEK and raises an error where it can not tell.
 */
typedef struct KekProvider
{
	const char *name_prefix;	/* of the names of its keys */
	void		(*begin) (const KekSettings *settings);
	void		(*name) (const KekSettings *settings, char name[KEK_NAME_SIZE]);
	bool		(*wrap) (KekUse use, SmsrBytes plain, SmsrWriter *out);
	bool		(*unwrap) (KekUse use, SmsrBytes wrapped, SmsrWriter *out);
	void		(*end) (void);
} KekProvider;

extern const KekProvider kek_file;
extern const KekProvider kek_command;
extern const KekProvider kek_pkcs11;

/* The name of a parameter of this KEK, for errors. */
extern const char *kek_parameter(const KekSettings *settings, const char *name);

#endif							/* SMSR_KEK_H */
