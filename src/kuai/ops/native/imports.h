// The functions that a loaded library takes from other libraries, and how to give it others.
//
// A library calls them through a table of addresses, which the loader fills from the library's list
// of relocations (System V ABI, "Dynamic Linking").

#pragma once

#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace kuai {

class Imports {
 public:
  explicit Imports(const dl_phdr_info& library) : base_(library.dlpi_addr) {
    for (int i = 0; i < library.dlpi_phnum; ++i) {
      const auto& segment = library.dlpi_phdr[i];
      if (segment.p_type == PT_DYNAMIC) read(base_ + segment.p_vaddr);
      if (segment.p_type == PT_GNU_RELRO) {
        read_only_ = base_ + segment.p_vaddr;
        read_only_end_ = read_only_ + segment.p_memsz;
      }
    }
  }

  // Where the library looks up the address of a function.
  std::vector<void**> of(const char* name) const {
    std::vector<void**> found;
    for (const auto& [entries, bytes] : {jumps_, others_}) {
      for (size_t i = 0; i < bytes / sizeof(ElfW(Rela)); ++i) {
        const auto type = ELF64_R_TYPE(entries[i].r_info);
        if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) continue;
        const auto& symbol = symbols_[ELF64_R_SYM(entries[i].r_info)];
        if (std::strcmp(names_ + symbol.st_name, name) == 0) {
          found.push_back(reinterpret_cast<void**>(base_ + entries[i].r_offset));
        }
      }
    }
    return found;
  }

  // Let it find another one there; false if the system does not allow that.
  bool replace(void** place, void* function) const {
    const auto address = reinterpret_cast<std::uintptr_t>(place);
    const auto size = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    auto* page = reinterpret_cast<void*>(address / size * size);
    const bool is_read_only = address >= read_only_ && address < read_only_end_;
    if (is_read_only && mprotect(page, size, PROT_READ | PROT_WRITE) != 0) return false;
    __atomic_store_n(place, function, __ATOMIC_RELEASE);  // other threads may be calling
    if (is_read_only) mprotect(page, size, PROT_READ);
    return true;
  }

 private:
  struct Relocations {
    const ElfW(Rela) * entries;
    size_t bytes;
  };

  void read(std::uintptr_t section) {
    for (auto* entry = reinterpret_cast<const ElfW(Dyn)*>(section); entry->d_tag; ++entry) {
      const auto value = entry->d_un.d_val;
      const auto address = value < base_ ? base_ + value : value;
      const auto* relocations = reinterpret_cast<const ElfW(Rela)*>(address);
      if (entry->d_tag == DT_SYMTAB) symbols_ = reinterpret_cast<const ElfW(Sym)*>(address);
      if (entry->d_tag == DT_STRTAB) names_ = reinterpret_cast<const char*>(address);
      if (entry->d_tag == DT_JMPREL) jumps_.entries = relocations;
      if (entry->d_tag == DT_PLTRELSZ) jumps_.bytes = value;
      if (entry->d_tag == DT_RELA) others_.entries = relocations;
      if (entry->d_tag == DT_RELASZ) others_.bytes = value;
    }
  }

  std::uintptr_t base_, read_only_ = 0, read_only_end_ = 0;
  const ElfW(Sym) * symbols_ = nullptr;
  const char* names_ = nullptr;
  Relocations jumps_{}, others_{};
};

}  // namespace kuai
