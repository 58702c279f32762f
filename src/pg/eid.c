/*
 * eid.c
 *		The SQL type smsr.eid: 16 octets by reference, written as 32 digits.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "pg/compat.h"
#include "pg/report.h"
#include "pg/types.h"
#include "utils/pg_crc.h"
#include "utils/sortsupport.h"

PG_FUNCTION_INFO_V1(smsr_eid_in);
PG_FUNCTION_INFO_V1(smsr_eid_out);
PG_FUNCTION_INFO_V1(smsr_eid_recv);
PG_FUNCTION_INFO_V1(smsr_eid_send);
PG_FUNCTION_INFO_V1(smsr_eid_from_bytea);
PG_FUNCTION_INFO_V1(smsr_eid_to_bytea);
PG_FUNCTION_INFO_V1(smsr_eid_eq);
PG_FUNCTION_INFO_V1(smsr_eid_ne);
PG_FUNCTION_INFO_V1(smsr_eid_lt);
PG_FUNCTION_INFO_V1(smsr_eid_le);
PG_FUNCTION_INFO_V1(smsr_eid_gt);
PG_FUNCTION_INFO_V1(smsr_eid_ge);
PG_FUNCTION_INFO_V1(smsr_eid_cmp);
PG_FUNCTION_INFO_V1(smsr_eid_smaller);
PG_FUNCTION_INFO_V1(smsr_eid_larger);
PG_FUNCTION_INFO_V1(smsr_eid_sortsupport);
PG_FUNCTION_INFO_V1(smsr_hash_eid);
PG_FUNCTION_INFO_V1(smsr_hash_eid_extended);
PG_FUNCTION_INFO_V1(smsr_eid_hash);

Datum
smsr_eid_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	uint8	   *eid = palloc(EID_LEN);
	SmsrError	error;

	if (!eid_parse(text, strlen(text), eid, &error))
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", "smsr.eid", text),
				 errdetail_internal("%s", smsr_text_error_detail(&error))));

	PG_RETURN_POINTER(eid);
}

Datum
smsr_eid_out(PG_FUNCTION_ARGS)
{
	char	   *text = palloc(EID_DIGITS + 1);

	eid_format(PG_GETARG_EID(0), text);
	PG_RETURN_CSTRING(text);
}

Datum
smsr_eid_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	uint8	   *eid = palloc(EID_LEN);
	SmsrError	error;

	pq_copymsgbytes(buf, (char *) eid, EID_LEN);
	if (!eid_check(eid, &error))
		smsr_report(&error, "external value of type smsr.eid");

	PG_RETURN_POINTER(eid);
}

Datum
smsr_eid_send(PG_FUNCTION_ARGS)
{
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, (char *) PG_GETARG_EID(0), EID_LEN);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
smsr_eid_from_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *octets = PG_GETARG_BYTEA_PP(0);
	uint8	   *eid = palloc(EID_LEN);
	SmsrError	error;

	if (VARSIZE_ANY_EXHDR(octets) != EID_LEN)
	{
		smsr_fail(&error, SMSR_BAD_LENGTH, "EID", 0, "16 octets");
		smsr_report(&error, "value of type smsr.eid");
	}
	memcpy(eid, VARDATA_ANY(octets), EID_LEN);
	if (!eid_check(eid, &error))
		smsr_report(&error, "value of type smsr.eid");

	PG_RETURN_POINTER(eid);
}

Datum
smsr_eid_to_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *octets = palloc(VARHDRSZ + EID_LEN);

	SET_VARSIZE(octets, VARHDRSZ + EID_LEN);
	memcpy(VARDATA(octets), PG_GETARG_EID(0), EID_LEN);
	PG_RETURN_BYTEA_P(octets);
}

/*
 * Octet order is digit order.  Values were checked when they came in, so that
 * comparing and hashing can not fail: these functions are leakproof.
 */
static inline int
compare(Datum a, Datum b)
{
	return memcmp(DatumGetPointer(a), DatumGetPointer(b), EID_LEN);
}

static int
fast_compare(Datum a, Datum b, SortSupport ssup)
{
	return compare(a, b);
}

Datum
smsr_eid_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) == 0);
}

Datum
smsr_eid_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) != 0);
}

Datum
smsr_eid_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) < 0);
}

Datum
smsr_eid_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) <= 0);
}

Datum
smsr_eid_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) > 0);
}

Datum
smsr_eid_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) >= 0);
}

Datum
smsr_eid_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

Datum
smsr_eid_smaller(PG_FUNCTION_ARGS)
{
	Datum		a = PG_GETARG_DATUM(0);
	Datum		b = PG_GETARG_DATUM(1);

	PG_RETURN_DATUM(compare(a, b) < 0 ? a : b);
}

Datum
smsr_eid_larger(PG_FUNCTION_ARGS)
{
	Datum		a = PG_GETARG_DATUM(0);
	Datum		b = PG_GETARG_DATUM(1);

	PG_RETURN_DATUM(compare(a, b) > 0 ? a : b);
}

/* No abbreviated keys: the first 18 digits are alike within a product. */
Datum
smsr_eid_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);

	ssup->comparator = fast_compare;
	PG_RETURN_VOID();
}

Datum
smsr_hash_eid(PG_FUNCTION_ARGS)
{
	return hash_any(PG_GETARG_EID(0), EID_LEN);
}

Datum
smsr_hash_eid_extended(PG_FUNCTION_ARGS)
{
	return hash_any_extended(PG_GETARG_EID(0), EID_LEN, PG_GETARG_INT64(1));
}

/*
 * The hash that places an eUICC on a shard.  hash_any() may change with a
 * major version and differs between byte orders; CRC-32 (ISO/IEC 13239, zlib)
 * never does, and anybody can compute it.
 */
Datum
smsr_eid_hash(PG_FUNCTION_ARGS)
{
	pg_crc32	crc;

	INIT_TRADITIONAL_CRC32(crc);
	COMP_TRADITIONAL_CRC32(crc, PG_GETARG_EID(0), EID_LEN);
	FIN_TRADITIONAL_CRC32(crc);
	PG_RETURN_INT32((int32) crc);
}
