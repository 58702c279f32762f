/*
 * packet_keys.h
 *		Command packets under sealed keys, for functions whose arguments begin as
 *		those of smsr.seal_command() do.
 */
#ifndef SMSR_PACKET_KEYS_H
#define SMSR_PACKET_KEYS_H

#include "core/bytes.h"
#include "core/scp80.h"
#include "fmgr.h"

/* eid, sd_aid, kvn, key_type, sealed, spi, tar, cntr; data is what is secured. */
extern Datum packet_keys_seal(FunctionCallInfo fcinfo, SmsrBytes data, Scp80Bearer bearer);

#endif							/* SMSR_PACKET_KEYS_H */
