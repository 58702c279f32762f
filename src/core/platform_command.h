/*
 * platform_command.h
 *		The commands of GlobalPlatform that platform management may send to an
 *		ISD-R: those that ask and change nothing, so that they may be asked again.
 */
#ifndef SMSR_PLATFORM_COMMAND_H
#define SMSR_PLATFORM_COMMAND_H

#include "bytes.h"
#include "error.h"

/*
 * Whether a C-APDU is one of them, and as long as it says.  What it asks for is
 * between the card and who asks.
 */
extern bool platform_command_check(SmsrBytes c_apdu, SmsrError *error);

/* The same of command TLVs that carry C-APDUs and nothing else, at least one. */
extern bool platform_script_check(SmsrBytes commands, SmsrError *error);

/* "GET STATUS"; NULL if it is none of them */
extern const char *platform_command_name(SmsrBytes c_apdu);

#endif							/* SMSR_PLATFORM_COMMAND_H */
