/*
 * kek.c
 *		The key encryption key (KEK): where it is, and what is wrapped under it.
 *
 * None of the parameters holds a key or a PIN: a parameter can be read by too
 * many.  They say where to find one.
 */
#include "postgres.h"

#include "pg/kek.h"
#include "pg/report.h"
#include "utils/guc.h"
#include "utils/memutils.h"

enum
{
	PROVIDER_NONE,
	PROVIDER_FILE,
	PROVIDER_COMMAND,
	PROVIDER_PKCS11
};

/* the former one may be none at all */
static const struct config_enum_entry provider_options[] = {
	{"file", PROVIDER_FILE, false},
	{"command", PROVIDER_COMMAND, false},
	{"pkcs11", PROVIDER_PKCS11, false},
	{"none", PROVIDER_NONE, false},
	{NULL, 0, false}
};

static KekSettings keks[KEK_SLOTS] = {
	{.prefix = "smsr.",.provider = PROVIDER_FILE},
	{.prefix = "smsr.former_",.provider = PROVIDER_NONE}
};

/* ---- parameters ---- */

static void
define_string(const KekSettings *settings, const char *name, const char *what, char **value)
{
	DefineCustomStringVariable(kek_parameter(settings, name), what,
							   settings->provider == PROVIDER_NONE ?
							   "Of the KEK that was in use before, as long as it has to open something." : NULL,
							   value, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY | GUC_NOT_IN_SAMPLE,
							   NULL, NULL, NULL);
}

void
kek_define_parameters(void)
{
	for (int i = 0; i < KEK_SLOTS; i++)
	{
		KekSettings *k = &keks[i];

		define_string(k, "kek_file", "File that holds the key encryption key.", &k->file);
		define_string(k, "kek_command", "Shell command that prints the key encryption key.", &k->command);
		define_string(k, "pkcs11_module", "PKCS #11 library that knows the token with the key encryption key.", &k->pkcs11_module);
		define_string(k, "pkcs11_token", "Label of the token with the key encryption key.", &k->pkcs11_token);
		define_string(k, "pkcs11_key", "Label of the key encryption key in its token, or 0x and its id in hexadecimal.", &k->pkcs11_key);
		define_string(k, "pkcs11_pin_file", "File that holds the PIN of the token.", &k->pkcs11_pin_file);
		define_string(k, "pkcs11_pin_command", "Shell command that prints the PIN of the token.", &k->pkcs11_pin_command);
		/* last: define_string() looks at what this one is at first */
		DefineCustomEnumVariable(kek_parameter(k, "kek_provider"),
								 i == KEK_CURRENT ? "Where the key encryption key is." :
								 "Where the key encryption key is that was in use before.",
								 "Card keys can not be opened without it.",
								 &k->provider, k->provider, provider_options,
								 PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	}
}

const char *
kek_parameter(const KekSettings *settings, const char *name)
{
	return psprintf("%s%s", settings->prefix, name);
}

const char *
kek_provider(KekSlot slot)
{
	for (int i = 0; provider_options[i].name != NULL; i++)
	{
		if (provider_options[i].val == keks[slot].provider)
			return provider_options[i].name;
	}
	return "none";
}

bool
kek_configured(KekSlot slot)
{
	return keks[slot].provider != PROVIDER_NONE;
}

static const KekProvider *
provider_of(KekSlot slot)
{
	switch (keks[slot].provider)
	{
		case PROVIDER_FILE:
			return &kek_file;
		case PROVIDER_COMMAND:
			return &kek_command;
		case PROVIDER_PKCS11:
			return &kek_pkcs11;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("there is no key encryption key"),
					 errhint("Set %s.", kek_parameter(&keks[slot], "kek_provider"))));
	}
}

/* ---- visits ---- */

int
kek_candidates(const char *name, KekSlot slots[KEK_SLOTS])
{
	int			count = 0;

	for (KekSlot slot = KEK_CURRENT; slot <= KEK_FORMER; slot++)
	{
		const char *prefix;

		if (!kek_configured(slot))
			continue;
		prefix = provider_of(slot)->name_prefix;
		if (strncmp(name, prefix, strlen(prefix)) == 0)
			slots[count++] = slot;
	}

	/* a token's key has its name before it is visited, others are cheap to try */
	if (count == 2 && provider_of(KEK_FORMER) == &kek_pkcs11)
	{
		char		former[KEK_NAME_SIZE];

		kek_pkcs11.name(&keks[KEK_FORMER], former);
		if (strcmp(name, former) == 0)
		{
			slots[0] = KEK_FORMER;
			slots[1] = KEK_CURRENT;
		}
	}
	return count;
}

void
kek_wrap(KekUse use, SmsrBytes plain, SmsrWriter *out, char name[KEK_NAME_SIZE])
{
	const KekProvider *provider = provider_of(KEK_CURRENT);

	PG_TRY();
	{
		provider->begin(&keks[KEK_CURRENT]);
		provider->name(&keks[KEK_CURRENT], name);
		if (!provider->wrap(use, plain, out))
			smsr_report_crypto("wrapping under the key encryption key");
	}
	PG_FINALLY();
	{
		provider->end();
	}
	PG_END_TRY();
}

void
kek_unwrap(KekSlot slot, KekUse use, KekItem *items, int count)
{
	const KekProvider *provider = provider_of(slot);

	PG_TRY();
	{
		provider->begin(&keks[slot]);
		for (int i = 0; i < count; i++)
			items[i].opened = provider->unwrap(use, items[i].wrapped, &items[i].key);
	}
	PG_FINALLY();
	{
		provider->end();
	}
	PG_END_TRY();
}

void
kek_check(KekSlot slot, char name[KEK_NAME_SIZE])
{
	const KekProvider *provider = provider_of(slot);

	PG_TRY();
	{
		provider->begin(&keks[slot]);
		provider->name(&keks[slot], name);
	}
	PG_FINALLY();
	{
		provider->end();
	}
	PG_END_TRY();
}
