/*
 * trust.c
 *		Certificate issuers that are trusted, and the EUMs under them.
 *
 * What makes a certificate good is core's to say (core/chain).  To say it takes
 * as long as several signatures and a fleet has few EUMs, so a backend keeps
 * what it was told last.  Nothing may ereport while libcrypto holds something.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "pg/keystore.h"
#include "pg/report.h"
#include "pg/trust.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* smsr.trusted_certificate */
#define Anum_trusted_certificate_role			2
#define Anum_trusted_certificate_eum_id			3
#define Anum_trusted_certificate_certificate	10

PG_FUNCTION_INFO_V1(smsr_trusted_certificate_changed);
PG_FUNCTION_INFO_V1(smsr_read_certificate);
PG_FUNCTION_INFO_V1(smsr_certificate_problem);

/* A row of smsr.trusted_certificate; all that it points to is malloc'd. */
typedef struct TrustedCertificate
{
	bool		is_ci;
	char		eum_id[OID_TEXT_MAX];
	uint8		fingerprint[FINGERPRINT_LEN];
	X509	   *certificate;
	SmsrBytes	der;
} TrustedCertificate;

static TrustedCertificate *trusted;
static int	trusted_count;

/* What was verified, by a digest of what the document came with. */
typedef struct VerifiedEum
{
	bool		used;
	uint8		digest[FINGERPRINT_LEN];
	EumCertificate eum;
} VerifiedEum;

static VerifiedEum cache[16];
static int	next_victim;

/* Like those of the keystore, all this is right only as long as the table stands. */
static bool loaded;
static bool stale;
static Oid	watched_relid;

static void
certificates_changed(Datum arg, Oid relid)
{
	/* may come in the middle of anything: only leave word */
	if (relid == InvalidOid || relid == watched_relid)
		stale = true;
}

/* ---- certificates ---- */

/* DER, or PEM of which the first certificate counts; NULL: neither. */
static X509 *
parse_certificate(SmsrBytes octets)
{
	const unsigned char *p = octets.data;
	X509	   *certificate = d2i_X509(NULL, &p, (long) octets.len);

	if (certificate != NULL && p != octets.data + octets.len)
	{
		X509_free(certificate);
		certificate = NULL;
	}
	if (certificate == NULL)
	{
		BIO		   *bio = BIO_new_mem_buf(octets.data, (int) octets.len);

		if (bio != NULL)
			certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		BIO_free(bio);
	}
	/* compute the extensions' flags now, and see whether they are readable */
	if (certificate != NULL && (X509_get_extension_flags(certificate) & EXFLAG_INVALID))
	{
		X509_free(certificate);
		certificate = NULL;
	}
	ERR_clear_error();
	return certificate;
}

static bool
get_fingerprint(X509 *certificate, uint8 fingerprint[FINGERPRINT_LEN])
{
	unsigned int len = 0;

	return X509_digest(certificate, EVP_sha256(), fingerprint, &len) == 1 && len == FINGERPRINT_LEN;
}

/* RFC 2253 with everything beyond ASCII escaped, so that any encoding has it */
static void
get_name(const X509_NAME *name, char *text, size_t cap)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	int			len = 0;

	if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
		len = BIO_read(bio, text, (int) cap - 1);
	text[Max(len, 0)] = '\0';
	BIO_free(bio);
}

static void
get_serial(const X509 *certificate, char *text, size_t cap)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
	const unsigned char *octets = ASN1_STRING_get0_data(serial);
	int			len = ASN1_STRING_length(serial);

	text[0] = '\0';
	for (int i = 0; i < len && 2 * (size_t) i + 3 <= cap; i++)
		snprintf(text + 2 * i, 3, "%02X", octets[i]);
}

static bool
get_time(const ASN1_TIME *when, TimestampTz *value)
{
	ASN1_TIME  *epoch = ASN1_TIME_set(NULL, 0);
	int			days;
	int			seconds;
	bool		ok = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, when) == 1;

	ASN1_TIME_free(epoch);
	if (ok)
		*value = ((int64) (days - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)) * SECS_PER_DAY + seconds) * USECS_PER_SEC;
	return ok;
}

/* By core's name; libcrypto has none for FRP256v1, where only a CI's can be read. */
static void
get_curve(X509 *certificate, SmsrBytes der, char *text, size_t cap)
{
	EVP_PKEY   *key = X509_get0_pubkey(certificate);
	TimestampTz from;
	ChainKey	ci;
	Curve		curve;
	size_t		len;

	if (key != NULL && EVP_PKEY_get_group_name(key, text, cap, &len) == 1)
	{
		if (curve_parse(strcmp(text, "prime256v1") == 0 ? "P-256" : text, &curve))
			strlcpy(text, curve_name(curve), cap);
	}
	else if (key == NULL && get_time(X509_get0_notBefore(certificate), &from) &&
			 chain_read_ci(der, timestamptz_to_time_t(from) + 1, &ci, NULL))
		strlcpy(text, curve_name(ci.curve), cap);
	else
		text[0] = '\0';
	ERR_clear_error();
}

/*
 * Which EUM a certificate is of.  That it is the registered identifier among
 * the alternative names is how certificates of the later RSP specification have
 * it; no source at hand says so of SGP.02, and smsr.trust_eum() can say it
 * instead.
 */
static void
get_eum_id(X509 *certificate, char text[OID_TEXT_MAX])
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int			count = 0;

	text[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
	{
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_RID && count++ == 0 &&
			OBJ_obj2txt(text, OID_TEXT_MAX, name->d.registeredID, 1) >= OID_TEXT_MAX)
			text[0] = '\0';
	}
	/* of two nobody knows which */
	if (count > 1)
		text[0] = '\0';
	GENERAL_NAMES_free(names);
	ERR_clear_error();
}

/* ---- the table ---- */

typedef struct CertificateRow
{
	bool		is_ci;
	char	   *eum_id;
	SmsrBytes	der;
} CertificateRow;

static bool
collect_certificate(HeapTuple row, TupleDesc desc, void *arg)
{
	List	  **rows = arg;
	CertificateRow *found = palloc0(sizeof(CertificateRow));
	bool		isnull;
	Datum		role = heap_getattr(row, Anum_trusted_certificate_role, desc, &isnull);
	Datum		eum_id = heap_getattr(row, Anum_trusted_certificate_eum_id, desc, &isnull);
	bytea	   *der;

	found->is_ci = strcmp(TextDatumGetCString(role), "CI") == 0;
	if (!isnull)
		found->eum_id = TextDatumGetCString(eum_id);
	der = DatumGetByteaPCopy(heap_getattr(row, Anum_trusted_certificate_certificate, desc, &isnull));
	found->der = smsr_bytes(VARDATA(der), VARSIZE(der) - VARHDRSZ);
	*rows = lappend(*rows, found);
	return true;
}

static void
forget(void)
{
	for (int i = 0; i < trusted_count; i++)
	{
		X509_free(trusted[i].certificate);
		OPENSSL_free((void *) trusted[i].der.data);
	}
	trusted_count = 0;
	if (trusted != NULL)
		pfree(trusted);
	trusted = NULL;
	for (int i = 0; i < (int) lengthof(cache); i++)
	{
		EVP_PKEY_free(cache[i].eum.pkey);
		cache[i] = (VerifiedEum) {0};
	}
	loaded = false;
}

/* A row whose certificate somebody has spoilt is trusted no more. */
static void
add_row(const CertificateRow *row)
{
	TrustedCertificate *t = &trusted[trusted_count];

	*t = (TrustedCertificate) {.is_ci = row->is_ci, .certificate = parse_certificate(row->der)};
	if (row->eum_id != NULL)
		strlcpy(t->eum_id, row->eum_id, sizeof(t->eum_id));
	t->der.data = OPENSSL_memdup(row->der.data, row->der.len);
	t->der.len = row->der.len;
	if (t->certificate != NULL && t->der.data != NULL &&
		get_fingerprint(t->certificate, t->fingerprint))
		trusted_count++;
	else
	{
		X509_free(t->certificate);
		OPENSSL_free((void *) t->der.data);
	}
}

static void
load(void)
{
	static bool registered;
	List	   *rows = NIL;
	ListCell   *cell;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(certificates_changed, (Datum) 0);
		registered = true;
	}
	if (loaded && !stale)
		return;
	forget();
	/* before the table is read: what changes from here on makes it stale again */
	stale = false;
	watched_relid = keystore_table("trusted_certificate");
	keystore_scan(watched_relid, collect_certificate, &rows);
	trusted = MemoryContextAllocZero(TopMemoryContext, Max(list_length(rows), 1) * sizeof(TrustedCertificate));
	foreach(cell, rows)
		add_row(lfirst(cell));
	loaded = true;
}

/* ---- EUMs ---- */

/*
 * The EUM's among the certificates of a document, which may bring the CI's
 * along: the one that issued none of the others.  -1: not exactly one.
 */
static int
find_leaf(X509 *const *certificates, int count)
{
	int			leaf = -1;

	for (int i = 0; i < count; i++)
	{
		bool		issues = false;

		for (int j = 0; j < count && !issues; j++)
			issues = X509_NAME_cmp(X509_get_subject_name(certificates[i]),
								   X509_get_issuer_name(certificates[j])) == 0;
		if (issues)
			continue;
		if (leaf >= 0)
			return -1;
		leaf = i;
	}
	return leaf;
}

static bool
get_times(X509 *certificate, X509 *ci, EumCertificate *eum)
{
	TimestampTz from;
	TimestampTz until;

	if (!get_time(X509_get0_notBefore(certificate), &eum->valid_from) ||
		!get_time(X509_get0_notAfter(certificate), &eum->valid_until) ||
		!get_time(X509_get0_notBefore(ci), &from) ||
		!get_time(X509_get0_notAfter(ci), &until))
		return false;
	eum->valid_from = Max(eum->valid_from, from);
	eum->valid_until = Min(eum->valid_until, until);
	return true;
}

/* Whom it belongs to, and who says so. */
static void
describe_eum(X509 *certificate, X509 *ci, EumCertificate *eum)
{
	char		subject[NAME_TEXT_MAX - 96];
	char		serial[64];

	get_name(X509_get_subject_name(ci), subject, sizeof(subject));
	get_serial(ci, serial, sizeof(serial));
	snprintf(eum->ci, sizeof(eum->ci), "%s, serial number %s", subject, serial);
	get_eum_id(certificate, eum->eum_id);
	for (int i = 0; i < trusted_count; i++)
	{
		if (!trusted[i].is_ci && memcmp(trusted[i].fingerprint, eum->fingerprint, FINGERPRINT_LEN) == 0)
			strcpy(eum->eum_id, trusted[i].eum_id);
	}
	eum->pkey = X509_get_pubkey(certificate);
	ERR_clear_error();
}

/* Under one CI; an expired one is said to be so before anything else of it. */
static bool
verify_under(X509 *certificate, SmsrBytes der, const TrustedCertificate *ci, TimestampTz now,
			 EumCertificate *eum, TrustProblem *problem)
{
	SmsrError	error = {0};

	*problem = (TrustProblem) {"certificate's time can not be read", false, NULL};
	if (!get_times(certificate, ci->certificate, eum) || !get_fingerprint(certificate, eum->fingerprint))
		return false;
	if (now >= eum->valid_until)
		*problem = (TrustProblem) {"EUM's or CI's certificate has expired", true, NULL};
	else if (now < eum->valid_from)
		*problem = (TrustProblem) {"EUM's or CI's certificate is not valid yet", false, NULL};
	else if (chain_verify_eum(der, ci->der, timestamptz_to_time_t(now), &eum->key, &error))
	{
		describe_eum(certificate, ci->certificate, eum);
		return true;
	}
	else
		*problem = (TrustProblem) {NULL, false, error.expected};
	return false;
}

/* A CI may be there twice, with its old key and its new one. */
static bool
verify_certificate(X509 *certificate, SmsrBytes der, TimestampTz now,
				   EumCertificate *eum, TrustProblem *problem)
{
	*problem = (TrustProblem) {"no trusted CI has issued its certificate", false, NULL};
	for (int i = 0; i < trusted_count; i++)
	{
		if (trusted[i].is_ci &&
			X509_NAME_cmp(X509_get_subject_name(trusted[i].certificate),
						  X509_get_issuer_name(certificate)) == 0 &&
			verify_under(certificate, der, &trusted[i], now, eum, problem))
			return true;
	}
	return false;
}

static bool
verify_sent(const SmsrBytes *ders, int count, TimestampTz now, EumCertificate *eum, TrustProblem *problem)
{
	X509	   *certificates[CERTIFICATES_MAX] = {NULL};
	bool		ok = true;
	int			leaf;

	*problem = (TrustProblem) {"a certificate is not X.509", false, NULL};
	for (int i = 0; i < count; i++)
		ok &= (certificates[i] = parse_certificate(ders[i])) != NULL;
	if (ok)
	{
		leaf = find_leaf(certificates, count);
		if (leaf < 0)
			problem->reason = "certificates are not one chain";
		ok = leaf >= 0 && verify_certificate(certificates[leaf], ders[leaf], now, eum, problem);
	}
	for (int i = 0; i < count; i++)
		X509_free(certificates[i]);
	return ok;
}

/* Of those of this EUM the one that is valid longest, so that a renewal counts. */
static bool
verify_known(const char *eum_id, TimestampTz now, EumCertificate *eum, TrustProblem *problem)
{
	bool		any = false;

	*problem = (TrustProblem) {"its certificate is neither in the signature nor known", false, NULL};
	for (int i = 0; i < trusted_count; i++)
	{
		EumCertificate found = {.pkey = NULL};

		if (trusted[i].is_ci || strcmp(trusted[i].eum_id, eum_id) != 0 ||
			!verify_certificate(trusted[i].certificate, trusted[i].der, now, &found, problem))
			continue;
		if (!any || found.valid_until > eum->valid_until)
		{
			EVP_PKEY_free(eum->pkey);
			*eum = found;
		}
		else
			EVP_PKEY_free(found.pkey);
		any = true;
	}
	return any;
}

/* What the result follows from, each part with its length. */
static bool
digest_of(const char *eum_id, const SmsrBytes *ders, int count, uint8 digest[FINGERPRINT_LEN])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool		ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

	if (count == 0)
		ok = ok && EVP_DigestUpdate(ctx, eum_id, strlen(eum_id)) == 1;
	for (int i = 0; i < count && ok; i++)
		ok = EVP_DigestUpdate(ctx, &ders[i].len, sizeof(ders[i].len)) == 1 &&
			EVP_DigestUpdate(ctx, ders[i].data, ders[i].len) == 1;
	ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

const char *
trust_problem_text(const TrustProblem *problem)
{
	return problem->expected == NULL ? problem->reason :
		psprintf("its certificate: expected %s", problem->expected);
}

const EumCertificate *
trust_find_eum(const char *eum_id, const SmsrBytes *ders, int count, TrustProblem *problem)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	uint8		digest[FINGERPRINT_LEN];
	EumCertificate eum = {.pkey = NULL};
	VerifiedEum *victim;

	load();
	if (!digest_of(eum_id, ders, count, digest))
		smsr_report_crypto("SHA-256");
	for (int i = 0; i < (int) lengthof(cache); i++)
	{
		if (cache[i].used && memcmp(cache[i].digest, digest, FINGERPRINT_LEN) == 0 &&
			now >= cache[i].eum.valid_from && now < cache[i].eum.valid_until)
			return &cache[i].eum;
	}

	/* what fails is not kept: it may be anything, and much of it */
	if (count > 0 ? !verify_sent(ders, count, now, &eum, problem) :
		!verify_known(eum_id, now, &eum, problem))
		return NULL;
	victim = &cache[next_victim];
	next_victim = (next_victim + 1) % (int) lengthof(cache);
	EVP_PKEY_free(victim->eum.pkey);
	*victim = (VerifiedEum) {.used = true, .eum = eum};
	memcpy(victim->digest, digest, FINGERPRINT_LEN);
	return &victim->eum;
}

/* ---- SQL ---- */

/* Tell every backend that whom it trusts, and what it has verified, may be wrong. */
Datum
smsr_trusted_certificate_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager",
						"smsr_trusted_certificate_changed")));
	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}

/* What smsr.read_certificate() gives. */
typedef struct CertificateText
{
	uint8		fingerprint[FINGERPRINT_LEN];
	char		subject[NAME_TEXT_MAX];
	char		issuer[NAME_TEXT_MAX];
	char		serial[64];
	uint8		key_id[64];
	int			key_id_len;
	uint8		issuer_key_id[64];
	int			issuer_key_id_len;
	char		curve[64];
	TimestampTz valid_from;
	TimestampTz valid_until;
	bool		is_ca;
	bool		self_signed;
	char		eum_id[OID_TEXT_MAX];
	uint8		der[16384];
	int			der_len;
} CertificateText;

static int
copy_key_id(const ASN1_OCTET_STRING *key_id, uint8 *octets, int cap)
{
	int			len = key_id != NULL ? ASN1_STRING_length(key_id) : 0;

	if (len > cap)
		return 0;
	memcpy(octets, len > 0 ? ASN1_STRING_get0_data(key_id) : octets, len);
	return len;
}

static bool
describe_certificate(X509 *certificate, CertificateText *text)
{
	unsigned char *p = text->der;

	text->der_len = i2d_X509(certificate, NULL);
	if (text->der_len <= 0 || text->der_len > (int) sizeof(text->der) ||
		i2d_X509(certificate, &p) != text->der_len ||
		!get_fingerprint(certificate, text->fingerprint) ||
		!get_time(X509_get0_notBefore(certificate), &text->valid_from) ||
		!get_time(X509_get0_notAfter(certificate), &text->valid_until))
		return false;
	get_name(X509_get_subject_name(certificate), text->subject, sizeof(text->subject));
	get_name(X509_get_issuer_name(certificate), text->issuer, sizeof(text->issuer));
	get_serial(certificate, text->serial, sizeof(text->serial));
	get_curve(certificate, smsr_bytes(text->der, text->der_len), text->curve, sizeof(text->curve));
	get_eum_id(certificate, text->eum_id);
	text->key_id_len = copy_key_id(X509_get0_subject_key_id(certificate), text->key_id, sizeof(text->key_id));
	text->issuer_key_id_len = copy_key_id(X509_get0_authority_key_id(certificate),
										  text->issuer_key_id, sizeof(text->issuer_key_id));
	text->is_ca = X509_check_ca(certificate) == 1;
	text->self_signed = X509_self_signed(certificate, 1) == 1;
	ERR_clear_error();
	return true;
}

static CertificateText *
read_certificate(FunctionCallInfo fcinfo)
{
	CertificateText *text = palloc0(sizeof(CertificateText));
	bytea	   *octets;
	X509	   *certificate;
	bool		ok;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("certificate is missing")));
	octets = PG_GETARG_BYTEA_PP(0);
	certificate = parse_certificate(smsr_bytes(VARDATA_ANY(octets), VARSIZE_ANY_EXHDR(octets)));
	ok = certificate != NULL && describe_certificate(certificate, text);
	X509_free(certificate);
	if (!ok)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("could not read the certificate"),
				 errdetail("It is not an X.509 certificate of %zu octets or less in DER or PEM.",
						   sizeof(text->der))));
	return text;
}

static Datum
octets_datum(const uint8 *octets, int len, bool *isnull)
{
	bytea	   *value = palloc(VARHDRSZ + len);

	SET_VARSIZE(value, VARHDRSZ + len);
	memcpy(VARDATA(value), octets, len);
	*isnull = len == 0;
	return PointerGetDatum(value);
}

static Datum
text_datum(const char *text, bool *isnull)
{
	*isnull = text[0] == '\0';
	return CStringGetTextDatum(text);
}

Datum
smsr_read_certificate(PG_FUNCTION_ARGS)
{
	CertificateText *text = read_certificate(fcinfo);
	TupleDesc	desc;
	Datum		values[13];
	bool		nulls[13] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = octets_datum(text->fingerprint, FINGERPRINT_LEN, &nulls[0]);
	values[1] = CStringGetTextDatum(text->subject);
	values[2] = CStringGetTextDatum(text->issuer);
	values[3] = CStringGetTextDatum(text->serial);
	values[4] = octets_datum(text->key_id, text->key_id_len, &nulls[4]);
	values[5] = octets_datum(text->issuer_key_id, text->issuer_key_id_len, &nulls[5]);
	values[6] = text_datum(text->curve, &nulls[6]);
	values[7] = TimestampTzGetDatum(text->valid_from);
	values[8] = TimestampTzGetDatum(text->valid_until);
	values[9] = BoolGetDatum(text->is_ca);
	values[10] = BoolGetDatum(text->self_signed);
	values[11] = text_datum(text->eum_id, &nulls[11]);
	values[12] = octets_datum(text->der, text->der_len, &nulls[12]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * Why a certificate can not be that of a CI, or of an EUM under those that are
 * trusted.
 */
Datum
smsr_certificate_problem(PG_FUNCTION_ARGS)
{
	CertificateText *certificate = read_certificate(fcinfo);
	bool		is_ci = strcmp(text_to_cstring(PG_GETARG_TEXT_PP(1)), "CI") == 0;
	SmsrBytes	der = smsr_bytes(certificate->der, certificate->der_len);
	SmsrError	error = {0};
	TrustProblem problem = {NULL, false, NULL};
	ChainKey	key;

	if (is_ci ? chain_read_ci(der, timestamptz_to_time_t(GetCurrentTransactionStartTimestamp()), &key, &error) :
		trust_find_eum("", &der, 1, &problem) != NULL)
		PG_RETURN_NULL();
	if (is_ci)
		problem.expected = error.expected;
	PG_RETURN_TEXT_P(cstring_to_text(trust_problem_text(&problem)));
}
