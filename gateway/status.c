/*
 * status.c
 *	  SMPP command_status values: their names, words, and what to do.
 *
 * The verdicts are about submit_sm.  A status that speaks of the message or its
 * destination is permanent.  One that speaks of a field that we fill in from the
 * configuration would refuse every message alike; it is the operator's to mend,
 * and ends no operation.  A status we do not know is temporary: the database
 * knows how long a message is worth trying.
 */
#include "status.h"

#include <smpp34.h>
#include <stdio.h>

typedef struct StatusEntry
{
	uint32_t	status;
	const char *name;
	const char *words;
	StatusVerdict verdict;
} StatusEntry;

static const StatusEntry entries[] = {
	{ESME_ROK, "ESME_ROK", "no error", VERDICT_OK},
	{ESME_RINVMSGLEN, "ESME_RINVMSGLEN", "message length is invalid", VERDICT_PERMANENT},
	{ESME_RINVCMDLEN, "ESME_RINVCMDLEN", "command length is invalid", VERDICT_PERMANENT},
	{ESME_RINVCMDID, "ESME_RINVCMDID", "invalid command id", VERDICT_MISCONFIGURED},
	{ESME_RINVBNDSTS, "ESME_RINVBNDSTS", "incorrect bind status for the command", VERDICT_MISCONFIGURED},
	{ESME_RALYBND, "ESME_RALYBND", "already bound", VERDICT_TEMPORARY},
	{ESME_RINVPRTFLG, "ESME_RINVPRTFLG", "invalid priority flag", VERDICT_MISCONFIGURED},
	{ESME_RINVREGDLVFLG, "ESME_RINVREGDLVFLG", "invalid registered delivery flag", VERDICT_MISCONFIGURED},
	{ESME_RSYSERR, "ESME_RSYSERR", "system error", VERDICT_TEMPORARY},
	{ESME_RINVSRCADR, "ESME_RINVSRCADR", "invalid source address", VERDICT_MISCONFIGURED},
	{ESME_RINVDSTADR, "ESME_RINVDSTADR", "invalid destination address", VERDICT_PERMANENT},
	{ESME_RINVMSGID, "ESME_RINVMSGID", "message id is invalid", VERDICT_TEMPORARY},
	{ESME_RBINDFAIL, "ESME_RBINDFAIL", "bind failed", VERDICT_MISCONFIGURED},
	{ESME_RINVPASWD, "ESME_RINVPASWD", "invalid password", VERDICT_MISCONFIGURED},
	{ESME_RINVSYSID, "ESME_RINVSYSID", "invalid system id", VERDICT_MISCONFIGURED},
	{ESME_RCANCELFAIL, "ESME_RCANCELFAIL", "cancel failed", VERDICT_TEMPORARY},
	{ESME_RREPLACEFAIL, "ESME_RREPLACEFAIL", "replace failed", VERDICT_TEMPORARY},
	{ESME_RMSGQFUL, "ESME_RMSGQFUL", "message queue full", VERDICT_THROTTLED},
	{ESME_RINVSERTYP, "ESME_RINVSERTYP", "invalid service type", VERDICT_MISCONFIGURED},
	{ESME_RINVNUMDESTS, "ESME_RINVNUMDESTS", "invalid number of destinations", VERDICT_PERMANENT},
	{ESME_RINVDLNAME, "ESME_RINVDLNAME", "invalid distribution list name", VERDICT_PERMANENT},
	{ESME_RINVDESTFLAG, "ESME_RINVDESTFLAG", "invalid destination flag", VERDICT_PERMANENT},
	{ESME_RINVSUBREP, "ESME_RINVSUBREP", "invalid submit with replace", VERDICT_PERMANENT},
	{ESME_RINVESMCLASS, "ESME_RINVESMCLASS", "invalid esm_class", VERDICT_MISCONFIGURED},
	{ESME_RCNTSUBDL, "ESME_RCNTSUBDL", "cannot submit to distribution list", VERDICT_PERMANENT},
	{ESME_RSUBMITFAIL, "ESME_RSUBMITFAIL", "submit failed", VERDICT_TEMPORARY},
	{ESME_RINVSRCTON, "ESME_RINVSRCTON", "invalid source type of number", VERDICT_MISCONFIGURED},
	{ESME_RINVSRCNPI, "ESME_RINVSRCNPI", "invalid source numbering plan", VERDICT_MISCONFIGURED},
	{ESME_RINVDSTTON, "ESME_RINVDSTTON", "invalid destination type of number", VERDICT_MISCONFIGURED},
	{ESME_RINVDSTNPI, "ESME_RINVDSTNPI", "invalid destination numbering plan", VERDICT_MISCONFIGURED},
	{ESME_RINVSYSTYP, "ESME_RINVSYSTYP", "invalid system type", VERDICT_MISCONFIGURED},
	{ESME_RINVREPFLAG, "ESME_RINVREPFLAG", "invalid replace_if_present flag", VERDICT_MISCONFIGURED},
	{ESME_RINVNUMMSGS, "ESME_RINVNUMMSGS", "invalid number of messages", VERDICT_PERMANENT},
	{ESME_RTHROTTLED, "ESME_RTHROTTLED", "throttled: allowed message rate exceeded", VERDICT_THROTTLED},
	{ESME_RINVSCHED, "ESME_RINVSCHED", "invalid scheduled delivery time", VERDICT_MISCONFIGURED},
	{ESME_RINVEXPIRY, "ESME_RINVEXPIRY", "invalid validity period", VERDICT_MISCONFIGURED},
	{ESME_RINVDFTMSGID, "ESME_RINVDFTMSGID", "predefined message not found", VERDICT_PERMANENT},
	{ESME_RX_T_APPN, "ESME_RX_T_APPN", "temporary application error", VERDICT_TEMPORARY},
	{ESME_RX_P_APPN, "ESME_RX_P_APPN", "permanent application error", VERDICT_PERMANENT},
	{ESME_RX_R_APPN, "ESME_RX_R_APPN", "message rejected by application", VERDICT_PERMANENT},
	{ESME_RQUERYFAIL, "ESME_RQUERYFAIL", "query failed", VERDICT_TEMPORARY},
	{ESME_RINVOPTPARSTREAM, "ESME_RINVOPTPARSTREAM", "error in the optional parameters", VERDICT_PERMANENT},
	{ESME_ROPTPARNOTALLWD, "ESME_ROPTPARNOTALLWD", "optional parameter not allowed", VERDICT_PERMANENT},
	{ESME_RINVPARLEN, "ESME_RINVPARLEN", "invalid parameter length", VERDICT_PERMANENT},
	{ESME_RMISSINGOPTPARAM, "ESME_RMISSINGOPTPARAM", "expected optional parameter missing", VERDICT_PERMANENT},
	{ESME_RINVOPTPARAMVAL, "ESME_RINVOPTPARAMVAL", "invalid optional parameter value", VERDICT_PERMANENT},
	{ESME_RDELIVERYFAILURE, "ESME_RDELIVERYFAILURE", "delivery failure", VERDICT_TEMPORARY},
	{ESME_RUNKNOWNERR, "ESME_RUNKNOWNERR", "unknown error", VERDICT_TEMPORARY},
};

static const StatusEntry *
status_find(uint32_t status)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
	{
		if (entries[i].status == status)
			return &entries[i];
	}
	return NULL;
}

StatusVerdict
status_verdict(uint32_t status)
{
	const StatusEntry *entry = status_find(status);

	return entry ? entry->verdict : VERDICT_TEMPORARY;
}

const char *
status_words(uint32_t status)
{
	static char words[96];
	const StatusEntry *entry = status_find(status);

	if (entry)
		snprintf(words, sizeof(words), "%s (%s)", entry->name, entry->words);
	else
		snprintf(words, sizeof(words), "status 0x%08X (%s)", status,
				 status >= 0x400 && status <= 0x4FF ? "specific to the SMSC's vendor" : "not in SMPP 3.4");
	return words;
}
