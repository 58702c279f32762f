/*
 * gcm.c
 *		Wrap octets by AES-GCM under a key in a PKCS #11 token, as a key custodian's
 *		tool would.
 *
 *	  pkcs11-gcm MODULE TOKEN PIN KEY HEX
 *
 * prints nonce, ciphertext and tag in hexadecimal.
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
check(CK_RV rv, const char *what)
{
	if (rv == CKR_OK)
		return;
	fprintf(stderr, "%s: 0x%lX\n", what, rv);
	exit(1);
}

int
main(int argc, char **argv)
{
	CK_C_GetFunctionList get_functions;
	CK_FUNCTION_LIST *f;
	CK_SLOT_ID	slots[16];
	CK_ULONG	count = 16;
	CK_TOKEN_INFO info;
	CK_SESSION_HANDLE session = 0;
	CK_OBJECT_HANDLE key;
	CK_BYTE		plain[64];
	CK_BYTE		out[128];
	CK_ULONG	len = sizeof(out);
	CK_GCM_PARAMS gcm = {.pIv = out,.ulIvLen = 12,.ulIvBits = 96,.ulTagBits = 128};
	CK_MECHANISM mechanism = {CKM_AES_GCM, &gcm, sizeof(gcm)};
	size_t		plain_len;
	void	   *module;

	if (argc != 6 || strlen(argv[5]) > 2 * sizeof(plain))
	{
		fprintf(stderr, "usage: %s MODULE TOKEN PIN KEY HEX\n", argv[0]);
		return 2;
	}
	plain_len = strlen(argv[5]) / 2;
	for (size_t i = 0; i < plain_len; i++)
	{
		unsigned int octet;

		if (sscanf(argv[5] + 2 * i, "%2x", &octet) != 1)
			return 2;
		plain[i] = (CK_BYTE) octet;
	}

	module = dlopen(argv[1], RTLD_NOW);
	if (module == NULL)
		return 1;
	get_functions = (CK_C_GetFunctionList) dlsym(module, "C_GetFunctionList");
	check(get_functions(&f), "C_GetFunctionList");
	check(f->C_Initialize(NULL), "C_Initialize");
	check(f->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
	for (CK_ULONG i = 0; i < count; i++)
	{
		check(f->C_GetTokenInfo(slots[i], &info), "C_GetTokenInfo");
		if (strncmp((char *) info.label, argv[2], strlen(argv[2])) == 0)
			check(f->C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL, &session), "C_OpenSession");
	}
	check(f->C_Login(session, CKU_USER, (CK_BYTE_PTR) argv[3], strlen(argv[3])), "C_Login");
	check(f->C_FindObjectsInit(session, &(CK_ATTRIBUTE) {CKA_LABEL, argv[4], strlen(argv[4])}, 1), "C_FindObjectsInit");
	check(f->C_FindObjects(session, &key, 1, &count), "C_FindObjects");
	check(f->C_FindObjectsFinal(session), "C_FindObjectsFinal");
	check(f->C_GenerateRandom(session, out, 12), "C_GenerateRandom");
	check(f->C_EncryptInit(session, &mechanism, key), "C_EncryptInit");
	len -= 12;
	check(f->C_Encrypt(session, plain, plain_len, out + 12, &len), "C_Encrypt");
	for (CK_ULONG i = 0; i < 12 + len; i++)
		printf("%02x", out[i]);
	printf("\n");
	check(f->C_Finalize(NULL), "C_Finalize");
	return 0;
}
