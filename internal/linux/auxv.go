package linux

import "strconv"

// AuxTag is the type of an auxiliary vector entry (getauxval(3)).
type AuxTag uint64

// Auxiliary vector tags (linux/auxvec.h, asm/auxvec.h).
const (
	AT_NULL              AuxTag = 0
	AT_IGNORE            AuxTag = 1
	AT_EXECFD            AuxTag = 2
	AT_PHDR              AuxTag = 3
	AT_PHENT             AuxTag = 4
	AT_PHNUM             AuxTag = 5
	AT_PAGESZ            AuxTag = 6
	AT_BASE              AuxTag = 7
	AT_FLAGS             AuxTag = 8
	AT_ENTRY             AuxTag = 9
	AT_NOTELF            AuxTag = 10
	AT_UID               AuxTag = 11
	AT_EUID              AuxTag = 12
	AT_GID               AuxTag = 13
	AT_EGID              AuxTag = 14
	AT_PLATFORM          AuxTag = 15
	AT_HWCAP             AuxTag = 16
	AT_CLKTCK            AuxTag = 17
	AT_SECURE            AuxTag = 23
	AT_BASE_PLATFORM     AuxTag = 24
	AT_RANDOM            AuxTag = 25
	AT_HWCAP2            AuxTag = 26
	AT_RSEQ_FEATURE_SIZE AuxTag = 27
	AT_RSEQ_ALIGN        AuxTag = 28
	AT_HWCAP3            AuxTag = 29
	AT_HWCAP4            AuxTag = 30
	AT_EXECFN            AuxTag = 31
	AT_SYSINFO           AuxTag = 32
	AT_SYSINFO_EHDR      AuxTag = 33
	AT_MINSIGSTKSZ       AuxTag = 51
)

var auxNames = map[AuxTag]string{
	AT_NULL:              "AT_NULL",
	AT_IGNORE:            "AT_IGNORE",
	AT_EXECFD:            "AT_EXECFD",
	AT_PHDR:              "AT_PHDR",
	AT_PHENT:             "AT_PHENT",
	AT_PHNUM:             "AT_PHNUM",
	AT_PAGESZ:            "AT_PAGESZ",
	AT_BASE:              "AT_BASE",
	AT_FLAGS:             "AT_FLAGS",
	AT_ENTRY:             "AT_ENTRY",
	AT_NOTELF:            "AT_NOTELF",
	AT_UID:               "AT_UID",
	AT_EUID:              "AT_EUID",
	AT_GID:               "AT_GID",
	AT_EGID:              "AT_EGID",
	AT_PLATFORM:          "AT_PLATFORM",
	AT_HWCAP:             "AT_HWCAP",
	AT_CLKTCK:            "AT_CLKTCK",
	AT_SECURE:            "AT_SECURE",
	AT_BASE_PLATFORM:     "AT_BASE_PLATFORM",
	AT_RANDOM:            "AT_RANDOM",
	AT_HWCAP2:            "AT_HWCAP2",
	AT_RSEQ_FEATURE_SIZE: "AT_RSEQ_FEATURE_SIZE",
	AT_RSEQ_ALIGN:        "AT_RSEQ_ALIGN",
	AT_HWCAP3:            "AT_HWCAP3",
	AT_HWCAP4:            "AT_HWCAP4",
	AT_EXECFN:            "AT_EXECFN",
	AT_SYSINFO:           "AT_SYSINFO",
	AT_SYSINFO_EHDR:      "AT_SYSINFO_EHDR",
	AT_MINSIGSTKSZ:       "AT_MINSIGSTKSZ",
}

// String returns "AT_PHDR", or "AT_99" for a tag without a name.
func (t AuxTag) String() string {
	if name, ok := auxNames[t]; ok {
		return name
	}
	return "AT_" + strconv.FormatUint(uint64(t), 10)
}

// AuxEntry is one entry of the auxiliary vector, Elf64_auxv_t: 16 bytes.
type AuxEntry struct {
	Tag   AuxTag
	Value uint64
}
