/*
 * plans.c
 *		Plans are not for everybody: the row counts and estimates that EXPLAIN
 *		shows are those of rows that a policy hides, too.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "pg/plans.h"

PG_FUNCTION_INFO_V1(smsr_guard_plans);

static ExecutorStart_hook_type next_executor_start = NULL;

static bool
acts_as(const char *role)
{
	Oid			oid = get_role_oid(role, true);

	return OidIsValid(oid) && has_privs_of_role(GetUserId(), oid);
}

/*
 * Whoever may RESET ROLE to a superuser has nothing hidden; administrators and
 * auditors see every row anyway.
 */
static bool
sees_everything(void)
{
	return superuser_arg(GetSessionUserId()) ||
		acts_as("smsr_administrator") || acts_as("smsr_auditor");
}

/* A table of ours that the plan reads under row level security, or InvalidOid. */
static Oid
guarded_table(PlannedStmt *plan)
{
	Oid			schema = get_namespace_oid("smsr", true);
	ListCell   *cell;

	if (!OidIsValid(schema))
		return InvalidOid;
	foreach(cell, plan->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);

		if (rte->rtekind == RTE_RELATION && rte->relkind != RELKIND_VIEW &&
			get_rel_namespace(rte->relid) == schema &&
			check_enable_rls(rte->relid, InvalidOid, true) == RLS_ENABLED)
			return rte->relid;
	}
	return InvalidOid;
}

/*
 * EXPLAIN is known by what it asks of the executor.  What measures everybody's
 * statements, as auto_explain does, is loaded earlier and so asks later.
 */
static void
start_executor(QueryDesc *query, int eflags)
{
	if (((eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0 || query->instrument_options != 0) &&
		!sees_everything())
	{
		Oid			table = guarded_table(query->plannedstmt);

		if (OidIsValid(table))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied to explain a query on table \"%s\"", get_rel_name(table)),
					 errdetail("The plan would tell of rows that row level security hides.")));
	}
	if (next_executor_start)
		next_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

void
smsr_guard_plans_init(void)
{
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
}

/*
 * Stands in policies and is immutable: the planner calls it, to find that it is
 * true, before it has a plan.  So the library is loaded by then, and a plan
 * that would be shown otherwise than by EXPLAIN is refused here.
 */
Datum
smsr_guard_plans(PG_FUNCTION_ARGS)
{
	if (Debug_print_plan && client_min_messages <= LOG && !sees_everything())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to print a plan"),
				 errdetail("The plan would tell of rows that row level security hides."),
				 errhint("Set debug_print_plan off.")));
	PG_RETURN_BOOL(true);
}
