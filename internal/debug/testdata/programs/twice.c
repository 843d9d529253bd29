/* Loads its C library a second time, into a namespace of its own. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

void loaded(void) {}

int main(void)
{
	if (!dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW)) {
		puts(dlerror());
		return 1;
	}
	loaded();
	return 0;
}
