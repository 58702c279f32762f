/*
 * eis_xml.c
 *		The XML of an EIS: a tree of it, and where in the octets the parts stand
 *		that the EUM has signed.
 *
 * libxml2 allocates with malloc: nothing that may ereport runs while it parses,
 * and whoever calls eis_parse() calls eis_free(), also after an error.
 */
#include "postgres.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "pg/eis.h"

#define SPACES	" \t\r\n"

typedef struct ParseState
{
	EisReader  *reader;
	int			depth;
	EisPart    *open;			/* the part that the parser is in */
	bool		has_doctype;
	int			error_line;		/* of the first error; 0: none */
} ParseState;

/* ---- names ---- */

bool
eis_name_is(const xmlChar *name, const char *wanted)
{
	const char *p = (const char *) name;

	for (;;)
	{
		while (*p == '-')
			p++;
		while (*wanted == '-')
			wanted++;
		if (*p == '\0' || *wanted == '\0')
			return *p == *wanted;
		if (pg_ascii_tolower((unsigned char) *p++) != pg_ascii_tolower((unsigned char) *wanted++))
			return false;
	}
}

/* /1 leaves local elements unqualified */
static bool
namespace_ok(EisReader *r, const xmlNs *ns)
{
	return ns == NULL || (r->root->ns != NULL && xmlStrEqual(ns->href, r->root->ns->href));
}

bool
eis_is(EisReader *r, xmlNodePtr node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && namespace_ok(r, node->ns) &&
		eis_name_is(node->name, name);
}

/* ---- parsing ---- */

/* At a start tag's event the parser stands before its >, and no attribute has a < */
static EisPart
tag_before(EisReader *r, size_t end)
{
	size_t		start = end;

	while (start > 0 && r->octets[start] != '<')
		start--;
	return (EisPart) {NULL, start, end};
}

static void
on_start_element(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
				 int nb_namespaces, const xmlChar **namespaces,
				 int nb_attributes, int nb_defaulted, const xmlChar **attributes)
{
	xmlParserCtxtPtr ctxt = arg;
	ParseState *state = ctxt->_private;
	EisReader  *r = state->reader;
	bool		is_part = state->depth == 1 && r->part_count < EIS_MAX_PARTS &&
		(eis_name_is(name, "EumSignedInfo") || eis_name_is(name, "EumSignature"));
	long		at = is_part || state->depth == 0 ? xmlByteConsumed(ctxt) : -1;

	if (state->depth++ == 0 && at > 0 && (size_t) at <= r->len)
		r->root_tag = tag_before(r, (size_t) at);
	xmlSAX2StartElementNs(arg, name, prefix, uri, nb_namespaces, namespaces,
						  nb_attributes, nb_defaulted, attributes);

	if (is_part && at > 0 && (size_t) at <= r->len)
	{
		state->open = &r->parts[r->part_count++];
		*state->open = (EisPart) {ctxt->node, tag_before(r, (size_t) at).start, 0};
	}
}

static void
on_end_element(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	xmlParserCtxtPtr ctxt = arg;
	ParseState *state = ctxt->_private;

	/* the parser stands behind the > */
	state->depth--;
	if (state->depth == 1 && state->open != NULL)
	{
		long		at = xmlByteConsumed(ctxt);

		if (at > 0 && (size_t) at <= state->reader->len)
			state->open->end = (size_t) at;
		state->open = NULL;
	}
	xmlSAX2EndElementNs(arg, name, prefix, uri);
}

/* No EIS needs one, and entities are what attacks are made of. */
static void
on_doctype(void *arg, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
	xmlParserCtxtPtr ctxt = arg;

	((ParseState *) ctxt->_private)->has_doctype = true;
	xmlStopParser(ctxt);
}

/* libxml2's words are not kept: they may quote what stood there. */
static void
on_error(void *arg,
#if LIBXML_VERSION >= 21200
		 const
#endif
		 xmlError *error)
{
	xmlParserCtxtPtr ctxt = error->ctxt;
	ParseState *state = ctxt != NULL ? ctxt->_private : NULL;

	if (state != NULL && state->error_line == 0)
		state->error_line = Max(error->line, 1);
}

bool
eis_parse(EisReader *r)
{
	ParseState	state = {.reader = r};
	xmlParserCtxtPtr ctxt;
	bool		well_formed;

	ctxt = xmlNewParserCtxt();
	if (ctxt == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	ctxt->_private = &state;
	ctxt->sax->startElementNs = on_start_element;
	ctxt->sax->endElementNs = on_end_element;
	ctxt->sax->internalSubset = on_doctype;
	ctxt->sax->serror = on_error;

	/*
	 * Text in a database has one encoding, whatever its XML declaration says.
	 * Blanks stay: they are part of what is signed.
	 */
	r->document = xmlCtxtReadMemory(ctxt, r->octets, (int) r->len, NULL, NULL,
									XML_PARSE_NONET | XML_PARSE_NOCDATA |
									XML_PARSE_IGNORE_ENC);
	well_formed = r->document != NULL && ctxt->wellFormed && ctxt->nsWellFormed;
	xmlFreeParserCtxt(ctxt);

	if (state.has_doctype)
		return eis_reject(r, NULL, SUBJECT_EIS, REASON_INVALID, "document type declarations are not accepted");
	if (!well_formed)
		return eis_reject(r, NULL, SUBJECT_EIS, REASON_INVALID,
						  "not well-formed XML at line %d", Max(state.error_line, 1));

	r->root = xmlDocGetRootElement(r->document);
	if (r->root->ns == NULL ||
		(!xmlStrEqual(r->root->ns->href, BAD_CAST EIS_NAMESPACE_1) &&
		 !xmlStrEqual(r->root->ns->href, BAD_CAST EIS_NAMESPACE_3)))
		return eis_reject(r, NULL, SUBJECT_EIS, REASON_UNSUPPORTED,
						  "root element is not of namespace %s or %s", EIS_NAMESPACE_1, EIS_NAMESPACE_3);
	if (!eis_name_is(r->root->name, "Eis"))
		return eis_reject(r, NULL, SUBJECT_EIS, REASON_INVALID, "root element is not Eis");
	return true;
}

void
eis_free(EisReader *r)
{
	if (r->document != NULL)
		xmlFreeDoc(r->document);
	r->document = NULL;
	r->root = NULL;
}

const EisPart *
eis_part(EisReader *r, xmlNodePtr node)
{
	for (int i = 0; i < r->part_count; i++)
	{
		const EisPart *part = &r->parts[i];

		if (part->node == node && part->start < part->end &&
			r->octets[part->start] == '<' && r->octets[part->end - 1] == '>')
			return part;
	}
	eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "element can not be located in the document");
	return NULL;
}

/*
 * The declarations that the parts inherit: without them they mean nothing.
 * From the octets, too, because libxml2 does not decode them quite as it
 * encodes them.  The tag is well-formed, or we would not be here.
 */
char *
eis_root_namespaces(EisReader *r)
{
	const char *p = r->octets + r->root_tag.start;
	const char *end = r->octets + r->root_tag.end;
	StringInfoData buf;

	initStringInfo(&buf);
	while (p < end && strchr(SPACES, *p) == NULL)
		p++;
	for (;;)
	{
		const char *name;
		const char *value;
		size_t		name_len;
		char		quote;

		p += strspn(p, SPACES);
		name = p;
		name_len = strcspn(p, SPACES "=/>");
		p += name_len;
		p += strspn(p, SPACES "=");
		if (name_len == 0 || p >= end)
			break;
		quote = *p;
		value = p++;
		while (p < end && *p != quote)
			p++;
		p++;
		if (strncmp(name, "xmlns", 5) == 0 && (name_len == 5 || name[5] == ':'))
			appendStringInfo(&buf, " %.*s=%.*s", (int) name_len, name, (int) (p - value), value);
	}
	return pg_any_to_server(buf.data, buf.len, PG_UTF8);
}

/* ---- elements ---- */

/* A name is part of the document, too: no more of it than ours are long. */
static void
append_name(StringInfo buf, const xmlChar *name)
{
	for (int i = 0; i < 32 && name[i] != '\0'; i++)
		appendStringInfoChar(buf, IS_HIGHBIT_SET(name[i]) ? '?' : (char) name[i]);
}

static void
append_path(EisReader *r, StringInfo buf, xmlNodePtr node)
{
	int			position = 1;
	bool		repeated = false;

	if (node == NULL || node == r->root)
		return;
	append_path(r, buf, node->parent);
	for (xmlNodePtr other = node->prev; other != NULL; other = other->prev)
		position += other->type == XML_ELEMENT_NODE && xmlStrEqual(other->name, node->name);
	for (xmlNodePtr other = node->next; other != NULL && !repeated; other = other->next)
		repeated = other->type == XML_ELEMENT_NODE && xmlStrEqual(other->name, node->name);
	if (buf->len > 0)
		appendStringInfoChar(buf, '/');
	append_name(buf, node->name);
	if (repeated || position > 1)
		appendStringInfo(buf, "[%d]", position);
}

static char *
path(EisReader *r, xmlNodePtr node, const char *child)
{
	StringInfoData buf;

	if (node == NULL)
		return NULL;
	initStringInfo(&buf);
	append_path(r, &buf, node);
	if (child != NULL)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? "/" : "", child);
	return buf.data;
}

bool
eis_reject(EisReader *r, xmlNodePtr node, const char *subject_code,
		   const char *reason_code, const char *reason,...)
{
	StringInfoData buf;

	if (!eis_ok(r))
		return false;
	initStringInfo(&buf);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, reason);
		needed = appendStringInfoVA(&buf, reason, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}
	r->reject = (EisReject) {path(r, node, NULL), buf.data, subject_code, reason_code};
	return false;
}

bool
eis_invalid(EisReader *r, xmlNodePtr node, const char *expected)
{
	return eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "value must be %s", expected);
}

xmlNodePtr
eis_find(EisReader *r, xmlNodePtr parent, const char *name)
{
	xmlNodePtr	found = NULL;

	if (parent == NULL)
		return NULL;
	for (xmlNodePtr node = parent->children; node != NULL; node = node->next)
	{
		if (!eis_is(r, node, name))
			continue;
		if (found != NULL)
		{
			eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "element must stand only once");
			return NULL;
		}
		found = node;
	}
	return found;
}

xmlNodePtr
eis_need(EisReader *r, xmlNodePtr parent, const char *name)
{
	xmlNodePtr	found = eis_find(r, parent, name);

	if (found == NULL && parent != NULL && eis_ok(r))
		r->reject = (EisReject) {path(r, parent, name), pstrdup("element is missing"),
		SUBJECT_EIS, REASON_MISSING};
	return found;
}

char *
eis_text(EisReader *r, xmlNodePtr node)
{
	StringInfoData buf;
	char	   *start;

	initStringInfo(&buf);
	for (xmlNodePtr child = node->children; child != NULL; child = child->next)
	{
		if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE)
			appendStringInfoString(&buf, (const char *) child->content);
		else if (child->type != XML_COMMENT_NODE && child->type != XML_PI_NODE)
		{
			eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "element must hold text only");
			return NULL;
		}
	}

	start = buf.data;
	while (*start != '\0' && strchr(SPACES, *start) != NULL)
		start++;
	while (buf.data + buf.len > start && strchr(SPACES, buf.data[buf.len - 1]) != NULL)
		buf.data[--buf.len] = '\0';
	return start;
}

const char *
eis_attribute(EisReader *r, xmlNodePtr node, const char *name)
{
	for (xmlAttrPtr attribute = node->properties; attribute != NULL; attribute = attribute->next)
	{
		if (!namespace_ok(r, attribute->ns) || !eis_name_is(attribute->name, name))
			continue;
		if (attribute->children == NULL)
			return "";
		if (attribute->children->type == XML_TEXT_NODE && attribute->children->next == NULL)
			return (const char *) attribute->children->content;
		return NULL;
	}
	return NULL;
}
