/*
 * blob.c
 *		State that is kept as octets between two calls.
 */
#include "blob.h"

#include "crc.h"

size_t
blob_begin(SmsrWriter *w, char letter, uint8_t version)
{
	size_t		begin = w->len;

	put_u8(w, (uint8_t) letter);
	put_u8(w, version);
	return begin;
}

void
blob_end(SmsrWriter *w, size_t begin)
{
	SmsrBytes	all;

	if (w->overflow)
		return;
	all = smsr_bytes(w->data + begin, w->len - begin);
	put_u32(w, crc32_ieee(&all, 1));
}

bool
blob_open(SmsrBytes blob, char letter, uint8_t version, SmsrBytes *contents, SmsrError *error)
{
	SmsrBytes	checked;

	if (blob.len < BLOB_OVERHEAD)
		return smsr_fail(error, SMSR_TRUNCATED, "header", blob.len, "at least 6 octets");
	if (blob.data[0] != (uint8_t) letter)
		return smsr_fail(error, SMSR_BAD_VALUE, "letter", 0, "the letter of this kind of state");
	if (blob.data[1] != version)
		return smsr_fail(error, SMSR_UNSUPPORTED, "version", 1, "the version that this library writes");
	checked = smsr_bytes(blob.data, blob.len - 4);
	if (crc32_ieee(&checked, 1) != get_u32(blob.data + blob.len - 4))
		return smsr_fail(error, SMSR_BAD_VALUE, "CRC-32", blob.len - 4, "that of the octets before it");
	*contents = smsr_bytes(blob.data + 2, blob.len - BLOB_OVERHEAD);
	return true;
}
