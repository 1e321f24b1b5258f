// Convolutions for XLA's CPU backend, computed by oneDNN.
//
// Three handlers: the value, the input gradient and the weight gradient. Activations arrive as
// (N, *sizes, C), weights as (O, C / groups, *kernel), both row-major. oneDNN chooses the order of
// a weight in memory by itself; the way there and back is a reorder of a weight, which is small
// beside the convolution. All three arrays are float32, or all three bfloat16; sums are float32.
//
// Invariant: primitives are made once for each problem and kept. All of them run on the thread of
// `Worker`.

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "worker.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using dnnl::memory;
using kuai::engine;
using kuai::Scratch;
using kuai::Threads;
using kuai::threads_for;
using kuai::user_scratchpad;
using kuai::Worker;
using Numbers = ffi::Span<const int64_t>;
using Dims = memory::dims;

namespace {

enum class Kind : int64_t { kForward, kInputGradient, kWeightGradient };

struct Problem {
  Kind kind;
  memory::data_type type;
  Dims source, weight, destination;
  Dims stride, dilation, low, high;
  int64_t groups;

  auto key() const {
    return std::tie(kind, type, source, weight, destination, stride, dilation, low, high, groups);
  }
  bool operator<(const Problem& other) const { return key() < other.key(); }
};

// A convolution that is ready to run, and the reorder of its weight if it wants another order.
struct Plan {
  dnnl::primitive convolution, reorder;
  memory::desc source, weight, chosen_weight, destination, scratchpad, reorder_scratchpad;
  bool reorders;
};

// How many products are added up; the same for the value and for both gradients.
int64_t operations(const Problem& p) {
  const auto size = [](auto begin, auto end) {
    return std::accumulate(begin, end, int64_t{1}, std::multiplies<>());
  };
  const int64_t filters = p.destination[1];
  return size(p.destination.begin(), p.destination.end()) *
         (size(p.weight.begin(), p.weight.end()) / filters);
}

memory::desc channels_last(const Dims& dims, memory::data_type type) {
  using tag = memory::format_tag;
  return {dims, type, dims.size() == 3 ? tag::nwc : dims.size() == 4 ? tag::nhwc : tag::ndhwc};
}

memory::desc row_major(const Dims& dims, memory::data_type type) {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * dims[i];
  return {dims, type, strides};
}

template <typename Description>
void take(Plan& plan, const Description& description) {
  plan.convolution = dnnl::primitive(description);
  plan.scratchpad = description.scratchpad_desc();
}

Plan make_plan(const Problem& p) {
  constexpr auto algorithm = dnnl::algorithm::convolution_direct;
  const auto attributes = user_scratchpad();
  Plan plan;
  plan.source = channels_last(p.source, p.type);
  plan.destination = channels_last(p.destination, p.type);
  plan.weight = row_major(p.weight, p.type);
  const memory::desc any(p.weight, p.type, memory::format_tag::any);
  const auto forward = dnnl::convolution_forward::primitive_desc(
      engine(), dnnl::prop_kind::forward_training, algorithm, plan.source, any, plan.destination,
      p.stride, p.dilation, p.low, p.high, attributes);
  if (p.kind == Kind::kForward) {
    plan.chosen_weight = forward.weights_desc();
    take(plan, forward);
  } else if (p.kind == Kind::kInputGradient) {
    const auto description = dnnl::convolution_backward_data::primitive_desc(
        engine(), algorithm, plan.source, any, plan.destination, p.stride, p.dilation, p.low,
        p.high, forward, attributes);
    plan.chosen_weight = description.weights_desc();
    take(plan, description);
  } else {
    const auto description = dnnl::convolution_backward_weights::primitive_desc(
        engine(), algorithm, plan.source, any, plan.destination, p.stride, p.dilation, p.low,
        p.high, forward, attributes);
    plan.chosen_weight = description.diff_weights_desc();
    take(plan, description);
  }
  plan.reorders = plan.chosen_weight != plan.weight;
  if (plan.reorders) {
    const bool backward = p.kind == Kind::kWeightGradient;
    const auto& from = backward ? plan.chosen_weight : plan.weight;
    const auto& to = backward ? plan.weight : plan.chosen_weight;
    const auto description =
        dnnl::reorder::primitive_desc(engine(), from, engine(), to, attributes);
    plan.reorder = dnnl::reorder(description);
    plan.reorder_scratchpad = description.scratchpad_desc();
  }
  return plan;
}

// All plans so far. To be used on the worker's thread only.
class Convolutions {
 public:
  static Convolutions& get() {
    static auto* made = new Convolutions;  // never destroyed, as the worker is not
    return *made;
  }

  void execute(const Problem& problem, void* source, void* weight, void* destination) {
    const Threads threads(threads_for(operations(problem)));
    const Plan& plan = plan_for(problem);
    const size_t weight_size = Scratch::round_up(plan.chosen_weight.get_size());
    const size_t scratch_size = Scratch::round_up(plan.scratchpad.get_size());
    const size_t reorder_size = plan.reorders ? plan.reorder_scratchpad.get_size() : 0;
    char* start = Worker::get().scratch.reserve(weight_size + scratch_size + reorder_size);

    memory given_weight(plan.weight, engine(), weight);
    memory used_weight(plan.chosen_weight, engine(), plan.reorders ? start : weight);
    memory scratchpad(plan.scratchpad, engine(), start + weight_size);
    memory sources(plan.source, engine(), source);
    memory destinations(plan.destination, engine(), destination);
    const auto reorder = [&](memory& from, memory& to) {
      if (!plan.reorders) return;
      memory scratchpad(plan.reorder_scratchpad, engine(), start + weight_size + scratch_size);
      plan.reorder.execute(stream_, {{DNNL_ARG_FROM, from},
                                     {DNNL_ARG_TO, to},
                                     {DNNL_ARG_SCRATCHPAD, scratchpad}});
    };
    if (problem.kind == Kind::kWeightGradient) {
      plan.convolution.execute(stream_, {{DNNL_ARG_SRC, sources},
                                         {DNNL_ARG_DIFF_DST, destinations},
                                         {DNNL_ARG_DIFF_WEIGHTS, used_weight},
                                         {DNNL_ARG_SCRATCHPAD, scratchpad}});
      reorder(used_weight, given_weight);
    } else {
      const bool forward = problem.kind == Kind::kForward;
      reorder(given_weight, used_weight);
      plan.convolution.execute(stream_,
                               {{forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_SRC, sources},
                                {DNNL_ARG_WEIGHTS, used_weight},
                                {forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, destinations},
                                {DNNL_ARG_SCRATCHPAD, scratchpad}});
    }
    stream_.wait();
  }

 private:
  Convolutions() : stream_(engine()) {}

  const Plan& plan_for(const Problem& problem) {
    auto found = plans_.find(problem);
    if (found == plans_.end()) {
      if (plans_.size() >= kMostPlans) plans_.clear();
      found = plans_.emplace(problem, make_plan(problem)).first;
    }
    return found->second;
  }

  static constexpr size_t kMostPlans = 1024;
  dnnl::stream stream_;
  std::map<Problem, Plan> plans_;
};

memory::data_type type_of(const ffi::AnyBuffer& buffer) {
  const bool is_short = buffer.element_type() == ffi::DataType::BF16;
  return is_short ? memory::data_type::bf16 : memory::data_type::f32;
}

Dims copied(Numbers numbers) { return {numbers.begin(), numbers.end()}; }

// oneDNN names an activation's dimensions (N, C, *sizes), however they lie in memory.
Dims channels_second(Dims shape) {
  std::rotate(shape.begin() + 1, shape.end() - 1, shape.end());
  return shape;
}

// oneDNN gives groups a dimension of their own, and counts dilation from 0.
Dims grouped(Dims weight, int64_t groups) {
  if (groups == 1) return weight;
  weight[0] /= groups;
  weight.insert(weight.begin(), groups);
  return weight;
}

ffi::Error convolve(Kind kind, ffi::AnyBuffer source, ffi::AnyBuffer weight,
                    ffi::AnyBuffer destination, Numbers stride, Numbers dilation, Numbers low,
                    Numbers high, int64_t groups) {
  Dims steps = copied(dilation);
  for (auto& step : steps) --step;
  const Problem problem{kind,
                        type_of(source),
                        channels_second(copied(source.dimensions())),
                        grouped(copied(weight.dimensions()), groups),
                        channels_second(copied(destination.dimensions())),
                        copied(stride),
                        steps,
                        copied(low),
                        copied(high),
                        groups};
  try {
    Worker::get().run([&] {
      Convolutions::get().execute(problem, source.untyped_data(), weight.untyped_data(),
                                  destination.untyped_data());
    });
  } catch (const std::exception& error) {
    return ffi::Error::Internal(std::string("oneDNN: ") + error.what());
  }
  return ffi::Error::Success();
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
  return ffi::Ffi::Bind()
      .Arg<ffi::AnyBuffer>()
      .Arg<ffi::AnyBuffer>()
      .Ret<ffi::AnyBuffer>()
      .Attr<Numbers>("stride")
      .Attr<Numbers>("dilation")
      .Attr<Numbers>("low")
      .Attr<Numbers>("high")
      .Attr<int64_t>("groups");
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
