/*
 * keystore.h
 *		Card keys, sealed at rest and opened for as long as a call takes.
 *
 * Three levels: the KEK, which is outside the database (kek.h), wraps the
 * storage keys in smsr.storage_key, and these seal the key sets in smsr.keyset
 * and the transport keys in smsr.transport_key.
 */
#ifndef SMSR_KEYSTORE_H
#define SMSR_KEYSTORE_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "core/sealing.h"

/*
 * Open a sealed key set.  The keys stand in locked memory until the next call,
 * keystore_wipe() or the end of the transaction; callers wipe when they are
 * done.  An error names the place, never its content.
 */
extern const KeysetKeys *keystore_open(const uint8 *eid, SmsrBytes sd_aid, uint8 kvn,
									   uint8 key_type, SmsrBytes blob);
extern void keystore_wipe(void);

/* The same for one that may not open: NULL then, so that one row stops no batch. */
extern const KeysetKeys *keystore_try_open(const uint8 *eid, SmsrBytes sd_aid, uint8 kvn,
										   uint8 key_type, SmsrBytes blob);

/* Seal a key set under the active storage key; the blob is palloc'd. */
extern bytea *keystore_seal(const uint8 *eid, SmsrBytes sd_aid, uint8 kvn,
							uint8 key_type, const KeysetKeys *keys);

/*
 * The same for any secret that fits a blob.  opened is in locked memory of the
 * caller's; false if the blob does not open in this place.
 */
extern bytea *keystore_seal_secret(const SealingPlace *place, SmsrBytes secret);
extern bool keystore_open_secret(const SealingPlace *place, SmsrBytes blob, SmsrWriter *opened);

/*
 * A blob's secret under the active storage key; NULL if it does not open in
 * this place.  smsr.reseal_keys() must come by wherever blobs are kept.
 */
extern bytea *keystore_reseal(const SealingPlace *place, SmsrBytes blob);

/*
 * Read the rows of smsr.<table> with the newest snapshot, whoever calls: no
 * role has a privilege on key tables, and the functions above are their gate.
 * visit returns false to end the scan.
 */
typedef bool (*KeyRowVisitor) (HeapTuple row, TupleDesc desc, void *arg);
extern void keystore_scan(Oid relid, KeyRowVisitor visit, void *arg);
extern Oid	keystore_table(const char *name);

#endif							/* SMSR_KEYSTORE_H */
