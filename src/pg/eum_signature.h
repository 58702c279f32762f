/*
 * eum_signature.h
 *		The EUM's signature of an EIS (SGP.02 Annex E): XML-DSig over EumSignedInfo.
 */
#ifndef SMSR_EUM_SIGNATURE_H
#define SMSR_EUM_SIGNATURE_H

#include "pg/eis.h"
#include "pg/guc.h"
#include "pg/trust.h"

/*
 * Verify the signature over signed_info, an element of r's document, the path of
 * certificates to a trusted CI, and the ECASD's certificate in it, as the policy
 * has it.  False is a reject.  *eum is who signed; NULL if that was not verified.
 */
extern bool eum_signature_verify(EisReader *r, xmlNodePtr signed_info, SmsrEumSignature policy,
								 const EumCertificate **eum);

/* ecasd.c: the certificates in Ecasd, under the key of the EUM that signed */
extern bool ecasd_verify(EisReader *r, xmlNodePtr ecasd, const EumCertificate *eum, TimestampTz now);

/* xmldsig.c: what libxmlsec1 does */
extern bool xmldsig_verify(xmlNodePtr signature, xmlNodePtr signed_part, EVP_PKEY *key);

#endif							/* SMSR_EUM_SIGNATURE_H */
