/*
 * kek_pkcs11.c
 *		A KEK that never leaves a PKCS #11 token (HSM).
 *
 * Wrapping is AES-GCM over data: C_Encrypt and C_Decrypt under an AES-256 key
 * that is sensitive and can not be extracted.  C_WrapKey and C_UnwrapKey would
 * be the other way, but the unwrapped storage key would have to be an object
 * whose value can be read, which tokens in a FIPS mode refuse, and what they
 * wrap would have to be brought into the token first; and C_Encrypt with the
 * mechanisms of RFC 3394 and 5649 is in few tokens (not in SoftHSM 2.6).  GCM is
 * in all that matter, authenticates, and takes the purpose as associated data.
 *
 * The form: nonce (12), ciphertext, tag (16).  The nonce is ours, random, unless
 * the token puts its own into its place, as some do that trust no other.
 *
 * A visit goes from C_Initialize to C_Finalize.  The library is loaded when a
 * backend first needs it, never in the postmaster: PKCS #11 wants a child to
 * initialise for itself, and a fork of an initialised library shares its
 * connection (PKCS #11 2.40, 5.4 C_Initialize).
 */
#include "postgres.h"

#include <ctype.h>
#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <p11-kit/pkcs11.h>
#include <signal.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pg/kek.h"
#include "pg/report.h"
#include "pg/secret.h"
#include "pg/secure.h"
#include "utils/memutils.h"

#define GCM_NONCE_LEN	12
#define GCM_TAG_LEN		16
#define LABEL_LEN		32		/* of CK_TOKEN_INFO, padded with blanks */
#define KEY_ID_MAX_LEN	64
#define SLOTS_MAX		64

/* not const: PKCS #11 knows no const */
static CK_BYTE storage_key_purpose[] = "smsr storage key";

/* Libraries stay loaded: they rarely survive being unloaded. */
typedef struct Library
{
	struct Library *next;
	CK_FUNCTION_LIST *functions;
	char		path[FLEXIBLE_ARRAY_MEMBER];
} Library;

static Library *libraries;

/* The visit that goes on */
static struct
{
	const KekSettings *settings;
	CK_FUNCTION_LIST *functions;	/* NULL: not initialised by us */
	CK_FUNCTION_LIST *session_of;	/* NULL: no session is open */
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
} visit;

/* ---- what went wrong ---- */

static const char *
return_value_name(CK_RV rv)
{
	static const struct
	{
		CK_RV		rv;
		const char *name;
	}			names[] = {
#define NAMED(rv) {rv, #rv}
		NAMED(CKR_SLOT_ID_INVALID), NAMED(CKR_GENERAL_ERROR), NAMED(CKR_FUNCTION_FAILED),
		NAMED(CKR_ARGUMENTS_BAD), NAMED(CKR_CANT_LOCK), NAMED(CKR_DATA_INVALID),
		NAMED(CKR_DEVICE_ERROR), NAMED(CKR_DEVICE_MEMORY), NAMED(CKR_DEVICE_REMOVED),
		NAMED(CKR_ENCRYPTED_DATA_INVALID), NAMED(CKR_ENCRYPTED_DATA_LEN_RANGE),
		NAMED(CKR_FUNCTION_NOT_SUPPORTED), NAMED(CKR_HOST_MEMORY), NAMED(CKR_KEY_FUNCTION_NOT_PERMITTED),
		NAMED(CKR_KEY_HANDLE_INVALID), NAMED(CKR_KEY_SIZE_RANGE), NAMED(CKR_KEY_TYPE_INCONSISTENT),
		NAMED(CKR_MECHANISM_INVALID), NAMED(CKR_MECHANISM_PARAM_INVALID), NAMED(CKR_OBJECT_HANDLE_INVALID),
		NAMED(CKR_PIN_EXPIRED), NAMED(CKR_PIN_INCORRECT), NAMED(CKR_PIN_INVALID),
		NAMED(CKR_PIN_LEN_RANGE), NAMED(CKR_PIN_LOCKED), NAMED(CKR_SESSION_CLOSED),
		NAMED(CKR_SESSION_COUNT), NAMED(CKR_SESSION_HANDLE_INVALID), NAMED(CKR_TOKEN_NOT_PRESENT),
		NAMED(CKR_TOKEN_NOT_RECOGNIZED), NAMED(CKR_USER_NOT_LOGGED_IN), NAMED(CKR_USER_PIN_NOT_INITIALIZED),
		NAMED(CKR_USER_TOO_MANY_TYPES), NAMED(CKR_CRYPTOKI_NOT_INITIALIZED)
#undef NAMED
	};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (names[i].rv == rv)
			return names[i].name;
	}
	return psprintf("0x%08lX", rv);
}

static void
check(CK_RV rv, const char *function)
{
	if (rv != CKR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("token \"%s\" does not give access to the key encryption key", visit.settings->pkcs11_token),
				 errdetail("%s returned %s.", function, return_value_name(rv)),
				 errhint("Nothing is lost: what needs the key can be repeated when the token answers again.")));
}

static void
require(const char *value, const char *name, const char *what)
{
	if (value == NULL || value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no key encryption key"),
				 errhint("Set %s to %s.", kek_parameter(visit.settings, name), what)));
}

/* ---- the library ---- */

static CK_FUNCTION_LIST *
load_library(const char *path)
{
	Library    *library;
	void	   *handle;
	CK_C_GetFunctionList get_functions;
	CK_FUNCTION_LIST *functions = NULL;

	for (library = libraries; library != NULL; library = library->next)
	{
		if (strcmp(library->path, path) == 0)
			return library->functions;
	}

	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("PKCS #11 library \"%s\" is not named by an absolute path", path)));
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("could not load PKCS #11 library \"%s\"", path),
				 errdetail_internal("%s", dlerror())));
	get_functions = (CK_C_GetFunctionList) dlsym(handle, "C_GetFunctionList");
	if (get_functions == NULL || get_functions(&functions) != CKR_OK || functions == NULL)
	{
		dlclose(handle);
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("\"%s\" is not a PKCS #11 library", path)));
	}

	library = MemoryContextAlloc(TopMemoryContext, offsetof(Library, path) + strlen(path) + 1);
	library->functions = functions;
	strcpy(library->path, path);
	library->next = libraries;
	libraries = library;
	return functions;
}

static void
initialise(CK_FUNCTION_LIST *functions)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
	sigset_t	mask;
	CK_RV		rv;

	/* a thread that the library starts must not take the backend's signals */
	sigprocmask(SIG_SETMASK, &BlockSig, &mask);
	rv = functions->C_Initialize(&args);
	if (rv == CKR_CANT_LOCK)
		rv = functions->C_Initialize(NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);

	/* somebody else's in this backend is as good, and his to end */
	if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED)
		return;
	check(rv, "C_Initialize");
	visit.functions = functions;
}

/* ---- the token ---- */

static bool
label_is(const CK_UTF8CHAR *padded, const char *label)
{
	size_t		len = strlen(label);

	if (len > LABEL_LEN || memcmp(padded, label, len) != 0)
		return false;
	while (len < LABEL_LEN && padded[len] == ' ')
		len++;
	return len == LABEL_LEN;
}

static CK_SLOT_ID
find_token(CK_FUNCTION_LIST *functions, CK_TOKEN_INFO *info)
{
	const char *label = visit.settings->pkcs11_token;
	CK_SLOT_ID	slots[SLOTS_MAX];
	CK_ULONG	count = SLOTS_MAX;

	check(functions->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
	for (CK_ULONG i = 0; i < count; i++)
	{
		if (functions->C_GetTokenInfo(slots[i], info) == CKR_OK && label_is(info->label, label))
			return slots[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_SYSTEM_ERROR),
			 errmsg("token \"%s\" is not present", label),
			 errdetail("PKCS #11 library \"%s\" knows %lu other tokens.", visit.settings->pkcs11_module, count),
			 errhint("Nothing is lost: what needs the key can be repeated when the token is back. Otherwise see %s.",
					 kek_parameter(visit.settings, "pkcs11_token"))));
}

/* The PIN into locked memory; its length. */
static int
read_pin(void)
{
	const KekSettings *settings = visit.settings;
	uint8	   *pin = secure_memory()->secret;
	int			len;

	if (settings->pkcs11_pin_file != NULL && settings->pkcs11_pin_file[0] != '\0')
		len = secret_from_file(settings->pkcs11_pin_file, "PIN", pin, SECURE_SECRET_LEN);
	else if (settings->pkcs11_pin_command != NULL && settings->pkcs11_pin_command[0] != '\0')
		len = secret_from_command(settings->pkcs11_pin_command, kek_parameter(settings, "pkcs11_pin_command"),
								  pin, SECURE_SECRET_LEN);
	else
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no PIN for token \"%s\"", settings->pkcs11_token),
				 errhint("Set %s or %s.", kek_parameter(settings, "pkcs11_pin_file"),
						 kek_parameter(settings, "pkcs11_pin_command"))));

	if (len > 0 && pin[len - 1] == '\n')
		len--;
	if (len > 0 && pin[len - 1] == '\r')
		len--;
	return len;
}

static void
log_in(CK_FUNCTION_LIST *functions, const CK_TOKEN_INFO *info)
{
	uint8	   *pin = NULL;
	int			len = 0;
	CK_RV		rv;

	if ((info->flags & CKF_LOGIN_REQUIRED) == 0)
		return;

	/* every backend tries: a wrong PIN would have locked the token before anybody looks */
	if ((info->flags & (CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PASSWORD),
				 (info->flags & CKF_USER_PIN_LOCKED) != 0 ?
				 errmsg("the PIN of token \"%s\" is locked", visit.settings->pkcs11_token) :
				 errmsg("token \"%s\" takes one more try of the PIN, which is left to you", visit.settings->pkcs11_token),
				 errhint("See that the right PIN is configured, then log in once with the token's own tools.")));

	if ((info->flags & CKF_PROTECTED_AUTHENTICATION_PATH) == 0)
	{
		len = read_pin();
		pin = secure_memory()->secret;
	}
	rv = functions->C_Login(visit.session, CKU_USER, pin, len);
	OPENSSL_cleanse(secure_memory()->secret, SECURE_SECRET_LEN);
	if (rv == CKR_USER_ALREADY_LOGGED_IN)
		return;
	if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PASSWORD),
				 errmsg("token \"%s\" refuses the PIN", visit.settings->pkcs11_token),
				 errdetail("C_Login returned %s.", return_value_name(rv)),
				 errhint("Correct what %s or %s says before the token locks the PIN.",
						 kek_parameter(visit.settings, "pkcs11_pin_file"),
						 kek_parameter(visit.settings, "pkcs11_pin_command"))));
	check(rv, "C_Login");
}

/* ---- the key ---- */

/* Octets of an id that is written 0x0102...; 0: it is a label. */
static size_t
key_id(const char *key, uint8 *id)
{
	size_t		digits = strlen(key);

	if (strncmp(key, "0x", 2) != 0 || digits % 2 != 0 || digits > 2 + 2 * KEY_ID_MAX_LEN ||
		strspn(key + 2, "0123456789abcdefABCDEF") != digits - 2)
		return 0;
	for (size_t i = 0; i < (digits - 2) / 2; i++)
	{
		char		octet[3] = {key[2 + 2 * i], key[3 + 2 * i], '\0'};

		id[i] = (uint8) strtoul(octet, NULL, 16);
	}
	return (digits - 2) / 2;
}

static CK_OBJECT_HANDLE
find_key(CK_FUNCTION_LIST *functions)
{
	char	   *name = visit.settings->pkcs11_key;
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	uint8		id[KEY_ID_MAX_LEN];
	size_t		id_len = key_id(name, id);
	CK_ATTRIBUTE wanted[] = {
		{CKA_CLASS, &class, sizeof(class)},
		{CKA_KEY_TYPE, &type, sizeof(type)},
		{CKA_LABEL, name, strlen(name)}
	};
	CK_OBJECT_HANDLE found[2];
	CK_ULONG	count = 0;
	CK_RV		rv;

	if (id_len > 0)
		wanted[2] = (CK_ATTRIBUTE) {CKA_ID, id, id_len};

	check(functions->C_FindObjectsInit(visit.session, wanted, lengthof(wanted)), "C_FindObjectsInit");
	rv = functions->C_FindObjects(visit.session, found, lengthof(found), &count);
	(void) functions->C_FindObjectsFinal(visit.session);
	check(rv, "C_FindObjects");
	if (count != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 count == 0 ?
				 errmsg("token \"%s\" has no AES key \"%s\"", visit.settings->pkcs11_token, name) :
				 errmsg("token \"%s\" has several AES keys \"%s\"", visit.settings->pkcs11_token, name),
				 errhint("See %s.", kek_parameter(visit.settings, "pkcs11_key"))));
	return found[0];
}

/* A token need not tell; then it is believed. */
static bool
attribute_is(CK_FUNCTION_LIST *functions, CK_ATTRIBUTE_TYPE type, CK_BBOOL wanted)
{
	CK_BBOOL	value = wanted;
	CK_ATTRIBUTE attribute = {type, &value, sizeof(value)};

	return functions->C_GetAttributeValue(visit.session, visit.key, &attribute, 1) != CKR_OK ||
		(value != CK_FALSE) == (wanted != CK_FALSE);
}

static void
check_key(CK_FUNCTION_LIST *functions)
{
	CK_ULONG	len = SEALING_KEY_LEN;
	CK_ATTRIBUTE attribute = {CKA_VALUE_LEN, &len, sizeof(len)};

	if (!attribute_is(functions, CKA_SENSITIVE, CK_TRUE) || !attribute_is(functions, CKA_EXTRACTABLE, CK_FALSE))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("key \"%s\" of token \"%s\" can be taken out of it",
						visit.settings->pkcs11_key, visit.settings->pkcs11_token),
				 errhint("Make a key that is sensitive and not extractable.")));
	if (functions->C_GetAttributeValue(visit.session, visit.key, &attribute, 1) == CKR_OK && len != SEALING_KEY_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("key \"%s\" of token \"%s\" has %lu octets, not 32",
						visit.settings->pkcs11_key, visit.settings->pkcs11_token, len)));
}

/* ---- the provider ---- */

static void
begin(const KekSettings *settings)
{
	CK_FUNCTION_LIST *functions;
	CK_TOKEN_INFO info;
	CK_SLOT_ID	slot;

	if (IsPostmasterEnvironment && !IsUnderPostmaster)
		elog(ERROR, "PKCS #11 must not be initialised in the postmaster");

	memset(&visit, 0, sizeof(visit));
	visit.settings = settings;
	require(settings->pkcs11_module, "pkcs11_module", "the path of the token's PKCS #11 library");
	require(settings->pkcs11_token, "pkcs11_token", "the label of the token");
	require(settings->pkcs11_key, "pkcs11_key", "the label of an AES key in the token");

	functions = load_library(settings->pkcs11_module);
	initialise(functions);
	slot = find_token(functions, &info);
	check(functions->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &visit.session), "C_OpenSession");
	visit.session_of = functions;
	log_in(functions, &info);
	visit.key = find_key(functions);
	check_key(functions);
}

static void
end(void)
{
	if (visit.session_of != NULL)
		(void) visit.session_of->C_CloseSession(visit.session);
	if (visit.functions != NULL)
		(void) visit.functions->C_Finalize(NULL);
	memset(&visit, 0, sizeof(visit));
	OPENSSL_cleanse(secure_memory()->secret, SECURE_SECRET_LEN);
}

static void
put_name(char name[KEK_NAME_SIZE], const char *attribute, const char *value)
{
	size_t		len = strlen(name);

	len += strlcpy(name + len, attribute, KEK_NAME_SIZE - len);
	for (; *value != '\0' && len + 4 < KEK_NAME_SIZE; value++)
	{
		/* RFC 7512 allows more, but nobody misses it */
		if (isalnum((unsigned char) *value) || strchr("-._~", *value) != NULL)
			name[len++] = *value;
		else
			len += snprintf(name + len, KEK_NAME_SIZE - len, "%%%02X", (unsigned char) *value);
		name[len] = '\0';
	}
}

/* As a PKCS #11 URI (RFC 7512) has it */
static void
name_key(const KekSettings *settings, char name[KEK_NAME_SIZE])
{
	name[0] = '\0';
	put_name(name, "pkcs11:token=", settings->pkcs11_token != NULL ? settings->pkcs11_token : "");
	put_name(name, ";object=", settings->pkcs11_key != NULL ? settings->pkcs11_key : "");
}

static CK_MECHANISM
gcm(KekUse use, uint8 *nonce, CK_GCM_PARAMS *params)
{
	CK_MECHANISM mechanism = {CKM_AES_GCM, params, sizeof(*params)};

	memset(params, 0, sizeof(*params));
	params->pIv = nonce;
	params->ulIvLen = GCM_NONCE_LEN;
	params->ulIvBits = 8 * GCM_NONCE_LEN;
	params->ulTagBits = 8 * GCM_TAG_LEN;
	/* transport keys come from people and their tools, which may know no associated data */
	if (use == KEK_STORAGE_KEY)
	{
		params->pAAD = storage_key_purpose;
		params->ulAADLen = sizeof(storage_key_purpose) - 1;
	}
	return mechanism;
}

static bool
wrap(KekUse use, SmsrBytes plain, SmsrWriter *out)
{
	CK_FUNCTION_LIST *functions = visit.session_of;
	uint8		nonce[GCM_NONCE_LEN];
	uint8		text[KEK_WRAPPED_MAX_LEN];
	CK_GCM_PARAMS params;
	CK_MECHANISM mechanism = gcm(use, nonce, &params);
	CK_ULONG	len = sizeof(text);

	if (RAND_bytes(nonce, sizeof(nonce)) != 1)
		return false;
	check(functions->C_EncryptInit(visit.session, &mechanism, visit.key), "C_EncryptInit");
	check(functions->C_Encrypt(visit.session, unconstify(uint8 *, plain.data), plain.len, text, &len), "C_Encrypt");
	if (len != plain.len + GCM_TAG_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("token \"%s\" wraps %zu octets to %lu", visit.settings->pkcs11_token, plain.len, len),
				 errdetail("AES-GCM takes 16 octets more than what it encrypts.")));
	put_bytes(out, nonce, sizeof(nonce));
	put_bytes(out, text, len);
	return !out->overflow;
}

static bool
unwrap(KekUse use, SmsrBytes wrapped, SmsrWriter *out)
{
	CK_FUNCTION_LIST *functions = visit.session_of;
	uint8		nonce[GCM_NONCE_LEN];
	uint8	   *plain = secure_memory()->secret;
	CK_GCM_PARAMS params;
	CK_MECHANISM mechanism = gcm(use, nonce, &params);
	CK_ULONG	len = SECURE_SECRET_LEN;
	CK_RV		rv;

	if (wrapped.len <= GCM_NONCE_LEN + GCM_TAG_LEN || wrapped.len > KEK_WRAPPED_MAX_LEN)
		return false;
	memcpy(nonce, wrapped.data, sizeof(nonce));
	check(functions->C_DecryptInit(visit.session, &mechanism, visit.key), "C_DecryptInit");
	rv = functions->C_Decrypt(visit.session, unconstify(uint8 *, wrapped.data) + GCM_NONCE_LEN,
							  wrapped.len - GCM_NONCE_LEN, plain, &len);
	/* how tokens say that the tag is another: SoftHSM by the last */
	if (rv == CKR_ENCRYPTED_DATA_INVALID || rv == CKR_ENCRYPTED_DATA_LEN_RANGE ||
		rv == CKR_DATA_INVALID || rv == CKR_FUNCTION_FAILED || rv == CKR_GENERAL_ERROR)
	{
		OPENSSL_cleanse(plain, SECURE_SECRET_LEN);
		return false;
	}
	check(rv, "C_Decrypt");
	put_bytes(out, plain, len);
	OPENSSL_cleanse(plain, SECURE_SECRET_LEN);
	return !out->overflow;
}

const KekProvider kek_pkcs11 = {
	"pkcs11:", begin, name_key, wrap, unwrap, end
};
