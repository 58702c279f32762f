/*
 * secure.c
 *		The one place in a backend where keys stand in the clear.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <sys/mman.h>
#ifdef __linux__
#include <sys/prctl.h>
#else
#include <sys/resource.h>
#endif
#include <unistd.h>

#include "access/xact.h"

#include "pg/guc.h"
#include "pg/secure.h"

#define FORGETTERS_MAX	4

typedef struct KeyPage
{
	SecureMemory memory;		/* first: what is wiped */
	uint8		kept[SECURE_STORAGE_KEYS][SEALING_KEY_LEN];
} KeyPage;

static KeyPage *page;

/* Whether this backend has touched a key, or is about to */
static bool with_keys;

/* Whether it may hold a key that is to be wiped: most transactions touch none. */
static bool in_use;

static void (*forgetters[FORGETTERS_MAX]) (void);
static int	forgetter_count;

/* ---- the end of transactions ---- */

static void
wipe_at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PARALLEL_PRE_COMMIT ||
		event == XACT_EVENT_PRE_PREPARE)
		return;
	secure_wipe();
	for (int i = 0; i < forgetter_count; i++)
		forgetters[i] ();
}

static void
wipe_at_subxact_end(SubXactEvent event, SubTransactionId mySubid,
					SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		secure_wipe();
}

/* ---- core files ---- */

/*
 * A backend that crashes in the middle of a packet has key schedules on its
 * heap and stack, which nobody can tell the kernel to leave out.  A process that
 * is not dumpable has no core file, whatever core_pattern is, and only root can
 * attach to it.  Where there is no prctl() the limit keeps most files away.
 */
void
secure_allow_core_files(bool allow)
{
	static bool forbidden;

	/* a backend that touches no key is left as it is */
	if (!with_keys || allow != forbidden)
		return;
	/* best effort, as systems differ */
#ifdef PR_SET_DUMPABLE
	(void) prctl(PR_SET_DUMPABLE, allow ? 1 : 0, 0, 0, 0);
#else
	{
		struct rlimit limit;

		if (getrlimit(RLIMIT_CORE, &limit) == 0)
		{
			limit.rlim_cur = allow ? limit.rlim_max : 0;
			(void) setrlimit(RLIMIT_CORE, &limit);
		}
	}
#endif
	forbidden = !allow;
}

/* Before the first key. */
static void
begin_with_keys(void)
{
	if (with_keys)
		return;
	with_keys = true;
	secure_allow_core_files(smsr_core_files);
	RegisterXactCallback(wipe_at_xact_end, NULL);
	RegisterSubXactCallback(wipe_at_subxact_end, NULL);
}

void
secure_at_end(void (*forget) (void))
{
	if (forgetter_count == FORGETTERS_MAX)
		elog(ERROR, "too many keepers of keys");
	begin_with_keys();
	forgetters[forgetter_count++] = forget;
}

/* ---- the page ---- */

static KeyPage *
key_page(void)
{
	if (page == NULL)
	{
		Size		page_size = (Size) sysconf(_SC_PAGESIZE);
		Size		size = TYPEALIGN(page_size, sizeof(KeyPage));
		void	   *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
								  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("could not map memory for keys: %m")));
		/* all of these are best effort: limits and kernels differ */
		(void) mlock(memory, size);
#ifdef MADV_DONTDUMP
		(void) madvise(memory, size, MADV_DONTDUMP);
#endif
#ifdef MADV_WIPEONFORK
		(void) madvise(memory, size, MADV_WIPEONFORK);
#endif
		begin_with_keys();
		page = memory;
	}
	return page;
}

SecureMemory *
secure_memory(void)
{
	SecureMemory *memory = &key_page()->memory;

	in_use = true;
	return memory;
}

uint8 *
secure_kept_storage_key(int i)
{
	return key_page()->kept[i];
}

void
secure_wipe(void)
{
	if (in_use)
	{
		OPENSSL_cleanse(&page->memory, sizeof(SecureMemory));
		in_use = false;
	}
}
