# Looks for known keys in files and in the memory of processes, for the tests.

build/leak-hunt: test/leak/hunt.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -Wall -Wextra -o $@ $<
