/*
 * request_parts.c
 *		A call for many eUICCs, cut into parts that are worked on one after the other.
 *
 * Arrays are sorted and cut here because a million elements as rows of a statement
 * are a million tuples to be formed, sorted on disk and put into arrays again.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "pg/types.h"

PG_FUNCTION_INFO_V1(smsr_request_parts);
PG_FUNCTION_INFO_V1(smsr_picked);

typedef struct Place
{
	const uint8 *eid;
	int32		n;
} Place;

static int
by_eid(const void *a, const void *b)
{
	const Place *one = a;
	const Place *other = b;
	int			order = memcmp(one->eid, other->eid, EID_LEN);

	return order != 0 ? order : (one->n > other->n) - (one->n < other->n);
}

static int
by_place(const void *a, const void *b)
{
	const Place *one = a;
	const Place *other = b;

	return (one->n > other->n) - (one->n < other->n);
}

/*
 * Parts of so many eUICCs that follow each other in order, and in a part the places
 * of the array, from 1, in order of the array.
 */
Datum
smsr_request_parts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int32		size = PG_GETARG_INT32(1);
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	Datum	   *eids;
	bool	   *nulls;
	int			count;
	Place	   *places;
	Datum	   *part;

	if (size < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("size must be above 0")));
	deconstruct_array(array, ARR_ELEMTYPE(array), EID_LEN, false, TYPALIGN_CHAR, &eids, &nulls, &count);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	places = palloc(Max(count, 1) * sizeof(Place));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("eids must not contain null")));
		places[i] = (Place) {DatumGetEid(eids[i]), i + 1};
	}
	if (count > size)
		qsort(places, count, sizeof(Place), by_eid);
	part = palloc(Min(Max(count, 1), size) * sizeof(Datum));
	for (int first = 0; first < count; first += size)
	{
		int			in_part = Min(size, count - first);
		Datum		value;
		bool		null = false;

		CHECK_FOR_INTERRUPTS();
		/* what is sent is sent in the order of the call */
		qsort(&places[first], in_part, sizeof(Place), by_place);
		for (int i = 0; i < in_part; i++)
			part[i] = Int32GetDatum(places[first + i].n);
		value = PointerGetDatum(construct_array(part, in_part, INT4OID, sizeof(int32), true, TYPALIGN_INT));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &null);
		pfree(DatumGetPointer(value));
	}
	return (Datum) 0;
}

/*
 * Elements at these places, from 1 whatever the array's own bounds.  A variable of
 * PL/pgSQL comes as it is kept there, taken apart, so that it is not once for each part.
 */
Datum
smsr_picked(PG_FUNCTION_ARGS)
{
	AnyArrayType *array = PG_GETARG_ANY_ARRAY_P(0);
	ArrayType  *places = PG_GETARG_ARRAYTYPE_P(1);
	Oid			type = AARR_ELEMTYPE(array);
	Datum	   *from;
	bool	   *from_nulls;
	int			from_count;
	Datum	   *picked;
	bool	   *nulls;
	Datum	   *turns;
	int			count;
	int			dims[1];
	int			lbs[1] = {1};
	int16		length;
	bool		by_value;
	char		align;

	if (AARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("an array must have one dimension")));
	get_typlenbyvalalign(type, &length, &by_value, &align);
	if (VARATT_IS_EXPANDED_HEADER(array))
	{
		deconstruct_expanded_array(&array->xpn);
		from = array->xpn.dvalues;
		from_nulls = array->xpn.dnulls;
		from_count = array->xpn.nelems;
	}
	else
		deconstruct_array(&array->flt, type, length, by_value, align, &from, &from_nulls, &from_count);
	deconstruct_array(places, INT4OID, sizeof(int32), true, TYPALIGN_INT, &turns, NULL, &count);
	picked = palloc(Max(count, 1) * sizeof(Datum));
	nulls = palloc(Max(count, 1) * sizeof(bool));
	for (int i = 0; i < count; i++)
	{
		int32		n = DatumGetInt32(turns[i]);

		nulls[i] = n < 1 || n > from_count || (from_nulls != NULL && from_nulls[n - 1]);
		picked[i] = nulls[i] ? (Datum) 0 : from[n - 1];
	}
	dims[0] = count;
	PG_RETURN_ARRAYTYPE_P(construct_md_array(picked, nulls, count > 0 ? 1 : 0, dims, lbs, type, length, by_value, align));
}
