/*
 * procedure_names.c
 *		What functions, steps, stages, events and effects of a procedure are
 *		called in SQL.
 */
#include <stddef.h>

#include "names.h"
#include "procedure.h"

static const char *const function_names[PROCEDURE_FUNCTIONS] = {
	"create_isdp", "enable_profile", "disable_profile", "delete_profile",
	"set_fallback_attribute", "master_delete", "set_emergency_profile_attribute",
	"unset_emergency_profile_attribute", "update_connectivity_parameters",
	"send_data", "update_smsr_addressing",
	"authenticate_smsr", "create_additional_key_set", "finalise_handover", "rotate_keys",
	"manage_platform", "update_platform", "audit_eis", "confirm_notification"
};
static const char *const step_names[PROCEDURE_STEPS] = {
	NULL, "create", "enable", "disable", "delete", "set_fallback",
	"master_delete", "set_emergency", "unset_emergency", "relay", "addressing",
	"authenticate", "establish", "finalise", "put_key", "key_info", "prove",
	"manage", "package",
	"audit", "confirm", "auto_delete"
};
static const char *const stage_names[PROCEDURE_STAGES] = {
	"waiting", "sending", "notification", "finished"
};
static const char *const event_names[PROCEDURE_EVENTS] = {
	"start", "por", "por_unauthenticated", "notification",
	"notification_again", "refused", "deadline", "ask", "proven", "lost"
};
static const char *const status_names[] = {
	NULL, "EXECUTED_SUCCESS", "EXECUTED_WITHWARNING", "FAILED", "EXPIRED"
};
static const char *const effect_names[PROCEDURE_EFFECTS] = {
	"drop_packet", "follow", "spontaneous", "drop_deleted", "follow_audit",
	"add_target", "remove_target", "remove_left", "move_fallback",
	"set_emergency", "unset_emergency", "adopt_keys", "forget_keys", "revoke_keys", "vacate_keys",
	"resync", "send", "hasten", "retry_later", "audit", "finish"
};

#define NAME_FUNCTIONS(noun, type, names, count) \
const char * \
procedure_##noun##_name(type value) \
{ \
	return (unsigned) value < (count) ? names[value] : NULL; \
} \
bool \
procedure_##noun##_parse(const char *name, type *value) \
{ \
	int			i = name_index(names, count, name); \
	if (i < 0) \
		return false; \
	*value = (type) i; \
	return true; \
}

NAME_FUNCTIONS(function, ProcedureFunction, function_names, PROCEDURE_FUNCTIONS)
NAME_FUNCTIONS(step, ProcedureStep, step_names, PROCEDURE_STEPS)
NAME_FUNCTIONS(stage, ProcedureStage, stage_names, PROCEDURE_STAGES)
NAME_FUNCTIONS(event, ProcedureEventKind, event_names, PROCEDURE_EVENTS)

const char *
procedure_status_name(ProcedureStatus status)
{
	return (unsigned) status <= STATUS_EXPIRED ? status_names[status] : NULL;
}

const char *
procedure_effect_name(int bit)
{
	return bit >= 0 && bit < PROCEDURE_EFFECTS ? effect_names[bit] : NULL;
}
