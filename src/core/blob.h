/*
 * blob.h
 *		State that is kept as octets between two calls: a letter for what it is, a
 *		version, the contents, and a CRC-32 over all of it.
 *
 * The octets come back from a table, where only a fault or a hand can have
 * changed them.  They are checked all the same, because they decide what is
 * sent: a state that does not check is an error and never taken for "nothing was
 * sent yet", which would let out what a limit forbids.  Whoever wants that
 * stores none.
 */
#ifndef SMSR_BLOB_H
#define SMSR_BLOB_H

#include "bytes.h"
#include "error.h"

#define BLOB_OVERHEAD	6		/* letter, version, CRC-32 */

/* Around what is written: begin, contents, end. */
extern size_t blob_begin(SmsrWriter *w, char letter, uint8_t version);
extern void blob_end(SmsrWriter *w, size_t begin);

/* The contents of a blob of this letter and version. */
extern bool blob_open(SmsrBytes blob, char letter, uint8_t version, SmsrBytes *contents,
					  SmsrError *error);

#endif							/* SMSR_BLOB_H */
