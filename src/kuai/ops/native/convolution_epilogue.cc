// The value of a convolution and what follows it, for XLA's CPU backend, computed by oneDNN at once:
//
//     clamp(convolution + shift + added, least, most)
//
// Arrays are float32 and lie as in `convolution_plans.h`; shift has a number for each channel, and
// `added` is like the value.
//
// oneDNN clamps nan to a number, which would hide it. So it clamps where there can be none: arrays
// come with a bound of their elements, infinite where it is not known, from which follows a bound of
// the value. An array is looked through only where that bound comes out too large. Otherwise, a loop
// that keeps nan clamps.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "convolution_plans.h"
#include "worker.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using kuai::Arrays;
using kuai::Convolutions;
using kuai::Epilogue;
using kuai::kInfinity;
using kuai::Kind;
using kuai::Numbers;
using kuai::Problem;
using kuai::Threads;
using kuai::threads_for;
using Floats = ffi::AnyBuffer;
using Number = ffi::BufferR0<ffi::DataType::F32>;

namespace {

// Sums below it cannot come to infinity, however they are rounded.
constexpr double kMost = 1e38;

// Elements that one thread looks through sooner than another one wakes.
constexpr int64_t kFewest = int64_t{1} << 18;

// The largest magnitude; nan is larger than infinity. As whole numbers, magnitudes have the order
// that they have as fractions.
double magnitude(const void* data, int64_t count) {
  const auto* bits = static_cast<const int32_t*>(data);
  int32_t most = 0;
#pragma omp parallel for simd reduction(max : most) if (count > kFewest)
  for (int64_t i = 0; i < count; ++i) most = std::max(most, bits[i] & 0x7fffffff);
  float found;
  std::memcpy(&found, &most, sizeof found);
  return found;
}

void finish(float* value, const float* added, int64_t count, const Epilogue& epilogue) {
  const float least = epilogue.least, most = epilogue.most;
#pragma omp parallel for simd
  for (int64_t i = 0; i < count; ++i) {
    float result = added ? value[i] + added[i] : value[i];
    result = result < least ? least : result;
    value[i] = result > most ? most : result;
  }
}

// An array whose elements have a bound, which is looked for when it is wanted.
struct Bounded {
  const void* data;
  int64_t count;
  double bound;
  bool is_tight = false;

  void tighten() {
    if (!is_tight) bound = magnitude(data, count);
    is_tight = true;
  }
};

// Compute a problem; the result is a bound of the value's elements.
float compute(const Problem& problem, const Arrays& arrays, Bounded source, Bounded added) {
  const Threads threads(threads_for(kuai::operations(problem)));
  const Epilogue& epilogue = problem.epilogue;
  const int64_t channels = problem.destination[1], taps = kuai::size_of(problem.weight) / channels;
  const double factor = taps * magnitude(arrays.weight, taps * channels);
  const double shift = magnitude(arrays.shift, channels);
  const auto bound = [&] { return 1.001 * (factor * source.bound + shift + added.bound); };
  if (!(bound() < kMost)) source.tighten();
  if (!(bound() < kMost) && epilogue.adds) added.tighten();
  const bool is_finite = bound() < kMost;
  if ((is_finite || !epilogue.clamps()) && Convolutions::get().is_fast(problem)) {
    Convolutions::get().execute(problem, arrays);
  } else {
    Problem alone = problem;
    alone.epilogue = {true};
    Convolutions::get().execute(alone, arrays);
    finish(static_cast<float*>(arrays.destination),
           epilogue.adds ? static_cast<const float*>(arrays.added) : nullptr,
           kuai::size_of(problem.destination), epilogue);
  }
  if (!is_finite) return kInfinity;
  const double clamped = std::max(std::abs(epilogue.least), std::abs(epilogue.most));
  return static_cast<float>(std::min(bound(), clamped));
}

ffi::Error convolve(Floats source, Floats weight, Floats shift, Number source_bound, Number least,
                    Number most, ffi::RemainingArgs others, ffi::Result<Floats> destination,
                    ffi::Result<Number> destination_bound, Numbers stride, Numbers dilation,
                    Numbers low, Numbers high, int64_t groups) {
  Problem problem = kuai::problem_of(Kind::kForward, source, weight, *destination, stride, dilation,
                                     low, high, groups);
  problem.epilogue = {true, others.size() > 0, *least.typed_data(), *most.typed_data()};
  Arrays arrays{source.untyped_data(), weight.untyped_data(), destination->untyped_data(),
                shift.untyped_data()};
  const int64_t count = kuai::size_of(problem.destination);
  Bounded given{arrays.source, kuai::size_of(problem.source), *source_bound.typed_data()};
  Bounded added{nullptr, count, 0};
  if (problem.epilogue.adds) {
    const auto array = others.get<Floats>(0);
    const auto bound = others.get<Number>(1);
    if (array.has_error()) return array.error();
    if (bound.has_error()) return bound.error();
    arrays.added = array->untyped_data();
    added = {arrays.added, count, *bound->typed_data()};
  }
  return kuai::computed(
      [&] { *destination_bound->typed_data() = compute(problem, arrays, given, added); });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(kuai_convolution_epilogue, convolve,
                              kuai::with_window(ffi::Ffi::Bind()
                                                    .Arg<Floats>()
                                                    .Arg<Floats>()
                                                    .Arg<Floats>()
                                                    .Arg<Number>()
                                                    .Arg<Number>()
                                                    .Arg<Number>()
                                                    .RemainingArgs()
                                                    .Ret<Floats>()
                                                    .Ret<Number>()));
