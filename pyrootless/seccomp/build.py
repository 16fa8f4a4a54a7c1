"""Build script of `pyrootless.seccomp._cffi`, the API-mode cffi module over libseccomp.

In: the system's <seccomp.h> and libseccomp (>= 2.5).  Out: `ffibuilder`, which setuptools runs
through `cffi_modules=["pyrootless/seccomp/build.py:ffibuilder"]`.  Never: imported by the
package itself, and never more than declarations: what a profile means stands in `profiles.py`.
"""

from cffi import FFI

# Source: seccomp.h of libseccomp 2.5; every name here exists in all later versions too.
_DECLARATIONS = """
typedef void *scmp_filter_ctx;
enum scmp_filter_attr {
    SCMP_FLTATR_ACT_BADARCH, SCMP_FLTATR_CTL_OPTIMIZE, SCMP_FLTATR_API_SYSRAWRC, ...
};
enum scmp_compare {
    SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE, SCMP_CMP_EQ, SCMP_CMP_GE, SCMP_CMP_GT,
    SCMP_CMP_MASKED_EQ, ...
};
struct scmp_arg_cmp {
    unsigned int arg;
    enum scmp_compare op;
    uint64_t datum_a;
    uint64_t datum_b;
};

uint32_t seccomp_arch_native(void);
uint32_t seccomp_arch_resolve_name(const char *arch_name);
int seccomp_syscall_resolve_name_arch(uint32_t arch_token, const char *name);

scmp_filter_ctx seccomp_init(uint32_t def_action);
void seccomp_release(scmp_filter_ctx ctx);
int seccomp_arch_add(scmp_filter_ctx ctx, uint32_t arch_token);
int seccomp_arch_remove(scmp_filter_ctx ctx, uint32_t arch_token);
int seccomp_attr_set(scmp_filter_ctx ctx, enum scmp_filter_attr attr, uint32_t value);
int seccomp_rule_add_array(scmp_filter_ctx ctx, uint32_t action, int syscall,
                           unsigned int arg_cnt, const struct scmp_arg_cmp *arg_array);
int seccomp_export_bpf(const scmp_filter_ctx ctx, int fd);
"""

ffibuilder = FFI()
ffibuilder.cdef(_DECLARATIONS)
ffibuilder.set_source(
    "pyrootless.seccomp._cffi", "#include <seccomp.h>\n", libraries=["seccomp"]
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
