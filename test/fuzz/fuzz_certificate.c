/*
 * fuzz_certificate.c
 *		Certificates of somebody else's: what is read of one is all of it and in
 *		its place; X.509 that is no chain is refused with a reason.
 *
 * The first octet says which: 0 tag 7F21, else an EUM's and a CI's certificate
 * behind the length of the first.
 */
#include "fuzz.h"

#include "core/certificate.h"
#include "core/chain.h"

#define NOW		INT64_C(1767225600) /* 2026-01-01 */

static bool
inside(SmsrBytes part, SmsrBytes whole)
{
	return part.data == NULL ||
		(part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static void
tag_7f21(SmsrBytes input)
{
	static const uint8_t eid[16] = {0x89};
	static const uint8_t signature_header[] = {0x5F, 0x37, CURVE_SIGNATURE_LEN};
	SmsrWriter	again = heap_writer(input.len);
	Certificate c;
	SmsrError	error;

	if (!certificate_read(input, &c, &error))
		explained(error, input.len);
	else
	{
		put_tlv_header(&again, CERTIFICATE_TAG,
					   c.signed_part.len + sizeof(signature_header) + c.signature.len);
		put_bytes(&again, c.signed_part.data, c.signed_part.len);
		put_bytes(&again, signature_header, sizeof(signature_header));
		put_bytes(&again, c.signature.data, c.signature.len);
		property(same_bytes(smsr_written(&again), input));
		property(inside(c.serial, c.signed_part) && inside(c.issuer, c.signed_part) &&
				 inside(c.subject, c.signed_part) && inside(c.usage, c.signed_part) &&
				 inside(c.image, c.signed_part) && inside(c.discretionary, c.signed_part) &&
				 inside(c.c0, c.discretionary) && inside(c.c1, c.discretionary) &&
				 inside(c.authority_key, c.discretionary) && inside(c.point, c.signed_part));
		property(c.point.len == CURVE_POINT_LEN && c.expiry >= 10101 && c.expiry <= 99991231);

		/* one of the two at most; neither says what it can not */
		property(!certificate_check_ecasd(&c, eid, NOW, &error) ||
				 !certificate_check_off_card(&c, CERTIFICATE_SM_SR, NOW, &error));
		property(error.code != SMSR_CRYPTO);
		if (!certificate_verify(&c, c.curve, c.point, &error))
			explained(error, input.len);
	}
	free(again.data);
}

static void
x509(SmsrBytes input)
{
	size_t		len = (size_t) take_u8(&input) << 8;
	SmsrBytes	eum;
	ChainKey	key;
	SmsrError	error;

	len |= take_u8(&input);
	eum = take_bytes(&input, len);
	if (!chain_verify_eum(eum, input, NOW, &key, &error))
		explained(error, eum.len > input.len ? eum.len : input.len);
	else
		property(chain_read_ci(input, NOW, &key, &error) && key.identifier_len <= sizeof(key.identifier));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SmsrBytes	input = smsr_bytes(data, size);

	if (take_u8(&input) == 0)
		tag_7f21(input);
	else
		x509(input);
	return 0;
}
