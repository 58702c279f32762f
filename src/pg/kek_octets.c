/*
 * kek_octets.c
 *		A KEK that this process has in its hands for a moment: from a file, or
 *		from the standard output of a command.
 *
 * Both wrap by RFC 5649, and a KEK has the same name wherever it came from: who
 * moves it from a file into the care of a command need not re-wrap anything.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "pg/kek.h"
#include "pg/key_file.h"
#include "pg/report.h"
#include "pg/secure.h"

static void
begin_file(const KekSettings *settings)
{
	if (settings->file == NULL || settings->file[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no key encryption key"),
				 errhint("Set %s to the path of a file with 32 random octets, outside the data directory.",
						 kek_parameter(settings, "kek_file"))));
	(void) key_file_read(settings->file, "key encryption key", SEALING_KEY_LEN, secure_memory()->kek);
}

static void
begin_command(const KekSettings *settings)
{
	if (settings->command == NULL || settings->command[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no key encryption key"),
				 errhint("Set %s to a command that prints 32 octets, or their hexadecimal digits.",
						 kek_parameter(settings, "kek_command"))));
	key_command_read(settings->command, kek_parameter(settings, "kek_command"), secure_memory()->kek);
}

/* After the first octets of AES-CMAC(KEK, "check"), as the check values of storage keys. */
static void
name_octets(const KekSettings *settings, char name[KEK_NAME_SIZE])
{
	uint8		check_value[SEALING_CHECK_VALUE_LEN];

	if (!sealing_check_value(secure_memory()->kek, check_value))
		smsr_report_crypto("check value of the key encryption key");
	snprintf(name, KEK_NAME_SIZE, "aes:%02x%02x%02x", check_value[0], check_value[1], check_value[2]);
}

static bool
wrap_octets(KekUse use, SmsrBytes plain, SmsrWriter *out)
{
	SmsrError	error;

	return key_wrap(WRAP_AES_KWP, smsr_bytes(secure_memory()->kek, SEALING_KEY_LEN), plain, out, &error);
}

static bool
unwrap_octets(KekUse use, SmsrBytes wrapped, SmsrWriter *out)
{
	SmsrError	error;

	return key_unwrap(WRAP_AES_KWP, smsr_bytes(secure_memory()->kek, SEALING_KEY_LEN), wrapped, out, &error);
}

static void
end_octets(void)
{
	OPENSSL_cleanse(secure_memory()->kek, SEALING_KEY_LEN);
}

const KekProvider kek_file = {
	"aes:", begin_file, name_octets, wrap_octets, unwrap_octets, end_octets
};

const KekProvider kek_command = {
	"aes:", begin_command, name_octets, wrap_octets, unwrap_octets, end_octets
};
