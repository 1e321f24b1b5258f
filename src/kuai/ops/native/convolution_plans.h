// Plans of convolutions: oneDNN's primitives, made once for each problem and kept.
//
// Activations arrive as (N, *sizes, C), weights as (O, C / groups, *kernel), both row-major. oneDNN
// chooses the order of a weight in memory by itself; the way there and back is a reorder of a
// weight, which is small beside the convolution. All arrays are float32, or all bfloat16; sums are
// float32.
//
// All of it is to be used in jobs of `Worker` only.

#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "worker.h"
#include "xla/ffi/api/ffi.h"

namespace kuai {

using dnnl::memory;
using Numbers = xla::ffi::Span<const int64_t>;
using Dims = memory::dims;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

enum class Kind : int64_t { kForward, kInputGradient, kWeightGradient };

// What is computed with a value, in this order.
struct Epilogue {
  bool shifts = false;  // a number for each channel is added
  bool adds = false;    // another array like the value is added
  float least = -kInfinity, most = kInfinity;  // it is clamped

  bool clamps() const { return least > -kInfinity || most < kInfinity; }
};

struct Problem {
  Kind kind;
  memory::data_type type;
  Dims source, weight, destination;
  Dims stride, dilation, low, high;
  int64_t groups;
  Epilogue epilogue;

  auto key() const {
    return std::tie(kind, type, source, weight, destination, stride, dilation, low, high, groups,
                    epilogue.shifts, epilogue.adds, epilogue.least, epilogue.most);
  }
  bool operator<(const Problem& other) const { return key() < other.key(); }
};

// A convolution that is ready to run, and the reorder of its weight if it wants another order.
struct Plan {
  dnnl::primitive convolution, reorder;
  memory::desc source, weight, chosen_weight, shift, destination, scratchpad, reorder_scratchpad;
  bool reorders;
  bool is_fast = true;  // see `Convolutions`
};

// What a convolution reads and writes; the last two are for an epilogue.
struct Arrays {
  void *source, *weight, *destination;
  void *shift = nullptr, *added = nullptr;
};

inline int64_t size_of(const Dims& dims) {
  return std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
}

// How many products are added up; the same for the value and for both gradients.
inline int64_t operations(const Problem& p) {
  return size_of(p.destination) * (size_of(p.weight) / p.destination[1]);
}

// Moving a number takes as long as some 16 products.
inline int threads_of_reorder(const Problem& p) { return threads_for(16 * size_of(p.weight)); }

inline memory::desc channels_last(const Dims& dims, memory::data_type type) {
  using tag = memory::format_tag;
  return {dims, type, dims.size() == 3 ? tag::nwc : dims.size() == 4 ? tag::nhwc : tag::ndhwc};
}

inline memory::desc row_major(const Dims& dims, memory::data_type type) {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * dims[i];
  return {dims, type, strides};
}

template <typename Description>
void take(Plan& plan, const Description& description) {
  plan.convolution = dnnl::primitive(description);
  plan.scratchpad = description.scratchpad_desc();
}

inline dnnl::primitive_attr attributes_of(const Problem& p, const Plan& plan) {
  using dnnl::algorithm;
  auto attributes = user_scratchpad();
  dnnl::post_ops after;
  if (p.epilogue.adds) after.append_binary(algorithm::binary_add, plan.destination);
  if (p.epilogue.clamps()) {
    const bool is_relu = p.epilogue.least == 0 && p.epilogue.most == kInfinity;
    after.append_eltwise(is_relu ? algorithm::eltwise_relu : algorithm::eltwise_clip,
                         is_relu ? 0 : p.epilogue.least, is_relu ? 0 : p.epilogue.most);
  }
  attributes.set_post_ops(after);
  return attributes;
}

inline Plan make_plan(const Problem& p) {
  constexpr auto algorithm = dnnl::algorithm::convolution_direct;
  Plan plan;
  plan.source = channels_last(p.source, p.type);
  plan.destination = channels_last(p.destination, p.type);
  plan.weight = row_major(p.weight, p.type);
  plan.shift = p.epilogue.shifts ? memory::desc({p.destination[1]}, p.type, memory::format_tag::a)
                                 : memory::desc();
  const auto attributes = attributes_of(p, plan);
  const memory::desc any(p.weight, p.type, memory::format_tag::any);
  const auto forward = dnnl::convolution_forward::primitive_desc(
      engine(), dnnl::prop_kind::forward_training, algorithm, plan.source, any, plan.shift,
      plan.destination, p.stride, p.dilation, p.low, p.high, attributes);
  if (p.kind == Kind::kForward) {
    plan.chosen_weight = forward.weights_desc();
    const std::string name = forward.impl_info_str();
    plan.is_fast = name.find("ref") == name.npos && name.find("gemm:") == name.npos;
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
    const Threads threads(threads_of_reorder(p));
    const auto description =
        dnnl::reorder::primitive_desc(engine(), from, engine(), to, user_scratchpad());
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

  // Whether a problem, with its epilogue, is computed by vector instructions for its very shapes.
  bool is_fast(const Problem& problem) {
    const Threads threads(threads_for(operations(problem)));
    return plan_for(problem).is_fast;
  }

  void execute(const Problem& problem, const Arrays& arrays) {
    const Threads threads(threads_for(operations(problem)));
    const Plan& plan = plan_for(problem);
    const size_t weight_size = Scratch::round_up(plan.chosen_weight.get_size());
    const size_t scratch_size = Scratch::round_up(plan.scratchpad.get_size());
    const size_t reorder_size = plan.reorders ? plan.reorder_scratchpad.get_size() : 0;
    char* start = Worker::get().scratch.reserve(weight_size + scratch_size + reorder_size);

    memory given_weight(plan.weight, engine(), arrays.weight);
    memory used_weight(plan.chosen_weight, engine(), plan.reorders ? start : arrays.weight);
    const memory scratchpad(plan.scratchpad, engine(), start + weight_size);
    const memory source(plan.source, engine(), arrays.source);
    const memory destination(plan.destination, engine(), arrays.destination);
    const auto reorder = [&](memory& from, memory& to) {
      if (!plan.reorders) return;
      const Threads threads(threads_of_reorder(problem));
      memory scratchpad(plan.reorder_scratchpad, engine(), start + weight_size + scratch_size);
      plan.reorder.execute(stream_, {{DNNL_ARG_FROM, from},
                                     {DNNL_ARG_TO, to},
                                     {DNNL_ARG_SCRATCHPAD, scratchpad}});
    };
    std::unordered_map<int, memory> given{{DNNL_ARG_SCRATCHPAD, scratchpad}};
    if (problem.kind == Kind::kWeightGradient) {
      given.insert({{DNNL_ARG_SRC, source},
                    {DNNL_ARG_DIFF_DST, destination},
                    {DNNL_ARG_DIFF_WEIGHTS, used_weight}});
      plan.convolution.execute(stream_, given);
      reorder(used_weight, given_weight);
    } else {
      const bool forward = problem.kind == Kind::kForward;
      given.insert({{forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_SRC, source},
                    {forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, destination},
                    {DNNL_ARG_WEIGHTS, used_weight}});
      if (problem.epilogue.shifts)
        given.insert({DNNL_ARG_BIAS, memory(plan.shift, engine(), arrays.shift)});
      if (problem.epilogue.adds)
        given.insert({DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
                      memory(plan.destination, engine(), arrays.added)});
      reorder(given_weight, used_weight);
      plan.convolution.execute(stream_, given);
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

inline memory::data_type type_of(const xla::ffi::AnyBuffer& buffer) {
  const bool is_short = buffer.element_type() == xla::ffi::DataType::BF16;
  return is_short ? memory::data_type::bf16 : memory::data_type::f32;
}

inline Dims copied(Numbers numbers) { return {numbers.begin(), numbers.end()}; }

// oneDNN names an activation's dimensions (N, C, *sizes), however they lie in memory.
inline Dims channels_second(Dims shape) {
  std::rotate(shape.begin() + 1, shape.end() - 1, shape.end());
  return shape;
}

// oneDNN gives groups a dimension of their own, and counts dilation from 0.
inline Dims grouped(Dims weight, int64_t groups) {
  if (groups == 1) return weight;
  weight[0] /= groups;
  weight.insert(weight.begin(), groups);
  return weight;
}

// A binding of a kernel that moves a window.
template <typename Binding>
auto with_window(Binding binding) {
  return std::move(binding)
      .template Attr<Numbers>("stride")
      .template Attr<Numbers>("dilation")
      .template Attr<Numbers>("low")
      .template Attr<Numbers>("high")
      .template Attr<int64_t>("groups");
}

inline Problem problem_of(Kind kind, const xla::ffi::AnyBuffer& source,
                          const xla::ffi::AnyBuffer& weight,
                          const xla::ffi::AnyBuffer& destination, Numbers stride,
                          Numbers dilation, Numbers low, Numbers high, int64_t groups) {
  Dims steps = copied(dilation);
  for (auto& step : steps) --step;
  return {kind,
          type_of(source),
          channels_second(copied(source.dimensions())),
          grouped(copied(weight.dimensions()), groups),
          channels_second(copied(destination.dimensions())),
          copied(stride),
          steps,
          copied(low),
          copied(high),
          groups,
          {}};
}

}  // namespace kuai
