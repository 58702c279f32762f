/*
 * logging.c
 *		Whether what is imported could be read in the server's log or statistics.
 *
 * Keys come wrapped, or from files, and no function takes or returns one as SQL
 * text except smsr.scp80_*(), which are granted to nobody.  But wrapped keys,
 * and the clear ones of an EUM without a transport key, stand in EIS documents,
 * and these are literals or parameters of statements.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "pg/logging.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(smsr_check_logging);

typedef struct LoggingSetting
{
	const char *name;
	/* whether this value shows what statements hold */
	bool		(*shows) (const char *value);
	bool		warn;			/* no: it does so by default, and has its good sides */
	const char *advice;
} LoggingSetting;

static bool
is_on(const char *value)
{
	return strcmp(value, "on") == 0;
}

static bool
is_mod_or_all(const char *value)
{
	return strcmp(value, "mod") == 0 || strcmp(value, "all") == 0;
}

/* -1 turns a threshold off, and the whole of a parameter on */
static bool
is_threshold(const char *value)
{
	return strcmp(value, "-1") != 0;
}

static bool
is_length(const char *value)
{
	return strcmp(value, "0") != 0;
}

static bool
is_rate(const char *value)
{
	return strtod(value, NULL) > 0;
}

static bool
is_debug(const char *value)
{
	return strncmp(value, "debug", 5) == 0;
}

static bool
is_error_or_lower(const char *value)
{
	return strcmp(value, "log") != 0 && strcmp(value, "fatal") != 0 && strcmp(value, "panic") != 0;
}

static bool
is_tracking(const char *value)
{
	return strcmp(value, "none") != 0;
}

/* Parameters go to the log together with statements only. */
static bool log_of_statements_is_on(void);

static bool
is_length_of_logged(const char *value)
{
	return is_length(value) && log_of_statements_is_on();
}

static const LoggingSetting settings[] = {
	{"log_statement", is_mod_or_all, true,
	"Set it to ddl or none: it logs statements with their literals."},
	{"log_min_duration_statement", is_threshold, true,
	"Set it to -1: it logs statements with their literals."},
	{"log_min_duration_sample", is_threshold, true,
	"Set it to -1: it logs statements with their literals."},
	{"log_transaction_sample_rate", is_rate, true,
	"Set it to 0: it logs statements with their literals."},
	{"log_parameter_max_length", is_length_of_logged, true,
	"Set it to 0: statements are logged, and parameters with them."},
	{"log_parameter_max_length_on_error", is_length, true,
	"Set it to 0: it logs the parameters of statements that fail."},
	{"log_min_error_statement", is_error_or_lower, false,
	"Import with parameters, or with COPY: a statement that fails is logged with its literals."},
	{"log_min_messages", is_debug, true,
	"Set it to info or higher: it logs what goes on inside the server."},
	{"debug_print_parse", is_on, true,
	"Turn it off: it logs the literals of statements."},
	{"debug_print_rewritten", is_on, true,
	"Turn it off: it logs the literals of statements."},
	{"debug_print_plan", is_on, true,
	"Turn it off: it logs the literals of statements."},
	{"auto_explain.log_min_duration", is_threshold, true,
	"Set it to -1: it logs statements with their literals, and in plans parameters, too."},
	{"pg_stat_statements.track", is_tracking, false,
	"Import with parameters, or with COPY: PostgreSQL 15 keeps the literals of CALL, SET and the like."},
};

/* NULL if it is not there, or shows nothing */
static const char *
telling_value(const LoggingSetting *setting)
{
	const char *value = GetConfigOption(setting->name, true, false);

	/* its next call would overwrite a number */
	value = value != NULL ? pstrdup(value) : NULL;
	return value != NULL && setting->shows(value) ? value : NULL;
}

static bool
log_of_statements_is_on(void)
{
	/* the first four */
	for (int i = 0; i < 4; i++)
	{
		if (telling_value(&settings[i]) != NULL)
			return true;
	}
	return false;
}

void
logging_warn_of_import(void)
{
	static bool looked;
	StringInfoData names;

	if (looked)
		return;
	looked = true;

	initStringInfo(&names);
	for (int i = 0; i < (int) lengthof(settings); i++)
	{
		const char *value = settings[i].warn ? telling_value(&settings[i]) : NULL;

		if (value != NULL)
			appendStringInfo(&names, "%s%s = %s", names.len > 0 ? ", " : "", settings[i].name, value);
	}
	if (names.len > 0)
		ereport(WARNING,
				(errmsg("the server's log may show keys that are imported: %s", names.data),
				 errhint("SELECT * FROM smsr.check_logging() has what to set instead.")));
	pfree(names.data);
}

/* (OUT setting text, OUT value text, OUT advice text) SETOF */
Datum
smsr_check_logging(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < (int) lengthof(settings); i++)
	{
		const char *value = telling_value(&settings[i]);
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		if (value == NULL)
			continue;
		values[0] = CStringGetTextDatum(settings[i].name);
		values[1] = CStringGetTextDatum(value);
		values[2] = CStringGetTextDatum(settings[i].advice);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
