/*
 * storage_key.h
 *		The rows of smsr.storage_key.
 */
#ifndef SMSR_STORAGE_KEY_H
#define SMSR_STORAGE_KEY_H

#include "pg/kek.h"

typedef struct StorageKeyRow
{
	uint32		id;
	bool		active;
	bool		retired;
	int			wrapped_len;
	uint8		wrapped[KEK_WRAPPED_MAX_LEN];
	uint8		check_value[SEALING_CHECK_VALUE_LEN];
	char		kek[KEK_NAME_SIZE]; /* the one that wrapped it */
} StorageKeyRow;

typedef struct StorageKeys
{
	int			count;
	int			room;
	StorageKeyRow *rows;		/* palloc'd */
} StorageKeys;

extern void storage_keys_read(StorageKeys *keys);

/* The row of an id, or of the active one for 0; NULL if there is none. */
extern const StorageKeyRow *storage_key_row(const StorageKeys *keys, uint32 id);

/* The key in locked memory, or an error; secure_wipe() it at once. */
extern uint8 *storage_key_unwrap(const StorageKeyRow *row);

/* How often this backend went to the KEK to open storage keys. */
extern int64 keystore_kek_visits(void);

#endif							/* SMSR_STORAGE_KEY_H */
