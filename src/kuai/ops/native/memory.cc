// Values that programs write down; see memory.py.

#include <cstring>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

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
