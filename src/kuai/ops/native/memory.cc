// What programs do about the memory in which they compute; see memory.py.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

constexpr std::uintptr_t kLargePage = 1 << 21;

struct Mapping {
  std::uintptr_t begin = 0, end = 0;
};

// The part of the address space that the system gave out together with an address.
Mapping mapping_around(std::uintptr_t address) {
  Mapping found;
  std::FILE* file = std::fopen("/proc/self/maps", "re");
  if (file == nullptr) return found;
  unsigned long begin, end;
  while (std::fscanf(file, "%lx-%lx%*[^\n]", &begin, &end) == 2 && begin <= address) {
    if (address < end) {
      found = {begin, end};
      break;
    }
  }
  std::fclose(file);
  return found;
}

// The mapping of the last call, which is mostly that of this one: looking it up takes a
// millisecond. Advice for memory that is no longer there, or is someone else's, does no harm.
Mapping remembered_mapping_around(std::uintptr_t address) {
  static std::mutex mutex;
  static std::uintptr_t last_address = 0;
  static Mapping last;
  const std::lock_guard<std::mutex> lock(mutex);
  if (address != last_address) {
    last = mapping_around(address);
    last_address = address;
  }
  return last;
}

// `piece` is a bit of the memory in question.
ffi::Error large_pages(ffi::Result<ffi::AnyBuffer> piece) {
  const auto address = reinterpret_cast<std::uintptr_t>(piece->untyped_data());
  const auto heap_end = reinterpret_cast<std::uintptr_t>(sbrk(0));
  if (address < heap_end) return ffi::Error::Success();  // memory that the process keeps anyway
  const Mapping mapping = remembered_mapping_around(address);
  const std::uintptr_t begin = (mapping.begin + kLargePage - 1) & ~(kLargePage - 1);
  const std::uintptr_t end = mapping.end & ~(kLargePage - 1);
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  return ffi::Error::Success();
}

// The result has the memory of the argument, which thereby is computed and stays.
ffi::Error keep(ffi::AnyBuffer given, ffi::Result<ffi::AnyBuffer> kept) {
  if (given.untyped_data() != kept->untyped_data()) {
    std::memcpy(kept->untyped_data(), given.untyped_data(), given.size_bytes());
  }
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(kuai_keep, keep,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(kuai_large_pages, large_pages,
                              ffi::Ffi::Bind().Ret<ffi::AnyBuffer>());
