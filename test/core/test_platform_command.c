/*
 * test_platform_command.c
 *		Which commands platform management may send: every class and instruction,
 *		every length.
 */
#include "core/platform_command.h"
#include "tap.h"

#include <string.h>

TEST_SUITE(platform_command)
{
	int			allowed = 0;
	bool		right = true;
	SmsrError	error;

	for (int cla = 0; cla < 256; cla++)
		for (int ins = 0; ins < 256; ins++)
		{
			const uint8_t apdu[] = {(uint8_t) cla, (uint8_t) ins, 0, 0};
			const bool	may = (cla == 0x80 && ins == 0xF2) || ((cla == 0x80 || cla == 0) && (ins == 0xCA || ins == 0xCB));

			if (platform_command_check(smsr_bytes(apdu, 4), &error))
				allowed++;
			right = right && platform_command_check(smsr_bytes(apdu, 4), NULL) == may &&
				(platform_command_name(smsr_bytes(apdu, 4)) != NULL) == may;
		}
	ok(right && allowed == 5, "%d of 65536 classes and instructions may be sent", allowed);
	ok(strcmp(platform_command_name(hex("80F24002")), "GET STATUS") == 0, "GET STATUS");
	ok(strcmp(platform_command_name(hex("00CA0000")), "GET DATA") == 0, "GET DATA");
	ok(platform_command_name(hex("80F240")) == NULL, "no instruction has three octets");

	succeeds(platform_command_check(hex("80CA00E0 00"), &error), &error, "with Le");
	succeeds(platform_command_check(hex("80F24002 02 4F00"), &error), &error, "with data");
	succeeds(platform_command_check(hex("80F24002 02 4F00 00"), &error), &error, "with both");
	fails(platform_command_check(hex("80F240"), &error), &error, SMSR_TRUNCATED, "C-APDU", 3, "no P2");
	fails(platform_command_check(hex("84F24002 02 4F00"), &error), &error, SMSR_BAD_VALUE, "CLA", 0, "secure messaging");
	fails(platform_command_check(hex("80E40040 02 4F00"), &error), &error, SMSR_BAD_VALUE, "INS", 1, "DELETE");
	fails(platform_command_check(hex("00F24002 02 4F00"), &error), &error, SMSR_BAD_VALUE, "INS", 1, "an instruction of another class");
	fails(platform_command_check(hex("80F24002 03 4F00"), &error), &error, SMSR_BAD_LENGTH, "Lc", 4, "too little data");
	fails(platform_command_check(hex("80F24002 02 4F00 0000"), &error), &error, SMSR_BAD_LENGTH, "Lc", 4, "too much");
	fails(platform_command_check(hex("80F24002 00 0002 4F00"), &error), &error, SMSR_BAD_LENGTH, "Lc", 4, "extended lengths");

	succeeds(platform_script_check(hex("22 05 80CA00E000 22 08 80F240020 24F0000"), &error), &error, "two commands");
	fails(platform_script_check(hex(""), &error), &error, SMSR_TRUNCATED, "command TLV", 0, "none");
	fails(platform_script_check(hex("22 05 80CA00E000 86 01 00"), &error), &error, SMSR_BAD_VALUE, "command TLV", 7, "what is no C-APDU");
	fails(platform_script_check(hex("22 05 80CA00E000 22 04 80E40040"), &error), &error, SMSR_BAD_VALUE, "INS", 10, "a second that may not");
	fails(platform_script_check(hex("22 05 80CA00E0"), &error), &error, SMSR_TRUNCATED, "command TLV", 0, "half a command");
}
