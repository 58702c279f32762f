/*
 * ecasd.c
 *		The certificates of an EIS's ECASD: of this eUICC, by the EUM that signed
 *		the EIS, and valid (SGP.02 clause 2.3.2.2).
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/objects.h>

#include "core/certificate.h"
#include "pg/eum_signature.h"
#include "pg/guc.h"
#include "utils/timestamp.h"

#define MAX_CERTIFICATE	1024	/* octets; they have about 200 */

static bool
refuse(EisReader *r, xmlNodePtr node, const char *reason)
{
	return eis_reject(r, node, SUBJECT_ECASD, REASON_NOT_VERIFIED, "%s", reason);
}

/* An error of core in a reject's words: what it says of the certificate is public. */
static bool
refuse_error(EisReader *r, xmlNodePtr node, const SmsrError *error)
{
	return eis_reject(r, node, SUBJECT_ECASD, REASON_NOT_VERIFIED, "%s: expected %s",
					  error->field, error->expected != NULL ? error->expected : "what libcrypto can use");
}

/*
 * How tag 42 names an EUM is open: no source has a certificate whose EUM's
 * object identifier is known.  Taken for it are the octets of that identifier,
 * with or without tag and length.  It is the signature that binds the
 * certificate to the EUM; this finds mistakes, and smsr.ecasd_issuer says
 * whether it is asked for.
 */
static bool
names_eum(SmsrBytes issuer, const char *eum_id)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(eum_id, 1);
	bool		named = false;

	if (oid != NULL)
	{
		size_t		len = OBJ_length(oid);
		size_t		header = issuer.len == len + 2 ? 2 : 0;

		named = issuer.len == len + header &&
			(header == 0 || (issuer.data[0] == 0x06 && issuer.data[1] == len)) &&
			memcmp(issuer.data + header, OBJ_get0_data(oid), len) == 0;
	}
	ASN1_OBJECT_free(oid);
	ERR_clear_error();
	return named;
}

/* CaId beside the certificate repeats who issued it. */
static bool
check_ca_id(EisReader *r, xmlNodePtr node, SmsrBytes issuer)
{
	xmlNodePtr	ca_id = eis_find(r, node, "CaId");
	uint8		octets[64];
	char	   *text;
	int			len;

	if (ca_id == NULL)
		return eis_ok(r);
	if ((text = eis_text(r, ca_id)) == NULL)
		return false;
	len = eis_hex(text, octets, sizeof(octets));
	return (len == (int) issuer.len && memcmp(octets, issuer.data, len) == 0) ||
		refuse(r, ca_id, "value is not the issuer that the certificate names");
}

static bool
verify_certificate(EisReader *r, xmlNodePtr node, const EumCertificate *eum, int64 at)
{
	xmlNodePtr	value = eis_need(r, node, "Value");
	uint8		octets[MAX_CERTIFICATE];
	Certificate certificate;
	SmsrError	error;
	char	   *text;
	int			len;

	if (value == NULL || (text = eis_text(r, value)) == NULL)
		return false;
	if ((len = eis_hex(text, octets, sizeof(octets))) <= 0)
		return refuse(r, value, "value must be a certificate in hexadecimal");
	if (!certificate_read(smsr_bytes(octets, len), &certificate, &error))
		return refuse_error(r, value, &error);
	if (certificate.expiry < certificate_day(at))
		return eis_reject(r, value, SUBJECT_ECASD, REASON_EXPIRED, "ECASD's certificate has expired");
	if (!certificate_check_ecasd(&certificate, r->eid, at, &error) ||
		!certificate_check_authority(&certificate, smsr_bytes(eum->key.identifier, eum->key.identifier_len), &error))
		return refuse_error(r, value, &error);
	if (smsr_ecasd_issuer == SMSR_ECASD_ISSUER_EUM_ID && !names_eum(certificate.issuer, r->eum_id))
		return refuse(r, value, "certificate's issuer is not this EUM");
	if (!check_ca_id(r, node, certificate.issuer))
		return false;
	return certificate_verify(&certificate, eum->key.curve, smsr_bytes(eum->key.point, CURVE_POINT_LEN), &error) ||
		refuse(r, value, "ECASD's certificate is not signed by the EUM");
}

static bool
is_ca_keyset(EisReader *r, xmlNodePtr keyset)
{
	xmlNodePtr	type = eis_find(r, keyset, "Type");
	char	   *text;

	return type != NULL && (text = eis_text(r, type)) != NULL && strcmp(text, "CA") == 0;
}

/* At least one, and all that there are: any of them may be the one that is used. */
bool
ecasd_verify(EisReader *r, xmlNodePtr ecasd, const EumCertificate *eum, TimestampTz now)
{
	int64		at = timestamptz_to_time_t(now);
	bool		found = false;

	if (ecasd == NULL)
		return false;
	for (xmlNodePtr keyset = ecasd->children; keyset != NULL && eis_ok(r); keyset = keyset->next)
	{
		if (!eis_is(r, keyset, "Keyset") || !is_ca_keyset(r, keyset))
			continue;
		for (xmlNodePtr node = keyset->children; node != NULL && eis_ok(r); node = node->next)
		{
			if (!eis_is(r, node, "Certificate"))
				continue;
			if (!verify_certificate(r, node, eum, at))
				return false;
			found = true;
		}
	}
	if (!eis_ok(r))
		return false;
	return found || refuse(r, ecasd, "there is no certificate in a key set of type CA");
}
