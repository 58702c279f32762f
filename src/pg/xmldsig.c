/*
 * xmldsig.c
 *		XML signatures by libxmlsec1, in the narrowest way that it can be used.
 *
 * It is given the node that is signed and the key that must have signed it, and
 * nothing from which it could find others: no file, no network, no key manager,
 * no transform but canonicalisation.  What calls it has looked at every element
 * of the signature before (eum_signature.c); this is the second lock.
 *
 * libxmlsec1 and libxml2 allocate with malloc: nothing here may ereport while
 * they hold something.
 */
#include "postgres.h"

#include <libxml/xmlerror.h>
#include <openssl/err.h>

/* Its headers redefine what libxml2's say, and shadow names */
#include <xmlsec/xmlsec.h>
#include <xmlsec/errors.h>
#include <xmlsec/io.h>
#include <xmlsec/keys.h>
#include <xmlsec/nodeset.h>
#include <xmlsec/transforms.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/openssl/crypto.h>
#include <xmlsec/openssl/evp.h>

#include "pg/eum_signature.h"

/* What the Reference without URI refers to, while a signature is verified */
static xmlNodePtr referred;

/* The failure is what counts: its words may quote the document, on stderr. */
static void
ignore_error(const char *file, int line, const char *func, const char *object,
			 const char *subject, int reason, const char *message)
{
}

static void
ignore_xml_error(void *arg,
#if LIBXML_VERSION >= 21200
				 const
#endif
				 xmlError *error)
{
}

/* Once in a backend, and only in one that verifies: it takes a moment. */
static void
initialise(void)
{
	static bool done;

	if (done)
		return;
	if (xmlSecInit() < 0 || xmlSecCheckVersion() != 1 || xmlSecOpenSSLInit() < 0)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not initialise libxmlsec1")));
	xmlSecErrorsSetCallback(ignore_error);
	xmlSecIOCleanupCallbacks();
	done = true;
}

/* ---- a transform that hands on what is referred to, and nothing else ---- */

static int
select_referred(xmlSecTransformPtr transform, int last, xmlSecTransformCtxPtr ctx)
{
	if (referred == NULL || transform->inNodes == NULL || transform->inNodes->doc != referred->doc)
		return -1;
	/* the element with all that is in it, without comments */
	transform->outNodes = xmlSecNodeSetGetChildren(referred->doc, referred, 0, 0);
	return transform->outNodes != NULL ? 0 : -1;
}

static xmlSecTransformKlass select_klass = {
	.klassSize = sizeof(xmlSecTransformKlass),
	.objSize = sizeof(xmlSecTransform),
	.name = BAD_CAST "smsr-referred",
	.usage = xmlSecTransformUsageDSigTransform,
	.getDataType = xmlSecTransformDefaultGetDataType,
	.pushXml = xmlSecTransformDefaultPushXml,
	.popXml = xmlSecTransformDefaultPopXml,
	.execute = select_referred,
};

static int
before_reference(xmlSecTransformCtxPtr ctx)
{
	return xmlSecTransformCtxCreateAndPrepend(ctx, &select_klass) != NULL ? 0 : -1;
}

/* ---- verification ---- */

static bool
allow(xmlSecDSigCtxPtr ctx)
{
	static xmlSecTransformId (*const canonicalisations[]) (void) =
	{
		xmlSecTransformInclC14NGetKlass,
		xmlSecTransformInclC14N11GetKlass,
		xmlSecTransformExclC14NGetKlass
	};

	for (size_t i = 0; i < lengthof(canonicalisations); i++)
	{
		if (xmlSecDSigCtxEnableReferenceTransform(ctx, canonicalisations[i] ()) < 0 ||
			xmlSecDSigCtxEnableSignatureTransform(ctx, canonicalisations[i] ()) < 0)
			return false;
	}
	ctx->enabledReferenceUris = xmlSecTransformUriTypeEmpty | xmlSecTransformUriTypeSameDocument;
	ctx->referencePreExecuteCallback = before_reference;
	return xmlSecDSigCtxEnableReferenceTransform(ctx, xmlSecOpenSSLTransformSha256Id) == 0 &&
		xmlSecDSigCtxEnableSignatureTransform(ctx, xmlSecOpenSSLTransformEcdsaSha256Id) == 0;
}

static xmlSecKeyPtr
make_key(EVP_PKEY *pkey)
{
	xmlSecKeyPtr key = xmlSecKeyCreate();
	xmlSecKeyDataPtr data;

	if (key == NULL || EVP_PKEY_up_ref(pkey) != 1)
	{
		xmlSecKeyDestroy(key);
		return NULL;
	}
	data = xmlSecOpenSSLEvpKeyAdopt(pkey);
	if (data == NULL)
		EVP_PKEY_free(pkey);
	else if (xmlSecKeySetValue(key, data) == 0)
		return key;
	else
		xmlSecKeyDataDestroy(data);
	xmlSecKeyDestroy(key);
	return NULL;
}

/* What an Id refers to, for libxmlsec1's own resolution. */
static bool
add_ids(xmlNodePtr node)
{
	for (xmlAttrPtr a = node->properties; a != NULL; a = a->next)
	{
		if (xmlStrcasecmp(a->name, BAD_CAST "id") == 0 && a->children != NULL &&
			xmlGetID(node->doc, a->children->content) == NULL &&
			xmlAddID(NULL, node->doc, a->children->content, a) == NULL)
			return false;
	}
	return true;
}

static bool
verify(xmlNodePtr signature, xmlNodePtr signed_part, EVP_PKEY *pkey)
{
	xmlSecDSigCtxPtr ctx = xmlSecDSigCtxCreate(NULL);
	bool		good = false;

	if (ctx != NULL && allow(ctx) && add_ids(signed_part) && (ctx->signKey = make_key(pkey)) != NULL &&
		xmlSecDSigCtxVerify(ctx, signature) == 0)
		good = ctx->status == xmlSecDSigStatusSucceeded &&
			xmlSecPtrListGetSize(&ctx->signedInfoReferences) == 1 &&
			xmlSecPtrListGetSize(&ctx->manifestReferences) == 0;
	if (ctx != NULL)
		xmlSecDSigCtxDestroy(ctx);
	return good;
}

/*
 * signature is an element of type ds:SignatureType by whatever name: SGP.02
 * calls it EumSignature, and libxmlsec1 asks for ds:Signature.  It has that name
 * for as long as this takes; the name is in no digest.
 */
bool
xmldsig_verify(xmlNodePtr signature, xmlNodePtr signed_part, EVP_PKEY *key)
{
	const xmlChar *name = signature->name;
	xmlNs	   *ns = signature->ns;
	xmlStructuredErrorFunc handler = xmlStructuredError;
	void	   *handler_context = xmlStructuredErrorContext;
	xmlNodePtr	first = signature->children;
	bool		good;

	initialise();
	while (first != NULL && first->type != XML_ELEMENT_NODE)
		first = first->next;
	if (first == NULL)
		return false;
	xmlSetStructuredErrorFunc(NULL, ignore_xml_error);
	signature->name = xmlSecNodeSignature;
	signature->ns = first->ns;
	referred = signed_part;
	good = verify(signature, signed_part, key);
	referred = NULL;
	signature->name = name;
	signature->ns = ns;
	xmlSetStructuredErrorFunc(handler_context, handler);
	ERR_clear_error();
	return good;
}
