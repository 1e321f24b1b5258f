// One direction of an LSTM layer for XLA's CPU backend: all steps in one call.
//
// Three handlers: the value, the value with what a backward pass needs, and the backward pass. See
// `kuai.ops.nn.lstm` for the formulas. oneDNN multiplies; the arithmetic between two products is here,
// as loops that the compiler turns into vector instructions, for each kind of processor.
//
// Rows of the batch do not see each other, so each thread takes a share of them through all steps,
// and no thread waits for another before the end. Batches too small to be shared out leave it to
// oneDNN to spread each product.
//
// Letters: T time, B batch, H hidden size.

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <tuple>
#include <unordered_map>

#include "oneapi/dnnl/dnnl.hpp"
#include "worker.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using dnnl::memory;
using kuai::computed;
using kuai::engine;
using kuai::Scratch;
using kuai::Threads;
using kuai::user_scratchpad;
using kuai::Worker;

#define KUAI_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2,fma", "default")))

namespace {

// Functions of one number -------------------------------------------------------------------------

inline float limited(float x, float limit) {  // NaN stays
  x = x < -limit ? -limit : x;
  return x > limit ? limit : x;
}

// eˣ = power · (rest + 1), for |x| < 88. Relative error of `rest` below 2⁻²⁴.
struct Exponential {
  float power, rest;
};

inline Exponential exponential(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 · 2²³: what is added to it is rounded to an integer
  const float shifted = x * 1.44269504f + kRound;
  const float count = shifted - kRound;
  const float r = (x - count * 0.693359375f) + count * 2.12194440e-4f;
  float sum = 1.0f / 5040;
  for (const float term : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f}) sum = sum * r + term;
  int32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = static_cast<int32_t>(static_cast<uint32_t>(bits) << 23) + 0x3f800000;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return {power, sum * r * r + r};
}

inline float hyperbolic_tangent(float x) {
  const auto [power, rest] = exponential(limited(2 * x, 20));
  const float less_one = power * rest + (power - 1);
  return less_one / (less_one + 2);
}

inline float sigmoid(float x) {
  const auto [power, rest] = exponential(limited(-x, 87));
  return 1 / (1 + (power * rest + power));
}

// One step of some rows ---------------------------------------------------------------------------

// `gates` holds what is read from the input in the beginning, `other` holds h·Uᵀ.
KUAI_EACH_PROCESSOR
void step_forward(int64_t rows, int64_t size, const float* other, const float* bias,
                  const float* cell_before, float* gates, float* cell, float* hidden) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* a = other + row * 4 * size;
    float* g = gates + row * 4 * size;
    const float* before = cell_before + row * size;
    float *c = cell + row * size, *h = hidden + row * size;
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) {
      const float input = sigmoid(g[i] + a[i] + bias[i]);
      const float forget = sigmoid(g[size + i] + a[size + i] + bias[size + i]);
      const float candidate =
          hyperbolic_tangent(g[2 * size + i] + a[2 * size + i] + bias[2 * size + i]);
      const float output = sigmoid(g[3 * size + i] + a[3 * size + i] + bias[3 * size + i]);
      const float next = forget * before[i] + input * candidate;
      g[i] = input;
      g[size + i] = forget;
      g[2 * size + i] = candidate;
      g[3 * size + i] = output;
      c[i] = next;
      h[i] = output * hyperbolic_tangent(next);
    }
  }
}

// `gates` becomes the gradient of what was before the gates; `of_cell` moves one step back.
KUAI_EACH_PROCESSOR
void step_backward(int64_t rows, int64_t size, const float* of_output, const float* of_hidden,
                   const float* cell_before, const float* cell, float* gates, float* of_cell) {
  for (int64_t row = 0; row < rows; ++row) {
    float* g = gates + row * 4 * size;
    const float *y = of_output + row * size, *h = of_hidden + row * size;
    const float *before = cell_before + row * size, *c = cell + row * size;
    float* carried = of_cell + row * size;
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) {
      const float input = g[i], forget = g[size + i];
      const float candidate = g[2 * size + i], output = g[3 * size + i];
      const float squashed = hyperbolic_tangent(c[i]);
      const float from_hidden = y[i] + h[i];
      const float from_cell = carried[i] + from_hidden * output * (1 - squashed * squashed);
      g[i] = from_cell * candidate * input * (1 - input);
      g[size + i] = from_cell * before[i] * forget * (1 - forget);
      g[2 * size + i] = from_cell * input * (1 - candidate * candidate);
      g[3 * size + i] = from_hidden * squashed * output * (1 - output);
      carried[i] = from_cell * forget;
    }
  }
}

// Products with a weight --------------------------------------------------------------------------

// (rows, in) · (in, out), with the weight in the order that oneDNN likes best.
struct Plan {
  dnnl::matmul product;
  memory::desc source, weight, destination, scratchpad;
};

Plan make_plan(int64_t rows, const memory::desc& weight) {
  constexpr auto type = memory::data_type::f32;
  const auto sizes = weight.get_dims();
  const memory::desc source({rows, sizes[0]}, type, memory::format_tag::ab);
  const memory::desc destination({rows, sizes[1]}, type, memory::format_tag::ab);
  const dnnl::matmul::primitive_desc made(engine(), source, weight, destination, user_scratchpad());
  return {dnnl::matmul(made), source, made.weights_desc(), destination, made.scratchpad_desc()};
}

// A weight (in, out), or (out, in) if it is transposed, and what it is multiplied with.
struct Factor {
  int64_t in, out;
  bool transposed;
  int64_t most_rows, other_rows;  // how many rows a product can have
  bool spreads;                   // whether a product is spread over all threads

  auto key() const { return std::tie(in, out, transposed, most_rows, other_rows, spreads); }
  bool operator<(const Factor& other) const { return key() < other.key(); }
};

// The products with a weight.
class Products {
 public:
  explicit Products(const Factor& factor)
      : given_({factor.in, factor.out}, memory::data_type::f32,
               factor.transposed ? memory::format_tag::ba : memory::format_tag::ab),
        packed_(given_.get_dims(), memory::data_type::f32, memory::format_tag::any) {
    {
      const Threads threads(factor.spreads ? omp_get_max_threads() : 1);
      for (const int64_t rows : {factor.most_rows, factor.other_rows}) {
        const auto& plan = plans_.emplace(rows, make_plan(rows, packed_)).first->second;
        packed_ = plan.weight;
        scratchpad_ = std::max(scratchpad_, Scratch::round_up(plan.scratchpad.get_size()));
      }
    }
    packing_ = dnnl::reorder(dnnl::reorder::primitive_desc(engine(), given_, engine(), packed_));
  }

  size_t packed_size() const { return Scratch::round_up(packed_.get_size()); }
  size_t scratchpad_size() const { return scratchpad_; }
  const Plan& plan(int64_t rows) const { return plans_.at(rows); }

  void pack(const float* weight, char* packed) const {
    dnnl::stream stream(engine());
    memory from(given_, engine(), const_cast<float*>(weight)), to(packed_, engine(), packed);
    packing_.execute(stream, from, to);
    stream.wait();
  }

 private:
  memory::desc given_, packed_;
  std::map<int64_t, Plan> plans_;
  dnnl::reorder packing_;
  size_t scratchpad_ = 0;
};

// A product that is computed again and again, with other rows.
class Product {
 public:
  Product(const Plan& plan, char* packed, char* scratchpad)
      : plan_(plan),
        stream_(engine()),
        source_(plan.source, engine(), nullptr),
        destination_(plan.destination, engine(), nullptr),
        arguments_{{DNNL_ARG_SRC, source_},
                   {DNNL_ARG_WEIGHTS, memory(plan.weight, engine(), packed)},
                   {DNNL_ARG_DST, destination_},
                   {DNNL_ARG_SCRATCHPAD, memory(plan.scratchpad, engine(), scratchpad)}} {}

  void operator()(const float* source, float* destination) {
    source_.set_data_handle(const_cast<float*>(source));
    destination_.set_data_handle(destination);
    plan_.product.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  const Plan& plan_;
  dnnl::stream stream_;
  memory source_, destination_;
  std::unordered_map<int, memory> arguments_;
};

std::shared_ptr<const Products> products_for(const Factor& factor) {
  constexpr size_t kMost = 256;
  static auto* made = new std::map<Factor, std::shared_ptr<const Products>>;  // the worker's
  auto found = made->find(factor);
  if (found == made->end()) {
    if (made->size() >= kMost) made->clear();
    found = made->emplace(factor, std::make_shared<Products>(factor)).first;
  }
  return found->second;
}

// All steps ---------------------------------------------------------------------------------------

struct Sizes {
  int64_t steps, batch, hidden;
  bool reverse;

  int64_t slice() const { return batch * hidden; }
  int64_t at(int64_t number) const { return reverse ? steps - 1 - number : number; }
};

// How the batch is shared out: some threads get one row more than the others.
struct Shares {
  int64_t rows, threads;

  explicit Shares(const Sizes& sizes) : rows(sizes.batch) {
    // Where the weight does not stay in a core's own cache, every share reads all of it again.
    constexpr int64_t kFits = 1 << 20;
    const bool fits = 4 * sizes.hidden * sizes.hidden * int64_t{sizeof(float)} <= kFits;
    threads = std::clamp<int64_t>(rows / (fits ? 4 : 16), 1, omp_get_max_threads());
  }
  int64_t start(int64_t thread) const { return rows * thread / threads; }
  int64_t count(int64_t thread) const { return start(thread + 1) - start(thread); }
  int64_t most() const { return (rows + threads - 1) / threads; }
  int64_t fewest() const { return rows / threads; }
};

// A step's product with the recurrent weight (4·H, H), for all threads.
class Recurrence {
 public:
  Recurrence(const Sizes& sizes, bool transposed)
      : shares_(sizes),
        width_((transposed ? 4 : 1) * sizes.hidden),
        products_(products_for(factor(sizes, transposed))),
        made_size_(Scratch::round_up(shares_.most() * width_ * sizeof(float))) {}

  size_t size() const {
    return products_->packed_size() + shares_.threads * (made_size_ + products_->scratchpad_size());
  }

  void start(const float* weight, char* memory) {
    memory_ = memory;
    products_->pack(weight, memory);
  }

  // Calls `each(product, made, first row, number of rows)` on every thread, where `made` is where a
  // product can go to.
  template <typename Each>
  void share_out(const Each& each) const {
    std::exception_ptr failure;
#pragma omp parallel num_threads(shares_.threads) if (shares_.threads > 1)
    for (int64_t thread = omp_get_thread_num(); thread < shares_.threads;
         thread += omp_get_num_threads()) {
      try {
        char* own = memory_ + products_->packed_size() +
                    thread * (made_size_ + products_->scratchpad_size());
        const int64_t rows = shares_.count(thread);
        Product product(products_->plan(rows), memory_, own + made_size_);
        each(product, reinterpret_cast<float*>(own), shares_.start(thread), rows);
      } catch (...) {
#pragma omp critical
        failure = std::current_exception();
      }
    }
    if (failure) std::rethrow_exception(failure);
  }

 private:
  Factor factor(const Sizes& sizes, bool transposed) const {
    constexpr int64_t kWorthSpreading = 1 << 20;  // multiplications; a fork costs about 5 µs
    const int64_t size = sizes.hidden;
    const bool spreads = shares_.threads == 1 && shares_.rows * 4 * size * size > kWorthSpreading;
    return {transposed ? size : 4 * size, transposed ? 4 * size : size, transposed,
            shares_.most(), shares_.fewest(), spreads};
  }

  const Shares shares_;
  const int64_t width_;
  const std::shared_ptr<const Products> products_;
  const size_t made_size_;
  char* memory_ = nullptr;
};

struct Operands {
  const float *input, *weight_ih, *bias, *hidden, *cell, *weight;
};

// What all steps read from the input, for some steps at a time: one product, spread over all
// threads, whose result still is in the cache when they need it.
class Projection {
 public:
  Projection(const Sizes& sizes, int64_t inputs)
      : sizes_(sizes),
        inputs_(inputs),
        most_(std::clamp<int64_t>(kRows / sizes.batch, 1, sizes.steps)),
        rest_(sizes.steps % most_),
        products_(products_for({inputs, 4 * sizes.hidden, true, most_ * sizes.batch,
                                (rest_ ? rest_ : most_) * sizes.batch, true})) {}

  int64_t most_steps() const { return most_; }
  size_t size() const { return products_->packed_size() + products_->scratchpad_size(); }

  void start(const float* weight, char* memory) {
    memory_ = memory;
    products_->pack(weight, memory);
  }

  // For `count` steps from position `first` on.
  void operator()(const float* input, int64_t first, int64_t count, float* made) const {
    const auto& plan = products_->plan(count * sizes_.batch);
    Product product(plan, memory_, memory_ + products_->packed_size());
    product(input + first * sizes_.batch * inputs_, made);
  }

 private:
  static constexpr int64_t kRows = 512;
  const Sizes sizes_;
  const int64_t inputs_, most_, rest_;
  const std::shared_ptr<const Products> products_;
  char* memory_ = nullptr;
};

// The value. Gates and cells of all steps are kept if there is room for them: `gates` may be null,
// `cells` then is the last cell alone.
void forward(const Sizes& s, int64_t inputs, const Operands& given, float* gates, float* outputs,
             float* cells) {
  Recurrence recurrence(s, true);
  Projection projection(s, inputs);
  const size_t block = gates ? 0 : Scratch::round_up(projection.most_steps() * s.slice() * 16);
  char* memory = Worker::get().scratch.reserve(recurrence.size() + projection.size() + block);
  recurrence.start(given.weight, memory);
  projection.start(given.weight_ih, memory + recurrence.size());
  auto* passing = reinterpret_cast<float*>(memory + recurrence.size() + projection.size());

  const float *hidden = given.hidden, *cell = given.cell;
  for (int64_t number = 0; number < s.steps; number += projection.most_steps()) {
    const int64_t count = std::min(projection.most_steps(), s.steps - number);
    const int64_t lowest = s.reverse ? s.steps - number - count : number;
    float* read = gates ? gates + 4 * lowest * s.slice() : passing;
    projection(given.input, lowest, count, read);
    recurrence.share_out([&](auto& product, float* made, int64_t first, int64_t rows) {
      const int64_t at = first * s.hidden;
      const float *h = hidden + at, *c = cell + at;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t t = s.at(number + i);
        float* next = outputs + t * s.slice() + at;
        float* next_cell = cells + (gates ? t * s.slice() : 0) + at;
        product(h, made);
        float* own = read + 4 * ((t - lowest) * s.slice() + at);
        step_forward(rows, s.hidden, made, given.bias, c, own, next_cell, next);
        h = next;
        c = next_cell;
      }
    });
    const int64_t last = s.at(number + count - 1) * s.slice();
    hidden = outputs + last;
    cell = cells + (gates ? last : 0);
  }
}

void backward(const Sizes& s, const float* cells, const float* cell, const float* weight,
              const float* of_outputs, const float* of_last, float* gates, float* of_hidden,
              float* of_cell) {
  Recurrence recurrence(s, false);
  recurrence.start(weight, Worker::get().scratch.reserve(recurrence.size()));
  recurrence.share_out([&](auto& product, float* made, int64_t first, int64_t rows) {
    const int64_t at = first * s.hidden;
    std::copy_n(of_last + at, rows * s.hidden, made);
    for (int64_t number = s.steps - 1; number >= 0; --number) {
      const int64_t here = s.at(number) * s.slice() + at;
      const float* before = number ? cells + s.at(number - 1) * s.slice() + at : cell + at;
      step_backward(rows, s.hidden, of_outputs + here, made, before, cells + here, gates + 4 * here,
                    of_cell + at);
      product(gates + 4 * here, made);
    }
    std::copy_n(made, rows * s.hidden, of_hidden + at);
  });
}

// Handlers ----------------------------------------------------------------------------------------

using Floats = ffi::Buffer<ffi::F32>;
using Result = ffi::Result<Floats>;

Sizes sizes_of(Floats outputs, bool reverse) {
  const auto shape = outputs.dimensions();
  return {shape[0], shape[1], shape[2], reverse};
}

// The result may be the operand's own memory.
void move(Floats from, Floats to) {
  if (from.typed_data() != to.typed_data())
    std::copy_n(from.typed_data(), from.element_count(), to.typed_data());
}

ffi::Error inference_handler(Floats input, Floats weight_ih, Floats bias, Floats hidden,
                             Floats cell, Floats weight, Result outputs, Result last_cell,
                             bool reverse) {
  return computed([&] {
    const Operands given{input.typed_data(),  weight_ih.typed_data(), bias.typed_data(),
                         hidden.typed_data(), cell.typed_data(),      weight.typed_data()};
    forward(sizes_of(*outputs, reverse), input.dimensions()[2], given, nullptr,
            outputs->typed_data(), last_cell->typed_data());
  });
}

ffi::Error forward_handler(Floats input, Floats weight_ih, Floats bias, Floats hidden, Floats cell,
                           Floats weight, Result outputs, Result gates, Result cells,
                           bool reverse) {
  return computed([&] {
    const Operands given{input.typed_data(),  weight_ih.typed_data(), bias.typed_data(),
                         hidden.typed_data(), cell.typed_data(),      weight.typed_data()};
    forward(sizes_of(*outputs, reverse), input.dimensions()[2], given, gates->typed_data(),
            outputs->typed_data(), cells->typed_data());
  });
}

ffi::Error backward_handler(Floats gates, Floats cells, Floats cell, Floats weight,
                            Floats of_outputs, Floats of_last_hidden, Floats of_last_cell,
                            Result made, Result of_hidden, Result of_cell, bool reverse) {
  return computed([&] {
    move(gates, *made);
    move(of_last_cell, *of_cell);
    backward(sizes_of(cells, reverse), cells.typed_data(), cell.typed_data(), weight.typed_data(),
             of_outputs.typed_data(), of_last_hidden.typed_data(), made->typed_data(),
             of_hidden->typed_data(), of_cell->typed_data());
  });
}

auto forward_operands() {
  return ffi::Ffi::Bind()
      .Arg<Floats>()
      .Arg<Floats>()
      .Arg<Floats>()
      .Arg<Floats>()
      .Arg<Floats>()
      .Arg<Floats>();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    kuai_lstm_inference, inference_handler,
    forward_operands().Ret<Floats>().Ret<Floats>().Attr<bool>("reverse"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    kuai_lstm_forward, forward_handler,
    forward_operands().Ret<Floats>().Ret<Floats>().Ret<Floats>().Attr<bool>("reverse"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(kuai_lstm_backward, backward_handler,
                              forward_operands()
                                  .Arg<Floats>()
                                  .Ret<Floats>()
                                  .Ret<Floats>()
                                  .Ret<Floats>()
                                  .Attr<bool>("reverse"));
