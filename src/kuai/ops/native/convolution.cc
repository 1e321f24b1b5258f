// Convolutions for XLA's CPU backend, computed by oneDNN.
//
// Three handlers: the value, the input gradient and the weight gradient; `convolution_plans.h` says
// how arrays lie.

#include <cstdint>

#include "convolution_plans.h"
#include "oneapi/dnnl/dnnl.hpp"
#include "worker.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using kuai::Convolutions;
using kuai::Kind;
using kuai::Numbers;
using kuai::Problem;

namespace {

ffi::Error convolve(Kind kind, ffi::AnyBuffer source, ffi::AnyBuffer weight,
                    ffi::AnyBuffer destination, Numbers stride, Numbers dilation, Numbers low,
                    Numbers high, int64_t groups) {
  const Problem problem = kuai::problem_of(kind, source, weight, destination, stride, dilation, low,
                                           high, groups);
  return kuai::computed([&] {
    Convolutions::get().execute(
        problem, {source.untyped_data(), weight.untyped_data(), destination.untyped_data()});
  });
}

ffi::Error forward(ffi::AnyBuffer source, ffi::AnyBuffer weight,
                   ffi::Result<ffi::AnyBuffer> destination, Numbers stride, Numbers dilation,
                   Numbers low, Numbers high, int64_t groups) {
  return convolve(Kind::kForward, source, weight, *destination, stride, dilation, low, high,
                  groups);
}

ffi::Error input_gradient(ffi::AnyBuffer destination, ffi::AnyBuffer weight,
                          ffi::Result<ffi::AnyBuffer> source, Numbers stride, Numbers dilation,
                          Numbers low, Numbers high, int64_t groups) {
  return convolve(Kind::kInputGradient, *source, weight, destination, stride, dilation, low, high,
                  groups);
}

ffi::Error weight_gradient(ffi::AnyBuffer source, ffi::AnyBuffer destination,
                           ffi::Result<ffi::AnyBuffer> weight, Numbers stride, Numbers dilation,
                           Numbers low, Numbers high, int64_t groups) {
  return convolve(Kind::kWeightGradient, source, *weight, destination, stride, dilation, low, high,
                  groups);
}

auto binding() {
  return kuai::with_window(
      ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());
}

}  // namespace

// Whether the processor multiplies bfloat16; where it does not, float32 is faster. The numbers of
// instruction sets are sets of bits.
extern "C" bool kuai_multiplies_bfloat16() {
  const auto needed = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & needed) == needed;
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(kuai_convolution_forward, forward, binding());
XLA_FFI_DEFINE_HANDLER_SYMBOL(kuai_convolution_input_gradient, input_gradient, binding());
XLA_FFI_DEFINE_HANDLER_SYMBOL(kuai_convolution_weight_gradient, weight_gradient, binding());
