/*
 * caller.c
 *		Who calls: the role in force outside of all SECURITY DEFINER functions.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(smsr_caller);

/*
 * The outer user honours SET ROLE, so that one pooled connection can serve many
 * parties, and cannot be set otherwise.
 *
 * In a security-restricted operation the server runs a table owner's code on
 * its own account: an expression of an index during ANALYZE or REINDEX, the
 * query of a materialized view.  The outer user is then whoever maintains the
 * database, often a superuser, and not whose code it is: nobody calls.
 */
Datum
smsr_caller(PG_FUNCTION_ARGS)
{
	char	   *role;

	if (InSecurityRestrictedOperation())
		PG_RETURN_NULL();
	role = GetUserNameFromId(GetOuterUserId(), true);
	if (role == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(DirectFunctionCall1(namein, CStringGetDatum(role)));
}
