/*
 * fuzz_notification.c
 *		Reading whatever comes as a notification; what was read and written
 *		again reads the same.
 */
#include "fuzz.h"

#include "core/notification.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t		buffer[128];
	SmsrWriter	w = smsr_writer(buffer, sizeof(buffer));
	Notification n;
	Notification again;
	SmsrError	error;

	if (!notification_read(smsr_bytes(data, size), &n, &error))
	{
		explained(error, size);
		return 0;
	}
	notification_write(&w, &n);
	property(!w.overflow);
	property(notification_read(smsr_written(&w), &again, &error));
	/* what an IMEI of a wrong length left behind does not count */
	if (!n.has_imei)
		memset(n.imei, 0, sizeof(n.imei));
	if (!n.has_meid)
		memset(n.meid, 0, sizeof(n.meid));
	property(memcmp(&n, &again, sizeof(n)) == 0);
	return 0;
}
