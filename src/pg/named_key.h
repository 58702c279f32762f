/*
 * named_key.h
 *		Keys that are no card's: transport keys, master keys, and the components
 *		of either while they come in.
 */
#ifndef SMSR_NAMED_KEY_H
#define SMSR_NAMED_KEY_H

#include "core/sealing.h"

/* What stands in the place of a security domain's AID; no AID begins so. */
#define NAMED_TRANSPORT_KEY		"smsr transport"
#define NAMED_MASTER_KEY		"smsr master key"
#define NAMED_KEY_COMPONENT		"smsr component"

#define NAMED_KEY_DIGEST_LEN	64	/* libcrypto's longest */

typedef struct NamedKeyPlace
{
	uint8		digest[NAMED_KEY_DIGEST_LEN];
	SealingPlace place;
} NamedKeyPlace;

/*
 * The place of a key's blob, made of its row: name and variant are an EUM and a
 * wrap mode, a master key's name and its scheme, or a ceremony's id and the kind
 * and variant of what it makes.
 */
extern void named_key_place(const char *domain, const char *name, const char *variant, uint8 number,
							NamedKeyPlace *place);

#endif							/* SMSR_NAMED_KEY_H */
