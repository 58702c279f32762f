/*
 * receipt.c
 *	  SMSC delivery receipts.
 *
 * The optional parameters are exact, so they win.  The text is only a custom
 * (SMPP 3.4 appendix B), so it is searched for what we need, and nothing else is
 * asked of it:
 *
 * id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:... done date:... stat:DDDDDDD err:E Text: ...
 */
#include "receipt.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* message_state 1..8 in the words of the text form */
static const char *const states[] = {
	"", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD"
};

/* the word after 'key' in text that ends at 'end' */
static void
find_word(const char *text, const char *end, const char *key, char *word, size_t size)
{
	size_t		key_length = strlen(key);
	size_t		length = 0;

	word[0] = '\0';
	for (const char *at = text; end - at >= (ptrdiff_t) key_length; at++)
	{
		/* "id:" must not be found in "msgid:" */
		if (at > text && isalnum((unsigned char) at[-1]))
			continue;
		if (strncasecmp(at, key, key_length) != 0)
			continue;
		for (at += key_length; at < end && length < size - 1 && isgraph((unsigned char) *at); at++)
			word[length++] = *at;
		word[length] = '\0';
		return;
	}
}

bool
receipt_parse(const SmppMessage *message, char id[SMPP_ID], char state[RECEIPT_STATE])
{
	const char *text = (const char *) message->ud;
	const char *end = text + message->ud_length;
	const size_t known = sizeof(states) / sizeof(states[0]);

	if (message->receipted_id[0])
		memcpy(id, message->receipted_id, SMPP_ID);
	else
		find_word(text, end, "id:", id, SMPP_ID);

	if (message->message_state > 0 && (size_t) message->message_state < known)
		strcpy(state, states[message->message_state]);
	else
	{
		find_word(text, end, "stat:", state, RECEIPT_STATE);
		for (char *at = state; *at; at++)
			*at = (char) toupper((unsigned char) *at);
	}
	if (state[0] == '\0')
		strcpy(state, "UNKNOWN");
	return id[0] != '\0';
}
