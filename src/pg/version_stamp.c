/*
 * version_stamp.c
 *		Since when a row is as it is: the trigger that keeps changed_at.
 *
 * What a table was like at an instant can be told afterwards only if of each row
 * the versions follow each other in time.  The time of a transaction, which all
 * of its changes should have in common, does not see to that: a transaction that
 * began earlier can be the later one to change a row, having waited for its lock.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(smsr_stamp_version);

/* Whether a change of the column is none of the content: the trigger's arguments. */
static bool
is_aside(const Trigger *trigger, const char *column)
{
	for (int i = 0; i < trigger->tgnargs; i++)
	{
		if (strcmp(trigger->tgargs[i], column) == 0)
			return true;
	}
	return false;
}

static bool
content_differs(TriggerData *trigger, TupleDesc desc, int stamp)
{
	bool		differs = false;
	Datum	   *was = palloc(2 * desc->natts * sizeof(Datum));
	Datum	   *is = was + desc->natts;
	bool	   *was_null = palloc(2 * desc->natts * sizeof(bool));
	bool	   *is_null = was_null + desc->natts;

	heap_deform_tuple(trigger->tg_trigtuple, desc, was, was_null);
	heap_deform_tuple(trigger->tg_newtuple, desc, is, is_null);
	for (int i = 0; i < desc->natts && !differs; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (i + 1 == stamp || att->attisdropped)
			continue;
		differs = (was_null[i] != is_null[i] ||
				   (!was_null[i] && !datum_image_eq(was[i], is[i], att->attbyval, att->attlen))) &&
			!is_aside(trigger->tg_trigger, NameStr(att->attname));
	}
	pfree(was);
	pfree(was_null);
	return differs;
}

/*
 * A row whose content changes gets the transaction's time, or the instant after
 * the version that it replaces, if that one is of another transaction and has a
 * later time.  Further changes in the same transaction are the same version; not
 * the first, where it has only changed columns before that do not count.
 */
Datum
smsr_stamp_version(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple	new_tuple;
	TupleDesc	desc;
	int			column;
	bool		isnull;
	Datum		stamp;
	TimestampTz since;
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("smsr.stamp_version() must be fired BEFORE UPDATE FOR EACH ROW")));

	desc = RelationGetDescr(trigger->tg_relation);
	column = SPI_fnumber(desc, "changed_at");
	if (column <= 0 || TupleDescAttr(desc, column - 1)->atttypid != TIMESTAMPTZOID)
		elog(ERROR, "table \"%s\" has no column \"changed_at\" of type timestamptz",
			 RelationGetRelationName(trigger->tg_relation));
	stamp = heap_getattr(trigger->tg_trigtuple, column, desc, &isnull);
	since = isnull ? DT_NOBEGIN : DatumGetTimestampTz(stamp);
	if ((since < now ||
		 !TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(trigger->tg_trigtuple->t_data))) &&
		content_differs(trigger, desc, column))
		since = now > since ? now : since + 1;
	/* whatever the statement has written there */
	new_tuple = trigger->tg_newtuple;
	stamp = heap_getattr(new_tuple, column, desc, &isnull);
	if (isnull || DatumGetTimestampTz(stamp) != since)
	{
		bool		null = false;

		stamp = TimestampTzGetDatum(since);
		new_tuple = heap_modify_tuple_by_cols(new_tuple, desc, 1, &column, &stamp, &null);
	}
	return PointerGetDatum(new_tuple);
}
