/*
 * test_sealing.c
 *		Blobs, key sets, wrapping and key check values; the vectors are those of
 *		test/vectors/keys.json whose ids stand beside them.
 */
#include "core/sealing.h"
#include "tap.h"

#include <string.h>

static const uint8_t *
octets(const char *digits)
{
	return hex(digits).data;
}

static SealingPlace
place_of(const char *eid, const char *sd_aid, uint8_t kvn, uint8_t key_type)
{
	return (SealingPlace) {octets(eid), hex(sd_aid), kvn, key_type};
}

#define EID			"89049032001000000100000090000151"
#define OTHER_EID	"89049032001000000100000090000248"
#define AID			"A0000005591010FFFFFFFF8900000100"
#define OTHER_AID	"A0000005591010FFFFFFFF8900000200"
#define KEY			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define NONCE		"cafebabefacedbaddecaf888"

static void
does_not_open(Sealing *s, SealingPlace place, SmsrBytes blob, const char *what)
{
	SmsrWriter	plain = writer(KEYSET_MAX_LEN);
	SmsrError	error;

	memset(plain.data, 0xEE, plain.cap);
	fails(sealing_open(s, &place, blob, &plain, &error), &error, SMSR_BAD_VALUE,
		  "tag", blob.len - SEALING_TAG_LEN, "does not open: %s", what);
	ok(plain.len == 0 && memchr(plain.data, 0x51, plain.cap) == NULL,
	   "nothing is released: %s", what);
}

TEST_SUITE(sealing)
{
	Sealing    *s = sealing_new();
	SealingPlace place = place_of(EID, AID, 3, KEY_TYPE_AES);
	SmsrBytes	secret = hex("515151515151515151515151515151515151515151");
	SmsrWriter	blob = writer(200);
	SmsrWriter	again = writer(200);
	SmsrWriter	plain = writer(KEYSET_MAX_LEN);
	SmsrBytes	sealed;
	SmsrBytes	altered;
	uint32_t	id = 0;
	uint8_t		check_value[SEALING_CHECK_VALUE_LEN];
	SmsrError	error;

	ok(sealing_check_value(octets(KEY), check_value) &&
	   memcmp(check_value, octets("547b42"), sizeof(check_value)) == 0, "check value of a storage key");
	fails(sealing_seal(s, &place, octets(NONCE), secret, &blob, &error), &error,
		  SMSR_BAD_VALUE, "storage key", 0, "no seal without a key");
	fails(sealing_set_key(s, 0, octets(KEY), &error), &error,
		  SMSR_BAD_VALUE, "storage key id", 0, "0 is no storage key id");
	ok(sealing_key_id(s) == 0, "no key is set");
	succeeds(sealing_set_key(s, 0x01020304, octets(KEY), &error), &error, "set a key");
	ok(sealing_key_id(s) == 0x01020304, "it is set");

	succeeds(sealing_seal(s, &place, octets(NONCE), secret, &blob, &error), &error, "seal");
	sealed = copy_of(smsr_written(&blob));
	/* computed with another implementation of AES-GCM */
	is_hex(sealed, "0101020304" NONCE
		   "dbf2f177fb2b1e4a175a0c8c2a4cd86e5c7191008e"
		   "c621616b543d34d74acfc8d5848a1304",
		   "version, key id, nonce, ciphertext, tag");
	ok(sealed.len == secret.len + SEALING_OVERHEAD, "overhead is what the header says");
	succeeds(sealing_seal(s, &place, octets(NONCE), secret, &again, &error), &error, "seal again");
	ok(again.len == sealed.len && memcmp(again.data, sealed.data, sealed.len) == 0,
	   "the same in, the same out: contexts carry nothing over");

	succeeds(sealing_blob_key_id(sealed, &id, &error) && id == 0x01020304, &error, "a blob names its key");
	succeeds(sealing_open(s, &place, sealed, &plain, &error), &error, "open");
	ok(plain.len == secret.len && memcmp(plain.data, secret.data, secret.len) == 0, "what was sealed");

	does_not_open(s, place_of(OTHER_EID, AID, 3, KEY_TYPE_AES), sealed, "another EID");
	does_not_open(s, place_of(EID, OTHER_AID, 3, KEY_TYPE_AES), sealed, "another security domain");
	does_not_open(s, place_of(EID, "A000000559", 3, KEY_TYPE_AES), sealed, "a shorter AID");
	does_not_open(s, place_of(EID, AID, 4, KEY_TYPE_AES), sealed, "another key version");
	does_not_open(s, place_of(EID, AID, 3, KEY_TYPE_DES), sealed, "another key type");
	for (size_t i = 5; i < sealed.len; i++)
	{
		altered = copy_of(sealed);
		((uint8_t *) altered.data)[i] ^= 0x01;
		does_not_open(s, place, altered, "an altered octet");
	}
	plain = writer(KEYSET_MAX_LEN);
	succeeds(sealing_open(s, &place, sealed, &plain, &error), &error, "open after all those failures");

	sealing_forget(s);
	ok(sealing_key_id(s) == 0, "no key is set after it was forgotten");
	again = writer(200);
	fails(sealing_seal(s, &place, octets(NONCE), secret, &again, &error), &error,
		  SMSR_BAD_VALUE, "storage key", 0, "no seal with a key that was forgotten");
	fails(sealing_open(s, &place, sealed, &plain, &error), &error,
		  SMSR_BAD_VALUE, "storage key id", 1, "nor is anything opened");
	sealing_forget(s);
	succeeds(sealing_set_key(s, 0x01020304, octets(KEY), &error), &error, "it is set again");
	plain = writer(KEYSET_MAX_LEN);
	succeeds(sealing_open(s, &place, sealed, &plain, &error), &error, "and opens as before");

	plain = writer(KEYSET_MAX_LEN);
	succeeds(sealing_set_key(s, 5, octets(KEY), &error), &error, "the same key by another id");
	fails(sealing_open(s, &place, sealed, &plain, &error), &error,
		  SMSR_BAD_VALUE, "storage key id", 1, "a blob of a key that is not set");
	altered = copy_of(sealed);
	memcpy((uint8_t *) altered.data + 1, "\0\0\0\5", 4);
	does_not_open(s, place, altered, "a blob that names another key");

	for (size_t len = 0; len < SEALING_OVERHEAD; len++)
		fails(sealing_open(s, &place, copy_of(smsr_bytes(sealed.data, len)), &plain, &error), &error,
			  SMSR_TRUNCATED, "sealed key set", len, "a blob of %zu octets", len);
	altered = copy_of(sealed);
	((uint8_t *) altered.data)[0] = 2;
	fails(sealing_open(s, &place, altered, &plain, &error), &error,
		  SMSR_UNSUPPORTED, "version of sealed key set", 0, "a blob of a later version");
	altered = copy_of(sealed);
	memset((uint8_t *) altered.data + 1, 0, 4);
	fails(sealing_blob_key_id(altered, &id, &error), &error,
		  SMSR_BAD_VALUE, "storage key id", 1, "a blob that names no key");

	/* the bounds of what is sealed */
	blob = writer(KEYSET_MAX_LEN + SEALING_OVERHEAD);
	plain = writer(KEYSET_MAX_LEN);
	succeeds(sealing_seal(s, &place, octets(NONCE), noise(KEYSET_MAX_LEN), &blob, &error) &&
			 sealing_open(s, &place, smsr_written(&blob), &plain, &error), &error, "the longest set");
	fails(sealing_seal(s, &place, octets(NONCE), noise(KEYSET_MAX_LEN + 1), &again, &error), &error,
		  SMSR_TOO_LONG, "key set", 0, "a longer one");
	plain = writer(KEYSET_MAX_LEN - 1);
	fails(sealing_open(s, &place, smsr_written(&blob), &plain, &error), &error,
		  SMSR_TOO_LONG, "key set", 0, "no room to open");
	fails(sealing_open(s, &place, noise(0), &plain, &error), &error,
		  SMSR_TRUNCATED, "sealed key set", 0, "nothing");
	blob = writer(SEALING_OVERHEAD + 4);
	fails(sealing_seal(s, &place, octets(NONCE), noise(5), &blob, &error), &error,
		  SMSR_TOO_LONG, "sealed key set", 0, "no room to seal");
	place = place_of(EID, "A0000005", 3, KEY_TYPE_AES);
	blob = writer(100);
	fails(sealing_seal(s, &place, octets(NONCE), secret, &blob, &error), &error,
		  SMSR_BAD_LENGTH, "security domain AID", 0, "an AID of four octets");
	sealing_free(s);
	sealing_free(NULL);
}

TEST_SUITE(keyset)
{
	KeysetKeys	keys = {{hex("000102030405060708090a0b0c0d0e0f"), hex(""), hex("A1A2")}};
	KeysetKeys	read;
	SmsrWriter	out = writer(KEYSET_MAX_LEN);
	SmsrError	error;

	succeeds(keyset_write(&keys, &out, &error), &error, "write a set with a missing key");
	is_hex(smsr_written(&out), "10 000102030405060708090a0b0c0d0e0f 00 02 A1A2", "length and value each");
	succeeds(keyset_read(smsr_written(&out), &read, &error), &error, "read it");
	is_hex(read.key[0], "000102030405060708090a0b0c0d0e0f", "KIc");
	ok(read.key[1].len == 0, "no KID");
	is_hex(read.key[2], "A1A2", "DEK");

	fails(keyset_read(hex(""), &read, &error), &error, SMSR_TRUNCATED, "key set", 0, "empty");
	fails(keyset_read(hex("01AA"), &read, &error), &error, SMSR_TRUNCATED, "key set", 2, "one key");
	fails(keyset_read(hex("02AA"), &read, &error), &error, SMSR_BAD_LENGTH, "key", 0, "a length that lies");
	fails(keyset_read(hex("000000FF"), &read, &error), &error, SMSR_BAD_LENGTH, "key set", 3, "a fourth key");

	keys = (KeysetKeys) {{noise(32), noise(32), noise(32)}};
	out = writer(KEYSET_MAX_LEN);
	succeeds(keyset_write(&keys, &out, &error) && out.len == KEYSET_MAX_LEN, &error, "three keys of 32 octets");
	keys = (KeysetKeys) {{noise(64), noise(32), noise(1)}};
	out = writer(200);
	fails(keyset_write(&keys, &out, &error), &error, SMSR_TOO_LONG, "key set", 0, "more than fits a blob");
	ok(out.len == 0, "nothing is left of it");
	keys = (KeysetKeys) {{noise(65), noise(0), noise(0)}};
	fails(keyset_write(&keys, &out, &error), &error, SMSR_TOO_LONG, "key", 0, "a key of 65 octets");
}

typedef struct WrapVector
{
	const char *id;
	WrapMode	mode;
	const char *kek;
	const char *plain;
	const char *wrapped;
} WrapVector;

static const WrapVector wraps[] = {
	{"kw-1", WRAP_AES_KW, "000102030405060708090a0b0c0d0e0f",
		"00112233445566778899aabbccddeeff",
	"1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
	{"kw-3", WRAP_AES_KW, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"00112233445566778899aabbccddeeff",
	"64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},
	{"kw-5", WRAP_AES_KW, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"00112233445566778899aabbccddeeff0001020304050607",
	"a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"},
	{"kwp-1", WRAP_AES_KWP, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
		"c37b7e6492584340bed12207808941155068f738",
	"138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
	{"kw-self-1", WRAP_AES_KW, "6336659da93af53095e0b21858f08149c01f49cc4b0ee4846b4610f196a03c87",
		"04bed9261d3ecf232cb9b7b7413ead73",
	"df209210576b24d3f07a59a5fe48c3b280b3a38a72aeb84f"},
	{"kw-self-3", WRAP_AES_KW, "6a2d9acd9b6f8ed4532fca8c6539d85ed2a7f303e3bc78481c0b65925276be3b",
		"e6df44908709f1e4aeff0b6ce98d9b129fef8f67e8fcbfcafaee4afbc1e65376",
	"094fc18b0a813011e7de987e4987006c801275ae3fac74d292e2c237de997e92a13f30427151acd3"},
	{"kwp-self-1", WRAP_AES_KWP, "9de4223d2f17fb975c4461d83a50b4fc01aa91c504274b381b4fa8a2ca22b1d4",
		"b06592a04c",
	"591ef14afbfe99ade220998fa6211031"},
	{"kwp-self-3", WRAP_AES_KWP, "2e8eda05e64e08f5c884118adb2f1f7a7380fa15bd7e3349b1c936d19e5929a4",
		"15a19bf8f88000687255f076fca4a2f349865028be2ffe786da4d487b2d11cf2",
	"3823727e2e5acd08210386032e0b33a938b9915319db18c9ec6ba42abaaf3d6c84067a81e53a5bf7"},
	{"cbc-aes192", WRAP_AES_CBC_ZERO_IV, "000102030405060708090a0b0c0d0e0f1011121314151617",
		"404142434445464748494a4b4c4d4e4f",
	"27549e3127592d93f091608d27e966d4"},
	{"3des-ecb-2key", WRAP_3DES_ECB, "000102030405060708090a0b0c0d0e0f",
		"404142434445464748494a4b4c4d4e4f",
	"3187f0e89f657d9b96fde211b27ff982"},
	{"3des-ecb-3key", WRAP_3DES_ECB, "000102030405060708090a0b0c0d0e0f1011121314151617",
		"404142434445464748494a4b4c4d4e4f",
	"878dbec6d65ccebdb586cf6f3653d44e"},
	{"ecb-aes128-24", WRAP_AES_ECB_PKCS7, "000102030405060708090a0b0c0d0e0f",
		"404142434445464748494a4b4c4d4e4f5051525354555657",
	"d533e59b45a153ed7e5e9c5dfcfd4aaa6ae4e9069c689946901bfeffc92568b0"},
	{"ecb-aes256-16", WRAP_AES_ECB_PKCS7, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"404142434445464748494a4b4c4d4e4f",
	"a37edf3f975abaef937b62c78d5bb157"},
	{"ecb-aes192-32", WRAP_AES_ECB_PKCS7, "000102030405060708090a0b0c0d0e0f1011121314151617",
		"404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f",
	"27549e3127592d93f091608d27e966d4b8e995e46d584b742b7a77657bc41337"},
};

/* Keys of whole blocks that are padded all the same; and one that only seems so. */
static const WrapVector padded[] = {
	{"ecb-pad-16", WRAP_AES_ECB_PKCS7, "000102030405060708090a0b0c0d0e0f",
		"404142434445464748494a4b4c4d4e4f",
	"d533e59b45a153ed7e5e9c5dfcfd4aaa954f64f2e4e86e9eee82d20216684899"},
	{"ecb-pad-32", WRAP_AES_ECB_PKCS7, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f",
	"a37edf3f975abaef937b62c78d5bb157974b412738e50f45c7f9db25413f274b9f3b7504926f8bd36e3118e903a4cd4a"},
	{"ecb-ends-as-padding", WRAP_AES_ECB_PKCS7, "000102030405060708090a0b0c0d0e0f",
		"40414243444546474807070707070707",
	"511dfb7eaebdf4d4a14ef5740e7a8305"},
};

TEST_SUITE(wrap)
{
	WrapMode	mode;
	SmsrError	error;

	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++)
	{
		const WrapVector *v = &wraps[i];
		SmsrBytes	wrapped = hex(v->wrapped);
		SmsrWriter	out = writer(hex(v->wrapped).len);
		SmsrWriter	back = writer(hex(v->plain).len);

		if (succeeds(key_wrap(v->mode, hex(v->kek), hex(v->plain), &out, &error), &error, "%s: wrap", v->id))
			is_hex(smsr_written(&out), v->wrapped, "%s: wrapped", v->id);
		if (succeeds(key_unwrap(v->mode, hex(v->kek), wrapped, &back, &error), &error, "%s: unwrap", v->id))
			is_hex(smsr_written(&back), v->plain, "%s: unwrapped", v->id);

		if (v->mode != WRAP_AES_KW && v->mode != WRAP_AES_KWP)
			continue;
		for (size_t j = 0; j < wrapped.len; j++)
		{
			SmsrBytes	altered = copy_of(wrapped);

			((uint8_t *) altered.data)[j] ^= 0x80;
			back = writer(100);
			fails(key_unwrap(v->mode, hex(v->kek), altered, &back, &error), &error,
				  SMSR_BAD_VALUE, "wrapped key", 0, "%s: octet %zu altered", v->id, j);
			ok(back.len == 0, "%s: nothing is released", v->id);
		}
	}
	for (size_t i = 0; i < sizeof(padded) / sizeof(padded[0]); i++)
	{
		const WrapVector *v = &padded[i];
		SmsrWriter	back = writer(hex(v->plain).len);

		if (succeeds(key_unwrap(v->mode, hex(v->kek), hex(v->wrapped), &back, &error), &error, "%s: unwrap", v->id))
			is_hex(smsr_written(&back), v->plain, "%s: unwrapped", v->id);
	}
	{
		SmsrWriter	back = writer(100);

		fails(key_unwrap(WRAP_AES_KW, hex("6d9900c3f790124f16076b2fb9286d81e5db137c60773791e69f7e55ae12df3b"),
						 hex("82f55a4680acbe242bd537da78116a25e1c97bf2e22468d1"), &back, &error), &error,
			  SMSR_BAD_VALUE, "wrapped key", 0, "kw-neg-1");
		ok(back.len == 0, "kw-neg-1: nothing is released");

		succeeds(key_unwrap(WRAP_NONE, hex(""), hex("ABCD"), &back, &error), &error, "mode none");
		is_hex(smsr_written(&back), "ABCD", "mode none changes nothing");
		back = writer(15);
		fails(key_unwrap(WRAP_AES_KW, hex(wraps[0].kek), hex(wraps[0].wrapped), &back, &error), &error,
			  SMSR_TOO_LONG, "key", 0, "no room");
		back = writer(300);
		fails(key_unwrap(WRAP_AES_KW, hex("00"), hex(wraps[0].wrapped), &back, &error), &error,
			  SMSR_BAD_LENGTH, "wrapping key", 0, "a KEK of one octet");
		fails(key_unwrap(WRAP_3DES_ECB, noise(32), hex("0011223344556677"), &back, &error), &error,
			  SMSR_BAD_LENGTH, "wrapping key", 0, "a 3DES KEK of 32 octets");
		fails(key_unwrap(WRAP_AES_KW, noise(16), noise(16), &back, &error), &error,
			  SMSR_BAD_LENGTH, "wrapped key", 0, "KW of 16 octets");
		fails(key_unwrap(WRAP_AES_KWP, noise(16), noise(8), &back, &error), &error,
			  SMSR_BAD_LENGTH, "wrapped key", 0, "KWP of 8 octets");
		fails(key_unwrap(WRAP_AES_CBC_ZERO_IV, noise(16), noise(24), &back, &error), &error,
			  SMSR_BAD_LENGTH, "wrapped key", 0, "CBC of 24 octets");
		fails(key_unwrap(WRAP_NONE, noise(0), noise(0), &back, &error), &error,
			  SMSR_BAD_LENGTH, "wrapped key", 0, "nothing");
		fails(key_unwrap(WRAP_AES_KWP, noise(16), noise(104), &back, &error), &error,
			  SMSR_TOO_LONG, "wrapped key", 0, "more than a key set");
		fails(key_wrap(WRAP_AES_KW, noise(16), noise(20), &back, &error), &error,
			  SMSR_BAD_LENGTH, "key", 0, "KW wants a multiple of eight");
		fails(key_wrap(WRAP_AES_ECB_PKCS7, noise(16), noise(20), &back, &error), &error,
			  SMSR_BAD_LENGTH, "key", 0, "padding of other lengths is not told from a key");
		fails(key_unwrap(WRAP_AES_ECB_PKCS7, noise(16), noise(24), &back, &error), &error,
			  SMSR_BAD_LENGTH, "wrapped key", 0, "ECB of 24 octets");
		ok(back.len == 0, "nothing is written for any of these");
	}

	for (int i = WRAP_NONE; i < WRAP_MODES; i++)
		ok(wrap_mode_parse(wrap_mode_name((WrapMode) i), &mode) && mode == (WrapMode) i,
		   "mode %s", wrap_mode_name((WrapMode) i));
	ok(!wrap_mode_parse("AES-KW", &mode) && !wrap_mode_parse("", &mode), "unknown modes");
}

typedef struct KcvVector
{
	const char *id;
	uint8_t		key_type;
	const char *key;
	const char *kcv;
} KcvVector;

static const KcvVector kcvs[] = {
	{"kcv-aes-1", KEY_TYPE_AES, "000102030405060708090a0b0c0d0e0f", "c35280"},
	{"kcv-aes-3", KEY_TYPE_AES, "202122232425262728292a2b2c2d2e2f", "840de5"},
	{"kcv-aes-self-1", KEY_TYPE_AES, "10549c9e638734e0c7746550a5bdf028", "fe540d"},
	{"kcv-aes-self-3", KEY_TYPE_AES, "84813a69decb36eeca7c6a14cb7421c97341c453c39c66f4a31af76f4d1aa831", "708cda"},
	{"kcv-3des-1", KEY_TYPE_DES, "404142434445464748494a4b4c4d4e4f", "8baf47"},
	{"kcv-3des-self-2", KEY_TYPE_DES, "35d27945f01e046f54e3595a9d10eafe", "41441c"},
	{"kcv-aes-2", KEY_TYPE_AES, "101112131415161718191a1b1c1d1e1f", "013808"},
	{"kcv-aes-4", KEY_TYPE_AES, "404142434445464748494a4b4c4d4e4f", "504a77"},
};

TEST_SUITE(key_check_value)
{
	uint8_t		kcv[3];
	SmsrError	error;

	for (size_t i = 0; i < sizeof(kcvs) / sizeof(kcvs[0]); i++)
	{
		if (succeeds(key_check_value(kcvs[i].key_type, hex(kcvs[i].key), kcv, &error), &error, "%s", kcvs[i].id))
			is_hex(smsr_bytes(kcv, 3), kcvs[i].kcv, "%s: value", kcvs[i].id);
	}
	/* AES-128 of zeros under a zero key, FIPS 197's own check */
	succeeds(key_check_value_zeros(hex("00000000000000000000000000000000"), kcv, &error), &error, "over zeros");
	is_hex(smsr_bytes(kcv, 3), "66E94B", "over zeros: value");

	fails(key_check_value(KEY_TYPE_PSK, noise(16), kcv, &error), &error,
		  SMSR_UNSUPPORTED, "key type", 0, "a PSK has none");
	fails(key_check_value(KEY_TYPE_AES, noise(15), kcv, &error), &error,
		  SMSR_BAD_LENGTH, "AES key", 0, "AES key of 15 octets");
	fails(key_check_value(KEY_TYPE_DES, noise(8), kcv, &error), &error,
		  SMSR_BAD_LENGTH, "DES key", 0, "single DES");
	fails(key_check_value_zeros(noise(0), kcv, &error), &error,
		  SMSR_BAD_LENGTH, "AES key", 0, "no key");
}
