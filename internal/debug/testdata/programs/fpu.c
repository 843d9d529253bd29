/* Known values in x87 and SSE registers. */
#include <stdio.h>

long double pi = 3.14159265358979323846L;
float four[4] __attribute__((aligned(16))) = { 1.5f, 2.5f, 3.5f, 4.5f };

void use(float *out, long double *st)
{
	asm volatile("fldt pi\n\tfld1\n\tmovaps four, %%xmm3\n\tmov $0x1122334455667788, %%rbx\n"
		     ".globl loaded\nloaded:\n\tnop\n\t"
		     "movaps %%xmm3, (%0)\n\tfstp %%st(0)\n\tfstpt (%1)\n"
		     : : "r"(out), "r"(st) : "xmm3", "rbx", "memory");
}

int main(void)
{
	float out[4] __attribute__((aligned(16)));
	long double st;
	use(out, &st);
	printf("%.1f %.1f %.1f %.1f %.4Lf\n", out[0], out[1], out[2], out[3], st);
	return 0;
}
