// Matrix products of bfloat16 for XLA's CPU backend, computed by oneDNN with sums in float32.
//
// left (B, M, K) times right (B, K, N) gives (B, M, N) in bfloat16 or float32; all are row-major,
// and either operand may come with its last two dimensions exchanged.

#include <cstdint>
#include <map>
#include <tuple>

#include "oneapi/dnnl/dnnl.hpp"
#include "worker.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using dnnl::memory;
using kuai::engine;
using kuai::Threads;
using kuai::threads_for;
using kuai::user_scratchpad;
using kuai::Worker;
using Dims = memory::dims;

namespace {

struct Problem {
  int64_t count, rows, inner, columns;
  bool left_exchanged, right_exchanged, is_wide;

  auto key() const {
    return std::tie(count, rows, inner, columns, left_exchanged, right_exchanged, is_wide);
  }
  bool operator<(const Problem& other) const { return key() < other.key(); }
};

struct Plan {
  dnnl::matmul product;
  memory::desc left, right, result, scratchpad;
};

memory::desc matrices(const Dims& dims, memory::data_type type, bool exchanged) {
  const int64_t size = dims[1] * dims[2];
  return {dims, type, exchanged ? Dims{size, 1, dims[1]} : Dims{size, dims[2], 1}};
}

Plan make_plan(const Problem& p) {
  using type = memory::data_type;
  Plan plan;
  plan.left = matrices({p.count, p.rows, p.inner}, type::bf16, p.left_exchanged);
  plan.right = matrices({p.count, p.inner, p.columns}, type::bf16, p.right_exchanged);
  const auto made = p.is_wide ? type::f32 : type::bf16;
  plan.result = matrices({p.count, p.rows, p.columns}, made, false);
  const dnnl::matmul::primitive_desc description(engine(), plan.left, plan.right, plan.result,
                                                 user_scratchpad());
  plan.product = dnnl::matmul(description);
  plan.scratchpad = description.scratchpad_desc();
  return plan;
}

// All plans so far. To be used on the worker's thread only.
class Products {
 public:
  static Products& get() {
    static auto* made = new Products;  // never destroyed, as the worker is not
    return *made;
  }

  void execute(const Problem& problem, void* left, void* right, void* result) {
    const Threads threads(
        threads_for(problem.count * problem.rows * problem.inner * problem.columns));
    auto found = plans_.find(problem);
    if (found == plans_.end()) {
      if (plans_.size() >= kMostPlans) plans_.clear();
      found = plans_.emplace(problem, make_plan(problem)).first;
    }
    const Plan& plan = found->second;
    char* scratch = Worker::get().scratch.reserve(plan.scratchpad.get_size());
    plan.product.execute(stream_, {{DNNL_ARG_SRC, {plan.left, engine(), left}},
                                   {DNNL_ARG_WEIGHTS, {plan.right, engine(), right}},
                                   {DNNL_ARG_DST, {plan.result, engine(), result}},
                                   {DNNL_ARG_SCRATCHPAD, {plan.scratchpad, engine(), scratch}}});
    stream_.wait();
  }

 private:
  Products() : stream_(engine()) {}

  static constexpr size_t kMostPlans = 1024;
  dnnl::stream stream_;
  std::map<Problem, Plan> plans_;
};

ffi::Error multiply(ffi::AnyBuffer left, ffi::AnyBuffer right, ffi::Result<ffi::AnyBuffer> result,
                    bool left_exchanged, bool right_exchanged) {
  const auto sizes = left.dimensions();
  const Problem problem{sizes[0],
                        sizes[left_exchanged ? 2 : 1],
                        sizes[left_exchanged ? 1 : 2],
                        right.dimensions()[right_exchanged ? 1 : 2],
                        left_exchanged,
                        right_exchanged,
                        result->element_type() == ffi::DataType::F32};
  return kuai::computed([&] {
    Products::get().execute(problem, left.untyped_data(), right.untyped_data(),
                            result->untyped_data());
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(kuai_product, multiply,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<bool>("left_exchanged")
                                  .Attr<bool>("right_exchanged"));
