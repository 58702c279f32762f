/*
 * test_certificate.c
 *		Certificates of tag 7F21, made here and then altered: what is read, what
 *		is refused and why, and that no bit of one can be turned.
 */
#include "core/certificate.h"
#include "core/chain.h"
#include "pki.h"

#include <stdlib.h>
#include <string.h>

#define EID	"89049032001000000100000090000151"

typedef struct Parties
{
	Curve		curve;
	EVP_PKEY   *ci;
	EVP_PKEY   *eum;
	EVP_PKEY   *ecasd;
	EVP_PKEY   *sm_sr;
} Parties;

static Parties
new_parties(Curve curve)
{
	return (Parties) {curve, pki_key(curve), pki_key(curve), pki_key(curve), pki_key(curve)};
}

static void
free_parties(Parties *p)
{
	EVP_PKEY_free(p->ci);
	EVP_PKEY_free(p->eum);
	EVP_PKEY_free(p->ecasd);
	EVP_PKEY_free(p->sm_sr);
}

/* Objects of a good certificate, in their order; a test replaces one. */
enum
{
	SERIAL, ISSUER, SUBJECT, USAGE, EFFECTIVE, EXPIRY, IMAGE, DISCRETIONARY, KEY, OBJECTS
};

static const char *const tags[] = {"93", "42", "5F20", "95", "5F25", "5F24", "45", "73", "7F49"};

static void
good_objects(const Parties *p, SmsrBytes objects[OBJECTS])
{
	objects[SERIAL] = hex("9303010203");
	objects[ISSUER] = hex("42022B06");
	objects[SUBJECT] = object("5F20", hex(EID));
	objects[USAGE] = hex("95020080");
	objects[EFFECTIVE] = hex("5F250420240229");
	objects[EXPIRY] = hex("5F240420260101");
	objects[IMAGE] = hex("450107");
	objects[DISCRETIONARY] = hex("7310 C001AA C102BBCC DF0100 C904DDDDDDDD");
	objects[KEY] = object("7F49", pki_public_key(p->curve, p->ecasd));
}

static void
replaced_fails(const Parties *p, int which, const char *with, SmsrErrorCode code, const char *field,
			   const char *what)
{
	SmsrBytes	objects[OBJECTS];
	SmsrBytes	before;
	Certificate certificate;
	SmsrError	error;

	good_objects(p, objects);
	before = join(objects, (size_t) which);
	objects[which] = hex(with);
	/* the header is 7F21, 81 and a length */
	fails(certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &certificate, &error), &error,
		  code, field, 4 + before.len, "%s", what);
}

static void
reading(const Parties *p)
{
	SmsrBytes	objects[OBJECTS];
	SmsrBytes	octets;
	SmsrBytes	swap;
	Certificate c;
	SmsrError	error;

	good_objects(p, objects);
	octets = pki_certificate(join(objects, OBJECTS), p->eum);
	succeeds(certificate_read(octets, &c, &error), &error, "a good one");
	is_hex(c.serial, "010203", "serial number");
	is_hex(c.issuer, "2B06", "CA identifier");
	is_hex(c.subject, EID, "subject");
	is_hex(c.usage, "0080", "usage of two octets");
	ok(c.effective == 20240229 && c.expiry == 20260101, "dates");
	is_hex(c.image, "07", "image number");
	is_hex(c.discretionary, "C001AA C102BBCC DF0100 C904DDDDDDDD", "discretionary data as it stands");
	is_hex(c.c0, "AA", "C0");
	is_hex(c.c1, "BBCC", "C1");
	is_hex(c.authority_key, "DDDDDDDD", "authority key identifier");
	ok(c.role == CERTIFICATE_NO_ROLE, "no role");
	ok(c.curve == p->curve && c.point.len == 65 && memcmp(c.point.data, pki_point(p->ecasd).data, 65) == 0, "key");
	ok(c.signed_part.data == octets.data + 4 && c.signed_part.len == join(objects, OBJECTS).len,
	   "the signed part is the octets received");
	succeeds(certificate_verify(&c, p->curve, pki_point(p->eum), &error), &error, "its signature");
	fails(certificate_verify(&c, p->curve, pki_point(p->ci), &error), &error, SMSR_BAD_VALUE, "signature", 0,
		  "is no other's");

	/* the order of what is between the first and the key is not ours to say */
	swap = objects[USAGE];
	objects[USAGE] = objects[IMAGE];
	objects[IMAGE] = swap;
	succeeds(certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error) &&
			 certificate_verify(&c, p->curve, pki_point(p->eum), &error), &error, "another order");

	/* every object but two has to be there, and once */
	for (int i = 0; i < OBJECTS; i++)
	{
		const bool	optional = i == EFFECTIVE || i == IMAGE;

		good_objects(p, objects);
		swap = objects[i];
		objects[i] = hex("");
		octets = pki_certificate(join(objects, OBJECTS), p->eum);
		ok(certificate_read(octets, &c, &error) == optional, "without tag %s", tags[i]);
		ok(optional || (error.code == SMSR_BAD_VALUE && error.expected != NULL), "and it says so");
		objects[i] = joined(swap, swap);
		ok(!certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error), "with two of tag %s",
		   tags[i]);
		ok(error.code == SMSR_BAD_VALUE, "and it says so");
	}
	/* a date is compared with nothing if it is not there */
	good_objects(p, objects);
	objects[EFFECTIVE] = hex("");
	ok(certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error) && c.effective == 0,
	   "without an effective date");
}

static void
refusing(const Parties *p)
{
	SmsrBytes	objects[OBJECTS];
	SmsrBytes	octets;
	SmsrBytes	body;
	Certificate c;
	SmsrError	error;

	replaced_fails(p, SERIAL, "9300", SMSR_BAD_LENGTH, "serial number", "an empty serial number");
	replaced_fails(p, SERIAL, "9311 0000000000000000000000000000000000", SMSR_BAD_LENGTH, "serial number", "a long one");
	replaced_fails(p, SERIAL, "940101", SMSR_BAD_VALUE, "serial number", "something else first");
	replaced_fails(p, ISSUER, "4200", SMSR_BAD_LENGTH, "CA identifier", "no CA");
	replaced_fails(p, SUBJECT, "5F2000", SMSR_BAD_LENGTH, "subject identifier", "no subject");
	replaced_fails(p, USAGE, "9500", SMSR_BAD_LENGTH, "key usage", "no usage");
	replaced_fails(p, USAGE, "9503008000", SMSR_BAD_LENGTH, "key usage", "a usage of three octets");
	replaced_fails(p, EFFECTIVE, "5F2503202401", SMSR_BAD_LENGTH, "effective date", "yymmdd");
	replaced_fails(p, EXPIRY, "5F24042026010A", SMSR_BAD_VALUE, "expiry date", "no digit, low");
	replaced_fails(p, EXPIRY, "5F240420A60101", SMSR_BAD_VALUE, "expiry date", "no digit, high");
	replaced_fails(p, EXPIRY, "5F240420260001", SMSR_BAD_VALUE, "expiry date", "month 0");
	replaced_fails(p, EXPIRY, "5F240420261301", SMSR_BAD_VALUE, "expiry date", "month 13");
	replaced_fails(p, EXPIRY, "5F240420260100", SMSR_BAD_VALUE, "expiry date", "day 0");
	replaced_fails(p, EXPIRY, "5F240420260431", SMSR_BAD_VALUE, "expiry date", "31 April");
	replaced_fails(p, EXPIRY, "5F240420250229", SMSR_BAD_VALUE, "expiry date", "29 February of no leap year");
	replaced_fails(p, EXPIRY, "5F240421000229", SMSR_BAD_VALUE, "expiry date", "29 February 2100");
	replaced_fails(p, EXPIRY, "5F240400001231", SMSR_BAD_VALUE, "expiry date", "year 0");
	replaced_fails(p, IMAGE, "4500", SMSR_BAD_LENGTH, "image number", "an empty image number");
	replaced_fails(p, IMAGE, "5301FF", SMSR_UNSUPPORTED, "certificate", "an object that none has");
	replaced_fails(p, IMAGE, "45810107", SMSR_BAD_LENGTH, "certificate", "a length that is not minimal");
	replaced_fails(p, IMAGE, "458000", SMSR_BAD_LENGTH, "certificate", "an indefinite length");

	/* inside 73 and 7F49 the offset is that of what is wrong */
	good_objects(p, objects);
	objects[DISCRETIONARY] = hex("7306 C80102 C80101");
	octets = pki_certificate(join(objects, OBJECTS), p->eum);
	fails(certificate_read(octets, &c, &error), &error, SMSR_BAD_VALUE, "role",
		  4 + join(objects, DISCRETIONARY).len + 5, "two roles");
	objects[DISCRETIONARY] = hex("7306 C0010A C0010B");
	fails(certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error), &error,
		  SMSR_BAD_VALUE, "discretionary data", 4 + join(objects, DISCRETIONARY).len + 5, "two of C0");
	objects[DISCRETIONARY] = hex("7304 C8020202");
	fails(certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error), &error,
		  SMSR_BAD_LENGTH, "role", 4 + join(objects, DISCRETIONARY).len + 2, "a role of two octets");
	objects[DISCRETIONARY] = hex("7303 C80100");
	fails(certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error), &error,
		  SMSR_BAD_VALUE, "role", 4 + join(objects, DISCRETIONARY).len + 2, "role 0");
	objects[DISCRETIONARY] = hex("7303 C80502");
	fails(certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error), &error,
		  SMSR_TRUNCATED, "discretionary data", 4 + join(objects, DISCRETIONARY).len + 2, "beyond the end of 73");
	objects[DISCRETIONARY] = hex("7304 C8810102");
	fails(certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error), &error,
		  SMSR_BAD_LENGTH, "discretionary data", 4 + join(objects, DISCRETIONARY).len + 2, "a longer length inside");
	objects[DISCRETIONARY] = hex("7300");
	ok(certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error) &&
	   c.authority_key.data == NULL, "nothing in 73");

	objects[KEY] = object("7F49", object("B0", pki_point(p->ecasd)));
	ok(!certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error) &&
	   strcmp(error.field, "key parameter reference") == 0, "no reference");
	objects[KEY] = object("7F49", joined(object("B0", pki_point(p->ecasd)), hex("F00101")));
	ok(!certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error) &&
	   error.code == SMSR_UNSUPPORTED, "P-384's");
	objects[KEY] = object("7F49", joined(object("B0", pki_point(p->ecasd)), hex("F0020000")));
	ok(!certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error) &&
	   error.code == SMSR_BAD_LENGTH, "of two octets");
	objects[KEY] = object("7F49", joined(pki_public_key(p->curve, p->ecasd), hex("F00100")));
	ok(!certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error) &&
	   error.code == SMSR_BAD_LENGTH, "more behind the reference");
	objects[KEY] = object("7F49", pki_point(p->ecasd));
	ok(!certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error) &&
	   error.code != SMSR_OK, "a bare point");

	/* around it */
	good_objects(p, objects);
	body = join(objects, OBJECTS);
	octets = pki_certificate(body, p->eum);
	for (size_t len = 0; len < octets.len; len++)
	{
		if (certificate_read(copy_of(smsr_bytes(octets.data, len)), &c, &error))
			ok(false, "the first %zu octets of one", len);
	}
	fails(certificate_read(joined(octets, hex("00")), &c, &error), &error,
		  SMSR_BAD_LENGTH, "certificate", octets.len, "an octet behind it");
	fails(certificate_read(object("7F22", body), &c, &error), &error,
		  SMSR_BAD_VALUE, "certificate", 0, "another tag");
	fails(certificate_read(object("7F21", body), &c, &error), &error,
		  SMSR_BAD_VALUE, "signature", 4 + body.len, "without a signature");
	fails(certificate_read(object("7F21", joined(body, object("5F37", noise(63)))), &c, &error), &error,
		  SMSR_BAD_LENGTH, "signature", 4 + body.len, "a short signature");
	fails(certificate_read(object("7F21", joined(body, object("5F37", noise(64)), hex("9300"))), &c, &error), &error,
		  SMSR_BAD_LENGTH, "certificate", 4 + body.len + 67, "an object behind the signature");
	fails(certificate_read(object("7F21", joined(hex("930101"), object("5F37", noise(64)))), &c, &error), &error,
		  SMSR_BAD_VALUE, "signature", 6, "a signature before the key");
	fails(certificate_read(hex("7F2100"), &c, &error), &error, SMSR_BAD_VALUE, "serial number", 3, "an empty one");
	fails(certificate_read(hex("7F2180"), &c, &error), &error, SMSR_BAD_LENGTH, "certificate", 0, "an indefinite one");
}

static int64_t
midnight(int year, int month, int day)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	int64_t		days = 365L * (year - 1) + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;

	days += before[month - 1] + day - 1;
	if (month > 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0))
		days++;
	return (days - 719162) * PKI_DAY;
}

static void
checking(const Parties *p)
{
	SmsrBytes	objects[OBJECTS];
	Certificate c;
	SmsrBytes	eid = hex(EID);
	SmsrError	error;
	int			odd = 0;

	ok(certificate_day(0) == 19700101 && certificate_day(-1) == 19691231, "days around 1970");
	ok(certificate_day(PKI_NOW) == 20260101 && certificate_day(PKI_NOW - 1) == 20251231, "days around now");
	ok(certificate_day(INT64_MAX) == 0 && certificate_day(INT64_MIN) == 0, "no days");
	ok(certificate_day(midnight(9999, 12, 31) + PKI_DAY) == 0 && certificate_day(midnight(1, 1, 1) - 1) == 0,
	   "and none beyond the calendar");
	for (int year = 1; year <= 9999; year++)
	{
		if (certificate_day(midnight(year, 3, 1)) != (uint32_t) year * 10000 + 301 ||
			certificate_day(midnight(year, 12, 31) + PKI_DAY - 1) != (uint32_t) year * 10000 + 1231 ||
			certificate_day(midnight(year, 1, 1)) != (uint32_t) year * 10000 + 101)
			odd++;
	}
	ok(odd == 0, "days of all years");

	good_objects(p, objects);
	certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error);
	succeeds(certificate_check_ecasd(&c, eid.data, PKI_NOW, &error), &error, "an ECASD's");
	succeeds(certificate_check_ecasd(&c, eid.data, PKI_NOW + PKI_DAY - 1, &error), &error, "until the end of the day");
	fails(certificate_check_ecasd(&c, eid.data, PKI_NOW + PKI_DAY, &error), &error,
		  SMSR_BAD_VALUE, "expiry date", 0, "not the day after");
	fails(certificate_check_ecasd(&c, eid.data, INT64_MAX, &error), &error,
		  SMSR_BAD_VALUE, "effective date", 0, "not at a time without a day");
	succeeds(certificate_check_ecasd(&c, eid.data, midnight(2024, 2, 29), &error), &error, "from the beginning of the day");
	fails(certificate_check_ecasd(&c, eid.data, midnight(2024, 2, 29) - 1, &error), &error,
		  SMSR_BAD_VALUE, "effective date", 0, "not the day before");
	for (size_t bit = 0; bit < 128; bit += 9)
		fails(certificate_check_ecasd(&c, with_bit_turned(eid, bit).data, PKI_NOW, &error), &error,
			  SMSR_BAD_VALUE, "subject identifier", 0, "another eUICC, bit %zu", bit);
	fails(certificate_check_off_card(&c, CERTIFICATE_SM_SR, PKI_NOW, &error), &error,
		  SMSR_BAD_VALUE, "key usage", 0, "an ECASD is no SM-SR");
	succeeds(certificate_check_authority(&c, hex("DDDDDDDD"), &error), &error, "who signed");
	fails(certificate_check_authority(&c, hex("DDDDDDDE"), &error), &error,
		  SMSR_BAD_VALUE, "authority key identifier", 0, "who did not");
	fails(certificate_check_authority(&c, hex("DDDDDD"), &error), &error,
		  SMSR_BAD_VALUE, "authority key identifier", 0, "nor a part of it");

	objects[SUBJECT] = hex("5F200189");
	certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error);
	fails(certificate_check_ecasd(&c, eid.data, PKI_NOW, &error), &error,
		  SMSR_BAD_VALUE, "subject identifier", 0, "a part of an EID");

	good_objects(p, objects);
	objects[USAGE] = hex("950188");
	objects[DISCRETIONARY] = hex("7303C80102");
	certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error);
	succeeds(certificate_check_off_card(&c, CERTIFICATE_SM_SR, PKI_NOW, &error), &error, "an SM-SR's");
	fails(certificate_check_off_card(&c, CERTIFICATE_SM_DP, PKI_NOW, &error), &error,
		  SMSR_BAD_VALUE, "role", 0, "is not an SM-DP's");
	fails(certificate_check_off_card(&c, CERTIFICATE_SM_SR, PKI_NOW + PKI_DAY, &error), &error,
		  SMSR_BAD_VALUE, "expiry date", 0, "until it expires");
	fails(certificate_check_ecasd(&c, eid.data, PKI_NOW, &error), &error,
		  SMSR_BAD_VALUE, "key usage", 0, "and agrees on no keys");
	succeeds(certificate_check_authority(&c, hex("00"), &error), &error, "an old one names no authority key");
	objects[DISCRETIONARY] = hex("7300");
	certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error);
	fails(certificate_check_off_card(&c, CERTIFICATE_SM_SR, PKI_NOW, &error), &error,
		  SMSR_BAD_VALUE, "role", 0, "without a role");
	objects[DISCRETIONARY] = hex("7303C80102");
	objects[KEY] = with_bit_turned(objects[KEY], 8 * 20);
	certificate_read(pki_certificate(join(objects, OBJECTS), p->eum), &c, &error);
	fails(certificate_check_off_card(&c, CERTIFICATE_SM_SR, PKI_NOW, &error), &error,
		  SMSR_BAD_VALUE, "public key", 0, "a key that is not on the curve");
}

/* No bit of the whole can be turned without being refused, by whatever check. */
static void
altered(const Parties *p)
{
	PkiOdd		good = {0};
	SmsrBytes	ci = pki_x509("CI", p->ci, "CI", NULL, good);
	SmsrBytes	eum = pki_x509("EUM", p->eum, "CI", p->ci, good);
	SmsrBytes	eid = hex(EID);
	SmsrBytes	ecasd = pki_ecasd(eid, p->curve, p->ecasd, p->eum);
	SmsrBytes	sm_sr = pki_sm_sr(p->curve, p->sm_sr, p->ci);
	SmsrBytes	eum_key = pki_point(p->eum);
	SmsrBytes	ci_key = pki_point(p->ci);
	Certificate c;
	SmsrError	error;
	int			taken = 0;

	succeeds(chain_verify_ecasd(ecasd, eum, ci, eid.data, PKI_NOW, &c, &error), &error,
			 "%s: an ECASD up to its CI", curve_name(p->curve));
	ok(memcmp(c.point.data, pki_point(p->ecasd).data, 65) == 0, "its key");
	succeeds(chain_verify_off_card(sm_sr, ci, CERTIFICATE_SM_SR, PKI_NOW, &c, &error), &error,
			 "%s: an SM-SR up to its CI", curve_name(p->curve));
	fails(chain_verify_off_card(sm_sr, ci, CERTIFICATE_SM_DP, PKI_NOW, &c, &error), &error,
		  SMSR_BAD_VALUE, "role", 0, "which is no SM-DP");
	fails(chain_verify_ecasd(pki_ecasd(eid, p->curve, p->ecasd, p->ci), eum, ci, eid.data, PKI_NOW, &c, &error),
		  &error, SMSR_BAD_VALUE, "authority key identifier", 0, "an ECASD that another signed");

	/* the same checks without the X.509, which takes its time */
	for (size_t bit = 0; bit < 8 * ecasd.len; bit++)
		taken += certificate_read(with_bit_turned(ecasd, bit), &c, &error) &&
			certificate_check_ecasd(&c, eid.data, PKI_NOW, &error) &&
			certificate_check_authority(&c, pki_key_identifier(p->eum), &error) &&
			certificate_verify(&c, p->curve, eum_key, &error);
	for (size_t bit = 0; bit < 8 * sm_sr.len; bit++)
		taken += certificate_read(with_bit_turned(sm_sr, bit), &c, &error) &&
			certificate_check_off_card(&c, CERTIFICATE_SM_SR, PKI_NOW, &error) &&
			certificate_check_authority(&c, pki_key_identifier(p->ci), &error) &&
			certificate_verify(&c, p->curve, ci_key, &error);
	ok(taken == 0, "%s: none of %zu altered certificates is taken", curve_name(p->curve), 8 * (ecasd.len + sm_sr.len));
}

TEST_SUITE(certificate)
{
	Parties		p = new_parties(CURVE_P256);

	reading(&p);
	refusing(&p);
	checking(&p);
	free_parties(&p);

	for (Curve curve = CURVE_P256; curve <= CURVE_FRP; curve++)
	{
		p = new_parties(curve);
		altered(&p);
		free_parties(&p);
	}
}
