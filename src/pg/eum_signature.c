/*
 * eum_signature.c
 *		What an EUM's signature of an EIS may look like, who made it, and whether
 *		it is good.
 *
 * The signature is detached: its Reference has no URI, and what it refers to is
 * the application's to say (SGP.02 Annex E).  Here it is always the one element
 * EumSignedInfo that the EIS is read from and that is kept, so there is nothing
 * to wrap.  All else is by lists of what is allowed, and decided before a
 * digest is computed: no transform but canonicalisation, no second Reference,
 * no Object, no algorithm but the one of SGP.02.
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "access/xact.h"
#include "pg/eum_signature.h"
#include "utils/timestamp.h"

#define DSIG_NAMESPACE	"http://www.w3.org/2000/09/xmldsig#"
#define EXCLUSIVE		"http://www.w3.org/2001/10/xml-exc-c14n#"
#define ECDSA_SHA256	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
#define SHA256			"http://www.w3.org/2001/04/xmlenc#sha256"

#define MAX_CERTIFICATE	8192	/* octets */

/* No source says which one EUMs use; none of these keeps comments. */
static const char *const canonicalisations[] = {
	EXCLUSIVE,
	"http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
	"http://www.w3.org/2006/12/xml-c14n11",
};

/* Attributes that some application or other takes for an identifier */
static const char *const id_names[] = {"Id", "ID", "id"};

/* ---- the document ---- */

static bool
refuse(EisReader *r, xmlNodePtr node, const char *reason)
{
	return eis_reject(r, node, SUBJECT_ECASD, REASON_NOT_VERIFIED, "%s", reason);
}

static bool
is_dsig(xmlNodePtr node, const char *name)
{
	return node != NULL && xmlStrEqual(node->name, BAD_CAST name) &&
		node->ns != NULL && xmlStrEqual(node->ns->href, BAD_CAST DSIG_NAMESPACE);
}

static xmlNodePtr
next_element(xmlNodePtr node)
{
	while (node != NULL && node->type != XML_ELEMENT_NODE)
		node = node->next;
	return node;
}

static xmlNodePtr
first_child(xmlNodePtr node)
{
	return next_element(node->children);
}

/* The value of an attribute without a namespace; NULL: there is none. */
static const char *
attribute(xmlNodePtr node, const char *name)
{
	xmlAttrPtr	found = xmlHasNsProp(node, BAD_CAST name, NULL);

	if (found == NULL || found->type != XML_ATTRIBUTE_NODE)
		return NULL;
	if (found->children == NULL)
		return "";
	/* without a document type there are no entities: one text it is */
	return found->children->next == NULL && found->children->type == XML_TEXT_NODE ?
		(const char *) found->children->content : NULL;
}

/* The next element in its order, and the name it must have; NULL is a reject. */
static xmlNodePtr
expect(EisReader *r, xmlNodePtr parent, xmlNodePtr node, const char *name)
{
	if (is_dsig(node, name))
		return node;
	eis_reject(r, node != NULL ? node : parent, SUBJECT_ECASD, REASON_NOT_VERIFIED,
			   "XML signature must have element %s here", name);
	return NULL;
}

static bool
is_algorithm(xmlNodePtr node, const char *algorithm)
{
	const char *stated = attribute(node, "Algorithm");

	return stated != NULL && strcmp(stated, algorithm) == 0;
}

/* Exclusive canonicalisation may name prefixes; nothing else has parameters. */
static bool
check_canonicalisation(EisReader *r, xmlNodePtr node)
{
	xmlNodePtr	parameter = first_child(node);
	bool		allowed = false;

	for (size_t i = 0; i < lengthof(canonicalisations); i++)
		allowed |= is_algorithm(node, canonicalisations[i]);
	if (!allowed)
		return refuse(r, node, "algorithm must be canonical XML without comments, and no other transform");
	if (parameter == NULL)
		return true;
	return (is_algorithm(node, EXCLUSIVE) && next_element(parameter->next) == NULL &&
			first_child(parameter) == NULL && xmlStrEqual(parameter->name, BAD_CAST "InclusiveNamespaces") &&
			parameter->ns != NULL && xmlStrEqual(parameter->ns->href, BAD_CAST EXCLUSIVE)) ||
		refuse(r, parameter, "algorithm has a parameter that is not accepted");
}

static bool
check_algorithm(EisReader *r, xmlNodePtr node, const char *algorithm)
{
	if (!is_algorithm(node, algorithm))
		return eis_reject(r, node, SUBJECT_ECASD, REASON_NOT_VERIFIED, "algorithm must be %s", algorithm);
	return first_child(node) == NULL || refuse(r, node, "algorithm has a parameter that is not accepted");
}

/* ---- what is referred to ---- */

static xmlNodePtr
next_in_document(xmlNodePtr node)
{
	if (node->children != NULL && node->type == XML_ELEMENT_NODE)
		return node->children;
	while (node != NULL && node->next == NULL)
		node = node->parent;
	return node != NULL ? node->next : NULL;
}

/* Whether an attribute of any namespace says that this element is called id. */
static bool
is_called(xmlNodePtr node, const char *id)
{
	for (xmlAttrPtr a = node->properties; a != NULL; a = a->next)
	{
		if (a->children == NULL || a->children->content == NULL ||
			strcmp((const char *) a->children->content, id) != 0)
			continue;
		for (size_t i = 0; i < lengthof(id_names); i++)
		{
			if (xmlStrEqual(a->name, BAD_CAST id_names[i]))
				return true;
		}
	}
	return false;
}

/*
 * No URI, the empty one, or that of an Id: to refer to something else than
 * EumSignedInfo there is no way.  An Id must be its, and nobody else's.
 */
static bool
check_uri(EisReader *r, xmlNodePtr reference, xmlNodePtr signed_info)
{
	const char *uri = attribute(reference, "URI");
	bool		found = false;

	if (uri == NULL)
		return xmlHasProp(reference, BAD_CAST "URI") == NULL || refuse(r, reference, "URI is not accepted");
	if (uri[0] == '\0')
		return true;
	if (uri[0] != '#' || uri[1] == '\0' || strcspn(uri, "()'\"") != strlen(uri))
		return refuse(r, reference, "URI must be absent, empty, or # and the Id of EumSignedInfo");
	for (xmlNodePtr node = r->root; node != NULL; node = next_in_document(node))
	{
		if (node->type != XML_ELEMENT_NODE || !is_called(node, uri + 1))
			continue;
		if (node != signed_info || found)
			return refuse(r, node, "another element has the Id that the signature refers to");
		found = true;
	}
	return found || refuse(r, reference, "URI is not the Id of EumSignedInfo");
}

static bool
check_reference(EisReader *r, xmlNodePtr reference, xmlNodePtr signed_info)
{
	xmlNodePtr	node = first_child(reference);
	xmlNodePtr	transform;

	if (!check_uri(r, reference, signed_info))
		return false;
	if (is_dsig(node, "Transforms"))
	{
		transform = expect(r, node, first_child(node), "Transform");
		if (transform == NULL || !check_canonicalisation(r, transform))
			return false;
		if (next_element(transform->next) != NULL)
			return refuse(r, next_element(transform->next), "there must be one Transform only");
		node = next_element(node->next);
	}
	if ((node = expect(r, reference, node, "DigestMethod")) == NULL || !check_algorithm(r, node, SHA256) ||
		(node = expect(r, reference, next_element(node->next), "DigestValue")) == NULL)
		return false;
	return next_element(node->next) == NULL ||
		refuse(r, next_element(node->next), "element is not accepted in a Reference");
}

static bool
check_signed_info(EisReader *r, xmlNodePtr info, xmlNodePtr signed_info)
{
	xmlNodePtr	node;

	if ((node = expect(r, info, first_child(info), "CanonicalizationMethod")) == NULL ||
		!check_canonicalisation(r, node) ||
		(node = expect(r, info, next_element(node->next), "SignatureMethod")) == NULL ||
		!check_algorithm(r, node, ECDSA_SHA256) ||
		(node = expect(r, info, next_element(node->next), "Reference")) == NULL ||
		!check_reference(r, node, signed_info))
		return false;
	return next_element(node->next) == NULL ||
		refuse(r, next_element(node->next), "there must be one Reference only");
}

/* ---- who signed ---- */

/* Base64 of any line length; false: it is none, or longer than a certificate is. */
static bool
decode_base64(const char *text, SmsrBytes *octets)
{
	EVP_ENCODE_CTX *ctx;
	uint8	   *out;
	size_t		len = strlen(text);
	int			first = 0;
	int			last = 0;
	bool		ok;

	if (len == 0 || len > 2 * MAX_CERTIFICATE)
		return false;
	out = palloc(len);
	ctx = EVP_ENCODE_CTX_new();
	if (ctx == NULL)
		return false;
	EVP_DecodeInit(ctx);
	ok = EVP_DecodeUpdate(ctx, out, &first, (const unsigned char *) text, (int) len) >= 0 &&
		EVP_DecodeFinal(ctx, out + first, &last) == 1;
	EVP_ENCODE_CTX_free(ctx);
	*octets = smsr_bytes(out, ok ? first + last : 0);
	return ok && octets->len > 0 && octets->len <= MAX_CERTIFICATE;
}

/* All X509Certificate of KeyInfo; what else it says of the key is of no interest. */
static bool
read_certificates(EisReader *r, xmlNodePtr key_info, SmsrBytes ders[CERTIFICATES_MAX], int *count)
{
	for (xmlNodePtr data = first_child(key_info); data != NULL; data = next_element(data->next))
	{
		if (!is_dsig(data, "X509Data"))
			continue;
		for (xmlNodePtr node = first_child(data); node != NULL; node = next_element(node->next))
		{
			char	   *text;

			if (!is_dsig(node, "X509Certificate"))
				continue;
			if (*count == CERTIFICATES_MAX)
				return eis_reject(r, node, SUBJECT_ECASD, REASON_NOT_VERIFIED,
								  "there must be %d certificates or less", CERTIFICATES_MAX);
			if ((text = eis_text(r, node)) == NULL)
				return false;
			if (!decode_base64(text, &ders[(*count)++]))
				return refuse(r, node, "value must be a certificate in base64");
		}
	}
	return true;
}

static bool
check_signer(EisReader *r, xmlNodePtr node, const EumCertificate *eum)
{
	if (eum->eum_id[0] == '\0')
		return refuse(r, node, "certificate does not name its EUM: smsr.trust_eum() can say whose it is");
	if (strcmp(eum->eum_id, r->eum_id) != 0)
		return eis_reject(r, node, SUBJECT_ECASD, REASON_NOT_VERIFIED,
						  "certificate is that of EUM %s", eum->eum_id);
	return eum->pkey != NULL ||
		refuse(r, node, "EUM's key is on a curve that XML signatures are not verified on");
}

static const EumCertificate *
find_signer(EisReader *r, xmlNodePtr signature, xmlNodePtr key_info)
{
	xmlNodePtr	node = key_info != NULL ? key_info : signature;
	SmsrBytes	ders[CERTIFICATES_MAX];
	int			count = 0;
	TrustProblem problem;
	const EumCertificate *eum;

	if (key_info != NULL && !read_certificates(r, key_info, ders, &count))
		return NULL;
	eum = trust_find_eum(r->eum_id, ders, count, &problem);
	if (eum != NULL)
		return check_signer(r, node, eum) ? eum : NULL;
	eis_reject(r, node, SUBJECT_ECASD, problem.expired ? REASON_EXPIRED : REASON_NOT_VERIFIED,
			   "EUM is not trusted: %s", trust_problem_text(&problem));
	return NULL;
}

/* ---- all of it ---- */

static const EumCertificate *
verify(EisReader *r, xmlNodePtr signature, xmlNodePtr signed_info)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	const EumCertificate *eum;
	xmlNodePtr	info;
	xmlNodePtr	value;
	xmlNodePtr	key_info;

	if ((info = expect(r, signature, first_child(signature), "SignedInfo")) == NULL ||
		!check_signed_info(r, info, signed_info) ||
		(value = expect(r, signature, next_element(info->next), "SignatureValue")) == NULL)
		return NULL;
	key_info = next_element(value->next);
	if (key_info != NULL && (expect(r, signature, key_info, "KeyInfo") == NULL ||
							 (next_element(key_info->next) != NULL &&
							  !refuse(r, next_element(key_info->next), "element is not accepted in a signature"))))
		return NULL;

	if ((eum = find_signer(r, signature, key_info)) == NULL)
		return NULL;
	if (!xmldsig_verify(signature, signed_info, eum->pkey))
	{
		refuse(r, signature, "signature does not verify over EumSignedInfo");
		return NULL;
	}
	return ecasd_verify(r, eis_need(r, signed_info, "Ecasd"), eum, now) ? eum : NULL;
}

bool
eum_signature_verify(EisReader *r, xmlNodePtr signed_info, SmsrEumSignature policy,
					 const EumCertificate **eum)
{
	xmlNodePtr	signature;

	*eum = NULL;
	if (policy == SMSR_EUM_SIGNATURE_UNCHECKED)
		return true;
	signature = eis_find(r, r->root, "EumSignature");
	if (!eis_ok(r))
		return false;
	if (signature != NULL)
		return (*eum = verify(r, signature, signed_info)) != NULL;
	if (policy == SMSR_EUM_SIGNATURE_VERIFY_IF_PRESENT)
		return true;
	r->reject = (EisReject) {pstrdup("EumSignature"), pstrdup("EIS is not signed"),
	SUBJECT_ECASD, REASON_NOT_VERIFIED};
	return false;
}
