// The fibers behind cuda_on_cpu.h, and the kernel of the package compiled as it is.

#include <ucontext.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "cuda_on_cpu.h"

constexpr int kSharedWords = 1 << 14;
float4 shared_memory[kSharedWords];

namespace {

enum class Barrier { none, plain, any };

struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  Barrier waits = Barrier::none;
  bool finished = false;
};

ucontext_t scheduler;
std::vector<Fiber> fibers;
const std::function<void()>* body;
int vote = 0;
int votes = 0;

void enter() {
  (*body)();
  fibers[threadIdx.x].finished = true;
}

void wait(Barrier barrier) {
  Fiber& self = fibers[threadIdx.x];
  self.waits = barrier;
  swapcontext(&self.context, &scheduler);
}

}  // namespace

void __syncthreads() { wait(Barrier::plain); }

int __syncthreads_or(int predicate) {
  votes |= predicate != 0;
  wait(Barrier::any);
  return vote;
}

namespace cuda_on_cpu {

bool run_block(int threads, const std::vector<int>& order, const std::function<void()>& kernel) {
  constexpr std::size_t kStack = 64 * 1024;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::fill_n(shared_memory, kSharedWords, float4{nan, nan, nan, nan});
  body = &kernel;
  fibers.resize(threads);
  for (Fiber& fiber : fibers) {
    fiber.finished = false;
    fiber.stack.resize(kStack);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.data();
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = &scheduler;
    makecontext(&fiber.context, enter, 0);
  }
  while (true) {
    votes = 0;
    for (const int thread : order) {
      threadIdx.x = thread;
      fibers[thread].waits = Barrier::none;
      swapcontext(&scheduler, &fibers[thread].context);
    }
    vote = votes;
    const Fiber& first = fibers.front();
    for (const Fiber& fiber : fibers) {
      if (fiber.finished != first.finished || fiber.waits != first.waits) return false;
    }
    if (first.finished) return true;
  }
}

}  // namespace cuda_on_cpu

#include "swing.cu"

// seed 0: threads run in order; other seeds shuffle them.
extern "C" int launch(int blocks, const Parameters* parameters, unsigned seed) {
  std::vector<int> order(kThreads);
  std::iota(order.begin(), order.end(), 0);
  if (seed) std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  for (int block = 0; block < blocks; ++block) {
    blockIdx.x = block;
    if (!cuda_on_cpu::run_block(kThreads, order, [&] { simulate(*parameters); })) return 1;
  }
  return 0;
}

extern "C" std::size_t parameters_size() { return sizeof(Parameters); }

extern "C" void sines_cosines(int count, const float* theta, float* sine, float* cosine) {
  for (int i = 0; i < count; ++i) {
    const float2 both = sine_cosine(theta[i]);
    sine[i] = both.x;
    cosine[i] = both.y;
  }
}
