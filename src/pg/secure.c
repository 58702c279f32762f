/*
 * secure.c
 *		The one place in a backend where keys stand in the clear.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <sys/mman.h>
#include <unistd.h>

#include "access/xact.h"

#include "pg/secure.h"

static SecureMemory *secure;

/* Whether it may hold a key: most transactions touch none. */
static bool in_use;

static void
wipe_at_xact_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PARALLEL_PRE_COMMIT &&
		event != XACT_EVENT_PRE_PREPARE)
		secure_wipe();
}

static void
wipe_at_subxact_end(SubXactEvent event, SubTransactionId mySubid,
					SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		secure_wipe();
}

SecureMemory *
secure_memory(void)
{
	if (secure == NULL)
	{
		Size		page = (Size) sysconf(_SC_PAGESIZE);
		Size		size = TYPEALIGN(page, sizeof(SecureMemory));
		void	   *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
								  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("could not map memory for keys: %m")));
		/* all three are best effort: limits and kernels differ */
		(void) mlock(memory, size);
#ifdef MADV_DONTDUMP
		(void) madvise(memory, size, MADV_DONTDUMP);
#endif
#ifdef MADV_WIPEONFORK
		(void) madvise(memory, size, MADV_WIPEONFORK);
#endif
		RegisterXactCallback(wipe_at_xact_end, NULL);
		RegisterSubXactCallback(wipe_at_subxact_end, NULL);
		secure = memory;
	}
	in_use = true;
	return secure;
}

void
secure_wipe(void)
{
	if (in_use)
	{
		OPENSSL_cleanse(secure, sizeof(SecureMemory));
		in_use = false;
	}
}
