// Large pieces of memory that jaxlib gives back are kept for its next request; see memory.py.
//
// `kuai_keep_allocations` has jaxlib, and no other library, call the two functions below in place
// of the C library's `posix_memalign` and `free`. Every piece is one of the C library's all the
// same, so whoever frees one by another way does nothing wrong.
//
// Invariant: what is handed out and what is kept are together never more than what was once handed
// out at the same time.

#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "imports.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kLeast = 2 << 20;  // bytes; the C library itself keeps what is smaller
constexpr size_t kWaste = 8;        // a piece may be larger than the request by 1/8 of itself
constexpr auto kLongest = std::chrono::seconds(20);
constexpr auto kPatience = std::chrono::milliseconds(2);
constexpr size_t kMostSizes = 1024;
constexpr unsigned kMostFailures = 20;

class Pieces {
 public:
  static Pieces& get() {
    static auto* made = new Pieces;  // never destroyed: XLA's threads may outlive `main`
    return *made;
  }

  // The smallest piece that is kept and fits; null if none does.
  void* take(size_t alignment, size_t size) {
    std::unique_lock<std::mutex> lock(mutex_);
    auto best = find(alignment, size);
    if (best == kept_.end() && may_come_back(size)) {
      const bool came = changed_.wait_for(lock, patience(size), [&] {
        best = find(alignment, size);
        return best != kept_.end();
      });
      awaited_[size].ended(came);
    }
    if (best == kept_.end()) return nullptr;
    void* start = best->start;
    kept_bytes_ -= best->size;
    hand_out(start, best->size);
    kept_.erase(best);
    return start;
  }

  // A piece that the C library has just made is handed out.
  void add(void* start, size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    hand_out(start, size);
    most_ = std::max(most_, out_bytes_);
    give_back_beyond(most_);
  }

  // Keep a piece that comes back; false if it is none of ours.
  bool keep(void* start, size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = out_.find(start);
    if (found == out_.end()) return false;
    const size_t noted = found->second;
    out_bytes_ -= noted;
    out_.erase(found);
    if (noted != size) return false;  // it was freed by another way, and this is another piece
    const auto now = Clock::now();
    while (!kept_.empty() && now - kept_.front().since > kLongest) {
      most_ -= kept_.front().size;
      give_back_oldest();
    }
    kept_.push_back({start, size, now});
    kept_bytes_ += size;
    give_back_beyond(most_);
    changed_.notify_all();
    return true;
  }

  void give_back_all() {
    const std::lock_guard<std::mutex> lock(mutex_);
    give_back_beyond(out_bytes_);
    most_ = out_bytes_;
  }

  size_t kept_bytes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return kept_bytes_;
  }

  // A fork must not find it held by a thread that the child does not have.
  void hold() { mutex_.lock(); }
  void let_go() { mutex_.unlock(); }

 private:
  struct Piece {
    void* start;
    size_t size;
    Clock::time_point since;
  };
  using Kept = std::vector<Piece>;

  // How pieces of one size have been waited for. Another program may hold one for good, so after
  // each time in vain twice as many requests go by before the next.
  class Waits {
   public:
    bool is_due() { return ++passed_ >> failures_ != 0; }

    void ended(bool came) {
      passed_ = 0;
      if (!came) failures_ = std::min(failures_ + 1, kMostFailures);
      if (came && failures_ > 0) --failures_;
    }

   private:
    unsigned failures_ = 0, passed_ = 0;
  };

  // About as long as the system takes to clear and map a new piece's pages.
  static std::chrono::microseconds patience(size_t size) {
    return kPatience + std::chrono::microseconds(size / 4096);
  }

  static bool fits(size_t piece, size_t size) {
    return piece >= size && piece - size <= piece / kWaste;
  }

  Kept::iterator find(size_t alignment, size_t size) {
    auto best = kept_.end();
    for (auto piece = kept_.begin(); piece != kept_.end(); ++piece) {
      const auto address = reinterpret_cast<std::uintptr_t>(piece->start);
      const bool does = fits(piece->size, size) && address % alignment == 0;
      if (does && (best == kept_.end() || piece->size <= best->size)) best = piece;
    }
    return best;
  }

  // A program's results are there some microseconds before its memory is back, and who waits for
  // them may ask for the same again.
  bool may_come_back(size_t size) {
    if (awaited_.size() >= kMostSizes) awaited_.clear();
    const bool is_out = std::any_of(out_.begin(), out_.end(), [&](const auto& piece) {
      return fits(piece.second, size);
    });
    return is_out && awaited_[size].is_due();
  }

  void hand_out(void* start, size_t size) {
    size_t& noted = out_[start];  // of a piece that was freed by another way, if not 0
    out_bytes_ += size - noted;
    noted = size;
  }

  void give_back_beyond(size_t most) {
    while (!kept_.empty() && out_bytes_ + kept_bytes_ > most) give_back_oldest();
  }

  void give_back_oldest() {
    kept_bytes_ -= kept_.front().size;
    std::free(kept_.front().start);
    kept_.erase(kept_.begin());
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Kept kept_;  // the oldest first
  std::unordered_map<void*, size_t> out_;
  std::unordered_map<size_t, Waits> awaited_;
  size_t kept_bytes_ = 0, out_bytes_ = 0, most_ = 0;
};

// Pages of 2 MiB, where the system has them and is not told never to use them.
void ask_for_large_pages(void* start, size_t size) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(start);
  const std::uintptr_t begin = (address + page - 1) / page * page;
  const std::uintptr_t end = (address + size) / page * page;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

int allocate(void** result, size_t alignment, size_t size) {
  if (size < kLeast) return posix_memalign(result, alignment, size);
  if (void* kept = Pieces::get().take(alignment, size)) {
    *result = kept;
    return 0;
  }
  const int failure = posix_memalign(result, alignment, size);
  if (failure == 0) {
    const size_t whole = malloc_usable_size(*result);
    ask_for_large_pages(*result, whole);
    Pieces::get().add(*result, whole);
  }
  return failure;
}

void release(void* start) {
  const size_t size = malloc_usable_size(start);  // 0 of null
  if (size < kLeast || !Pieces::get().keep(start, size)) std::free(start);
}

int redirect(dl_phdr_info* library, size_t, void* are_kept) {
  if (std::strstr(library->dlpi_name, "/jaxlib/") == nullptr) return 0;
  const kuai::Imports imports(*library);
  const auto given = imports.of("posix_memalign"), freed = imports.of("free");
  if (given.empty() || freed.empty()) return 0;
  bool all = true;
  for (void** place : freed) all &= imports.replace(place, reinterpret_cast<void*>(release));
  for (void** place : given) all &= imports.replace(place, reinterpret_cast<void*>(allocate));
  *static_cast<bool*>(are_kept) |= all;
  return 0;
}

}  // namespace

// From now on; false if jaxlib cannot be told to.
extern "C" bool kuai_keep_allocations() {
  const auto let_go = [] { Pieces::get().let_go(); };
  if (pthread_atfork([] { Pieces::get().hold(); }, let_go, let_go) != 0) return false;
  bool are_kept = false;
  dl_iterate_phdr(redirect, &are_kept);
  return are_kept;
}

extern "C" void kuai_give_back_allocations() { Pieces::get().give_back_all(); }

extern "C" size_t kuai_kept_bytes() { return Pieces::get().kept_bytes(); }
