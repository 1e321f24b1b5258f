// The threads that kernels run on, one after the other, with what belongs to them.
//
// oneDNN spreads each primitive over all cores by OpenMP, which keeps a team of threads for every
// thread that calls it, and XLA calls from as many as there are cores. So the first few may call it
// themselves, and the others hand their kernels to a thread that does, which takes two wake-ups. As
// one kernel runs at a time, one piece of scratch memory is enough, and it is kept, because fresh
// pages cost more than arithmetic.

#pragma once

#include <omp.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <mutex>
#include <new>
#include <string>
#include <thread>

#include "oneapi/dnnl/dnnl.hpp"
#include "xla/ffi/api/ffi.h"

namespace kuai {

inline const dnnl::engine& engine() {
  static const auto* made = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *made;
}

inline dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

// Memory that grows to the largest piece asked for.
class Scratch {
 public:
  char* reserve(size_t size) {
    if (size > size_) {
      std::free(start_);
      size_ = round_up(size);
      start_ = static_cast<char*>(std::aligned_alloc(kAlignment, size_));
      if (start_ == nullptr) {
        size_ = 0;
        throw std::bad_alloc();
      }
    }
    return start_;
  }
  static size_t round_up(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

 private:
  static constexpr size_t kAlignment = 4096;
  char* start_ = nullptr;
  size_t size_ = 0;
};

// How many threads oneDNN uses inside of a block. A primitive remembers those that it was made with.
class Threads {
 public:
  explicit Threads(int number) : before_(omp_get_max_threads()) { omp_set_num_threads(number); }
  ~Threads() { omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

// The threads for a number of multiplications: few of them are done, in some 50 microseconds, before
// another thread is awake.
inline int threads_for(int64_t multiplications) {
  constexpr int64_t kFewest = int64_t{1} << 22;
  return multiplications < kFewest ? 1 : omp_get_max_threads();
}

// GNU OpenMP lets a thread that waits for the next loop spin for milliseconds before it sleeps, and
// XLA's threads miss the core meanwhile. It spins briefly where there are more threads than
// processors, as its manual says under GOMP_SPINCOUNT; so here is a team that only sleeps. The
// variable itself would have to be put into the environment of a process that may have threads.
inline void crowd() {
  if (std::getenv("GOMP_SPINCOUNT") || std::getenv("OMP_WAIT_POLICY")) return;
  std::thread([] {
    std::atomic<int> present{0};
#pragma omp parallel num_threads(omp_get_num_procs())
    present++;
    while (true) pause();  // the team is gone when the thread that called it ends
  }).detach();
}

class Worker {
 public:
  static Worker& get() {
    static auto* made = new Worker;  // never destroyed: its thread may outlive `main`
    return *made;
  }

  // Run a job; returns when it is done. Throws what it throws.
  void run(const std::function<void()>& job) {
    std::lock_guard<std::mutex> turn(turn_);
    thread_local const bool has_a_team = teams_++ < kMostTeams;
    has_a_team ? job() : hand_over(job);
  }

  // For jobs only.
  Scratch scratch;

 private:
  static constexpr int kMostTeams = 3;

  Worker() {
    crowd();
    std::thread([this] { work(); }).detach();
  }

  void hand_over(const std::function<void()>& job) {
    std::exception_ptr failure;
    std::unique_lock<std::mutex> lock(mutex_);
    job_ = [&] {
      try {
        job();
      } catch (...) {
        failure = std::current_exception();
      }
    };
    changed_.notify_all();
    changed_.wait(lock, [&] { return !job_; });
    if (failure) std::rethrow_exception(failure);
  }

  void work() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return static_cast<bool>(job_); });
      job_();
      job_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex turn_, mutex_;
  int teams_ = 0;  // of threads that have called, one of them at a time
  std::condition_variable changed_;
  std::function<void()> job_;
};

// Run a job of a kernel; what it throws becomes the kernel's error.
inline xla::ffi::Error computed(const std::function<void()>& job) {
  try {
    Worker::get().run(job);
  } catch (const std::exception& error) {
    return xla::ffi::Error::Internal(std::string("oneDNN: ") + error.what());
  }
  return xla::ffi::Error::Success();
}

}  // namespace kuai
