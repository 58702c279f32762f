/*
 * certificate.c
 *		Certificates in GlobalPlatform's own format, tag 7F21.
 */
#include "certificate.h"

#include <string.h>

#define TAG_SERIAL			0x93
#define TAG_ISSUER			0x42
#define TAG_SUBJECT			0x5F20
#define TAG_USAGE			0x95
#define TAG_EFFECTIVE		0x5F25
#define TAG_EXPIRY			0x5F24
#define TAG_IMAGE			0x45
#define TAG_DISCRETIONARY	0x73
#define TAG_PUBLIC_KEY		0x7F49
#define TAG_SIGNATURE		0x5F37

#define TAG_C0				0xC0
#define TAG_C1				0xC1
#define TAG_ROLE			0xC8
#define TAG_AUTHORITY_KEY	0xC9

#define TAG_POINT			0xB0
#define TAG_REFERENCE		0xF0

#define MAX_NAME_LEN		16	/* serial number, identifiers */
#define EID_OCTETS			16

/* Key usage, tag 95: signature verification, key agreement */
static const uint8_t usage_verify[] = {0x88};
static const uint8_t usage_agree[] = {0x00, 0x80};

/* ---- reading ---- */

/* Which objects stood there, one bit each. */
enum
{
	HAS_SERIAL = 1 << 0,
	HAS_ISSUER = 1 << 1,
	HAS_SUBJECT = 1 << 2,
	HAS_USAGE = 1 << 3,
	HAS_EFFECTIVE = 1 << 4,
	HAS_EXPIRY = 1 << 5,
	HAS_IMAGE = 1 << 6,
	HAS_DISCRETIONARY = 1 << 7,
	HAS_PUBLIC_KEY = 1 << 8,
	HAS_SIGNATURE = 1 << 9
};

static bool
read_name(SmsrTlv tlv, const char *field, SmsrBytes *value, SmsrError *error)
{
	if (tlv.value.len < 1 || tlv.value.len > MAX_NAME_LEN)
		return smsr_fail(error, SMSR_BAD_LENGTH, field, tlv.offset, "1 to 16 octets");
	*value = tlv.value;
	return true;
}

static bool
leap(uint32_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static uint32_t
days_of_month(uint32_t year, uint32_t month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month == 2 && leap(year) ? 29 : days[month - 1];
}

/* YYYYMMDD, two digits an octet */
static bool
read_date(SmsrTlv tlv, const char *field, uint32_t *date, SmsrError *error)
{
	uint32_t	number = 0;
	uint32_t	month;
	uint32_t	day;

	if (tlv.value.len != 4)
		return smsr_fail(error, SMSR_BAD_LENGTH, field, tlv.offset, "4 octets, YYYYMMDD");
	for (size_t i = 0; i < 4; i++)
	{
		uint8_t		octet = tlv.value.data[i];

		if (octet >> 4 > 9 || (octet & 0x0F) > 9)
			return smsr_fail(error, SMSR_BAD_VALUE, field, tlv.offset, "decimal digits");
		number = number * 100 + (octet >> 4) * 10u + (octet & 0x0F);
	}
	month = number / 100 % 100;
	day = number % 100;
	if (number < 10000 || month < 1 || month > 12 || day < 1 || day > days_of_month(number / 10000, month))
		return smsr_fail(error, SMSR_BAD_VALUE, field, tlv.offset, "a day of the calendar");
	*date = number;
	return true;
}

static bool
once(uint32_t *seen, uint32_t bit, SmsrTlv tlv, const char *field, SmsrError *error)
{
	if ((*seen & bit) != 0)
		return smsr_fail(error, SMSR_BAD_VALUE, field, tlv.offset, "one object with its tag");
	*seen |= bit;
	return true;
}

/* Tag 73: objects that are known are read, others stay where they are. */
static bool
read_discretionary(TlvReader r, Certificate *certificate, SmsrError *error)
{
	while (!tlv_at_end(&r))
	{
		SmsrTlv		tlv;
		SmsrBytes  *value = NULL;

		if (!tlv_read_minimal(&r, "discretionary data", &tlv, error))
			return false;
		switch (tlv.tag)
		{
			case TAG_C0:
				value = &certificate->c0;
				break;
			case TAG_C1:
				value = &certificate->c1;
				break;
			case TAG_AUTHORITY_KEY:
				value = &certificate->authority_key;
				break;
			case TAG_ROLE:
				if (certificate->role != CERTIFICATE_NO_ROLE)
					return smsr_fail(error, SMSR_BAD_VALUE, "role", tlv.offset, "one object with its tag");
				if (tlv.value.len != 1)
					return smsr_fail(error, SMSR_BAD_LENGTH, "role", tlv.offset, "one octet");
				if (tlv.value.data[0] == CERTIFICATE_NO_ROLE)
					return smsr_fail(error, SMSR_BAD_VALUE, "role", tlv.offset, "01 (SM-DP) or 02 (SM-SR)");
				certificate->role = tlv.value.data[0];
				break;
			default:
				break;
		}
		if (value != NULL)
		{
			if (value->data != NULL)
				return smsr_fail(error, SMSR_BAD_VALUE, "discretionary data", tlv.offset,
								 "one object with its tag");
			*value = tlv.value;
		}
	}
	return true;
}

bool
public_key_read(TlvReader *r, Curve *curve, SmsrBytes *point, SmsrError *error)
{
	SmsrTlv		tlv;

	if (!tlv_read_minimal(r, "public key", &tlv, error))
		return false;
	if (tlv.tag != TAG_POINT)
		return smsr_fail(error, SMSR_BAD_VALUE, "public key", tlv.offset, "tag B0");
	if (tlv.value.len != CURVE_POINT_LEN)
		return smsr_fail(error, SMSR_BAD_LENGTH, "public key", tlv.offset, "65 octets");
	*point = tlv.value;

	if (!tlv_read_minimal(r, "key parameter reference", &tlv, error))
		return false;
	if (tlv.tag != TAG_REFERENCE)
		return smsr_fail(error, SMSR_BAD_VALUE, "key parameter reference", tlv.offset, "tag F0");
	if (tlv.value.len != 1)
		return smsr_fail(error, SMSR_BAD_LENGTH, "key parameter reference", tlv.offset, "one octet");
	if (!curve_from_reference(tlv.value.data[0], curve))
		return smsr_fail(error, SMSR_UNSUPPORTED, "key parameter reference", tlv.offset,
						 "00 (P-256), 03 (brainpoolP256r1) or 40 (FRP256v1)");
	if (!tlv_at_end(r))
		return smsr_fail(error, SMSR_BAD_LENGTH, "public key", r->pos, "nothing more");
	return true;
}

void
public_key_write(SmsrWriter *w, Curve curve, SmsrBytes point)
{
	const uint8_t reference = curve_reference(curve);

	put_tlv(w, TAG_POINT, point.data, point.len);
	put_tlv(w, TAG_REFERENCE, &reference, 1);
}

/* One object of the certificate itself. */
static bool
read_object(const TlvReader *r, SmsrTlv tlv, Certificate *certificate, uint32_t *seen, SmsrError *error)
{
	TlvReader	inner;

	switch (tlv.tag)
	{
		case TAG_SERIAL:
			return once(seen, HAS_SERIAL, tlv, "serial number", error) &&
				read_name(tlv, "serial number", &certificate->serial, error);
		case TAG_ISSUER:
			return once(seen, HAS_ISSUER, tlv, "CA identifier", error) &&
				read_name(tlv, "CA identifier", &certificate->issuer, error);
		case TAG_SUBJECT:
			return once(seen, HAS_SUBJECT, tlv, "subject identifier", error) &&
				read_name(tlv, "subject identifier", &certificate->subject, error);
		case TAG_USAGE:
			if (!once(seen, HAS_USAGE, tlv, "key usage", error))
				return false;
			if (tlv.value.len < 1 || tlv.value.len > 2)
				return smsr_fail(error, SMSR_BAD_LENGTH, "key usage", tlv.offset, "one or two octets");
			certificate->usage = tlv.value;
			return true;
		case TAG_EFFECTIVE:
			return once(seen, HAS_EFFECTIVE, tlv, "effective date", error) &&
				read_date(tlv, "effective date", &certificate->effective, error);
		case TAG_EXPIRY:
			return once(seen, HAS_EXPIRY, tlv, "expiry date", error) &&
				read_date(tlv, "expiry date", &certificate->expiry, error);
		case TAG_IMAGE:
			return once(seen, HAS_IMAGE, tlv, "image number", error) &&
				read_name(tlv, "image number", &certificate->image, error);
		case TAG_DISCRETIONARY:
			certificate->discretionary = tlv.value;
			return once(seen, HAS_DISCRETIONARY, tlv, "discretionary data", error) &&
				read_discretionary(tlv_inside(r, tlv.value), certificate, error);
		case TAG_PUBLIC_KEY:
			inner = tlv_inside(r, tlv.value);
			return once(seen, HAS_PUBLIC_KEY, tlv, "public key", error) &&
				public_key_read(&inner, &certificate->curve, &certificate->point, error);
		case TAG_SIGNATURE:
			if (tlv.value.len != CURVE_SIGNATURE_LEN)
				return smsr_fail(error, SMSR_BAD_LENGTH, "signature", tlv.offset, "64 octets");
			*seen |= HAS_SIGNATURE;
			certificate->signature = tlv.value;
			return true;
		default:
			return smsr_fail(error, SMSR_UNSUPPORTED, "certificate", tlv.offset,
							 "an object that a certificate has");
	}
}

/* The first object of the list that is not there, by its field. */
static bool
check_complete(uint32_t seen, size_t offset, SmsrError *error)
{
	static const struct
	{
		uint32_t	bit;
		const char *field;
		const char *expected;
	}			mandatory[] = {
		{HAS_SERIAL, "serial number", "tag 93"},
		{HAS_ISSUER, "CA identifier", "tag 42"},
		{HAS_SUBJECT, "subject identifier", "tag 5F20"},
		{HAS_USAGE, "key usage", "tag 95"},
		{HAS_EXPIRY, "expiry date", "tag 5F24"},
		{HAS_DISCRETIONARY, "discretionary data", "tag 73"},
		{HAS_PUBLIC_KEY, "public key", "tag 7F49"},
		{HAS_SIGNATURE, "signature", "tag 5F37"},
	};

	for (size_t i = 0; i < sizeof(mandatory) / sizeof(mandatory[0]); i++)
	{
		if ((seen & mandatory[i].bit) == 0)
			return smsr_fail(error, SMSR_BAD_VALUE, mandatory[i].field, offset, mandatory[i].expected);
	}
	return true;
}

bool
certificate_read(SmsrBytes octets, Certificate *certificate, SmsrError *error)
{
	TlvReader	r = tlv_reader(octets);
	SmsrTlv		whole;
	SmsrTlv		tlv;
	uint32_t	seen = 0;

	*certificate = (Certificate) {0};
	if (!tlv_read_minimal(&r, "certificate", &whole, error))
		return false;
	if (whole.tag != CERTIFICATE_TAG)
		return smsr_fail(error, SMSR_BAD_VALUE, "certificate", 0, "tag 7F21");
	if (!tlv_at_end(&r))
		return smsr_fail(error, SMSR_BAD_LENGTH, "certificate", r.pos, "nothing more");

	/*
	 * The signed part begins with the serial number and ends with the public
	 * key; the order of what is between them is as it is received.
	 */
	r = tlv_inside(&r, whole.value);
	while (!tlv_at_end(&r))
	{
		if (!tlv_read_minimal(&r, "certificate", &tlv, error))
			return false;
		if (seen == 0 && tlv.tag != TAG_SERIAL)
			return smsr_fail(error, SMSR_BAD_VALUE, "serial number", tlv.offset, "tag 93 to be the first");
		if (((seen & HAS_PUBLIC_KEY) != 0) != (tlv.tag == TAG_SIGNATURE))
			return smsr_fail(error, SMSR_BAD_VALUE, "signature", tlv.offset,
							 "tag 5F37 behind tag 7F49, and nowhere else");
		if (!read_object(&r, tlv, certificate, &seen, error))
			return false;
		if (tlv.tag == TAG_SIGNATURE)
		{
			certificate->signed_part = smsr_bytes(whole.value.data,
												  tlv.offset - (size_t) (whole.value.data - octets.data));
			if (!tlv_at_end(&r))
				return smsr_fail(error, SMSR_BAD_LENGTH, "certificate", r.pos, "nothing more");
		}
	}
	return check_complete(seen, r.pos, error);
}

/* ---- checking ---- */

bool
certificate_verify(const Certificate *certificate, Curve curve, SmsrBytes point, SmsrError *error)
{
	return curve_verify(curve, point, &certificate->signed_part, 1, certificate->signature, error);
}

uint32_t
certificate_day(int64_t at)
{
	int64_t		days = at / 86400 - (at % 86400 < 0);
	uint32_t	year;
	uint32_t	month = 1;
	uint32_t	day;

	/* 0001-01-01 and 9999-12-31 */
	if (days < -719162 || days > 2932896)
		return 0;
	/* from 0001-01-01 on, where the pattern of leap years begins anew */
	day = (uint32_t) (days + 719162);
	year = 1 + day / 146097 * 400;
	day %= 146097;
	while (day >= (leap(year) ? 366u : 365u))
		day -= leap(year++) ? 366u : 365u;
	while (day >= days_of_month(year, month))
		day -= days_of_month(year, month++);
	return year * 10000 + month * 100 + day + 1;
}

/* The certificate is good from the first to the last moment of its days, UTC. */
static bool
check_day(const Certificate *certificate, int64_t at, SmsrError *error)
{
	const uint32_t day = certificate_day(at);

	if (day < certificate->effective)
		return smsr_fail(error, SMSR_BAD_VALUE, "effective date", 0, "a day that has come");
	if (day == 0 || day > certificate->expiry)
		return smsr_fail(error, SMSR_BAD_VALUE, "expiry date", 0, "a day that is not over");
	return true;
}

static bool
same(SmsrBytes a, const void *data, size_t len)
{
	return a.len == len && (len == 0 || memcmp(a.data, data, len) == 0);
}

bool
certificate_check_off_card(const Certificate *certificate, CertificateRole role, int64_t at,
						   SmsrError *error)
{
	if (!same(certificate->usage, usage_verify, sizeof(usage_verify)))
		return smsr_fail(error, SMSR_BAD_VALUE, "key usage", 0, "88 (signature verification)");
	if (certificate->role != role)
		return smsr_fail(error, SMSR_BAD_VALUE, "role", 0,
						 role == CERTIFICATE_SM_SR ? "02 (SM-SR)" : "01 (SM-DP)");
	return check_day(certificate, at, error) &&
		curve_check_point(certificate->curve, certificate->point, error);
}

bool
certificate_check_ecasd(const Certificate *certificate, const uint8_t eid[16], int64_t at,
						SmsrError *error)
{
	if (!same(certificate->subject, eid, EID_OCTETS))
		return smsr_fail(error, SMSR_BAD_VALUE, "subject identifier", 0, "the EID of the eUICC");
	if (!same(certificate->usage, usage_agree, sizeof(usage_agree)))
		return smsr_fail(error, SMSR_BAD_VALUE, "key usage", 0, "0080 (key agreement)");
	return check_day(certificate, at, error) &&
		curve_check_point(certificate->curve, certificate->point, error);
}

bool
certificate_check_authority(const Certificate *certificate, SmsrBytes key_identifier, SmsrError *error)
{
	if (certificate->authority_key.data != NULL &&
		!same(certificate->authority_key, key_identifier.data, key_identifier.len))
		return smsr_fail(error, SMSR_BAD_VALUE, "authority key identifier", 0,
						 "the subject key identifier of who signed");
	return true;
}
