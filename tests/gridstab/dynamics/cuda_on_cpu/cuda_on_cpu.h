// Just enough of CUDA C++ to run one kernel on a CPU, thread by thread.
//
// Every thread of a block is a fiber. A fiber runs until it reaches a barrier; when all have, all
// go on. The order in which they run between barriers is the caller's choice: a kernel whose
// outcome depends on it lacks a barrier. Shared memory starts out as NaN, as it may on a GPU.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

#define __global__
#define __device__
#define __shared__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct int2 { int x, y; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct Index { int x; };

inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

inline Index threadIdx, blockIdx;

template <class T>
T __ldg(const T* address) { return *address; }

inline int atomicAdd(int* address, int value) {
  const int old = *address;
  *address += value;
  return old;
}

// Both return only when every thread of the block has called the same one.
void __syncthreads();
int __syncthreads_or(int predicate);

namespace cuda_on_cpu {

// Runs one block; false if threads wait at different barriers, or some have left while others wait.
bool run_block(int threads, const std::vector<int>& order, const std::function<void()>& kernel);

}  // namespace cuda_on_cpu
