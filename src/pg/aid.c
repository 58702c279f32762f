/*
 * aid.c
 *		The SQL type smsr.aid: 5 to 16 octets, written in hexadecimal.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "pg/compat.h"
#include "pg/report.h"
#include "pg/types.h"
#include "utils/sortsupport.h"

PG_FUNCTION_INFO_V1(smsr_aid_in);
PG_FUNCTION_INFO_V1(smsr_aid_out);
PG_FUNCTION_INFO_V1(smsr_aid_recv);
PG_FUNCTION_INFO_V1(smsr_aid_send);
PG_FUNCTION_INFO_V1(smsr_aid_from_bytea);
PG_FUNCTION_INFO_V1(smsr_aid_eq);
PG_FUNCTION_INFO_V1(smsr_aid_ne);
PG_FUNCTION_INFO_V1(smsr_aid_lt);
PG_FUNCTION_INFO_V1(smsr_aid_le);
PG_FUNCTION_INFO_V1(smsr_aid_gt);
PG_FUNCTION_INFO_V1(smsr_aid_ge);
PG_FUNCTION_INFO_V1(smsr_aid_cmp);
PG_FUNCTION_INFO_V1(smsr_aid_sortsupport);
PG_FUNCTION_INFO_V1(smsr_hash_aid);
PG_FUNCTION_INFO_V1(smsr_hash_aid_extended);
PG_FUNCTION_INFO_V1(smsr_aid_tar);
PG_FUNCTION_INFO_V1(smsr_isdp_aid);

SmsrAid
smsr_datum_get_aid(Datum datum)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);
	SmsrAid		aid = {0};

	aid.len = (uint8) Min(VARSIZE_ANY_EXHDR(value), AID_MAX_LEN);
	memcpy(aid.octets, VARDATA_ANY(value), aid.len);
	return aid;
}

Datum
smsr_aid_get_datum(const SmsrAid *aid)
{
	struct varlena *value = palloc(VARHDRSZ + aid->len);

	SET_VARSIZE(value, VARHDRSZ + aid->len);
	memcpy(VARDATA(value), aid->octets, aid->len);
	return PointerGetDatum(value);
}

Datum
smsr_aid_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	SmsrAid		aid;
	SmsrError	error;

	if (!aid_parse(text, strlen(text), &aid, &error))
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", "smsr.aid", text),
				 errdetail_internal("%s", smsr_text_error_detail(&error))));

	PG_RETURN_AID(&aid);
}

Datum
smsr_aid_out(PG_FUNCTION_ARGS)
{
	SmsrAid		aid = PG_GETARG_AID(0);
	char	   *text = palloc(2 * AID_MAX_LEN + 1);

	aid_format(&aid, text);
	PG_RETURN_CSTRING(text);
}

Datum
smsr_aid_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len = buf->len - buf->cursor;
	SmsrAid		aid;
	SmsrError	error;

	if (!aid_from_bytes(smsr_bytes(pq_getmsgbytes(buf, len), len), &aid, &error))
		smsr_report(&error, "external value of type smsr.aid");

	PG_RETURN_AID(&aid);
}

Datum
smsr_aid_send(PG_FUNCTION_ARGS)
{
	SmsrAid		aid = PG_GETARG_AID(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, (char *) aid.octets, aid.len);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* The way back is a cast without a function: an aid is a bytea of its octets. */
Datum
smsr_aid_from_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *octets = PG_GETARG_BYTEA_PP(0);
	SmsrAid		aid;
	SmsrError	error;

	if (!aid_from_bytes(smsr_bytes(VARDATA_ANY(octets), VARSIZE_ANY_EXHDR(octets)),
						&aid, &error))
		smsr_report(&error, "value of type smsr.aid");

	PG_RETURN_AID(&aid);
}

/*
 * Values were checked when they came in, so that comparing and hashing can not
 * fail: these functions are leakproof.
 */
static inline int
compare(Datum a, Datum b)
{
	SmsrAid		aid_a = smsr_datum_get_aid(a);
	SmsrAid		aid_b = smsr_datum_get_aid(b);

	return aid_compare(&aid_a, &aid_b);
}

static int
fast_compare(Datum a, Datum b, SortSupport ssup)
{
	return compare(a, b);
}

Datum
smsr_aid_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) == 0);
}

Datum
smsr_aid_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) != 0);
}

Datum
smsr_aid_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) < 0);
}

Datum
smsr_aid_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) <= 0);
}

Datum
smsr_aid_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) > 0);
}

Datum
smsr_aid_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) >= 0);
}

Datum
smsr_aid_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

Datum
smsr_aid_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);

	ssup->comparator = fast_compare;
	PG_RETURN_VOID();
}

Datum
smsr_hash_aid(PG_FUNCTION_ARGS)
{
	SmsrAid		aid = PG_GETARG_AID(0);

	return hash_any(aid.octets, aid.len);
}

Datum
smsr_hash_aid_extended(PG_FUNCTION_ARGS)
{
	SmsrAid		aid = PG_GETARG_AID(0);

	return hash_any_extended(aid.octets, aid.len, PG_GETARG_INT64(1));
}

/* NULL for an AID that carries no TAR. */
Datum
smsr_aid_tar(PG_FUNCTION_ARGS)
{
	SmsrAid		aid = PG_GETARG_AID(0);
	bytea	   *tar = palloc(VARHDRSZ + 3);

	SET_VARSIZE(tar, VARHDRSZ + 3);
	if (!aid_tar(&aid, (uint8 *) VARDATA(tar)))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(tar);
}

Datum
smsr_isdp_aid(PG_FUNCTION_ARGS)
{
	int32		tar = PG_GETARG_INT32(0);
	SmsrAid		aid;
	SmsrError	error;

	/* a negative number is out of range as an unsigned one, too */
	if (!aid_isdp((uint32) tar, &aid, &error))
		smsr_report_build(&error, "AID of an ISD-P");
	PG_RETURN_AID(&aid);
}
