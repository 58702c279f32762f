/*
 * iccid.c
 *		The SQL type smsr.iccid: 10 octets by reference, written as 19 or 20 digits.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "pg/compat.h"
#include "pg/report.h"
#include "pg/types.h"
#include "utils/sortsupport.h"

PG_FUNCTION_INFO_V1(smsr_iccid_in);
PG_FUNCTION_INFO_V1(smsr_iccid_out);
PG_FUNCTION_INFO_V1(smsr_iccid_recv);
PG_FUNCTION_INFO_V1(smsr_iccid_send);
PG_FUNCTION_INFO_V1(smsr_iccid_from_bytea);
PG_FUNCTION_INFO_V1(smsr_iccid_to_bytea);
PG_FUNCTION_INFO_V1(smsr_iccid_eq);
PG_FUNCTION_INFO_V1(smsr_iccid_ne);
PG_FUNCTION_INFO_V1(smsr_iccid_lt);
PG_FUNCTION_INFO_V1(smsr_iccid_le);
PG_FUNCTION_INFO_V1(smsr_iccid_gt);
PG_FUNCTION_INFO_V1(smsr_iccid_ge);
PG_FUNCTION_INFO_V1(smsr_iccid_cmp);
PG_FUNCTION_INFO_V1(smsr_iccid_smaller);
PG_FUNCTION_INFO_V1(smsr_iccid_larger);
PG_FUNCTION_INFO_V1(smsr_iccid_sortsupport);
PG_FUNCTION_INFO_V1(smsr_hash_iccid);
PG_FUNCTION_INFO_V1(smsr_hash_iccid_extended);
PG_FUNCTION_INFO_V1(smsr_iccid_luhn_ok);

Datum
smsr_iccid_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	uint8	   *iccid = palloc(ICCID_LEN);
	SmsrError	error;

	if (!iccid_parse(text, strlen(text), iccid, &error))
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", "smsr.iccid", text),
				 errdetail_internal("%s", smsr_text_error_detail(&error))));

	PG_RETURN_POINTER(iccid);
}

Datum
smsr_iccid_out(PG_FUNCTION_ARGS)
{
	char	   *text = palloc(ICCID_DIGITS + 1);

	iccid_format(PG_GETARG_ICCID(0), text);
	PG_RETURN_CSTRING(text);
}

Datum
smsr_iccid_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	uint8	   *iccid = palloc(ICCID_LEN);
	SmsrError	error;

	pq_copymsgbytes(buf, (char *) iccid, ICCID_LEN);
	if (!iccid_check(iccid, &error))
		smsr_report(&error, "external value of type smsr.iccid");

	PG_RETURN_POINTER(iccid);
}

Datum
smsr_iccid_send(PG_FUNCTION_ARGS)
{
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, (char *) PG_GETARG_ICCID(0), ICCID_LEN);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
smsr_iccid_from_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *octets = PG_GETARG_BYTEA_PP(0);
	uint8	   *iccid = palloc(ICCID_LEN);
	SmsrError	error;

	if (VARSIZE_ANY_EXHDR(octets) != ICCID_LEN)
	{
		smsr_fail(&error, SMSR_BAD_LENGTH, "ICCID", 0, "10 octets");
		smsr_report(&error, "value of type smsr.iccid");
	}
	memcpy(iccid, VARDATA_ANY(octets), ICCID_LEN);
	if (!iccid_check(iccid, &error))
		smsr_report(&error, "value of type smsr.iccid");

	PG_RETURN_POINTER(iccid);
}

Datum
smsr_iccid_to_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *octets = palloc(VARHDRSZ + ICCID_LEN);

	SET_VARSIZE(octets, VARHDRSZ + ICCID_LEN);
	memcpy(VARDATA(octets), PG_GETARG_ICCID(0), ICCID_LEN);
	PG_RETURN_BYTEA_P(octets);
}

/*
 * Octet order is digit order.  Values were checked when they came in, so that
 * comparing and hashing can not fail: these functions are leakproof.
 */
static inline int
compare(Datum a, Datum b)
{
	return memcmp(DatumGetPointer(a), DatumGetPointer(b), ICCID_LEN);
}

static int
fast_compare(Datum a, Datum b, SortSupport ssup)
{
	return compare(a, b);
}

Datum
smsr_iccid_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) == 0);
}

Datum
smsr_iccid_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) != 0);
}

Datum
smsr_iccid_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) < 0);
}

Datum
smsr_iccid_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) <= 0);
}

Datum
smsr_iccid_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) > 0);
}

Datum
smsr_iccid_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) >= 0);
}

Datum
smsr_iccid_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

Datum
smsr_iccid_smaller(PG_FUNCTION_ARGS)
{
	Datum		a = PG_GETARG_DATUM(0);
	Datum		b = PG_GETARG_DATUM(1);

	PG_RETURN_DATUM(compare(a, b) < 0 ? a : b);
}

Datum
smsr_iccid_larger(PG_FUNCTION_ARGS)
{
	Datum		a = PG_GETARG_DATUM(0);
	Datum		b = PG_GETARG_DATUM(1);

	PG_RETURN_DATUM(compare(a, b) > 0 ? a : b);
}

Datum
smsr_iccid_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);

	ssup->comparator = fast_compare;
	PG_RETURN_VOID();
}

Datum
smsr_hash_iccid(PG_FUNCTION_ARGS)
{
	return hash_any(PG_GETARG_ICCID(0), ICCID_LEN);
}

Datum
smsr_hash_iccid_extended(PG_FUNCTION_ARGS)
{
	return hash_any_extended(PG_GETARG_ICCID(0), ICCID_LEN, PG_GETARG_INT64(1));
}

Datum
smsr_iccid_luhn_ok(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(iccid_luhn_ok(PG_GETARG_ICCID(0)));
}
