/*
 * procedure_conditions.h
 *		When a row of procedure.c fits: one question about an operation and an
 *		event each.
 */
#ifndef SMSR_PROCEDURE_CONDITIONS_H
#define SMSR_PROCEDURE_CONDITIONS_H

#include "procedure.h"

typedef bool (*Condition) (const Operation *op, const ProcedureEvent *ev);

extern bool when_always(const Operation *op, const ProcedureEvent *ev);
extern bool when_target_enabled(const Operation *op, const ProcedureEvent *ev);
extern bool when_por_unfinished(const Operation *op, const ProcedureEvent *ev);
extern bool when_por_low_first(const Operation *op, const ProcedureEvent *ev);
extern bool when_por_low(const Operation *op, const ProcedureEvent *ev);
extern bool when_por_low_again(const Operation *op, const ProcedureEvent *ev);
extern bool when_por_blocked(const Operation *op, const ProcedureEvent *ev);
extern bool when_por_memory(const Operation *op, const ProcedureEvent *ev);
extern bool when_por_error(const Operation *op, const ProcedureEvent *ev);
extern bool when_sw_ok(const Operation *op, const ProcedureEvent *ev);
extern bool when_sw_none(const Operation *op, const ProcedureEvent *ev);
extern bool when_sw_pol1(const Operation *op, const ProcedureEvent *ev);
extern bool when_sw_gone(const Operation *op, const ProcedureEvent *ev);
extern bool when_sw_conditions(const Operation *op, const ProcedureEvent *ev);
extern bool when_sw_memory(const Operation *op, const ProcedureEvent *ev);
extern bool when_nothing_in_doubt(const Operation *op, const ProcedureEvent *ev);
extern bool when_audit_told(const Operation *op, const ProcedureEvent *ev);
extern bool when_audit_told_no_doubt(const Operation *op, const ProcedureEvent *ev);
extern bool when_created_after_all(const Operation *op, const ProcedureEvent *ev);
extern bool when_enabled_after_all(const Operation *op, const ProcedureEvent *ev);
extern bool when_disabled_after_all(const Operation *op, const ProcedureEvent *ev);
extern bool when_deleted_after_all(const Operation *op, const ProcedureEvent *ev);
extern bool when_master_deleted_after_all(const Operation *op, const ProcedureEvent *ev);
extern bool when_fallback_after_all(const Operation *op, const ProcedureEvent *ev);
extern bool when_auto_deleted_after_all(const Operation *op, const ProcedureEvent *ev);
extern bool when_never_reached(const Operation *op, const ProcedureEvent *ev);
extern bool when_auto_delete_not_done(const Operation *op, const ProcedureEvent *ev);
extern bool when_confirmed_after_all(const Operation *op, const ProcedureEvent *ev);
extern bool when_confirmed_and_gone(const Operation *op, const ProcedureEvent *ev);
extern bool when_confirmed_and_auto_delete(const Operation *op, const ProcedureEvent *ev);
extern bool when_rolled_back_in_doubt(const Operation *op, const ProcedureEvent *ev);
extern bool when_confirmation_in_doubt(const Operation *op, const ProcedureEvent *ev);
extern bool when_rolled_back(const Operation *op, const ProcedureEvent *ev);
extern bool when_target_gone(const Operation *op, const ProcedureEvent *ev);
extern bool when_auto_delete(const Operation *op, const ProcedureEvent *ev);
extern bool when_switched_as_asked(const Operation *op, const ProcedureEvent *ev);
extern bool when_switched_otherwise(const Operation *op, const ProcedureEvent *ev);
extern bool when_went_back(const Operation *op, const ProcedureEvent *ev);
extern bool when_executed(const Operation *op, const ProcedureEvent *ev);
extern bool when_chunk_done(const Operation *op, const ProcedureEvent *ev);
extern bool when_chunk_done_and_more(const Operation *op, const ProcedureEvent *ev);
extern bool when_asked_and_told(const Operation *op, const ProcedureEvent *ev);
extern bool when_never_sent(const Operation *op, const ProcedureEvent *ev);

/* of a new key set */
extern bool when_keys_to_prove(const Operation *op, const ProcedureEvent *ev);
extern bool when_keys_to_ask(const Operation *op, const ProcedureEvent *ev);
extern bool when_keys_replace(const Operation *op, const ProcedureEvent *ev);
extern bool when_put_again_low_first(const Operation *op, const ProcedureEvent *ev);
extern bool when_put_again_low(const Operation *op, const ProcedureEvent *ev);
extern bool when_put_again_later(const Operation *op, const ProcedureEvent *ev);
extern bool when_put_untold(const Operation *op, const ProcedureEvent *ev);
extern bool when_put_error_again(const Operation *op, const ProcedureEvent *ev);
extern bool when_put_error_in_doubt(const Operation *op, const ProcedureEvent *ev);
extern bool when_keys_match(const Operation *op, const ProcedureEvent *ev);
extern bool when_keys_differ(const Operation *op, const ProcedureEvent *ev);
extern bool when_put_in_doubt(const Operation *op, const ProcedureEvent *ev);
extern bool when_nothing_to_replace(const Operation *op, const ProcedureEvent *ev);
extern bool when_keys_refused(const Operation *op, const ProcedureEvent *ev);
extern bool when_keys_there(const Operation *op, const ProcedureEvent *ev);
extern bool when_keys_not_stored(const Operation *op, const ProcedureEvent *ev);
extern bool when_keys_told(const Operation *op, const ProcedureEvent *ev);
extern bool when_never_put(const Operation *op, const ProcedureEvent *ev);

#endif							/* SMSR_PROCEDURE_CONDITIONS_H */
